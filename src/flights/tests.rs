//! Many threads, one gateway. Whatever a test waits for it waits for by looking, so that nothing here
//! depends on timing.

use super::*;
use crate::error::Result;
use crate::fetch::caller::Caller;
use crate::fetch::fetcher::Fetcher;
use crate::log::LogLevel;
use crate::options::NexusClientOptions;
use crate::retry::RetryPolicy;
use crate::sync::NO_THREADS;
use crate::time::ResponseClock;
use parking_lot::{Condvar, Mutex};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{OnceLock, Weak};
use std::thread;

pub(super) type Script = Box<dyn Fn(Call) -> Result<Success> + Send + Sync>;

/// A client whose gateway is a function, and how often that was called.
struct Scripted {
    handle: Handle,
    calls: Arc<AtomicUsize>,
}

pub(super) fn handle(script: Script) -> Handle {
    let options = NexusClientOptions::new("http://127.0.0.1:9").log_level(LogLevel::Off);
    Handle::of(Flights {
        script: Some(script),
        // A busy machine may take longer than users would wait.
        spare_patience: Duration::from_secs(30),
        ..Flights::new(Gateway::new(options).unwrap())
    })
}

impl Scripted {
    fn new(script: impl Fn(usize, Call) -> Result<Success> + Send + Sync + 'static) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let handle = handle(Box::new(move |call| {
            script(counted.fetch_add(1, Ordering::SeqCst) + 1, call)
        }));
        Self { handle, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn cached(&self, cache: &TokenCache) -> Result<(String, Source)> {
        let cached = self.handle.cached(cache, tenant("p"), &far);
        cached.map(|(token, source)| (token.access_token.clone(), source))
    }

    fn wait_until_aboard(&self, provider: &str, callers: usize) {
        let subject = Subject::Tenant(tenant(provider).to_owned());
        wait_until(|| self.handle.table.aboard(&subject) == callers);
    }
}

/// Lets scripts go on. Hundreds of threads may wait here, so they sleep.
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

fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(1));
    }
}

fn tenant(provider: &str) -> Tenant<'_> {
    Tenant::new("ws", provider)
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
    let received = ResponseClock {
        at: Now::read(),
        date: None,
    };
    Ok(Success {
        body: body.as_object().unwrap().clone(),
        received,
    })
}

fn error(kind: ErrorKind, code: &'static str, status: u16) -> NexusError {
    NexusError::new(kind, "scripted")
        .coded(code)
        .with_status(status)
}

#[test]
fn threads_that_miss_together_cost_one_call_and_all_get_what_comes_of_it() {
    const THREADS: usize = 64;
    for refused in [false, true] {
        let gate = Gate::default();
        let opened = gate.clone();
        let scripted = Scripted::new(move |_, _| {
            gate.pass();
            if refused {
                return Err(error(ErrorKind::Gateway, "broker_unavailable", 503));
            }
            token("t", 3600)
        });
        let cache = TokenCache::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| scripted.cached(&cache)))
                .collect();
            scripted.wait_until_aboard("p", THREADS);
            opened.open();
            for thread in threads {
                match thread.join().unwrap() {
                    Ok(got) => assert!(!refused && got == ("t".to_owned(), Source::Gateway)),
                    Err(error) => assert_eq!((refused, error.status_code()), (true, Some(503))),
                }
            }
        });
        assert_eq!(scripted.calls(), 1);
    }
}

#[test]
fn two_caches_a_fetcher_and_a_caller_without_a_cache_are_on_one_flight() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |number, _| {
        gate.pass();
        token(&format!("t-{number}"), 3600)
    });
    let (one, other) = (TokenCache::new(), TokenCache::new());
    thread::scope(|scope| {
        scope.spawn(|| scripted.cached(&one).unwrap());
        scope.spawn(|| scripted.cached(&other).unwrap());
        scope.spawn(|| scripted.handle.resolve(tenant("p"), far()).unwrap());
        scope.spawn(|| {
            let caller = Caller::of_tenant(&scripted.handle, &one, tenant("p"));
            Fetcher::new(caller).get_cached_token().unwrap()
        });
        scripted.wait_until_aboard("p", 4);
        opened.open();
    });
    for cache in [one, other] {
        assert_eq!(cache.get("ws", "p").unwrap().access_token, "t-1");
    }
    assert_eq!(scripted.calls(), 1);
}

