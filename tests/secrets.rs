//! Secrets: in no error, no `Debug`, no line of the log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::error::Error;
use std::fmt::Debug;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use nexus_sdk::serde_json::{Map, Value};
use nexus_sdk::{
    CachedToken, FetchOptions, NexusClient, NexusClientOptions, NexusError, RequestConnectionInput,
    RetryPolicy, TokenCache, WaitOptions,
};
use serde_json::json;
use support::{End, Reply, Request, Server, bytes, holder, json, options, redirect, reply, text};

/// Part of every secret of these tests.
const CANARY: &str = "canary";
const KEY: &str = "canary-api-key";
/// Tells the test binary to be the process that is watched.
const CHILD: &str = "NEXUS_SDK_TEST_CHILD";

fn check_text(what: &str, text: &str) {
    let lower = text.to_lowercase();
    assert!(!lower.contains(CANARY), "{what}: {text}");
    // The same in base64, as Basic and a careless Debug of bytes would show it.
    assert!(!text.contains("Y2FuYXJ5"), "{what}: {text}");
    assert!(!text.contains("99, 97, 110, 97"), "{what}: {text}");
}

fn check_error(error: &NexusError) {
    check_text("Display", &error.to_string());
    check_text("Debug", &format!("{error:?} {error:#?}"));
    check_text("message", error.message());
    check_text("code", error.code());
    let mut source = error.source();
    while let Some(error) = source {
        check_text("source", &format!("{error} {error:?}"));
        source = error.source();
    }
}

fn check_debug(value: &dyn Debug) {
    check_text("Debug", &format!("{value:?} {value:#?}"));
}

/// A reply with a secret in every field that may hold one.
fn token(strategy: &Value) -> Value {
    json!({
        "access_token": "canary-access", "refresh_token": "canary-refresh", "id_token": "canary-id",
        "credentials": {"api_key": "canary-field", "username": "canary-user", "password": "canary-word"},
        "strategy": strategy, "expires_in": 3600,
    })
}

fn strategies() -> Vec<Value> {
    vec![
        Value::Null,
        json!({"type": "header", "config": {"header_name": "X-API-Key", "value_prefix": "canary-prefix "}}),
        json!({"type": "basic_auth"}),
        json!({"type": "query_param", "config": {"param_name": "key"}}),
        json!({"type": "path"}),
    ]
}

#[test]
fn no_type_shows_a_secret() {
    for strategy in strategies() {
        let body = token(&strategy);
        let gateway = Server::play(vec![json(200, &body)]);
        let options = options(&gateway).api_key(KEY);
        check_debug(&options);
        let client = NexusClient::new(options).unwrap();
        check_debug(&client);
        check_debug(&client.get_token_by_connection_id("c").unwrap());
        check_debug(&client.refresh_connection("c").unwrap());
        check_debug(&client.resolve_token("ws", "p").unwrap());
        let cache = TokenCache::new();
        check_debug(&client.get_cached_token(&cache, "ws", "p").unwrap());
        check_debug(&cache);
    }
}

#[test]
fn no_input_shows_a_secret() {
    let soon = SystemTime::now() + Duration::from_secs(60);
    check_debug(&CachedToken::new(
        "canary-token",
        "Bearer",
        soon,
        "Authorization",
        "canary-prefix ",
    ));
    let fetch = FetchOptions::default()
        .header("Authorization", "canary")
        .header("Cookie", "canary")
        .data("canary");
    check_debug(&fetch);
    check_debug(&WaitOptions::default().on_poll(|_| std::ops::ControlFlow::Continue(())));
    check_debug(&RetryPolicy::default());
    let metadata = Map::from_iter([("note".to_owned(), "canary".into())]);
    let input = RequestConnectionInput::new("u", "p", ["s"], "http://localhost/?state=canary");
    check_debug(&input.metadata(metadata));
    check_debug(&NexusClientOptions::new(
        "http://me:canary@host/?key=canary",
    ));
    let answer =
        json!({"authUrl": "http://x/?state=canary", "connection_id": "c", "state": "canary-state"});
    let gateway = Server::play(vec![json(200, &answer)]);
    let input = RequestConnectionInput::new("u", "p", ["s"], "http://localhost/");
    check_debug(
        &support::client(&gateway)
            .request_connection(&input)
            .unwrap(),
    );
}

