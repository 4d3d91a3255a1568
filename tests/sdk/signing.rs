//! Strategies that sign: what the upstream sees of them, and when they sign anew.

use crate::support::{Server, client, gateway, options, redirect, reply, text};
use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{FetchOptions, NexusClient, RetryPolicy, TokenCache};

const SECRET: &str = "canary-secret";

fn credentials() -> Map<String, Value> {
    let all = json!({
        "api_secret": SECRET,
        "access_key": "AKIDEXAMPLE",
        "secret_key": SECRET,
        "session_token": "canary-session"
    });
    all.as_object().unwrap().clone()
}

fn strategies() -> Vec<Value> {
    let hmac = |config: Value| json!({"type": "hmac_payload", "config": config});
    let aws = |config: Value| json!({"type": "aws_sigv4", "config": config});
    vec![
        hmac(json!({"header_name": "X-Signature"})),
        hmac(json!({"header_name": "X-Signature", "algo": "sha1"})),
        hmac(json!({"header_name": "Authorization", "encoding": "base64"})),
        aws(json!({"service": "execute-api"})),
        aws(json!({"service": "s3", "region": "eu-central-1"})),
    ]
}

/// A gateway whose provider `signed` has this strategy, connected for `acme`.
fn signing_gateway(strategy: &Value) -> DevGateway {
    let provider = Provider::api_key("signed")
        .strategy(strategy.clone())
        .credentials(credentials());
    let builder = DevGateway::builder().provider(provider);
    builder.connection("acme", "signed").start().unwrap()
}

/// A scripted gateway, for an upstream of the test's own.
fn resolving_to(strategy: &Value) -> Server {
    gateway(&json!({"strategy": strategy, "credentials": credentials()}))
}

#[test]
fn the_upstream_accepts_what_is_signed() {
    for strategy in strategies() {
        let gateway = signing_gateway(&strategy);
        let client = client(&gateway);
        let signed = client.fetcher(&TokenCache::new(), "acme", "signed");
        for path in ["/user", "/user?b=2&a=1&a=%20"] {
            let (status, ..) = signed.get(&format!("{}{path}", gateway.url())).unwrap();
            assert_eq!(status, 200, "{path} {strategy}");
        }
        let url = format!("{}/user/repos", gateway.url());
        let (status, ..) = signed.post(&url, r#"{"name": "signed"}"#).unwrap();
        assert_eq!(status, 201, "{strategy}");
        let headers = gateway
            .requests()
            .into_iter()
            .map(|request| request.headers);
        let sent = format!("{:?}", headers.collect::<Vec<_>>());
        assert!(!sent.contains(SECRET), "{strategy}");
    }
}

#[test]
fn a_redirect_within_the_origin_is_signed_anew() {
    for strategy in strategies() {
        let upstream = Server::start(|request| match request.path() {
            "/a" => redirect(307, "/b"),
            _ => text(200, ""),
        });
        let gateway = resolving_to(&strategy);
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        assert_eq!(fetcher.put(&upstream.url("/a"), "body").unwrap().0, 200);

        let name = strategy["config"]["header_name"]
            .as_str()
            .unwrap_or("Authorization");
        let requests = upstream.requests();
        let [first, second] = [0, 1].map(|hop| requests[hop].header(name).unwrap());
        // The body is the same, the path is not.
        assert_eq!(
            first == second,
            strategy["type"] == "hmac_payload",
            "{strategy}"
        );
    }
}

#[test]
fn a_replay_is_signed_with_the_new_secret() {
    for strategy in strategies() {
        let gateway = signing_gateway(&strategy);
        let client = client(&gateway);
        let signed = client.fetcher(&TokenCache::new(), "acme", "signed");
        let url = format!("{}/user/repos", gateway.url());
        let create = || signed.post(&url, r#"{"name": "signed"}"#).unwrap().0;
        assert_eq!(create(), 201, "{strategy}");
        assert!(gateway.rotate("acme", "signed"));
        assert_eq!(create(), 201, "{strategy}");
        assert_eq!(
            (gateway.count("/v1/resolve"), gateway.count("/user")),
            (2, 3),
            "{strategy}"
        );
    }
}

#[test]
fn a_retry_is_signed_at_its_own_time() {
    let busy = reply(503, &[("Retry-After", "1")], "");
    let upstream = Server::play(vec![busy, text(200, "")]);
    let gateway = resolving_to(&json!({"type": "aws_sigv4", "config": {"service": "s3"}}));
    let options = FetchOptions::default().retry_policy(RetryPolicy::default().retries(1));
    let url = upstream.url("/");
    let fetched =
        client(&gateway).authenticated_fetch(&TokenCache::new(), "ws", "p", &url, options);
    assert_eq!(fetched.unwrap().0, 200);
    let requests = upstream.requests();
    for name in ["X-Amz-Date", "Authorization"] {
        let [first, second] = [0, 1].map(|attempt| requests[attempt].all(name));
        assert!(first.len() == 1 && second.len() == 1 && first != second);
    }
}

#[test]
fn what_cannot_sign_says_so() {
    let gateway = resolving_to(&json!({"type": "aws_sigv4", "config": {"service": "s3"}}));
    let client = NexusClient::new(options(&gateway)).unwrap();
    let error = client
        .auth_headers(&TokenCache::new(), "ws", "p")
        .unwrap_err();
    assert_eq!(error.code(), "unsupported_strategy");
    let agent = client.authenticated_agent(&TokenCache::new(), "ws", "p");
    let url = "http://127.0.0.1:1/";
    let with_body = [
        agent.post(url).send("streamed"),
        agent.get(url).force_send_body().send("streamed"),
    ];
    for sent in with_body {
        let error = sent.unwrap_err().to_string();
        assert!(error.contains("unsupported_strategy"), "{error}");
    }
}
