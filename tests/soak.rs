//! Many threads and tenants, short-lived tokens, and random failures: 401s, 503s, revocations and
//! deletions. Every call must get a token of its own tenant, and nothing may be left over.
//!
//! To make more than 100,000 calls: `SOAK_CALLS=10000000 cargo test --test soak -- --nocapture`.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stderr,
    clippy::similar_names
)]

#[path = "properties/seeded.rs"]
#[allow(dead_code, reason = "the unit tests need all of it")]
mod seeded;
mod support;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, thread};

use nexus_sdk::{
    CachedToken, FetchOptions, Fetcher, NexusClient, NexusError, RetryPolicy, TokenCache,
};
use seeded::Seeded;
use support::{Open, Reply, Request, Server, options, reply, resident};

const THREADS: u64 = 16;
const KEYS: usize = 64;

/// The state that the gateway and the upstream share.
struct Service {
    start: Instant,
    lifetime: Duration,
    random: Mutex<Seeded>,
    /// The number of the latest token.
    issued: AtomicU64,
    keys: Vec<Key>,
    seen: Counts,
}

/// The latest token's number when the key's token was last revoked, and when it was last deleted.
#[derive(Default)]
struct Key {
    revoked: AtomicU64,
    deleted: AtomicU64,
}

#[derive(Default, Debug)]
struct Counts {
    fetches: AtomicU64,
    deletes: AtomicU64,
    revocations: AtomicU64,
    resolves: AtomicU64,
    resolve_503s: AtomicU64,
    upstream_401s: AtomicU64,
    upstream_503s: AtomicU64,
    /// Tokens that had expired before their call began, and 401s for tokens that had been revoked by then.
    /// Both are right only if another thread's resolve was under way, so they must be rare.
    late_tokens: AtomicU64,
    late_401s: AtomicU64,
}

fn add(count: &AtomicU64) -> u64 {
    count.fetch_add(1, SeqCst) + 1
}

/// The content of a token: its key, its number and the time at which it was issued.
struct Issued {
    key: usize,
    number: u64,
    at: Duration,
}

fn read(token: &str) -> Issued {
    let mut parts = token.split('.').map(|part| part.parse().unwrap());
    let mut part = || parts.next().unwrap();
    Issued {
        key: part(),
        number: part() as u64,
        at: Duration::from_micros(part() as u64),
    }
}

impl Service {
    fn respond(&self, request: &Request) -> Reply {
        let (status, body) = match request.target.strip_prefix("/up/") {
            Some(key) => {
                let credential = request.header("authorization").unwrap();
                let token = credential.strip_prefix("Bearer ").unwrap();
                self.upstream(key.parse().unwrap(), token)
            }
            None => self.resolve(&request.target),
        };
        reply(status, &[], body)
    }

