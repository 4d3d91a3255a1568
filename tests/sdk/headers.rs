//! `auth_headers`. `src/token/tests/strategies.rs` has the credential of each strategy.

use nexus_sdk::TokenCache;
use nexus_sdk::serde_json::{Value, json};

use crate::support::{client, gateway};

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
