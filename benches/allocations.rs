//! Counts the allocations of a hit, and of a fetch through the SDK and through bare ureq.

use std::time::{Duration, SystemTime};

use nexus_sdk::{CachedToken, NexusClient, NexusClientOptions, TokenCache};
use support::server::Server;
use support::{Goal, Report, Unit};

const CALLS: u32 = 100;

fn main() {
    let server = Server::start(Duration::ZERO);
    let mut report = Report::default();
    let what = "allocations of a hit";
    report.value(1, what, Unit::Count, allocations(hit()), Goal::Below(0.0));
    for scheme in support::SCHEMES {
        let url = format!("{}/user", server.origin(scheme, "127.0.0.1"));
        let bare = allocations(support::bare_fetch(16, None, url.clone()));
        let ours = allocations(support::our_fetch(url));
        let what = format!("allocations of a fetch, {scheme}");
        report.values(2, what, Unit::Count, (bare, ours), Goal::Over(12.0));
    }
    report.print();
}

fn hit() -> impl Fn() {
    let client = NexusClient::new(NexusClientOptions::new("http://127.0.0.1:1")).unwrap();
    let expires = SystemTime::now() + Duration::from_secs(3600);
    let (cache, token) = (
        TokenCache::new(),
        CachedToken::new("t-1", "Bearer", expires),
    );
    cache.set("workspace", "github", token);
    move || {
        client
            .get_cached_token(&cache, "workspace", "github")
            .unwrap();
    }
}

/// Returns the average number of allocations of a call. The first call, which may open a connection, is not counted.
fn allocations(call: impl Fn()) -> f64 {
    call();
    let counted = allocation_counter::measure(|| (0..CALLS).for_each(|_| call()));
    f64::from(u32::try_from(counted.count_total).unwrap()) / f64::from(CALLS)
}
