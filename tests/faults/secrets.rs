//! No error shows a secret, whatever fails and whatever the strategy.

use std::time::Duration;

use nexus_sdk::serde_json::{Value, json};
use nexus_sdk::{
    AgentSessionInput, FetchOptions, NexusClient, NexusClientOptions, NexusError,
    RequestConnectionInput, TokenCache, WaitOptions,
};

use crate::find_secrets::{KEY, check_error};
use crate::support::{
    End, Reply, Request, Server, bytes, json, options, redirect, reply, retrying, text,
};
use crate::watched;

/// A response with a secret in every field that may hold a secret.
pub(crate) fn token(strategy: &Value) -> Value {
    json!({
        "access_token": "canary-access", "refresh_token": "canary-refresh", "id_token": "canary-id",
        "credentials": {
            "api_key": "canary-field", "username": "canary-user", "password": "canary-word",
            "api_secret": "canary-hmac", "access_key": "canary-id", "secret_key": "canary-sigv4",
            "session_token": "canary-session",
        },
        "strategy": strategy, "expires_in": 3600, "anything": "canary-anything",
    })
}

pub(crate) fn strategies() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"type": "header", "config": {"header_name": "X-API-Key", "value_prefix": "canary-prefix "}}),
        json!({"type": "basic_auth"}),
        json!({"type": "query_param", "config": {"param_name": "key"}}),
        json!({"type": "path"}),
        #[cfg(feature = "signing")]
        json!({"type": "hmac_payload", "config": {"header_name": "X-Sig"}}),
        #[cfg(feature = "signing")]
        json!({"type": "aws_sigv4", "config": {"service": "s3"}}),
    ]
}

const PATHS: [&str; 9] = [
    "short", "hole", "large", "garbage", "header", "loop", "away", "mail", "gzip",
];

/// An upstream that fails in a different way on every path.
fn upstream(request: &Request) -> Reply {
    match request.path().split('/').nth(1).unwrap() {
        "short" => bytes("HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\ncanary-body"),
        "hole" => bytes("").then(End::Hold),
        "large" => text(200, &"canary".repeat(1000)),
        "garbage" => bytes("canary-garbage\r\n\r\n"),
        "header" => bytes("HTTP/1.1 200 OK\r\ncanary header\r\n\r\n"),
        "loop" => redirect(302, &request.target),
        "away" => redirect(302, "http://192.0.2.1/canary?key=canary"),
        "mail" => redirect(302, "mailto:canary@example.com?canary"),
        "gzip" => reply(200, &[("Content-Encoding", "gzip")], "canary is no gzip"),
        _ => text(200, "canary"),
    }
}

/// Returns an error for every way in which a fetch with this credential can fail.
fn fetch_failures(strategy: &Value) -> Vec<NexusError> {
    let gateway = Server::play(vec![json(200, &token(strategy))]);
    let server = Server::start(upstream);
    let client = NexusClient::new(options(&gateway).api_key(KEY).max_body_bytes(4096)).unwrap();
    let cache = TokenCache::new();
    let fetch = |url: &str, options: FetchOptions| {
        let options = options.headers([("Authorization", "canary"), ("X-Own", "canary")]);
        let fetched = client.authenticated_fetch(&cache, "ws", "p", url, options.data("canary"));
        fetched.expect_err(url)
    };
    let placeholder = strategy["type"] == "path";
    let field = if placeholder { "{api_key}" } else { "canary" };
    let mut failures = Vec::new();
    for path in PATHS {
        let url = server.url(&format!("/{path}/{field}?q=canary#canary"));
        let timeout = Duration::from_millis(if path == "hole" { 100 } else { 10_000 });
        failures.push(fetch(&url, FetchOptions::default().timeout(timeout)));
    }
    for url in [
        "http://127.0.0.1:1/{api_key}?k=canary",
        "http://me:canary@127.0.0.1/",
        "http://192.0.2.1/canary?canary",
        "ftp://127.0.0.1/canary",
        "http://127.0.0.1/can ary?canary",
        "http://127.0.0.1:canary/",
    ] {
        failures.push(fetch(url, FetchOptions::default()));
    }
    for unusable in [
        FetchOptions::default().header("X-Key", "canary\n"),
        FetchOptions::default().method("canary canary"),
        FetchOptions::default().header("Transfer-Encoding", "canary"),
        FetchOptions::default().header("Bearer canary", "Authorization"),
    ] {
        failures.push(fetch(&server.url("/"), unusable));
    }
    failures
}

