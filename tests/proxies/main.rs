//! Thousands of requests through a real server or proxy. `tests/interop/proxies.sh` runs this test once for
//! each of them, with these variables:
//!
//! - `NEXUS_CASE`: the name in the table.
//! - `NEXUS_URL`: the upstream. `proxies.sh` shows what it serves.
//! - `NEXUS_CALLS`, `NEXUS_THREADS`: how many.
//! - `NEXUS_METHODS`: the methods, as in `GET,POST`.
//! - `NEXUS_PAUSE_MS`: how long every seventh call waits first. Default 0.
//! - `NEXUS_LARGEST`: how often every third body repeats the number of its call. Default 20000.
//! - `NEXUS_EXPECT`: part of the error that every call must end with, or the status of every response.
//!   Default: no error, and 200.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use nexus_sdk::{
    CachedToken, FetchOptions, LogLevel, NexusClient, NexusClientOptions, RetryPolicy, TokenCache,
};

#[test]
#[ignore = "started by tests/interop/proxies.sh"]
fn every_response_is_the_one_asked_for() {
    let case = Case::from_env();
    let start = Instant::now();
    thread::scope(|threads| {
        for _ in 0..case.threads {
            threads.spawn(|| case.call_all());
        }
    });
    case.report(start.elapsed());
}

struct Case {
    name: String,
    url: String,
    calls: usize,
    threads: usize,
    methods: String,
    pause: Duration,
    largest: usize,
    expected: Option<String>,
    client: NexusClient,
    cache: TokenCache,
    next: AtomicUsize,
    /// The number of calls with each outcome: `right`, `wrong` (the response to another request), the status, or the error.
    outcomes: Mutex<BTreeMap<String, usize>>,
}

impl Case {
    fn from_env() -> Self {
        let variable = |name: &str, default: &str| env::var(name).unwrap_or(default.to_owned());
        let number = |name: &str, default: &str| variable(name, default).parse().unwrap();
        let options = NexusClientOptions::new("http://127.0.0.1:1")
            .log_level(LogLevel::Off)
            .timeout(Duration::from_secs(20))
            .allow_insecure_http(true);
        let cache = TokenCache::new();
        let expires_at = SystemTime::now() + Duration::from_secs(3600);
        cache.set("ws", "p", CachedToken::new("t", "Bearer", expires_at));
        Self {
            name: variable("NEXUS_CASE", "?"),
            url: variable("NEXUS_URL", ""),
            calls: number("NEXUS_CALLS", "1000"),
            threads: number("NEXUS_THREADS", "8"),
            methods: variable("NEXUS_METHODS", "GET"),
            pause: Duration::from_millis(number("NEXUS_PAUSE_MS", "0") as u64),
            largest: number("NEXUS_LARGEST", "20000"),
            expected: env::var("NEXUS_EXPECT").ok(),
            client: NexusClient::new(options).unwrap(),
            cache,
            next: AtomicUsize::new(0),
            outcomes: Mutex::default(),
        }
    }

    fn call_all(&self) {
        loop {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            if turn >= self.calls {
                return;
            }
            if turn.is_multiple_of(7) {
                thread::sleep(self.pause);
            }
            let outcome = self.call(turn);
            *self.outcomes.lock().unwrap().entry(outcome).or_default() += 1;
        }
    }

    /// The server echoes the path or the body, so each response shows its request.
    fn call(&self, turn: usize) -> String {
        let methods: Vec<_> = self.methods.split(',').collect();
        let method = methods[turn % methods.len()];
        let filling = "x".repeat([0, 10, 3_000][turn % 3]);
        let path = format!("/echo/{turn}/{filling}");
        let sent = format!("{turn}:").repeat([1, 1_000, self.largest][turn % 3]);
        let again = RetryPolicy::default()
            .retries(if self.expected.is_some() { 0 } else { 20 })
            .min_delay(Duration::from_millis(20))
            .max_delay(Duration::from_millis(500));
        let mut options = FetchOptions::default().method(method).retry_policy(again);
        let expected = match method {
            "POST" | "PUT" => {
                options = options.data(sent.as_str());
                &sent
            }
            "HEAD" => "",
            _ => &path,
        };
        let (client, url) = (&self.client, format!("{}{path}", self.url));
        match client.authenticated_fetch(&self.cache, "ws", "p", &url, options) {
            Err(error) => error.message().to_owned(),
            Ok((200, _, body)) if body == expected.as_bytes() => "right".to_owned(),
            Ok((200, ..)) => "wrong".to_owned(),
            Ok((status, ..)) => status.to_string(),
        }
    }

    fn report(&self, took: Duration) {
        let outcomes = self.outcomes.lock().unwrap();
        let (name, calls, seconds) = (&self.name, self.calls, took.as_secs_f64());
        println!("| {name:<34} | {calls:>5} | {seconds:>5.1} | {outcomes:?} |");
        let is_expected = |outcome: &String| match &self.expected {
            None => outcome == "right",
            Some(part) => outcome.contains(part),
        };
        assert!(outcomes.keys().all(is_expected), "{name}: {outcomes:?}");
    }
}
