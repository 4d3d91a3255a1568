//! Requests to the gateway: when they are sent again, and what is left when that does not help.

use std::error::Error as _;
use std::time::{Duration, Instant};

use crate::errors::METHODS;
use crate::requests::input;
use crate::support::{
    self, Server, bearer, bytes, client, fetch, holder, json, options, reply, retrying, said, text,
};
use nexus_sdk::{
    ErrorKind, FetchOptions, LogLevel, NexusClient, NexusClientOptions, NexusError, RetryPolicy,
    TokenCache,
};
use serde_json::json;

fn quick(retries: u32) -> RetryPolicy {
    retrying(retries, Duration::from_millis(1))
}

fn retrying_client(gateway: &Server, policy: RetryPolicy) -> NexusClient {
    NexusClient::new(options(gateway).retry_policy(policy)).unwrap()
}

/// A GET and a POST.
fn both(client: &NexusClient) -> [(&'static str, Option<NexusError>); 2] {
    [
        ("GET", client.providers().err()),
        ("POST", client.request_connection(&input()).err()),
    ]
}

#[test]
fn the_statuses_of_an_overloaded_gateway_are_tried_again() {
    let with_429 = quick(2).retry_on_429(true);
    let table = [
        (503, quick(2), 3),
        (503, RetryPolicy::default(), 1),
        (429, quick(2), 1),
        (429, with_429, 3),
    ];
    for (status, policy, sent) in table {
        let body = json!({"error": "some_code", "message": "why"});
        let gateway = Server::play(vec![json(status, &body)]);
        let client = retrying_client(&gateway, policy.clone());
        for (method, error) in both(&client) {
            let error = error.unwrap();
            let case = format!("{method} {status}, {policy:?}");
            let requests = gateway.requests();
            let own = requests.iter().filter(|request| request.method == method);
            assert_eq!(own.count(), sent, "{case}");
            let code = if sent > 1 {
                "max_retries_exceeded"
            } else {
                "some_code"
            };
            assert_eq!(said(&error), (code, Some(status)), "{case}");
        }
    }
}

#[test]
fn a_retry_that_works_is_all_that_the_caller_sees() {
    let cut = bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{");
    for failure in [text(502, ""), cut] {
        let healthy = json(200, &json!({"status": "healthy"}));
        let gateway = Server::play(vec![failure.clone(), failure, healthy]);
        let health = retrying_client(&gateway, quick(2)).health().unwrap();
        assert_eq!(health.status, "healthy");
        assert_eq!(gateway.requests().len(), 3);
    }
}

/// A proxy may have given up while the gateway still refreshes the token. A second request could spend the same refresh
/// token.
#[test]
fn a_call_that_may_refresh_is_not_repeated_while_the_gateway_may_be_at_work() {
    let methods = [
        "resolve_token",
        "check_connection",
        "refresh_connection",
        "request_agent_session",
        "request_connection",
        "providers",
    ];
    let coded = json!({"error": "broker_unavailable", "message": "m"});
    let upstream = json!({"error": "upstream_error", "message": "m"});
    let limited = json!({"error": "broker_error", "message": "m", "status": 429});
    // The response, and how often each of the methods is sent.
    let table = [
        ("503", text(503, "busy"), [3, 3, 3, 3, 3, 3]),
        ("408", text(408, ""), [3, 3, 3, 3, 3, 3]),
        ("425", text(425, ""), [3, 3, 3, 3, 3, 3]),
        ("521 of Cloudflare", text(521, ""), [3, 3, 3, 3, 3, 3]),
        ("530 of Cloudflare", text(530, ""), [3, 3, 3, 3, 3, 3]),
        ("520 of Cloudflare", text(520, ""), [3, 3, 1, 1, 3, 3]),
        ("524 of Cloudflare", text(524, ""), [1, 1, 1, 1, 3, 3]),
        ("502 of a proxy", text(502, ""), [3, 3, 1, 1, 3, 3]),
        ("502 of a refresh", json(502, &upstream), [3, 3, 1, 1, 3, 3]),
        ("502", json(502, &coded), [3, 3, 3, 3, 3, 3]),
        ("504 of a proxy", text(504, ""), [1, 1, 1, 1, 3, 3]),
        ("504", json(504, &coded), [1, 1, 1, 1, 3, 3]),
        ("a broker's 429", json(502, &limited), [3, 3, 3, 3, 3, 3]),
        ("a cut connection", bytes(""), [1, 1, 1, 1, 1, 3]),
    ];
    for (case, response, sent) in table {
        for (method, sent) in methods.into_iter().zip(sent) {
            let gateway = Server::play(vec![response.clone()]);
            let client = retrying_client(&gateway, quick(2).retry_on_429(true));
            let mut methods = METHODS.iter();
            let (_, call) = methods.find(|(name, _)| *name == method).unwrap();
            assert!(call(&client).is_some(), "{case}, {method}");
            assert_eq!(gateway.requests().len(), sent, "{case}, {method}");
        }
    }
}

#[test]
fn a_refused_connection_is_tried_again_for_every_method() {
    // No server ever listens on this port of loopback.
    let unreachable = NexusClientOptions::new("http://127.0.0.1:1").log_level(LogLevel::Off);
    let client = NexusClient::new(unreachable.retry_policy(quick(2))).unwrap();
    for (method, error) in both(&client) {
        let error = error.unwrap();
        assert_eq!(error.code(), "max_retries_exceeded", "{method}");
        assert_eq!(error.kind(), ErrorKind::RequestFailed, "{method}");
        assert!(error.message().contains("3 attempts"), "{method}: {error}");
        assert_eq!((error.status_code(), error.is_retryable()), (None, true));
    }
}

/// The repeat after a connection was cut happens once in a fetch or call, and not once an attempt.
#[test]
fn retries_and_the_repeat_on_a_new_connection_do_not_multiply() {
    for (retries, sent) in [(0, 2), (1, 3), (3, 5)] {
        let cutting = || Server::play(vec![json(200, &json!({"status": "ok"})), bytes("")]);
        let (upstream, gateway) = (cutting(), cutting());
        let (client, cache) = holder(options(&gateway).retry_policy(quick(retries)), "t");
        let fetch =
            |options| client.authenticated_fetch(&cache, "ws", "p", &upstream.url("/"), options);
        fetch(FetchOptions::default()).unwrap();
        let policy = FetchOptions::default().retry_policy(quick(retries));
        let error = fetch(policy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestFailed);
        assert_eq!(upstream.requests().len(), 1 + sent, "{retries}, a fetch");
        client.health().unwrap();
        let error = client.providers().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RequestFailed);
        assert_eq!(gateway.requests().len(), 1 + sent, "{retries}, a call");
    }
}

#[test]
fn without_time_for_another_attempt_the_error_is_that_of_the_last() {
    let gateway = Server::play(vec![bearer("t")]);
    let policy = retrying(3, Duration::from_secs(3600));
    let options = FetchOptions::default().retry_policy(policy);
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "w", "p");
    let error = fetcher.fetch("http://127.0.0.1:1/", options).unwrap_err();
    assert_eq!(error.code(), "request_failed");
    assert!(error.is_retryable());
}

