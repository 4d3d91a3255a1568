//! Threads that miss the same key of an empty cache together, beside one that misses it alone.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::time::Duration;

use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
use support::server::Server;
use support::{Goal, Report, Unit, compare, on_threads};

const THREADS: usize = 64;
/// What the gateway takes for a token.
const DELAY: Duration = Duration::from_millis(20);

fn main() {
    let server = Server::start(DELAY);
    let origin = server.origin("http", "127.0.0.1");
    let client = NexusClient::new(NexusClientOptions::new(origin)).unwrap();
    let miss = |threads| {
        let (cache, before) = (TokenCache::new(), server.resolves());
        let time = on_threads(threads, || {
            client
                .get_cached_token(&cache, "workspace", "github")
                .unwrap();
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
    criterion.final_summary();
    let mut report = Report::default();
    report.medians(3, what, Unit::Nanos, &times, Goal::AtMost(1.05));
    report.print();
}
