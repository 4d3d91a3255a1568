//! `auth_headers`, and the headers that the page `python` describes. `src/token/tests/strategies.rs` has the credential of
//! each strategy.

use nexus_sdk::serde_json::{Value, json};
use nexus_sdk::{FetchOptions, TokenCache};

use crate::support::{Server, client, fetch, gateway, text};

#[test]
fn headers_carry_what_the_strategy_says_and_come_from_the_cache() {
    let header = |config: Value| json!({"type": "header", "config": config});
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let prefixed = json!({"header_name": "X-Key", "value_prefix": "Key "});
    let table = [
        (Value::Null, Ok(("authorization", "Bearer canary-t"))),
        (header(prefixed), Ok(("x-key", "Key canary-k"))),
        (query, Err("unsupported_strategy")),
    ];
    for (strategy, expected) in table {
        let gateway = gateway(&json!({
            "strategy": strategy, "access_token": "canary-t", "credentials": {"api_key": "canary-k"},
        }));
        let (client, cache) = (client(&gateway), TokenCache::new());
        let headers = client.auth_headers(&cache, "ws", "p");
        match (headers, expected) {
            (Ok(headers), Ok((name, value))) => {
                assert_eq!(headers.len(), 1);
                assert_eq!(headers[name], value, "{strategy}");
                assert!(!format!("{headers:?}").contains("canary"));
                assert_eq!(client.auth_headers(&cache, "ws", "p").unwrap(), headers);
                assert_eq!(gateway.count("/v1/resolve"), 1);
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), code, "{strategy}"),
            (headers, _) => panic!("{strategy}: {headers:?}"),
        }
    }
}

#[test]
fn a_fetch_sends_the_callers_headers_except_those_of_the_http_client() {
    let server = Server::play(vec![text(200, "")]);
    let sent = |name: &str, value: &str| {
        fetch(
            &server.url("/"),
            FetchOptions::default().header(name, value),
        )?;
        Ok(server.requests().pop().unwrap())
    };
    for name in [
        "Host",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
        "Expect",
    ] {
        let refused: Result<_, nexus_sdk::NexusError> = sent(name, "x");
        assert_eq!(refused.unwrap_err().code(), "invalid_input", "{name}");
    }
    assert_eq!(
        sent("Authorization", "é").unwrap_err().code(),
        "invalid_input"
    );
    let request = sent("X-Name", "é").unwrap();
    // The test server reads each byte as a character.
    assert_eq!(request.all("x-name"), ["\u{C3}\u{A9}"]);
    assert_eq!(request.all("accept"), ["*/*"]);
    let agent = request.header("user-agent").unwrap();
    assert!(
        agent.starts_with("nexus-gateway-sdk/") && agent.ends_with(" (rust)"),
        "{agent}"
    );
}
