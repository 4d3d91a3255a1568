//! Fetchers: their methods and allowed hosts. `src/fetch/scope/tests.rs` has the rules of hosts.

use nexus_sdk::http::header::CONTENT_LENGTH;
use nexus_sdk::testing::Provider;
use nexus_sdk::{AgentSessionInput, FetchOptions, Fetcher, NexusError, TokenCache};

use crate::support::{client, connected};

type Verb = fn(&Fetcher, &str) -> Result<u16, NexusError>;

#[test]
fn every_verb_sends_its_method_and_body() {
    let name = r#"{"name": "x"}"#;
    let verbs: [(&str, &[u8], u16, Verb); 7] = [
        ("GET", b"", 200, |f, url| Ok(f.get(url)?.0)),
        ("HEAD", b"", 200, |f, url| Ok(f.head(url)?.0)),
        ("DELETE", b"", 405, |f, url| Ok(f.delete(url)?.0)),
        ("POST", name.as_bytes(), 201, |f, url| Ok(f.post(url, r#"{"name": "x"}"#)?.0)),
        ("PUT", b"\0\xff", 405, |f, url| Ok(f.put(url, [0, 255])?.0)),
        ("PATCH", b"p", 405, |f, url| Ok(f.patch(url, "p")?.0)),
        ("OPTIONS", b"o", 405, |f, url| {
            let options = FetchOptions::default().method("OPTIONS").data("o");
            Ok(f.fetch(url, options)?.0)
        }),
    ];
    let gateway = connected();
    let cache = TokenCache::new();
    let fetcher = client(&gateway).fetcher(&cache, "acme", "github");
    let url = format!("{}/user/repos", gateway.url());
    let token = cache_token(&fetcher, &url, &cache);
    for (method, body, status, call) in verbs {
        assert_eq!(call(&fetcher, &url).unwrap(), status, "{method}");
        let sent = gateway.requests().pop().unwrap();
        assert_eq!((&*sent.method, &*sent.body), (method, body));
        assert_eq!(sent.headers["authorization"], format!("Bearer {token}"));
    }
    assert_eq!(gateway.count("/v1/resolve"), 1);
    let (_, headers, body) = fetcher.head(&url).unwrap();
    assert!(body.is_empty() && headers[CONTENT_LENGTH] != "0");
}

fn cache_token(fetcher: &Fetcher, url: &str, cache: &TokenCache) -> String {
    assert_eq!(fetcher.get(url).unwrap().0, 200);
    cache.get("acme", "github").unwrap().access_token.clone()
}

#[test]
fn hosts_are_checked_before_anything_is_resolved() {
    let gateway = connected();
    let client = client(&gateway);
    let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = client.request_agent_session(&session).unwrap();
    let fetchers = [
        client.fetcher(&TokenCache::new(), "acme", "github"),
        client.session_fetcher(&session).unwrap(),
    ];
    let port = gateway.url().rsplit(':').next().unwrap();
    let (own, other) = (format!("127.0.0.1:{port}"), "127.0.0.1:1".to_owned());
    let refused = Some("host_not_allowed");
    let table = [
        (vec![other.clone()], refused),
        (vec!["http://127.0.0.1".to_owned()], Some("invalid_input")),
        (vec![other, own], None),
    ];
    gateway.forget_requests();
    for fetcher in fetchers {
        for (rules, expected) in &table {
            let url = format!("{}/user", gateway.url());
            let fetched = fetcher.clone().allow_hosts(rules.clone()).get(&url);
            let error = fetched.err();
            let code = error.as_ref().map(NexusError::code);
            assert_eq!(code, *expected, "{rules:?}");
            let asked = gateway.count("");
            assert_eq!(asked == 0, expected.is_some(), "{rules:?}");
            gateway.forget_requests();
        }
    }
}

#[test]
fn a_placeholder_does_not_choose_the_host() {
    let fields = [("key".to_owned(), "127.0.0.1".into())];
    let provider =
        Provider::api_key("any").strategy(nexus_sdk::serde_json::json!({"type": "path"}));
    let gateway = nexus_sdk::testing::DevGateway::builder()
        .provider(provider.credentials(fields.into_iter().collect()))
        .connection("acme", "any")
        .start()
        .unwrap();
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "acme", "any");
    let fetcher = fetcher.allow_hosts(["127.0.0.1"]);
    let url = |host: &str| gateway.url().replace("127.0.0.1", host);
    assert!(fetcher.get(&format!("{}/user", url("{key}"))).is_err());
    assert_eq!(gateway.count(""), 0);
    let url = format!("{}/{{key}}/user", gateway.url());
    assert_eq!(fetcher.get(&url).unwrap().0, 200);
}