#[test]
fn another_tenant_is_not_held_up() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |number, _| {
        if number == 1 {
            gate.pass();
        }
        token("t", 3600)
    });
    let cache = TokenCache::new();
    thread::scope(|scope| {
        let slow = scope.spawn(|| scripted.handle.cached(&cache, tenant("slow"), &far));
        wait_until(|| scripted.calls() == 1);
        assert!(scripted.cached(&cache).is_ok());
        opened.open();
        assert!(slow.join().unwrap().is_ok());
    });
}

#[test]
fn a_flight_lands_in_the_cache_of_a_caller_who_has_left() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |_, _| {
        gate.pass();
        token("t", 3600)
    });
    let cache = TokenCache::new();
    let error = scripted.handle.cached(&cache, tenant("p"), &at_once);
    let error = error.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("timeout", true));
    assert!(!scripted.handle.drain(at_once()), "it still flies");
    opened.open();
    assert!(scripted.handle.drain(far()));
    assert_eq!(cache.get("ws", "p").unwrap().access_token, "t");
    assert_eq!(scripted.calls(), 1);
}

#[test]
fn after_a_delete_the_next_caller_waits_and_then_asks_anew() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |number, _| {
        if number == 1 {
            gate.pass();
        }
        token(&format!("t-{number}"), 3600)
    });
    let cache = TokenCache::new();
    thread::scope(|scope| {
        let before = scope.spawn(|| scripted.cached(&cache).unwrap());
        wait_until(|| scripted.calls() == 1);
        cache.delete("ws", "p");
        let hasty = scripted.handle.cached(&cache, tenant("p"), &at_once);
        assert_eq!(hasty.unwrap_err().code(), "timeout");
        assert_eq!(scripted.calls(), 1, "one at a time for a tenant");
        let after = scope.spawn(|| scripted.cached(&cache).unwrap());
        opened.open();
        assert_eq!(before.join().unwrap().0, "t-1");
        assert_eq!(after.join().unwrap().0, "t-2");
    });
    assert_eq!(cache.get("ws", "p").unwrap().access_token, "t-2");
}

/// Whoever began the flight, and into whichever cache.
#[test]
fn a_delete_wins_against_a_flight_of_others() {
    for began_with_a_cache in [true, false] {
        let gate = Gate::default();
        let opened = gate.clone();
        let scripted = Scripted::new(move |number, _| {
            if number == 1 {
                gate.pass();
            }
            token(&format!("t-{number}"), 3600)
        });
        let (theirs, ours) = (TokenCache::new(), TokenCache::new());
        thread::scope(|scope| {
            let before = scope.spawn(|| {
                if began_with_a_cache {
                    return scripted.cached(&theirs).unwrap().0;
                }
                let token = scripted.handle.resolve(tenant("p"), far()).unwrap();
                token.access_token.clone()
            });
            wait_until(|| scripted.calls() == 1);
            ours.delete("ws", "p");
            let after = scope.spawn(|| scripted.cached(&ours).unwrap());
            let hasty = scripted.handle.cached(&ours, tenant("p"), &at_once);
            assert_eq!(hasty.unwrap_err().code(), "timeout");
            opened.open();
            assert_eq!(before.join().unwrap(), "t-1");
            assert_eq!(after.join().unwrap().0, "t-2");
        });
        assert_eq!(ours.get("ws", "p").unwrap().access_token, "t-2");
    }
}

