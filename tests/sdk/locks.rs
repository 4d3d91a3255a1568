//! Requests that may refresh a token hold the client's lock, each attempt by itself.

use std::io;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::errors::METHODS;
use crate::support::{Server, bearer, bytes, json, options, retrying};
use nexus_sdk::serde_json::json;
use nexus_sdk::{NexusClient, NexusClientOptions, RefreshLock};

/// The events in order: `acquire`, `request`, `release`.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<&'static str>>>);

impl Events {
    fn add(&self, event: &'static str) {
        self.0.lock().unwrap().push(event);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Held(Events);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add("release");
    }
}

type Guard = Box<dyn Send>;

/// A lock that is a function.
struct Scripted<F>(F);

impl<F> RefreshLock for Scripted<F>
where
    F: Fn(Duration) -> io::Result<Option<Guard>> + Send + Sync,
{
    fn try_lock(&self, _: &str, lease: Duration) -> io::Result<Option<Guard>> {
        (self.0)(lease)
    }
}

struct Bench {
    gateway: Server,
    events: Events,
    leases: Arc<Mutex<Vec<Duration>>>,
}

impl Bench {
    /// A gateway whose first requests to `/v1` get these responses, and the others a token.
    fn new(first: &'static [(u16, &'static str)]) -> Self {
        let events = Events::default();
        let noted = events.clone();
        let left = Mutex::new(first.iter());
        let gateway = Server::start(move |_| {
            noted.add("request");
            match left.lock().unwrap().next() {
                Some((0, _)) => bytes(""),
                Some((status, code)) => json(*status, &json!({ "error": code })),
                None => bearer("t"),
            }
        });
        Self {
            gateway,
            events,
            leases: Arc::default(),
        }
    }

    /// A lock that is always free.
    fn lock(&self) -> Arc<dyn RefreshLock> {
        let (events, leases) = (self.events.clone(), Arc::clone(&self.leases));
        Arc::new(Scripted(move |lease: Duration| {
            events.add("acquire");
            leases.lock().unwrap().push(lease);
            Ok(Some(Box::new(Held(events.clone())) as Guard))
        }))
    }

    fn client(&self, change: impl Fn(NexusClientOptions) -> NexusClientOptions) -> NexusClient {
        let options = options(&self.gateway).refresh_lock(self.lock());
        NexusClient::new(change(options)).unwrap()
    }

    fn retrying(&self) -> NexusClient {
        let policy = retrying(1, Duration::from_millis(1));
        self.client(|options| options.retry_policy(policy.clone()))
    }
}

const ATTEMPT: [&str; 3] = ["acquire", "request", "release"];

#[test]
fn each_attempt_holds_the_lock_by_itself() {
    type Responses = &'static [(u16, &'static str)];
    // The list of providers, which confirms that a connection is missing, needs no lock.
    let confirmed = [&ATTEMPT[..], &["request"], &ATTEMPT].concat();
    let table: [(&str, Responses, _); 5] = [
        ("success", &[], ATTEMPT.to_vec()),
        ("a retry", &[(503, "broker_unavailable")], ATTEMPT.repeat(2)),
        ("a cut connection", &[(0, "")], ATTEMPT.to_vec()),
        (
            "a second resolve",
            &[(409, "token_expired")],
            ATTEMPT.repeat(2),
        ),
        ("no connection", &[(404, "connection_not_found")], confirmed),
    ];
    for (case, first, expected) in table {
        let bench = Bench::new(first);
        let _ = bench.retrying().resolve_token("ws", "p");
        assert_eq!(bench.events.take(), expected, "{case}");
    }
}

#[test]
fn calls_that_refresh_nothing_take_no_lock() {
    let refresh = [
        "resolve_token",
        "get_token_by_connection_id",
        "refresh_connection",
        "check_connection",
        "request_agent_session",
        "request_agent_session, on behalf of a user",
    ];
    for (name, call) in METHODS {
        let bench = Bench::new(&[]);
        call(&bench.client(|options| options));
        let events = bench.events.take();
        let acquired = events.iter().filter(|event| **event == "acquire").count();
        assert!(events.contains(&"request"), "{name}");
        assert_eq!(acquired, usize::from(refresh.contains(&name)), "{name}");
    }
}

#[test]
fn a_lease_is_as_long_as_an_attempt() {
    let lease = |timeout| {
        let bench = Bench::new(&[]);
        let client = bench.client(|options| options.timeout(timeout));
        client.resolve_token("ws", "p").unwrap();
        let [lease] = bench.leases.lock().unwrap()[..] else {
            panic!("more than one turn")
        };
        lease
    };
    for (timeout, expected) in [(1, 40), (30, 40), (40, 40), (100, 100)] {
        let found = lease(Duration::from_secs(timeout));
        assert_eq!(found, Duration::from_secs(expected), "{timeout} s");
    }
    let end = std::time::SystemTime::now().checked_add(lease(Duration::MAX));
    assert!(end.is_some(), "a clock can add the longest lease");
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic::resume_unwind(Box::new("a bug of the lock"));
    }
}

#[test]
fn a_lock_that_panics_fails_the_call_and_not_the_next_one() {
    for in_drop in [false, true] {
        let bench = Bench::new(&[]);
        let turns = AtomicUsize::new(0);
        let lock = Scripted(move |_: Duration| -> io::Result<Option<Guard>> {
            match (turns.fetch_add(1, Ordering::SeqCst), in_drop) {
                (0, true) => Ok(Some(Box::new(PanicsInDrop))),
                (0, false) => panic::resume_unwind(Box::new("a bug of the lock")),
                _ => Ok(Some(Box::new(()))),
            }
        });
        let client = NexusClient::new(options(&bench.gateway).refresh_lock(lock)).unwrap();
        let error = client.resolve_token("ws", "p").unwrap_err();
        let got = (error.code(), error.is_retryable());
        assert_eq!(got, ("request_failed", true), "{in_drop}");
        assert!(error.message().contains("or the lock around it"), "{error}");
        assert!(client.resolve_token("ws", "p").is_ok(), "{in_drop}");
    }
}
