//! Sockets, threads and memory that the SDK leaves behind. One test runs at a time, because it measures the
//! whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use allocation_counter::measure;
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};
use support::{End, LONG, Open, Server, bearer, bytes, cached, client, resident, text};

const CALLERS: usize = 8;
/// The memory that may be left in use after thousands of calls, in bytes.
const SLACK: i64 = 8 * 1024;

/// A gateway and upstream that keeps no record of its requests.
fn serve() -> Server {
    let (tokens, together) = (AtomicUsize::new(0), Barrier::new(CALLERS));
    Server::forgetful(move |request| match request.path() {
        "/v1/resolve" => bearer(&format!("t-{}", tokens.fetch_add(1, Ordering::Relaxed))),
        "/together" => {
            together.wait();
            text(200, "")
        }
        "/401" => text(401, ""),
        "/cut" => bytes(""),
        "/hold" => bytes("").then(End::Hold),
        _ => text(200, "fine"),
    })
}

/// Runs the work this many times, spread over the threads of all callers. Returns the bytes that they
/// allocated and did not free.
fn on_threads(times: usize, work: impl Fn(usize) + Sync) -> i64 {
    let next = AtomicUsize::new(0);
    let caller = || loop {
        match next.fetch_add(1, Ordering::Relaxed) {
            turn if turn < times => work(turn),
            _ => return,
        }
    };
    thread::scope(|threads| {
        let callers = [(); CALLERS].map(|()| threads.spawn(|| measure(caller).bytes_current));
        callers.map(|caller| caller.join().unwrap()).iter().sum()
    })
}

/// The fewest bytes that some work leaves in five runs. A caller shares memory with its flight, and the last
/// of both to drop frees it, but only the threads of callers are counted.
fn left_by(work: impl Fn() -> i64) -> i64 {
    let mut least = i64::MAX;
    for _ in 0..5 {
        least = least.min(work());
        if least < SLACK {
            break;
        }
    }
    least
}

struct Caller {
    client: NexusClient,
    cache: TokenCache,
    url: String,
}

impl Caller {
    fn new(server: &Server) -> Self {
        let (client, cache) = (client(server), TokenCache::new());
        let url = server.url("");
        Self { client, cache, url }
    }

    /// The status, or the error's code.
    fn get(&self, path: &str) -> String {
        // Long enough for a loaded machine, except where the test wants a timeout.
        let (url, timeout) = match path {
            "/refused" => ("http://127.0.0.1:1/".to_owned(), LONG),
            "/hold" => (format!("{}{path}", self.url), Duration::from_millis(2)),
            _ => (format!("{}{path}", self.url), LONG),
        };
        let options = FetchOptions::default().timeout(timeout);
        let fetched = self
            .client
            .authenticated_fetch(&self.cache, "ws", "p", &url, options);
        match fetched {
            Ok((status, ..)) => status.to_string(),
            Err(error) => error.code().to_owned(),
        }
    }

    /// Opens a connection for each thread. The pool keeps it, so its buffers are not a leak.
    fn connect(&self) -> i64 {
        on_threads(CALLERS, |_| assert_eq!(self.get("/together"), "200"))
    }

    fn resolve(&self, workspace: usize) {
        let workspace = format!("workspace-{workspace}");
        let fetcher = self.client.fetcher(&self.cache, &workspace, "p");
        fetcher.get_cached_token().unwrap();
    }
}

#[test]
fn nothing_is_left_behind() {
    check_nothing_is_left_behind(10);
}

#[test]
#[ignore = "takes half a minute"]
fn nothing_is_left_behind_in_the_long_form() {
    check_nothing_is_left_behind(1);
}

/// Divides the numbers of fetches and failures by `part`.
fn check_nothing_is_left_behind(part: usize) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap();
    let server = serve();
    let began = Open::now();
    let caller = Caller::new(&server);
    fetches_leave_nothing(&caller, 10_000 / part);
    failures_leave_nothing(&caller, part);
    refusals_leave_nothing(&caller, 20_000 / part / part);
    drop(caller);
    began.check_nothing_is_left("a client that was dropped");
    let left = left_by(|| workspaces_are_bounded(&server, 2_000 / part));
    assert!(left < SLACK, "a cache that was dropped left {left} bytes");
    began.check_nothing_is_left("workspaces");
    clients_are_cheap();
    began.check_nothing_is_left("1,000 clients");
}