#[test]
fn calls_for_one_connection_join_or_take_turns() {
    let gate = Gate::default();
    let opened = gate.clone();
    let flying = Arc::new(AtomicUsize::new(0));
    let scripted = Scripted::new(move |number, _| {
        assert_eq!(flying.fetch_add(1, Ordering::SeqCst), 0, "two at once");
        if number == 1 {
            gate.pass();
        }
        flying.fetch_sub(1, Ordering::SeqCst);
        token(&format!("t-{number}"), 3600)
    });
    let call = |call| scripted.handle.call(call, "c", far()).unwrap();
    let subject = Subject::Connection("c".into());
    thread::scope(|scope| {
        let first = scope.spawn(|| call(Call::Token));
        let joined = scope.spawn(|| call(Call::Token));
        wait_until(|| scripted.handle.table.aboard(&subject) == 2);
        let refresh = scope.spawn(|| call(Call::Refresh));
        let check = scope.spawn(|| call(Call::Check));
        opened.open();
        assert_eq!(first.join().unwrap(), joined.join().unwrap());
        assert_ne!(refresh.join().unwrap(), check.join().unwrap());
    });
    assert_eq!(scripted.calls(), 3);
}

#[test]
fn as_many_as_fit_fly_at_once_and_the_next_waits_within_its_timeout() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |_, _| {
        gate.pass();
        token("t", 3600)
    });
    for number in 0..256 {
        let left = scripted
            .handle
            .resolve(tenant(&number.to_string()), at_once());
        assert_eq!(left.unwrap_err().code(), "timeout");
    }
    wait_until(|| scripted.calls() == 256);
    let hasty = scripted.handle.resolve(tenant("next"), at_once());
    assert_eq!(hasty.unwrap_err().code(), "timeout");
    thread::scope(|scope| {
        let patient = scope.spawn(|| scripted.handle.resolve(tenant("next"), far()));
        opened.open();
        assert!(patient.join().unwrap().is_ok());
    });
    assert_eq!(scripted.calls(), 257, "the hasty one has asked nothing");
}

#[test]
fn a_flight_that_panics_is_an_error_for_all_and_the_next_one_flies() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |number, _| {
        gate.pass();
        if number == 1 {
            panic::resume_unwind(Box::new("a bug"));
        }
        token("t", 3600)
    });
    let cache = TokenCache::new();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| scripted.cached(&cache)))
            .collect();
        scripted.wait_until_aboard("p", 4);
        opened.open();
        for thread in threads {
            let error = thread.join().unwrap().unwrap_err();
            assert_eq!(
                (error.code(), error.is_retryable()),
                ("request_failed", true)
            );
        }
    });
    assert!(scripted.cached(&cache).is_ok());
}

#[test]
fn without_threads_the_caller_flies_and_stays_to_the_end() {
    let scripted = Scripted::new(|_, _| token("t", 3600));
    NO_THREADS.set(true);
    let token = scripted.handle.resolve(tenant("p"), at_once());
    NO_THREADS.set(false);
    assert_eq!(token.unwrap().access_token, "t");
    assert!(scripted.handle.drain(at_once()));
}

#[test]
fn the_last_handle_waits_for_what_flies() {
    let gate = Gate::default();
    let opened = gate.clone();
    let landed = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&landed);
    let scripted = handle(Box::new(move |_| {
        gate.pass();
        noted.store(true, Ordering::SeqCst);
        token("t", 3600)
    }));
    let clone = scripted.clone();
    let left = scripted.resolve(tenant("p"), at_once());
    assert_eq!(left.unwrap_err().code(), "timeout");
    drop(scripted);
    assert!(!landed.load(Ordering::SeqCst), "a clone is left");
    let other = thread::spawn(move || opened.open());
    drop(clone);
    assert!(landed.load(Ordering::SeqCst));
    other.join().unwrap();
}

/// A process that ends in the middle of a call hangs up on it.
#[test]
fn a_program_that_ends_asks_for_nothing_more() {
    let responses = [
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"error\":\"token_expired\"}",
    ];
    for (response, ending, times) in responses
        .into_iter()
        .flat_map(|response| [(response, false, 2), (response, true, 1)])
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut lines = BufReader::new(stream.unwrap());
                while lines
                    .by_ref()
                    .lines()
                    .next()
                    .is_some_and(|line| !line.unwrap().is_empty())
                {}
                counted.fetch_add(1, Ordering::SeqCst);
                lines.get_mut().write_all(response.as_bytes()).unwrap();
            }
        });
        let policy = RetryPolicy::default().min_delay(Duration::ZERO);
        let options = NexusClientOptions::new(url)
            .retry_policy(policy.retries(u32::from(response.contains("503"))))
            .log_level(LogLevel::Off);
        let handle = Handle::new(Gateway::new(options).unwrap());
        if ending {
            handle.gateway.set_ending(true);
        }
        let error = handle.resolve(tenant("p"), far()).unwrap_err();
        assert_eq!(asked.load(Ordering::SeqCst), times, "{response} {error:?}");
    }
}