    fn resolve(&self, target: &str) -> (u16, String) {
        add(&self.seen.resolves);
        if self.once_in(20) {
            add(&self.seen.resolve_503s);
            return (503, r#"{"error": "broker_unavailable"}"#.to_owned());
        }
        let (_, query) = target.split_once("workspace_id=w").unwrap();
        let (workspace, provider) = query.split_once("&provider_name=p").unwrap();
        let key = workspace.parse::<usize>().unwrap() * 8 + provider.parse::<usize>().unwrap();
        let (at, number) = (self.start.elapsed().as_micros(), add(&self.issued));
        let lifetime = self.lifetime.as_secs_f64();
        let token = format!(r#""access_token": "{key}.{number}.{at}""#);
        (200, format!(r#"{{{token}, "expires_in": {lifetime}}}"#))
    }

    fn upstream(&self, key: usize, token: &str) -> (u16, String) {
        let issued = read(token);
        assert_eq!(issued.key, key, "a token of another tenant");
        if self.once_in(20) {
            add(&self.seen.upstream_503s);
            return (503, String::new());
        }
        let revoked = issued.number <= self.keys[key].revoked.load(SeqCst);
        if revoked || self.once_in(20) {
            add(&self.seen.upstream_401s);
            return (401, token.to_owned());
        }
        (200, token.to_owned())
    }

    fn once_in(&self, times: usize) -> bool {
        self.random.lock().unwrap().once_in(times)
    }

    /// Checks the token of a call. `began` and `deleted` were read before the call.
    fn check(&self, key: usize, began: Duration, deleted: u64, token: &CachedToken) {
        let issued = read(&token.access_token);
        assert_eq!(issued.key, key, "a token of another tenant");
        assert!(issued.number > deleted, "a deleted token came back");
        if began >= issued.at + self.lifetime {
            add(&self.seen.late_tokens);
        }
    }
}

/// One thread's calls.
struct Caller<'a> {
    service: &'a Service,
    url: String,
    client: NexusClient,
    caches: [TokenCache; 2],
    random: Seeded,
}

impl Caller<'_> {
    fn run(mut self, calls: u64) {
        let fetchers: Vec<_> = (0..KEYS).map(|key| self.fetcher(key)).collect();
        for _ in 0..calls {
            let key = self.random.below(KEYS);
            if self.random.once_in(1000) {
                self.revoke(key);
            }
            if self.random.once_in(1000) {
                self.delete(key);
            }
            if self.random.once_in(100) {
                self.fetch(key, &fetchers[key]);
                continue;
            }
            let (began, deleted) = self.begin(key);
            // A fetcher and a client look tokens up in different ways.
            let token = if self.random.once_in(2) {
                fetchers[key].get_cached_token()
            } else {
                let (cache, workspace, provider) = self.place(key);
                self.client.get_cached_token(cache, &workspace, &provider)
            };
            match token {
                Ok(token) => self.service.check(key, began, deleted, &token),
                Err(error) => failed(&error),
            }
        }
    }

    /// Half of the keys are in a cache with a buffer shorter than a token's lifetime, the other half in one
    /// with a longer buffer.
    fn place(&self, key: usize) -> (&TokenCache, String, String) {
        let (workspace, provider) = (format!("w{}", key / 8), format!("p{}", key % 8));
        (&self.caches[key % 2], workspace, provider)
    }

    fn fetcher(&self, key: usize) -> Fetcher {
        let (cache, workspace, provider) = self.place(key);
        self.client.fetcher(cache, &workspace, &provider)
    }

    fn begin(&self, key: usize) -> (Duration, u64) {
        let deleted = self.service.keys[key].deleted.load(SeqCst);
        (self.service.start.elapsed(), deleted)
    }

    fn revoke(&self, key: usize) {
        add(&self.service.seen.revocations);
        let issued = self.service.issued.load(SeqCst);
        self.service.keys[key].revoked.fetch_max(issued, SeqCst);
    }

    fn delete(&self, key: usize) {
        add(&self.service.seen.deletes);
        let (cache, workspace, provider) = self.place(key);
        let issued = self.service.issued.load(SeqCst);
        self.client.clear_token(cache, &workspace, &provider);
        self.service.keys[key].deleted.fetch_max(issued, SeqCst);
    }

    fn fetch(&self, key: usize, fetcher: &Fetcher) {
        add(&self.service.seen.fetches);
        let revoked = self.service.keys[key].revoked.load(SeqCst);
        let (_, deleted) = self.begin(key);
        let once = FetchOptions::default().retry_policy(RetryPolicy::default());
        let (status, _, body) = match fetcher.fetch(&format!("{}/up/{key}", self.url), once) {
            Ok(fetched) => fetched,
            Err(error) => return failed(&error),
        };
        if status == 503 {
            return;
        }
        assert!(matches!(status, 200 | 401), "status {status}");
        let issued = read(std::str::from_utf8(&body).unwrap());
        assert_eq!(issued.key, key, "a token of another tenant");
        assert!(issued.number > deleted, "a deleted token was sent");
        if issued.number <= revoked {
            assert_eq!(status, 401);
            add(&self.service.seen.late_401s);
        }
    }
}

/// A call may fail only if the gateway responded with 503 to both attempts.
fn failed(error: &NexusError) {
    assert_eq!(error.status_code(), Some(503), "{error}");
}

#[test]
fn every_call_gets_its_tenants_token_and_nothing_is_left_over() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let calls = number("SOAK_CALLS").unwrap_or(100_000);
    let seed = number("SOAK_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    // A short test needs short-lived tokens, or none would expire.
    let long = calls >= 1_000_000;
    let lifetime = Duration::from_millis(if long { 2000 } else { 200 });
    eprintln!("seed {seed}, {calls} calls, {THREADS} threads, tokens of {lifetime:?}");

    let before = Open::now();
    let service = Arc::new(Service {
        start: Instant::now(),
        lifetime,
        random: Mutex::new(Seeded::new(seed)),
        issued: AtomicU64::new(0),
        keys: (0..KEYS).map(|_| Key::default()).collect(),
        seen: Counts::default(),
    });
    let own = Arc::clone(&service);
    let server = Server::forgetful(move |request| own.respond(request));

    let [warm, end] = soak(&service, &server, seed, calls);
    drop(server);
    before.check_nothing_is_left("the soak");

    let seen = &service.seen;
    let seconds = service.start.elapsed().as_secs_f64();
    eprintln!("{seconds:.1} s\n{seen:#?}");
    eprintln!("{warm} bytes after the first tenth, {end} at the end");
    assert!(end < warm + (16 << 20), "memory grows");
    let [fetches, late_tokens, late_401s] =
        [&seen.fetches, &seen.late_tokens, &seen.late_401s].map(|count| count.load(SeqCst));
    assert!(late_tokens * 500 <= calls && late_401s * 20 <= fetches);
    assert!(seen.resolves.load(SeqCst) >= calls / 1000);
    for count in [
        &seen.resolve_503s,
        &seen.upstream_401s,
        &seen.upstream_503s,
        &seen.deletes,
        &seen.revocations,
    ] {
        assert!(count.load(SeqCst) >= 3, "{seen:?}");
    }
}

/// Makes all calls. Returns the resident memory after the first tenth and after the last.
fn soak(service: &Service, server: &Server, seed: u64, calls: u64) -> [usize; 2] {
    let policy = RetryPolicy::default().retries(1);
    let wait = Duration::from_millis(1);
    let options = options(server).retry_policy(policy.min_delay(wait).max_delay(wait));
    let client = NexusClient::new(options).unwrap();
    let caches = [
        TokenCache::with_buffer(service.lifetime / 4),
        TokenCache::new(),
    ];
    let first = calls / 10;
    [first, calls - first].map(|calls| {
        thread::scope(|scope| {
            for number in 0..THREADS {
                // Neighbouring seeds would give the threads nearly the same numbers.
                let seed = Seeded::new(seed ^ (calls << 8) ^ number).next();
                let caller = Caller {
                    service,
                    url: server.url(""),
                    client: client.clone(),
                    caches: caches.clone(),
                    random: Seeded::new(seed),
                };
                let extra = u64::from(number < calls % THREADS);
                scope.spawn(move || caller.run(calls / THREADS + extra));
            }
        });
        resident()
    })
}
