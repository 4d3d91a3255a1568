//! Many threads and one gateway, which is a function. Tests poll for a state and never sleep for a fixed
//! time, so they do not depend on timing.

use super::*;
use crate::cache::TokenCache;
use crate::fetch::access::Credential;
use crate::fetch::fetcher::Fetcher;
use crate::inner::{Handle, Inner};
use crate::log::LogLevel;
use crate::options::NexusClientOptions;
use crate::resolve::Source;
use crate::retry::RetryPolicy;
use crate::slot::{Asker, Reason, Want};
use crate::sync::NO_THREADS;
use crate::tenant::Tenant;
use crate::time::ResponseClock;
use parking_lot::{Condvar, Mutex};
use serde_json::json;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub(super) type Script = Box<dyn Fn(&Request) -> Result<Success> + Send + Sync>;

/// A client whose gateway is a function, and the number of calls to that function.
struct Scripted {
    handle: Handle,
    calls: Arc<AtomicUsize>,
}

/// Replaces `MAX_STALE_WAIT` (1 s), because a busy machine may need longer.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// Options of a client whose gateway cannot be reached.
fn options() -> NexusClientOptions {
    let options = NexusClientOptions::new("http://127.0.0.1:1").without_lock();
    options.log_level(LogLevel::Off)
}

pub(super) fn handle(max_stale_wait: Duration, script: Script) -> Handle {
    let mut inner = Inner::new(options()).unwrap();
    inner.flights = Arc::new(Flights {
        script: Some(script),
        ..Flights::new(Arc::clone(&inner.gateway), None)
    });
    inner.max_stale_wait = max_stale_wait;
    Handle::new(inner)
}

fn resolve(
    handle: &Handle,
    workspace_id: &str,
    provider: &str,
    deadline: Deadline,
) -> Result<Arc<CachedToken>> {
    let tenant = tenant_of(workspace_id, provider);
    handle.resolve(&tenant, deadline)?.token.clone()
}

impl Scripted {
    fn new(script: impl Fn(usize, &Request) -> Result<Success> + Send + Sync + 'static) -> Self {
        Self::with_stale_wait(LONG, script)
    }

    fn with_stale_wait(
        max_stale_wait: Duration,
        script: impl Fn(usize, &Request) -> Result<Success> + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let script: Script =
            Box::new(move |call| script(counted.fetch_add(1, Ordering::SeqCst) + 1, call));
        let handle = handle(max_stale_wait, script);
        Self { handle, calls }
    }

    /// Blocks the calls up to this number until the gate is open. Call number 1 returns the token `t-1`.
    fn gated(last: usize) -> (Gate, Self) {
        let gate = Gate::default();
        let passed = gate.clone();
        let scripted = Self::new(move |number, _| {
            if number <= last {
                passed.pass();
            }
            token(&format!("t-{number}"), 3600)
        });
        (gate, scripted)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn cached(&self, cache: &TokenCache) -> Result<(String, Source)> {
        self.cached_until(cache, far())
    }

    fn cached_until(&self, cache: &TokenCache, deadline: Deadline) -> Result<(String, Source)> {
        let cached = self.handle.token(cache, &tenant(), deadline);
        cached.map(|(token, source)| (token.access_token.clone(), source))
    }

    fn resolve(&self, provider: &str, deadline: Deadline) -> Result<String> {
        let resolved = resolve(&self.handle, "ws", provider, deadline);
        resolved.map(|token| token.access_token.clone())
    }

    /// Starts a flight and times out at once.
    fn leave(&self, workspace_id: &str, provider: &str) {
        let left = resolve(&self.handle, workspace_id, provider, at_once());
        assert_eq!(left.unwrap_err().code(), "timeout");
    }

    fn leave_by_id(&self, id: &str) {
        let request = Request::get("token", "/v1/token");
        let request = self.handle.connections.by_id(id, request);
        let left = self.handle.call(request, at_once());
        let left = left.map(drop);
        assert_eq!(left.unwrap_err().code(), "timeout");
    }

    fn wait_for_callers(&self, provider: &str, callers: usize) {
        let key = Key::of(&Subject::tenant("ws", provider));
        wait_until(|| waiting_for(&self.handle, &key) == callers);
    }
}

/// Blocks scripts until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.0.lock();
        self.0.1.wait_while(&mut open, |open| !*open);
    }
}

