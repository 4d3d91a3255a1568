//! Compares the number of allocations of a fetch through the SDK and through bare ureq.

use std::time::Duration;

use support::server::Server;
use support::{Goal, Report, Unit};

const CALLS: u32 = 100;

fn main() {
    let server = Server::start(Duration::ZERO);
    let mut report = Report::default();
    for scheme in support::SCHEMES {
        let url = format!("{}/user", server.origin(scheme, "127.0.0.1"));
        let bare = allocations(support::bare_fetch(16, None, url.clone()));
        let ours = allocations(support::our_fetch(url));
        let what = format!("allocations of a fetch, {scheme}");
        report.values(2, what, Unit::Count, (bare, ours), Goal::Over(12.0));
    }
    report.print();
}

/// Counts the allocations of a call on an open connection.
fn allocations(call: impl Fn()) -> f64 {
    call();
    let counted = allocation_counter::measure(|| (0..CALLS).for_each(|_| call()));
    f64::from(u32::try_from(counted.count_total).unwrap()) / f64::from(CALLS)
}