#[test]
fn drain_and_the_last_handle_say_that_the_program_may_end() {
    type End = fn(Handle);
    let table: [(&str, End); 2] = [
        ("drain", |handle| {
            assert!(handle.drain(far()));
            assert!(!handle.gateway.is_ending(), "it may go on");
        }),
        ("drop", drop),
    ];
    for (case, end) in table {
        let told = Arc::new(AtomicBool::new(false));
        let (noted, of) = (
            Arc::clone(&told),
            Arc::new(OnceLock::<Weak<Flights>>::new()),
        );
        let flights = Arc::clone(&of);
        let handle = handle(Box::new(move |_| {
            let flights = flights.get().and_then(Weak::upgrade).unwrap();
            let patience = far();
            wait_until(|| flights.gateway.is_ending() || patience.left().is_none());
            noted.store(flights.gateway.is_ending(), Ordering::SeqCst);
            token("t", 3600)
        }));
        of.set(Arc::downgrade(&handle)).unwrap();
        handle.resolve(tenant("p"), at_once()).unwrap_err();
        end(handle);
        assert!(told.load(Ordering::SeqCst), "{case}");
    }
}

/// A token within its buffer, and what comes of asking for a newer one.
#[test]
fn what_a_usable_token_is_used_for() {
    type Ask = fn() -> Result<Success>;
    let table: [(&str, Ask, Result<&str, &str>, usize); 10] = [
        ("a newer one", || token("new", 3600), Ok("new"), 1),
        (
            "unreachable",
            || Err(error(ErrorKind::RequestFailed, "request_failed", 0)),
            Ok("old"),
            1,
        ),
        (
            "timeout",
            || Err(error(ErrorKind::Timeout, "timeout", 0)),
            Ok("old"),
            1,
        ),
        (
            "429",
            || Err(error(ErrorKind::Gateway, "http_429", 429)),
            Ok("old"),
            1,
        ),
        (
            "500",
            || Err(error(ErrorKind::Gateway, "internal_error", 500)),
            Ok("old"),
            1,
        ),
        (
            "a captive portal",
            || Err(error(ErrorKind::InvalidResponse, "invalid_response", 200)),
            Ok("old"),
            1,
        ),
        (
            "the provider is down",
            || Err(error(ErrorKind::Gateway, "token_expired", 409)),
            Ok("old"),
            1,
        ),
        (
            "not connected any more",
            || Err(error(ErrorKind::Gateway, "connection_not_found", 404)),
            Err("connection_not_found"),
            2,
        ),
        (
            "attention",
            || Err(error(ErrorKind::Gateway, "attention_required", 409)),
            Err("attention_required"),
            2,
        ),
        (
            "a wrong API key",
            || Err(error(ErrorKind::Gateway, "unauthorized", 401)),
            Err("unauthorized"),
            2,
        ),
    ];
    for (case, ask, expected, asked) in table {
        let scripted = Scripted::new(move |_, _| ask());
        let cache = TokenCache::new();
        cache.set("ws", "p", expiring("old", 20));
        // The second call follows at once: an outage is known by then, a no is final.
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

#[test]
fn after_a_pause_one_call_asks_again_and_does_not_wait() {
    let gate = Gate::default();
    let opened = gate.clone();
    let scripted = Scripted::new(move |_, _| {
        gate.pass();
        token("new", 3600)
    });
    let cache = TokenCache::new();
    cache.set("ws", "p", expiring("old", 20));
    let why = slow();
    let now = Now::read().mono;
    let six_seconds_ago = now.checked_sub(Duration::from_secs(6)).unwrap();
    let tenant = tenant("p").to_owned();
    scripted
        .handle
        .outages
        .begin(&tenant, &why, six_seconds_ago);
    for _ in 0..3 {
        assert_eq!(scripted.cached(&cache).unwrap().0, "old");
    }
    opened.open();
    assert!(scripted.handle.drain(far()));
    assert_eq!(scripted.calls(), 1);
    assert_eq!(scripted.cached(&cache).unwrap().0, "new");
}

/// What is deleted while a newer token is asked for does not come back in its place.
#[test]
fn a_token_that_is_deleted_meanwhile_does_not_stand_in() {
    type Change = fn(&TokenCache);
    let table: [(&str, Change, Result<&str, &str>); 3] = [
        ("nothing", |_| (), Ok("old")),
        (
            "deleted",
            |cache| cache.delete("ws", "p"),
            Err("request_failed"),
        ),
        (
            "replaced",
            |cache| cache.set("ws", "p", expiring("set", 3600)),
            Ok("set"),
        ),
    ];
    for (case, change, expected) in table {
        let cache = TokenCache::new();
        let changed = cache.clone();
        let scripted = Scripted::new(move |_, _| {
            change(&changed);
            Err(error(ErrorKind::RequestFailed, "request_failed", 0))
        });
        cache.set("ws", "p", expiring("old", 20));
        let got = scripted.cached(&cache).map(|(token, _)| token);
        let got = got.as_ref().map(String::as_str).map_err(NexusError::code);
        assert_eq!(got, expected, "{case}");
    }
}

#[test]
fn who_has_no_usable_token_gets_the_error() {
    type Change = fn(&TokenCache);
    let table: [(&str, Change); 4] = [
        ("none there", |_| ()),
        ("expired", |cache| cache.set("ws", "p", expiring("old", 0))),
        ("deleted", |cache| cache.delete("ws", "p")),
        ("met a 401", |cache| {
            if let Lookup::Spare(token) = cache.look_up(tenant("p"), Now::read()) {
                cache.discard(tenant("p"), &token);
            }
        }),
    ];
    for (case, change) in table {
        let scripted =
            Scripted::new(|_, _| Err(error(ErrorKind::RequestFailed, "request_failed", 0)));
        let cache = TokenCache::new();
        if case != "none there" {
            cache.set("ws", "p", expiring("old", 20));
        }
        change(&cache);
        let error = scripted.cached(&cache).unwrap_err();
        assert_eq!(error.code(), "request_failed", "{case}");
    }
}

#[test]
fn the_option_switches_it_off() {
    let options = NexusClientOptions::new("http://127.0.0.1:9")
        .log_level(LogLevel::Off)
        .stale_if_error(false);
    let handle = Handle::of(Flights {
        script: Some(Box::new(|_| {
            Err(error(ErrorKind::RequestFailed, "request_failed", 0))
        })),
        ..Flights::new(Gateway::new(options).unwrap())
    });
    let cache = TokenCache::new();
    cache.set("ws", "p", expiring("old", 20));
    let asked = handle.cached(&cache, tenant("p"), &far);
    assert_eq!(asked.unwrap_err().code(), "request_failed");
}

#[test]
fn an_outage_is_the_tenants_or_everybodys() {
    let start = Now::read().mono;
    let (ours, theirs) = (tenant("p").to_owned(), tenant("q").to_owned());
    let network = error(ErrorKind::RequestFailed, "request_failed", 0);
    let provider = error(ErrorKind::Gateway, "token_expired", 409);
    let retried = NexusError::exhausted(network.clone(), 3);
    let table = [
        (network, Some(Duration::ZERO)),
        (retried, Some(Duration::ZERO)),
        (provider, None),
    ];
    for (why, for_theirs) in table {
        let outages = Outages::new();
        outages.begin(&ours, &why, start);
        assert_eq!(outages.since(&theirs, start), for_theirs);
        let since = Duration::from_secs(4);
        assert_eq!(outages.since(&ours, start + since), Some(since));
        outages.end(&ours);
        assert_eq!(outages.since(&ours, start), None);
    }
}
