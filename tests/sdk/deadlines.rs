//! The deadlines of waits, and of calls of several requests. `tests/faults` has servers that never complete a response.

use std::time::{Duration, Instant};

use crate::support::{self, End, LONG, Server, bytes, client, fetcher, options, retrying, text};
use crate::waiting::status;
use nexus_sdk::{FetchOptions, NexusClient, NexusError, Origin, TokenCache, WaitOptions};

/// Runs a call that must fail with `timeout`, long before `LONG`.
fn times_out<T: std::fmt::Debug>(
    case: &str,
    call: impl FnOnce() -> Result<T, NexusError>,
) -> NexusError {
    let start = Instant::now();
    let error = call().unwrap_err();
    assert!(start.elapsed() < LONG, "{case}: {:?}", start.elapsed());
    let got = (error.code(), error.is_retryable());
    assert_eq!(got, ("timeout", true), "{case}: {error}");
    error
}

/// On a busy machine a short timeout may pass before the first response. Then the test doubles it.
#[test]
fn a_wait_never_sleeps_past_its_deadline() {
    let hour = Duration::from_secs(3600);
    let mut timeout = Duration::from_millis(100);
    loop {
        let brief = WaitOptions::default().interval(hour).timeout(timeout);
        let gateway = Server::play(vec![status("pending")]);
        let error = times_out("interval", || client(&gateway).wait_for_active("c", brief));
        if error.message().contains("pending") {
            assert_eq!(gateway.requests().len(), 1);
            break;
        }
        timeout *= 2;
        assert!(timeout < LONG, "{error}");
    }

    let busy = Server::play(vec![text(503, "busy")]);
    let second = Duration::from_secs(1);
    let options = options(&busy).retry_policy(retrying(1, second));
    let client = NexusClient::new(options).unwrap();
    let brief = WaitOptions::default().timeout(Duration::from_millis(100));
    times_out("a retry's delay", || client.wait_for_active("c", brief));
}

#[test]
fn one_deadline_covers_redirects_and_retries() {
    let upstream = Server::start(|request| match request.path() {
        "/start" => support::redirect(302, "/hole"),
        "/busy" => text(503, ""),
        _ => bytes("").then(End::Hold),
    });
    let fetcher = fetcher(options(&upstream));
    let fetch = |path: &str, options| fetcher.fetch(&upstream.url(path), options);
    let brief = FetchOptions::default().timeout(Duration::from_millis(200));
    times_out("redirect", || fetch("/start", brief));
    let hour = Duration::from_secs(3600);
    let start = Instant::now();
    let options = FetchOptions::default().timeout(LONG);
    let options = options.retry_policy(retrying(9, hour));
    let (status, ..) = fetch("/busy", options).unwrap();
    assert_eq!(
        status, 503,
        "the last response, when there is no time for another attempt"
    );
    assert!(start.elapsed() < LONG);
}

/// `timeout` says how long a call waits for the gateway, and a fetch has a deadline of its own.
#[test]
fn a_fetch_waits_for_its_token_as_long_as_the_client_says() {
    let brief = Duration::from_millis(200);
    for (of_client, of_fetch) in [(brief, LONG), (LONG, brief)] {
        let gateway = Server::start(|_| bytes("").then(End::Hold));
        let options = options(&gateway).timeout(of_client);
        let client = NexusClient::new(options).unwrap();
        let start = Instant::now();
        let fetcher = client.fetcher(&TokenCache::new(), "ws", "p");
        let error = fetcher
            .fetch(&gateway.url("/"), FetchOptions::default().timeout(of_fetch))
            .unwrap_err();
        assert_eq!((error.code(), error.origin()), ("timeout", Origin::Gateway));
        assert!(
            start.elapsed() >= brief && start.elapsed() < LONG / 2,
            "{:?}",
            start.elapsed()
        );
        // The flight ends with its connection. Otherwise, the client would wait for it when it is dropped.
        drop(gateway);
    }
}
