//! Waiting for a consent, and deadlines: whatever a server does, every call ends.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::support::{self, End, LONG, Reply, Server, bytes, client, holder, json, options, text};
use nexus_sdk::{
    ConnectionStatus, FetchOptions, NexusClient, NexusError, RetryPolicy, WaitOptions,
};
use serde_json::json;

fn status(name: &str) -> Reply {
    json(200, &json!({ "status": name }))
}

fn soon() -> WaitOptions<'static> {
    WaitOptions::default().interval(Duration::ZERO)
}

#[test]
fn a_wait_ends_with_the_first_final_status() {
    for last in ["active", "failed", "attention", "revoked", "superseded"] {
        let gateway = Server::play(vec![
            status("pending"),
            status("archived"),
            status("pending"),
            status(last),
        ]);
        let seen = client(&gateway).wait_for_active("c/1", soon()).unwrap();
        assert!(seen == last);
        let targets = gateway.requests().into_iter().map(|request| request.target);
        assert_eq!(
            targets.collect::<Vec<_>>(),
            ["/v1/check-connection/c%2F1"; 4]
        );
    }
}

#[test]
fn within_its_grace_failed_counts_as_pending() {
    for (grace, ends) in [(Duration::ZERO, "failed"), (Duration::MAX, "active")] {
        let gateway = Server::play(vec![
            status("pending"),
            status("failed"),
            status("failed"),
            status("active"),
        ]);
        let seen = client(&gateway)
            .wait_for_active("c", soon().failed_grace(grace))
            .unwrap();
        assert!(seen == ends, "{seen}");
    }
    let gateway = Server::play(vec![status("failed")]);
    let seen = client(&gateway)
        .wait_for_active("c", soon().failed_grace(Duration::from_millis(50)))
        .unwrap();
    assert!(seen == "failed", "once the grace is over");
    let gateway = Server::play(vec![status("revoked")]);
    let seen = client(&gateway)
        .wait_for_active("c", soon().failed_grace(Duration::MAX))
        .unwrap();
    assert!(seen == "revoked", "it is about failed alone");
}

#[test]
fn passing_failures_of_the_gateway_do_not_end_a_wait() {
    let failures = [
        text(502, "no broker"),
        text(503, ""),
        text(504, ""),
        text(500, ""),
        text(429, "Too Many Requests"),
        bytes(""),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    ];
    for failure in failures {
        for retries in [0, 1] {
            let gateway = Server::play(vec![
                failure.clone(),
                failure.clone(),
                status("pending"),
                failure.clone(),
                status("active"),
            ]);
            let policy = RetryPolicy::default()
                .retries(retries)
                .min_delay(Duration::ZERO);
            let client = NexusClient::new(options(&gateway).retry_policy(policy)).unwrap();
            assert!(client.wait_for_active("c", soon()).unwrap() == "active");
            assert_eq!(gateway.requests().len(), 5);
        }
    }
}

#[test]
fn a_refusal_ends_a_wait() {
    for code in [400, 401, 403, 404, 410] {
        let gateway = Server::play(vec![status("pending"), text(code, "no"), status("active")]);
        let error = client(&gateway).wait_for_active("c", soon()).unwrap_err();
        assert_eq!(
            (error.status_code(), gateway.requests().len()),
            (Some(code), 2)
        );
    }
    let gateway = Server::play(vec![text(200, "no JSON")]);
    assert_eq!(
        client(&gateway)
            .wait_for_active("c", soon())
            .unwrap_err()
            .code(),
        "invalid_response"
    );
}

#[test]
fn a_wait_tells_every_status_and_ends_when_told_to() {
    let gateway = Server::play(vec![
        status("pending"),
        text(503, ""),
        status("attended"),
        status("active"),
    ]);
    let polls = Cell::new(Vec::new());
    let told = |status: &ConnectionStatus| {
        polls.set([polls.take(), vec![status.to_string()]].concat());
        ControlFlow::Continue(())
    };
    client(&gateway)
        .wait_for_active("c", soon().on_poll(told))
        .unwrap();
    assert_eq!(polls.take(), ["pending", "attended", "active"]);

    let gateway = Server::play(vec![status("pending")]);
    let stop = |_: &ConnectionStatus| ControlFlow::Break(());
    let error = client(&gateway)
        .wait_for_active("c", soon().on_poll(stop))
        .unwrap_err();
    assert_eq!((error.code(), gateway.requests().len()), ("aborted", 1));
    assert!(error.message().contains("pending"), "{error}");
}

/// Runs a call that must end with `timeout`, sooner than the durations that it was given.
fn times_out<T: std::fmt::Debug>(
    case: &str,
    call: impl FnOnce() -> Result<T, NexusError>,
) -> NexusError {
    let start = Instant::now();
    let error = call().unwrap_err();
    assert!(start.elapsed() < LONG, "{case}: {:?}", start.elapsed());
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("timeout", true),
        "{case}: {error}"
    );
    error
}

