//! Another client refreshes the connection by its id, outside of any lock, between the fetches of threads.
//!
//! No request is under way during such a refresh: for a moment, the provider then refuses the old token while the gateway still
//! returns it. The tests of the cache show when the gateway is asked again.

use std::collections::HashSet;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};

const THREADS: usize = 8;
const REFRESHES: usize = 4;
/// The number of fetches that follow each refresh.
const FETCHES: usize = 4 * THREADS;

#[test]
fn each_foreign_refresh_costs_one_resolve_and_no_call() {
    let gateway = DevGateway::builder()
        .provider(Provider::oauth2("idp"))
        .start()
        .unwrap();
    let connection = gateway.connect("ws", "idp").unwrap();
    let client = |options: NexusClientOptions| NexusClient::new(options.without_lock()).unwrap();
    let ours = client(NexusClientOptions::new(gateway.url()));
    let theirs = client(NexusClientOptions::new(gateway.url()));
    let cache = TokenCache::new();
    let user = format!("{}/user", gateway.url());
    let (is_over, refreshing) = (AtomicBool::new(false), RwLock::new(()));
    let sent = AtomicUsize::new(0);
    let wait_for_fetches = || {
        let begun = sent.load(SeqCst);
        while sent.load(SeqCst) < begun + FETCHES {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let fetch = || {
        let fetcher = ours.fetcher(&cache, "ws", "idp");
        let mut statuses = HashSet::new();
        while !is_over.load(SeqCst) {
            let _fetching = refreshing.read().unwrap();
            sent.fetch_add(1, SeqCst);
            statuses.insert(fetcher.get(&user).map(|(status, ..)| status).unwrap());
        }
        statuses
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(fetch)).collect();
        for _ in 0..REFRESHES {
            wait_for_fetches();
            let _refreshing = refreshing.write().unwrap();
            theirs.refresh_connection(&connection).unwrap();
        }
        wait_for_fetches();
        is_over.store(true, SeqCst);
        for thread in threads {
            assert_eq!(thread.join().unwrap(), HashSet::from([200]));
        }
    });
    let resolves = gateway.count("/v1/resolve");
    let each = 2..=REFRESHES + 1;
    assert!(
        each.contains(&resolves),
        "{resolves}: at most one for a token"
    );
}