/// Returns the number of callers that wait for a flight.
fn waiting_for(handle: &Handle, key: &Key) -> usize {
    let table = handle.flights.table.lock();
    // The table and the flight's thread hold the other two references.
    let callers = |found: &Arc<Flight>| Arc::strong_count(found).saturating_sub(2);
    flight_for(&table, key).map_or(0, callers)
}

pub(super) fn tenant() -> Arc<Tenant> {
    tenant_of("ws", "p")
}

fn tenant_of(workspace_id: &str, provider: &str) -> Arc<Tenant> {
    Arc::new(Tenant::new(workspace_id, provider))
}

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn at_once() -> Deadline {
    Deadline::after(Duration::ZERO)
}

#[allow(clippy::unnecessary_wraps, reason = "a script returns this")]
pub(super) fn token(name: &str, lifetime: u64) -> Result<Success> {
    let body = json!({"access_token": name, "expires_in": lifetime, "status": "active"});
    let clock = ResponseClock {
        at: Now::read(),
        date: None,
    };
    Ok(Success {
        body: body.as_object().unwrap().clone(),
        clock,
    })
}

pub(super) fn error(kind: ErrorKind, code: &'static str, status: u16) -> NexusError {
    NexusError::new(kind, "scripted").with(|inner| {
        (inner.code, inner.status) = (code.into(), Some(status));
        inner.next = meaning::of(RESOLVE, status, code, None).0;
    })
}

#[test]
fn threads_that_miss_together_cost_one_call_and_all_get_what_comes_of_it() {
    const THREADS: usize = 64;
    type Ask = fn() -> Result<Success>;
    let down: Ask = || Err(error(ErrorKind::Gateway, "down", 503));
    let panics: Ask = || panic::resume_unwind(Box::new("a bug"));
    let table: [(Ask, _); 3] = [
        (|| token("t", 3600), Ok("t")),
        (down, Err("down")),
        (panics, Err("request_failed")),
    ];
    for (ask, expected) in table {
        let gate = Gate::default();
        let opened = gate.clone();
        let scripted = Scripted::new(move |number, _| {
            gate.pass();
            if number == 1 { ask() } else { token("t", 3600) }
        });
        let cache = TokenCache::new();
        thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(|| scripted.cached(&cache)));
            scripted.wait_for_callers("p", THREADS);
            opened.open();
            for thread in threads {
                let got = thread.join().unwrap();
                assert!(got.as_ref().err().is_none_or(NexusError::is_retryable));
                let got = got.as_ref().map(|(name, _)| name.as_str());
                assert_eq!(got.map_err(NexusError::code), expected);
            }
        });
        assert_eq!(scripted.calls(), 1);
        assert_eq!(scripted.cached(&cache).unwrap().0, "t", "the next succeeds");
    }
}

/// The flight may have been started for the same cache, for another cache, or without a cache.
#[test]
fn after_a_delete_the_next_caller_waits_and_then_asks_anew() {
    let (ours, theirs) = (TokenCache::new(), TokenCache::new());
    for began_with in [Some(&ours), Some(&theirs), None] {
        let (gate, scripted) = Scripted::gated(1);
        theirs.clear();
        ours.clear();
        thread::scope(|scope| {
            let before = scope.spawn(|| match began_with {
                Some(cache) => scripted.cached(cache).unwrap().0,
                None => scripted.resolve("p", far()).unwrap(),
            });
            wait_until(|| scripted.calls() == 1);
            ours.delete("ws", "p");
            let hasty = scripted.cached_until(&ours, at_once());
            assert_eq!(hasty.unwrap_err().code(), "timeout");
            assert_eq!(scripted.calls(), 1, "one at a time for a tenant");
            let after = scope.spawn(|| scripted.cached(&ours).unwrap());
            gate.open();
            assert_eq!(before.join().unwrap(), "t-1");
            assert_eq!(after.join().unwrap().0, "t-2");
        });
        assert_eq!(ours.get("ws", "p").unwrap().access_token, "t-2");
    }
}

