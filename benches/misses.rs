//! Compares 64 threads that miss the same key of an empty cache at the same time with a single thread that misses it.
//! Also compares one miss with the bare request that it makes, on a new connection, and with a miss that takes the lock
//! file.

use std::time::Duration;

use criterion::Criterion;
use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
use support::server::{SLOW, Server};
use support::{Goal, Report, SCHEMES, Unit, compare, on_threads, repeat};

const THREADS: usize = 64;
/// The time that the gateway takes to return a token of the provider [`SLOW`].
const DELAY: Duration = Duration::from_millis(20);

fn main() {
    let server = Server::start(DELAY);
    let origin = server.origin("http", "127.0.0.1");
    let client = NexusClient::new(NexusClientOptions::new(origin)).unwrap();
    let miss = |threads| {
        let (cache, before) = (TokenCache::new(), server.resolves());
        let time = on_threads(threads, || {
            client.get_cached_token(&cache, "workspace", SLOW).unwrap();
        });
        assert_eq!(server.resolves() - before, 1, "one of {threads} asks");
        time
    };

    let mut criterion = support::criterion();
    let what = format!("{THREADS} cold misses, one resolve");
    let times = compare(
        &mut criterion,
        &what,
        1,
        |runs| (0..runs).map(|_| miss(1)).sum(),
        |runs| (0..runs).map(|_| miss(THREADS)).sum(),
    );
    let mut report = Report::default();
    report.medians(3, what, Unit::Nanos, &times, Goal::AtMost(1.05));
    for scheme in SCHEMES {
        one_miss(&server, scheme, &mut criterion, &mut report);
    }
    locked_miss(&server, &mut criterion, &mut report);
    criterion.final_summary();
    report.print();
}

/// Measures a single miss. Most of its time beyond the bare request is the start of a thread, because a call that can
/// refresh a token runs on its own thread.
fn one_miss(server: &Server, scheme: &str, criterion: &mut Criterion, report: &mut Report) {
    let origin = server.origin(scheme, "localhost");
    let bare = support::bare_agent(16, None);
    let url = format!("{origin}/v1/resolve?workspace_id=workspace&provider_name=github");
    let request = || {
        let request = bare.get(&url).config().max_idle_age(Duration::ZERO).build();
        request.call().unwrap().body_mut().read_to_vec()
    };
    let options = NexusClientOptions::new(origin.clone()).without_lock();
    let client = NexusClient::new(options).unwrap();
    // ureq keeps the agent's TLS settings once a request without settings of its own has used them. This fetch is such a request.
    let fetcher = client.fetcher(&TokenCache::new(), "workspace", "github");
    assert_eq!(fetcher.get(&format!("{origin}/")).unwrap().0, 200);
    let what = format!("a cold miss over {scheme}, beside its request on a new connection");
    let pair = compare(
        criterion,
        &what,
        20,
        |calls| repeat(calls, request),
        |calls| repeat(calls, || miss(&client)),
    );
    report.medians(3, what, Unit::Nanos, &pair, Goal::Over(250_000.0));
}

fn locked_miss(server: &Server, criterion: &mut Criterion, report: &mut Report) {
    let options = NexusClientOptions::new(server.origin("http", "127.0.0.1"));
    let client = NexusClient::new(options.clone().without_lock()).unwrap();
    let dir = std::env::temp_dir().join(format!("nexus-bench-locks-{}", std::process::id()));
    let locked = NexusClient::new(options.lock_dir(&dir)).unwrap();
    let what = "a cold miss with a lock on the host";
    let pair = compare(
        criterion,
        what,
        20,
        |calls| repeat(calls, || miss(&client)),
        |calls| repeat(calls, || miss(&locked)),
    );
    report.medians(3, what, Unit::Nanos, &pair, Goal::Over(15_000.0));
    let _ = std::fs::remove_dir_all(dir);
}

fn miss(client: &NexusClient) -> nexus_sdk::CachedToken {
    client.resolve_token("workspace", "github").unwrap()
}