const PATHS: [&str; 12] = [
    "cut", "short", "hole", "large", "garbage", "header", "loop", "away", "mail", "user", "port",
    "gzip",
];

/// An upstream that fails in a way of its own on every path.
fn upstream(request: &Request) -> Reply {
    let long = "HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\ncanary-body";
    match request.path().split('/').nth(1).unwrap() {
        "cut" => bytes(""),
        "short" => bytes(long),
        "hole" => bytes("").then(End::Hold),
        "large" => text(200, &"canary".repeat(1000)),
        "garbage" => bytes("canary-garbage\r\n\r\n"),
        "header" => bytes("HTTP/1.1 200 OK\r\ncanary header\r\n\r\n"),
        "loop" => redirect(302, &request.target),
        "away" => redirect(302, "http://192.0.2.1/canary?key=canary"),
        "mail" => redirect(302, "mailto:canary@example.com?canary"),
        "user" => redirect(302, "http://me:canary@127.0.0.1/canary"),
        "port" => redirect(302, "http://127.0.0.1:1/canary?key=canary"),
        "gzip" => reply(200, &[("Content-Encoding", "gzip")], "canary is no gzip"),
        _ => text(200, "canary"),
    }
}

/// Every way in which a fetch with this credential fails.
fn fetch_failures(strategy: &Value) -> Vec<NexusError> {
    let gateway = Server::play(vec![json(200, &token(strategy))]);
    let server = Server::start(upstream);
    let client = NexusClient::new(options(&gateway).api_key(KEY).max_body_bytes(4096)).unwrap();
    let cache = TokenCache::new();
    let fetch = |url: &str, options: FetchOptions| {
        client.authenticated_fetch(&cache, "ws", "p", url, options.data("canary"))
    };
    let field = if strategy["type"] == "path" {
        "{api_key}"
    } else {
        "canary"
    };
    let mut failures = Vec::new();
    for path in PATHS {
        // Without gzip the body is text as any other, and a success.
        if cfg!(not(feature = "gzip")) && path == "gzip" {
            continue;
        }
        let url = server.url(&format!("/{path}/{field}?q=canary#canary"));
        let timeout = Duration::from_millis(if path == "hole" { 100 } else { 10_000 });
        let error = fetch(&url, FetchOptions::default().timeout(timeout));
        failures.push(error.expect_err(path));
    }
    let urls = [
        "http://127.0.0.1:1/{api_key}?k=canary",
        "http://me:canary@127.0.0.1/",
        "http://192.0.2.1/canary?canary",
        "ftp://127.0.0.1/canary",
        "http://127.0.0.1/can ary?canary",
        "canary",
        "http://127.0.0.1:canary/",
        "https://127.0.0.1:1/{api_key}?canary",
    ];
    failures.extend(urls.map(|url| fetch(url, FetchOptions::default()).expect_err(url)));
    let unusable = [
        FetchOptions::default().header("X-Key", "canary\n"),
        FetchOptions::default().method("canary canary"),
        FetchOptions::default().header("Content-Length", "canary"),
    ];
    failures.extend(unusable.map(|options| fetch(&server.url("/"), options).unwrap_err()));
    failures
}

#[test]
fn no_failure_of_a_fetch_shows_a_secret() {
    for strategy in strategies() {
        for error in fetch_failures(&strategy) {
            check_error(&error);
        }
    }
}

/// What a gateway says that makes every operation fail.
fn gateway_failures() -> Vec<Reply> {
    let odd =
        |kind: &str, config: Value| json(200, &token(&json!({"type": kind, "config": config})));
    let pair = json!({"username": "canary:", "password": "canary"});
    vec![
        json(
            401,
            &json!({"error": KEY, "message": format!("bad key {KEY}"), "canary": "canary"}),
        ),
        json(
            500,
            &json!({"message": format!("{KEY}"), "access_token": "canary"}),
        ),
        text(400, &format!("who is {KEY}?")),
        text(503, KEY),
        redirect(302, "https://elsewhere.example/canary?key=canary"),
        text(200, "canary, no JSON"),
        text(200, "\"canary\""),
        text(200, "{\"access_token\": \"canary-token\", "),
        json(200, &json!({"access_token": "canary\n"})),
        json(200, &json!({"secret": "canary"})),
        odd("query_param", Value::Null),
        odd("header", json!({"header_name": "Host"})),
        odd(
            "header",
            json!({"header_name": "X-Key", "value_prefix": "canary\n"}),
        ),
        odd(
            "header",
            json!({"credential_field": "nothing", "header_name": "Transfer-Encoding"}),
        ),
        odd("saml", json!({"secret": "canary"})),
        odd("hmac_payload", json!({"header_name": "X-Sig"})),
        json(200, &json!({"credentials": pair, "strategy": "basic_auth"})),
        bytes("HTTP/1.1 200 canary\r\nContent-Length: 99\r\n\r\ncanary"),
        bytes("canary"),
    ]
}