#[test]
fn calls_for_one_connection_join_or_take_turns() {
    let tenant = Tenant::new("ws", "p");
    for is_known in [false, true] {
        let gate = Gate::default();
        let opened = gate.clone();
        let running = Arc::new(AtomicUsize::new(0));
        let scripted = Scripted::new(move |number, _| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            if number == 1 {
                gate.pass();
            }
            running.fetch_sub(1, Ordering::SeqCst);
            token(&format!("t-{number}"), 3600)
        });
        let connections = &scripted.handle.connections;
        let call = |request| {
            let request = connections.by_id("c", request);
            let called = scripted.handle.call(request, far());
            called.unwrap().body.clone()
        };
        let get = |path| call(Request::get("get", path));
        let mut key = Key::of(&Subject::connection("c"));
        if is_known {
            connections.add("c", tenant.clone());
            key = Key::of(&Subject::tenant("ws", "p"));
        }
        thread::scope(|scope| {
            let first = scope.spawn(|| get("/v1/token/c"));
            let joined = scope.spawn(|| get("/v1/token/c"));
            wait_until(|| waiting_for(&scripted.handle, &key) == 2);
            let refresh = scope.spawn(|| call(Request::post("refresh", "/v1/refresh/c")));
            let check = scope.spawn(|| get("/v1/check-connection/c"));
            let resolve = is_known.then(|| scope.spawn(|| scripted.resolve("p", far()).unwrap()));
            opened.open();
            assert_eq!(first.join().unwrap(), joined.join().unwrap());
            assert_ne!(refresh.join().unwrap(), check.join().unwrap());
            if let Some(resolve) = resolve {
                assert_ne!(resolve.join().unwrap(), "t-1");
            }
        });
        assert_eq!(scripted.calls(), 3 + usize::from(is_known));
    }
}

/// The token is put into the cache of a caller that has timed out, too. A fetcher and a caller without a cache join as well.
#[test]
fn a_flight_brings_its_token_to_the_caches_of_all_who_joined() {
    let (gate, scripted) = Scripted::gated(usize::MAX);
    let [first, waiting, left, deleted] = [(); 4].map(|()| TokenCache::new());
    thread::scope(|scope| {
        scope.spawn(|| scripted.cached(&first).unwrap());
        scripted.wait_for_callers("p", 1);
        scope.spawn(|| scripted.cached(&waiting).unwrap());
        scope.spawn(|| scripted.cached(&deleted).unwrap());
        scope.spawn(|| scripted.resolve("p", far()).unwrap());
        scope.spawn(|| {
            let credential = Credential::Tenant(first.clone(), tenant());
            let fetcher = Fetcher::new(&scripted.handle, credential);
            fetcher.get_cached_token().unwrap()
        });
        let error = scripted.cached_until(&left, at_once()).unwrap_err();
        assert_eq!(error.code(), "timeout");
        scripted.wait_for_callers("p", 5);
        deleted.delete("ws", "p");
        gate.open();
    });
    assert_eq!(scripted.calls(), 1);
    let kept = [&first, &waiting, &left, &deleted].map(|cache| cache.get("ws", "p").is_some());
    assert_eq!(kept, [true, true, true, false]);
}

/// A thousand tenants wait for a provider that hangs. 64 of them have joined its flights.
#[test]
fn a_provider_that_hangs_does_not_delay_the_others() {
    const CALLERS: usize = 1000;
    let (gate, scripted) = Scripted::gated(128);
    let names: Vec<_> = (0..CALLERS).map(|number| number.to_string()).collect();
    for name in &names[..64] {
        scripted.leave(name, "hangs");
        scripted.leave_by_id(name);
    }
    wait_until(|| scripted.calls() == 128);
    let waiting = AtomicUsize::new(0);
    thread::scope(|scope| {
        for name in &names {
            let caller = thread::Builder::new().stack_size(64 << 10);
            let wait = || {
                waiting.fetch_add(1, Ordering::SeqCst);
                assert!(resolve(&scripted.handle, name, "hangs", far()).is_ok());
            };
            caller.spawn_scoped(scope, wait).unwrap();
            scripted.leave_by_id(name);
        }
        wait_until(|| waiting.load(Ordering::SeqCst) == CALLERS);
        for name in &names[..50] {
            assert!(resolve(&scripted.handle, name, "healthy", far()).is_ok());
        }
        let calls = scripted.calls();
        gate.open();
        assert_eq!(calls, 128 + 50, "waiting callers send no requests");
    });
    assert_eq!(scripted.calls(), 128 + 50 + CALLERS - 64, "64 have joined");
}

