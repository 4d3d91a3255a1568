//! `auth_headers`. `src/token/tests/strategies.rs` has the credential of each strategy.

use nexus_sdk::TokenCache;
use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Provider};

use crate::support::{client, connected};

fn credential(pairs: &[(&str, &str)]) -> Map<String, Value> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), json!(value));
    pairs.iter().map(pair).collect()
}

#[test]
fn raw_headers_carry_what_the_strategy_says() {
    let header = |config: Value| json!({"type": "header", "config": config});
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let prefixed = json!({"header_name": "X-Key", "value_prefix": "Key "});
    let table = [
        (Value::Null, Ok(("authorization", "Bearer canary-t"))),
        (header(prefixed), Ok(("x-key", "Key canary-k"))),
        (query, Err("unsupported_strategy")),
        (json!({"type": "path"}), Err("unsupported_strategy")),
        (json!({"type": "saml"}), Err("unsupported_strategy")),
    ];
    for (strategy, expected) in table {
        let fields = credential(&[("access_token", "canary-t"), ("api_key", "canary-k")]);
        let provider = Provider::oauth2("any").strategy(strategy.clone()).credentials(fields);
        let builder = DevGateway::builder().provider(provider);
        let gateway = builder.connection("acme", "any").start().unwrap();
        let headers = client(&gateway).auth_headers(&TokenCache::new(), "acme", "any");
        match (headers, expected) {
            (Ok(headers), Ok((name, value))) => {
                assert_eq!(headers.len(), 1);
                assert_eq!(headers[name], value, "{strategy}");
                assert!(!format!("{headers:?}").contains("canary"));
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), code, "{strategy}"),
            (headers, _) => panic!("{strategy}: {headers:?}"),
        }
    }
}

#[test]
fn raw_headers_come_from_the_cache() {
    let gateway = connected();
    let (client, cache) = (client(&gateway), TokenCache::new());
    let first = client.auth_headers(&cache, "acme", "github").unwrap();
    assert_eq!(client.auth_headers(&cache, "acme", "github").unwrap(), first);
    assert_eq!(gateway.count("/v1/resolve"), 1);
}