#[test]
fn the_last_failure_stays_visible_when_the_attempts_are_used_up() {
    let body = json!({"error": "broker_unavailable", "message": "the broker is away"});
    let gateway = Server::play(vec![text(502, ""), json(503, &body)]);
    let client = retrying_client(&gateway, quick(1));
    let error = client.check_connection("c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gateway);
    assert_eq!(said(&error), ("max_retries_exceeded", Some(503)));
    for part in ["2 attempts", "broker_unavailable", "the broker is away"] {
        assert!(error.message().contains(part), "{error}");
    }
    let source = error.source().unwrap().downcast_ref().unwrap();
    assert_eq!(said(source), ("broker_unavailable", Some(503)));
}

#[test]
fn retry_after_is_honoured_up_to_the_longest_delay() {
    let active = json(200, &json!({"status": "active"}));
    let policy = || quick(1).max_delay(Duration::from_millis(1050));
    for (status, value) in [(503, "1"), (429, "0")] {
        let refused = reply(status, &[("Retry-After", value)], "");
        let gateway = Server::play(vec![refused, active.clone()]);
        let start = Instant::now();
        let client = retrying_client(&gateway, policy().retry_on_429(true));
        client.check_connection("c").unwrap();
        // By the backoff alone, it were a millisecond at most.
        let took = start.elapsed();
        assert!(
            (Duration::from_secs(1)..support::LONG).contains(&took),
            "{status}: {took:?}"
        );
    }
}

#[test]
fn a_retry_after_beyond_the_longest_delay_ends_the_retries() {
    let refused = reply(503, &[("Retry-After", "3600")], "busy");
    let gateway = Server::play(vec![text(503, ""), refused.clone()]);
    let client = retrying_client(&gateway, quick(5));
    let error = client.providers().unwrap_err();
    assert_eq!(said(&error), ("http_503", Some(503)));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert_eq!(gateway.requests().len(), 2);

    let upstream = Server::play(vec![refused]);
    let options = FetchOptions::default().retry_policy(quick(5));
    let (status, headers, _) = fetch(&upstream.url("/"), options).unwrap();
    assert_eq!(
        (status, headers["retry-after"].as_bytes()),
        (503, &b"3600"[..])
    );
    assert_eq!(upstream.requests().len(), 1);
}

/// A web server that is redeployed behind a proxy or behind Cloudflare.
#[test]
fn a_fetch_repeats_the_statuses_that_pass() {
    for status in [
        408, 425, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530,
    ] {
        for (method, sent) in [("GET", 2), ("PUT", 2), ("POST", 1)] {
            let upstream = Server::play(vec![text(status, ""), text(200, "")]);
            let options = FetchOptions::default()
                .method(method)
                .retry_policy(quick(1));
            fetch(&upstream.url("/"), options).unwrap();
            assert_eq!(upstream.requests().len(), sent, "{method} {status}");
        }
    }
}