fn fetches_leave_nothing(caller: &Caller, times: usize) {
    caller.connect();
    on_threads(100, |_| assert_eq!(caller.get("/"), "200"));
    let warm = Open::now();
    let left = on_threads(times, |_| assert_eq!(caller.get("/"), "200"));
    println!("{times} fetches: {left} bytes");
    assert!(left < SLACK, "{times} fetches left {left} bytes");
    warm.check_nothing_is_left("fetches");
}

fn failures_leave_nothing(caller: &Caller, part: usize) {
    const TABLE: [(&str, usize, &str); 3] = [
        ("/cut", 3_000, "request_failed"),
        ("/refused", 6_000, "request_failed"),
        ("/hold", 500, "timeout"),
    ];
    let warm = Open::now();
    for (path, times, expected) in TABLE {
        let times = times / part;
        caller.connect();
        on_threads(CALLERS, |_| assert_eq!(caller.get(path), expected));
        caller.connect();
        let left = left_by(|| {
            let left = on_threads(times, |_| assert_eq!(caller.get(path), expected));
            left + caller.connect()
        });
        println!("{times} times {path}: {left} bytes");
        assert!(left < SLACK, "{times} times {path} left {left} bytes");
        warm.check_nothing_is_left(path);
    }
}

/// A caller's thread frees tokens that a flight has allocated, or the other way round, so this counts the memory of the
/// whole process. A token that stays takes about 300 bytes, which only the long form can show.
fn refusals_leave_nothing(caller: &Caller, times: usize) {
    let refused = |times| {
        on_threads(times, |_| assert_eq!(caller.get("/401"), "401"));
    };
    refused(times / 10);
    caller.connect();
    let (warm, before) = (Open::now(), resident());
    refused(times);
    let left = resident().saturating_sub(before);
    println!("{times} times /401: {left} bytes");
    assert!(left < 3 << 20, "{times} times /401 left {left} bytes");
    warm.check_nothing_is_left("/401");
}

/// Workspaces that are set, and then workspaces that are resolved. Returns the bytes that are left.
fn workspaces_are_bounded(server: &Server, resolved: usize) -> i64 {
    let caller = Caller::new(server);
    caller.connect();
    let set = |workspace: usize| {
        let name = format!("workspace-{workspace}");
        caller.cache.set(&name, "p", cached("t-12345"));
        // `len` looks at each token, so it is not called for each workspace.
        assert!(!workspace.is_multiple_of(500) || caller.cache.len() <= 10_000);
    };
    let mut held = 0;
    for (from, to) in [(0, 10_000), (10_000, 25_000)] {
        held += measure(|| (from..to).for_each(set)).bytes_current;
        check_held(&caller.cache, to, held);
    }
    // The thread of a flight frees what its caller has allocated for it, and the other way round.
    on_threads(resolved, |workspace| caller.resolve(25_000 + workspace));
    check_held(&caller.cache, 25_000 + resolved, held);
    held + measure(|| drop(caller.cache)).bytes_current
}

/// At most 10,000 workspaces of at most 700 bytes each.
fn check_held(cache: &TokenCache, workspaces: usize, bytes: i64) {
    let entries = cache.len();
    println!("{workspaces} workspaces: {entries} held, {bytes} bytes");
    assert!((9_000..=10_000).contains(&entries), "{entries}");
    assert!(bytes < 10_000 * 700, "{bytes} bytes");
}

fn clients_are_cheap() {
    let make = || NexusClient::new(NexusClientOptions::new("http://127.0.0.1:1")).unwrap();
    drop(make());
    let before = Open::now();
    let kept = measure(|| {
        let clients: Vec<_> = (0..1_000).map(|_| make()).collect();
        let during = Open::now();
        assert!(during.is_within(before), "{during:?}, before: {before:?}");
        drop(clients);
    });
    println!("1,000 clients: {kept:?}");
    assert_eq!(kept.bytes_current, 0);
    // A copy of the TLS root certificates for each client would take 100 kB.
    assert!(kept.count_total < 50 * 1_000, "{kept:?}");
    assert!(kept.bytes_max < 4 * 1024 * 1_000, "{kept:?}");
}