#[test]
fn a_client_has_512_flights_and_the_next_waits_within_its_timeout() {
    let (gate, scripted) = Scripted::gated(usize::MAX);
    for number in 0..512 {
        scripted.leave(&number.to_string(), &format!("p{}", number % 8));
    }
    wait_until(|| scripted.calls() == 512);
    scripted.leave("next", "q");
    let under_way = scripted.handle.flights.table.lock().len();
    assert_eq!(under_way, 512);
    thread::scope(|scope| {
        let patient = scope.spawn(|| resolve(&scripted.handle, "next", "q", far()));
        gate.open();
        assert!(patient.join().unwrap().is_ok());
    });
    assert_eq!(scripted.calls(), 513, "only one request was for `next`");
}

#[test]
fn without_threads_a_call_ends_at_once() {
    let scripted = Scripted::new(|_, _| token("t", 3600));
    let (empty, stale) = (TokenCache::new(), TokenCache::new());
    stale.set("ws", "p", expiring("old", 20));
    NO_THREADS.set(true);
    let error = scripted.cached(&empty).unwrap_err();
    let used = scripted.cached(&stale);
    NO_THREADS.set(false);
    let found = (error.code(), error.is_retryable());
    assert_eq!(found, ("request_failed", true));
    assert!(error.message().contains("cannot start a thread"));
    assert_eq!(used.unwrap(), ("old".to_owned(), Source::Cache));
    assert!(scripted.handle.flights.drain(at_once()), "nothing is left");
    assert_eq!(scripted.calls(), 0);
    assert!(scripted.cached(&empty).is_ok());
}