#[test]
fn no_failure_of_a_fetch_shows_a_secret() {
    watched::begin();
    for strategy in strategies() {
        for error in fetch_failures(&strategy) {
            check_error(&error);
        }
    }
}

/// The gateway refuses a request and quotes the secrets in it.
#[test]
fn a_gateway_that_quotes_a_request_makes_no_error_show_a_secret() {
    watched::begin();
    let gateway = Server::start(|request| {
        let key = request.header("x-api-key").unwrap();
        let body = String::from_utf8_lossy(&request.body);
        let target = &request.target;
        text(400, &format!("{key} must not ask {target} for {body}"))
    });
    let client = NexusClient::new(options(&gateway).api_key(KEY)).unwrap();
    let credentials = json!({"api_key": "canary-field", "pin": 20_260_417});
    let credentials = credentials.as_object().unwrap();
    let session = AgentSessionInput::new("a", ["s"]).provider("ws", "p");
    let session = session.on_behalf_of("canary-user-token");
    let errors = [
        client.resolve_token("ws", "p").unwrap_err(),
        client.capture_schema("canary-state/=").unwrap_err(),
        client.request_agent_session(&session).unwrap_err(),
    ];
    let captured = client.capture_credential("canary-state", credentials);
    for error in errors.into_iter().chain(captured.err()) {
        assert!(error.message().contains("[redacted] must not"), "{error}");
        assert!(!error.message().contains("20260417"), "{error}");
        check_error(&error);
    }
}

/// Returns responses that make every operation fail, with secrets in them.
fn gateway_failures() -> Vec<Reply> {
    let strategies = [
        json!({"type": "query_param", "config": null}),
        json!({"type": "header", "config": {"header_name": "X-Key", "value_prefix": "canary\n"}}),
        json!({"type": "header", "config": {"header_name": "X Key"}}),
        json!({"type": "saml", "config": {"secret": "canary"}}),
        json!({"type": "hmac_payload", "config": {"secret_field": "nothing"}}),
    ];
    let refused = json!({"error": KEY, "message": format!("bad key {KEY}"), "canary": "canary"});
    let mut replies = vec![
        json(401, &refused),
        json(500, &json!({"message": KEY, "access_token": "canary"})),
        text(400, &format!("who is {KEY}?")),
        text(503, KEY),
        redirect(302, "https://elsewhere.example/canary?key=canary"),
        text(200, "canary, no JSON"),
        text(200, "{\"access_token\": \"canary-token\", "),
        json(200, &json!({"access_token": "canary\n"})),
        json(200, &json!({"secret": "canary"})),
        bytes("HTTP/1.1 200 canary\r\nContent-Length: 99\r\n\r\ncanary"),
        bytes("canary"),
    ];
    replies.extend(strategies.map(|strategy| json(200, &token(&strategy))));
    replies
}

#[test]
fn no_failure_of_the_gateway_shows_a_secret() {
    watched::begin();
    for answer in gateway_failures() {
        let gateway = Server::play(vec![answer]);
        let options = options(&gateway).api_key(KEY);
        let options = options.retry_policy(retrying(1, Duration::ZERO));
        let client = NexusClient::new(options).unwrap();
        check_error(&client.resolve_token("ws", "p").unwrap_err());
        let input = RequestConnectionInput::new("u", "p", ["s"], "http://localhost/?canary");
        check_error(&client.request_connection(&input).unwrap_err());
        let brief = WaitOptions::default().timeout(Duration::from_millis(30));
        check_error(&client.wait_for_active("c", brief).unwrap_err());
    }
    for options in [
        NexusClientOptions::new("http://me:canary@host"),
        NexusClientOptions::new("http://host").api_key("canary\n"),
    ] {
        check_error(&NexusClient::new(options).unwrap_err());
    }
}