#[test]
fn no_failure_of_the_gateway_shows_a_secret() {
    for answer in gateway_failures() {
        let gateway = Server::play(vec![answer]);
        let policy = RetryPolicy::default().retries(1).min_delay(Duration::ZERO);
        let client = NexusClient::new(options(&gateway).api_key(KEY).retry_policy(policy)).unwrap();
        check_error(&client.resolve_token("ws", "p").unwrap_err());
        let input = RequestConnectionInput::new("u", "p", ["s"], "http://localhost/?canary");
        check_error(&client.request_connection(&input).unwrap_err());
        let brief = WaitOptions::default().timeout(Duration::from_millis(30));
        check_error(&client.wait_for_active("c", brief).unwrap_err());
    }
    check_error(&NexusClient::new(NexusClientOptions::new("http://me:canary@host")).unwrap_err());
    check_error(&NexusClient::new(NexusClientOptions::new("http://host?canary")).unwrap_err());
    check_error(
        &NexusClient::new(NexusClientOptions::new("http://host").api_key("canary\n")).unwrap_err(),
    );
}

/// The body of the process that is watched: every operation, well and badly.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let gateway = Server::play(vec![text(503, KEY), json(200, &token(&Value::Null))]);
    let policy = RetryPolicy::default().retries(1).min_delay(Duration::ZERO);
    // The level of the program is quiet; the environment's counts.
    let options = options(&gateway).api_key(KEY).retry_policy(policy);
    let client = NexusClient::new(options.clone()).unwrap();
    let cache = TokenCache::new();
    let other = Server::start(|_| text(200, ""));
    let away = other.url("/?canary");
    let server = Server::start(move |request| match request.path() {
        "/away" => redirect(302, &away),
        "/dead" => text(401, "canary"),
        _ => upstream(request),
    });
    for path in ["/", "/away", "/dead", "/cut", "/user"] {
        let url = server.url(&format!("{path}?q=canary"));
        let data = FetchOptions::default()
            .header("X-Key", "canary")
            .data("canary");
        let _ = client.authenticated_fetch(&cache, "ws", "two\r\nlines", &url, data);
    }
    let _ = client.check_connection("c\nd");
    let _ = client.refresh_connection("c");
    drop(holder(
        NexusClientOptions::new("http://nexus.example.com/canary"),
        "canary",
    ));
    for strategy in strategies() {
        fetch_failures(&strategy);
    }
}

/// Runs `child` in a process of its own.
fn run_child(level: &str) -> Output {
    let binary = std::env::current_exe().unwrap();
    let mut command = Command::new(binary);
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
    command
        .env(CHILD, "1")
        .env("NEXUS_LOG", level)
        .env_remove("RUST_BACKTRACE");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[cfg(not(feature = "log"))]
#[test]
fn the_log_goes_to_stderr_line_by_line_without_secrets() {
    let output = run_child("debug");
    let stderr = String::from_utf8(output.stderr).unwrap();
    check_text("stderr", &stderr);
    for line in stderr.lines() {
        assert!(line.starts_with("[NexusSDK] "), "{line:?} in {stderr}");
    }
    // It says what it is for, or its silence would prove nothing.
    for part in [
        "GET /v1/resolve: 200 in ",
        "attempt 1 failed",
        "401 for the cached token",
        "credential dropped",
        "plain http",
        "/v1/refresh/c: 200",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let stdout = String::from_utf8(output.stdout).unwrap();
    check_text("stdout", &stdout);
    // The test harness has its say there, and nobody else.
    let mut lines = stdout.lines().filter(|line| !line.is_empty());
    assert!(
        lines.all(
            |line| ["running 1 test", "test child ... ok", "test result: ok."]
                .iter()
                .any(|own| line.starts_with(own))
        ),
        "{stdout}"
    );
}

#[test]
fn a_log_that_is_off_says_nothing() {
    let output = run_child("off");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