#[test]
fn a_wait_never_sleeps_past_its_deadline() {
    let hour = Duration::from_secs(3600);
    let brief = WaitOptions::default()
        .interval(hour)
        .timeout(Duration::from_millis(100));
    let gateway = Server::play(vec![status("pending")]);
    let error = times_out("interval", || client(&gateway).wait_for_active("c", brief));
    assert!(error.message().contains("pending"), "{error}");
    assert_eq!(gateway.requests().len(), 1);

    let hole = Server::play(vec![bytes("").then(End::Hold)]);
    let client = NexusClient::new(options(&hole).timeout(hour)).unwrap();
    let brief = || WaitOptions::default().timeout(Duration::from_millis(100));
    times_out("no answer", || client.wait_for_active("c", brief()));

    let busy = Server::play(vec![text(503, "busy")]);
    let policy = RetryPolicy::default()
        .retries(9)
        .min_delay(hour)
        .max_delay(hour);
    let client = NexusClient::new(options(&busy).retry_policy(policy)).unwrap();
    let error = times_out("a retry's delay", || client.wait_for_active("c", brief()));
    assert!(
        error.message().contains("503") || error.message().contains("busy"),
        "{error}"
    );
}

/// Servers that take a request and never complete their answer.
fn sluggish() -> [(&'static str, Server); 5] {
    let head = "HTTP/1.1 200 OK\r\nX: ";
    let body = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let table = [
        ("silence", bytes("").then(End::Hold)),
        ("half a body", bytes(format!("{body}x")).then(End::Hold)),
        ("dripping header", bytes(head).then(End::Drip(b"x"))),
        ("dripping body", bytes(body).then(End::Drip(b"x"))),
        (
            "dripping chunks",
            bytes(chunks).then(End::Drip(b"1\r\nx\r\n")),
        ),
    ];
    table.map(|(name, answer)| (name, Server::play(vec![answer])))
}

#[test]
fn no_answer_is_waited_for_past_the_deadline() {
    let brief = Duration::from_millis(150);
    for (name, server) in sluggish() {
        let client = NexusClient::new(options(&server).timeout(brief)).unwrap();
        times_out(name, || client.check_connection("c"));
        times_out(name, || client.refresh_connection("c"));
        // The upstream's deadline is the whole call's; here the gateway is not needed.
        let (client, cache) = holder(options(&server), "t-1");
        let options = FetchOptions::default().timeout(brief);
        times_out(name, || {
            client.authenticated_fetch(&cache, "ws", "p", &server.url("/"), options)
        });
    }
}

/// Timeouts that are long enough to be rounded.
#[test]
fn a_deadline_of_a_second_is_kept_and_not_shortened() {
    let second = Duration::from_millis(1003);
    std::thread::scope(|scope| {
        for (name, server) in sluggish() {
            scope.spawn(move || {
                let (client, cache) = holder(options(&server), "t-1");
                let (url, options) = (server.url("/"), FetchOptions::default().timeout(second));
                let start = Instant::now();
                times_out(name, || {
                    client.authenticated_fetch(&cache, "ws", "p", &url, options)
                });
                assert!(start.elapsed() >= second, "{name}: {:?}", start.elapsed());
            });
        }
    });
}

#[test]
fn one_deadline_covers_resolve_redirects_and_retries() {
    let brief = || FetchOptions::default().timeout(Duration::from_millis(200));
    let hole = Server::play(vec![bytes("").then(End::Hold)]);
    let (client, cache) = (client(&hole), nexus_sdk::TokenCache::new());
    times_out("resolve", || {
        client.authenticated_fetch(&cache, "ws", "p", &hole.url("/"), brief())
    });

    let upstream = Server::start(|request| match request.path() {
        "/start" => support::redirect(302, "/hole"),
        "/busy" => text(503, ""),
        _ => bytes("").then(End::Hold),
    });
    let (client, cache) = holder(options(&upstream), "t-1");
    let fetch = |path: &str, options| {
        client.authenticated_fetch(&cache, "ws", "p", &upstream.url(path), options)
    };
    times_out("redirect", || fetch("/start", brief()));
    let hour = Duration::from_secs(3600);
    let policy = RetryPolicy::default()
        .retries(9)
        .min_delay(hour)
        .max_delay(hour);
    let start = Instant::now();
    let (status, ..) = fetch("/busy", brief().retry_policy(policy)).unwrap();
    assert_eq!(
        status, 503,
        "the last response, when there is no time for another attempt"
    );
    assert!(start.elapsed() < LONG);
}