/// A process that exits interrupts its calls, so a flight must not retry while the program may be ending.
#[cfg(feature = "testing")]
#[test]
fn a_program_that_ends_asks_for_nothing_more() {
    use crate::testing::{DevGateway, Fault};
    let table = [(503, "", 1), (409, r#"{"error":"token_expired"}"#, 0)];
    let cases = table.map(|row| [(row, false, 2), (row, true, 1)]);
    for ((status, body, retries), is_ending, asked) in cases.into_iter().flatten() {
        let gateway = DevGateway::start().unwrap();
        gateway.fail_next(2, Fault::reply(status, "application/json", body));
        // A flight that paused before a forbidden retry would delay the end.
        let delay = if is_ending { LONG * 20 } else { Duration::ZERO };
        let policy = RetryPolicy::default().min_delay(delay).max_delay(delay);
        let options = NexusClientOptions::new(gateway.url())
            .without_lock()
            .retry_policy(policy.retries(retries));
        let handle = Handle::new(Inner::new(options.log_level(LogLevel::Off)).unwrap());
        let ending = &handle.flights.ending;
        ending.store(usize::from(is_ending), Ordering::SeqCst);
        resolve(&handle, "ws", "p", far()).unwrap_err();
        assert_eq!(gateway.count(""), asked, "{status}, {is_ending}");
    }
}

#[test]
fn the_last_handle_waits_for_flights_and_says_that_the_program_may_end() {
    let (gate, scripted) = Scripted::gated(1);
    let flights = Arc::clone(&scripted.handle.flights);
    scripted.leave("ws", "p");
    thread::scope(|scope| {
        scope.spawn(|| {
            wait_until(|| flights.is_ending() || flights.is_idle());
            gate.open();
        });
        drop(scripted.handle);
        assert!(flights.is_idle() && flights.is_ending());
    });
}

#[test]
fn every_wait_for_flights_counts_by_itself() {
    let (gate, scripted) = Scripted::gated(1);
    let flights = &scripted.handle.flights;
    scripted.leave("ws", "p");
    thread::scope(|scope| {
        let longer = scope.spawn(|| flights.drain(far()));
        wait_until(|| flights.is_ending());
        assert!(!flights.drain(at_once()));
        assert!(flights.is_ending(), "the longer drain still waits");
        gate.open();
        assert!(longer.join().unwrap());
    });
    assert!(!flights.is_ending(), "no thread waits");
}

/// The result of a call whose token is within its buffer. `src/gateway/refusal/tests.rs` has the errors that are final.
#[test]
fn what_a_usable_token_is_used_for() {
    type Ask = fn(&TokenCache) -> Result<Success>;
    const DOWN: Ask = |_| Err(error(ErrorKind::RequestFailed, "down", 0));
    let newer: Ask = |_| token("new", 3600);
    let wrong_key: Ask = |_| Err(error(ErrorKind::Gateway, "unauthorized", 401));
    let deleted: Ask = |cache| {
        cache.delete("ws", "p");
        DOWN(cache)
    };
    let replaced: Ask = |cache| {
        cache.set("ws", "p", expiring("set", 3600));
        DOWN(cache)
    };
    let table = [
        ("a newer one", newer, Ok("new"), 1),
        ("unreachable", DOWN, Ok("old"), 1),
        ("a wrong API key", wrong_key, Err("unauthorized"), 2),
        ("deleted in the meantime", deleted, Err("down"), 3),
        ("replaced in the meantime", replaced, Ok("set"), 1),
    ];
    for (case, ask, expected, asked) in table {
        let cache = TokenCache::new();
        cache.set("ws", "p", expiring("old", 20));
        let changed = cache.clone();
        let scripted = Scripted::new(move |_, _| ask(&changed));
        // The second call follows at once. In an outage it gets the old token from the cache. After a final error it
        // asks the gateway again.
        for _ in 0..2 {
            let got = scripted.cached(&cache).map(|(token, _)| token);
            let got = got.as_ref().map(String::as_str).map_err(NexusError::code);
            assert_eq!(got, expected, "{case}");
        }
        assert_eq!(scripted.calls(), asked, "{case}");
    }
}

fn expiring(name: &str, seconds: u64) -> CachedToken {
    let expires_at = Now::read().after(Duration::from_secs(seconds)).wall;
    CachedToken::new(name, "Bearer", expires_at)
}

/// The gateway hangs, so each caller would wait for its whole timeout.
#[test]
fn a_call_with_a_stale_token_waits_for_a_second_and_half_of_its_time_at_most() {
    let gate = Gate::default();
    let passed = gate.clone();
    let scripted = Scripted::with_stale_wait(Duration::ZERO, move |_, _| {
        passed.pass();
        token("new", 3600)
    });
    let cache = TokenCache::new();
    cache.set("ws", "p", expiring("old", 20));
    for _ in 0..3 {
        let old = ("old".to_owned(), Source::Cache);
        assert_eq!(scripted.cached(&cache).unwrap(), old);
    }
    gate.open();
    assert!(scripted.handle.flights.drain(far()));
    assert_eq!(cache.get("ws", "p").unwrap().access_token, "new");
    assert_eq!(scripted.calls(), 1, "one of the three has asked");

    let usual = Inner::new(options()).unwrap();
    let usual = |deadline| usual.stale_deadline(deadline).at;
    let begun = at_once().at;
    let wait = usual(far()) - begun;
    assert!((1..20).contains(&wait.as_secs()), "{wait:?}");
    let soon = Deadline::after(Duration::from_secs(1));
    assert!(soon.at - usual(soon) > Duration::from_millis(100), "half");
}

#[test]
fn the_option_switches_it_off() {
    let options = options().retry_policy(RetryPolicy::default().retries(0));
    let inner = Inner::new(options.stale_if_error(false)).unwrap();
    let cache = TokenCache::new();
    cache.set("ws", "p", expiring("old", 20));
    let cached = inner.token(&cache, &tenant(), far());
    assert_eq!(cached.unwrap_err().code(), "request_failed");
}

/// Returns a ticket for the tenant `ws` at `p`.
fn ticket(cache: &TokenCache, reason: &Reason) -> Ticket {
    let asker = Asker {
        gateway: "http://127.0.0.1:1".into(),
        uses_stale: true,
    };
    match cache.want(&tenant(), reason, &asker, Now::read()) {
        Want::Ask(question) => Ticket {
            cache: cache.clone(),
            tenant: tenant(),
            question,
        },
        Want::Use(token) | Want::Keep(token, _) => panic!("has {}", token.access_token),
    }
}

/// The caller found no token, and another thread has set or removed one before the caller's turn comes.
#[test]
fn a_caller_whose_slot_has_changed_looks_at_the_slot_again() {
    let scripted = Scripted::new(|_, _| token("t", 3600));
    let run = |ticket| {
        let request = Request::get(RESOLVE, "/v1/resolve");
        let flights = &scripted.handle.flights;
        flights.run(request, Some(ticket), far())
    };
    let changes: [fn(&TokenCache); 2] = [
        |cache| cache.set("ws", "p", expiring("set", 3600)),
        |cache| cache.delete("ws", "p"),
    ];
    for change in changes {
        let cache = TokenCache::new();
        let outdated = ticket(&cache, &Reason::Needed);
        change(&cache);
        assert!(run(outdated).unwrap().is_none());
        assert_eq!(scripted.calls(), 0);
    }
    let open = ticket(&TokenCache::new(), &Reason::Needed);
    assert!(run(open).unwrap().is_some());
}

/// `src/slot/tests.rs` has the rules for tickets.
#[test]
fn a_flight_serves_the_same_request_without_a_body_about_the_same_token() {
    let session =
        || Request::post("post", "/v1/agent-sessions").json(&json!({"agent_id": "agent"}));
    let refused = |name: &str| {
        let reason = Reason::Refused(Arc::new(expiring(name, 3600)), 401);
        ticket(&TokenCache::new(), &reason)
    };
    let needed = || ticket(&TokenCache::new(), &Reason::Needed);
    let get = |path: &str| Request::get("get", path);
    let table = [
        (get("/v1/token/c"), None, get("/v1/token/c"), None, true),
        (
            Request::post("post", "/r"),
            None,
            Request::post("post", "/r"),
            None,
            true,
        ),
        (get("/v1/token/c"), None, get("/v1/token/d"), None, false),
        (get("/r"), None, Request::post("post", "/r"), None, false),
        (session(), None, session(), None, false),
        (get("/r"), None, get("/r"), Some(needed()), true),
        (get("/r"), Some(needed()), get("/r"), None, true),
        (get("/r"), None, get("/r"), Some(refused("t")), false),
        (get("/r"), Some(refused("t")), get("/r"), None, true),
        (
            get("/r"),
            Some(refused("t")),
            get("/r"),
            Some(refused("t")),
            true,
        ),
        (
            get("/r"),
            Some(refused("t")),
            get("/r"),
            Some(refused("u")),
            false,
        ),
    ];
    for (number, (first, begun_for, second, joins_for, shared)) in table.into_iter().enumerate() {
        let flight = register(&mut Vec::new(), first, begun_for);
        let found = flight.serves(&second, joins_for.as_ref());
        assert_eq!(found, shared, "row {number}");
    }
}

/// The first answer arrives while the program is ending.
#[test]
fn a_program_that_ends_asks_for_no_list() {
    let gate = Gate::default();
    let passed = gate.clone();
    let scripted = Scripted::new(move |_, _| {
        passed.pass();
        let missing = NexusError::with_code("connection_not_found", "no");
        Err(missing.with(|inner| inner.status = Some(404)))
    });
    let flights = &scripted.handle.flights;
    thread::scope(|scope| {
        let asks = scope.spawn(|| scripted.resolve("p", far()));
        wait_until(|| scripted.calls() == 1);
        let drains = scope.spawn(|| flights.drain(far()));
        wait_until(|| flights.is_ending());
        gate.open();
        assert!(drains.join().unwrap());
        // The list would be requested from an address without a server.
        assert_eq!(asks.join().unwrap().unwrap_err().code(), "timeout");
    });
    assert_eq!(scripted.calls(), 1);
}
