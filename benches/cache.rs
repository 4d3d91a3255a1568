//! Compares a hit in the token cache with a floor, the least work that such a cache can do: one lock, a lookup in two
//! maps, both clocks, and one clone of an `Arc`.
#![allow(clippy::cast_precision_loss)]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::Criterion;
use nexus_sdk::{CachedToken, Fetcher, NexusClient, NexusClientOptions, TokenCache};
use parking_lot::Mutex;
use support::{Goal, Report, Unit, on_threads, repeat};

const PROVIDER: &str = "github";
/// A full cache may remove tokens down to this number to make room.
const FULL: usize = 9_936;
/// The number of calls that each thread makes in one turn. The turns of the cache and of the floor alternate. There are
/// many calls, because the threads do not begin at exactly the same moment.
const CALLS: u64 = 20_000;

fn main() {
    let mut criterion = support::criterion();
    let mut report = Report::default();
    for threads in [1, 4, 16] {
        a_hit(threads, &mut criterion, &mut report);
    }
    among_many(&mut criterion, &mut report);
    size_of_an_entry(&mut report);
    criterion.final_summary();
    report.print();
}

/// Returns a name of the length and form of a UUID.
fn workspace(number: usize) -> String {
    format!("{number:08x}-3c1f-4a77-9d2e-{number:012x}")
}

fn token() -> Arc<CachedToken> {
    let expires_at = SystemTime::now() + Duration::from_secs(3600);
    Arc::new(CachedToken::new(
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
        "Bearer",
        expires_at,
    ))
}

/// The minimal cache that the token cache is compared with.
#[derive(Default)]
struct Floor(Mutex<HashMap<Box<str>, Providers>>);

type Providers = HashMap<Box<str>, Entry>;

struct Entry {
    token: Arc<CachedToken>,
    wall: SystemTime,
    mono: Instant,
}

impl Floor {
    fn set(&self, workspace_id: &str, provider: &str) {
        let lifetime = Duration::from_secs(3570);
        let entry = Entry {
            token: token(),
            wall: SystemTime::now() + lifetime,
            mono: Instant::now() + lifetime,
        };
        let mut map = self.0.lock();
        let providers = map.entry(workspace_id.into()).or_default();
        providers.insert(provider.into(), entry);
    }

    fn get(&self, workspace_id: &str, provider: &str) -> Option<Arc<CachedToken>> {
        let (wall, mono) = (SystemTime::now(), Instant::now());
        let map = self.0.lock();
        let entry = map.get(workspace_id)?.get(provider)?;
        (wall < entry.wall && mono < entry.mono).then(|| Arc::clone(&entry.token))
    }
}

fn client() -> NexusClient {
    NexusClient::new(NexusClientOptions::new("http://localhost:1")).unwrap()
}

/// Divides the calls of one turn among the threads, and returns the time that they took.
fn turn<T>(threads: usize, calls: u64, call: impl Fn() -> T + Sync) -> Duration {
    let each = calls / threads as u64;
    on_threads(threads, || {
        repeat(each, &call);
    })
}

fn a_hit(threads: usize, criterion: &mut Criterion, report: &mut Report) {
    let (floor, cache, client) = (Floor::default(), TokenCache::new(), client());
    let name = workspace(1);
    floor.set(&name, PROVIDER);
    cache.set(&name, PROVIDER, token());
    let fetcher = client.fetcher(&cache, &name, PROVIDER);

    let place = || black_box((name.as_str(), PROVIDER));
    let of_floor = |calls| {
        turn(threads, calls, || {
            let (workspace_id, provider) = place();
            floor.get(workspace_id, provider).unwrap()
        })
    };
    let of_client = |calls| {
        turn(threads, calls, || {
            let (workspace_id, provider) = place();
            client
                .get_cached_token(&cache, workspace_id, provider)
                .unwrap()
        })
    };
    let of_fetcher = |calls| {
        turn(threads, calls, || {
            Fetcher::get_cached_token(&fetcher).unwrap()
        })
    };

    let mut measure = |what: &str, most: f64, ours: &dyn Fn(u64) -> Duration| {
        let what = format!("{what}, {threads} threads");
        let block = CALLS * threads as u64;
        let pair = support::compare(criterion, &what, block, of_floor, ours);
        report.medians(1, what, Unit::Nanos, &pair, Goal::AtMost(most));
    };
    measure("a hit", 2.0, &of_client);
    measure("a hit of a Fetcher", 2.0, &of_fetcher);
}

/// Compares hits in a cache of 9,936 workspaces with hits in a cache of one workspace: first for random
/// workspaces, and then always for the same workspace.
fn among_many(criterion: &mut Criterion, report: &mut Report) {
    let client = client();
    let names: Vec<String> = (0..FULL).map(workspace).collect();
    let (one, many) = (TokenCache::new(), TokenCache::new());
    one.set(&names[0], PROVIDER, token());
    for name in &names {
        many.set(name, PROVIDER, token());
    }
    assert_eq!(many.len(), FULL, "a full cache");

    let mut order = Order(1);
    // Both sides read a name from a random place in memory, because this cost is the caller's and not the cache's.
    let of_one = |calls| {
        repeat(calls, || {
            black_box(order.next(&names).as_bytes().last());
            client.get_cached_token(&one, &names[0], PROVIDER).unwrap()
        })
    };
    let mut order = Order(1);
    let of_many = |calls| {
        repeat(calls, || {
            let name = order.next(&names);
            client.get_cached_token(&many, name, PROVIDER).unwrap()
        })
    };
    let what = "a hit among 9,936 workspaces, chosen at random";
    let pair = support::compare(criterion, what, CALLS, of_one, of_many);
    report.medians(5, what, Unit::Nanos, &pair, Goal::AtMost(3.0));

    let hot = |cache: &TokenCache, calls| {
        repeat(calls, || {
            client
                .get_cached_token(cache, black_box(&names[0]), PROVIDER)
                .unwrap()
        })
    };
    let what = "a hit among 9,936 workspaces, always the same";
    let pair = support::compare(
        criterion,
        what,
        CALLS,
        |calls| hot(&one, calls),
        |calls| hot(&many, calls),
    );
    report.medians(5, what, Unit::Nanos, &pair, Goal::AtMost(1.5));
}

/// Random positions in a list, the same in each run.
struct Order(u64);

impl Order {
    fn next<'a>(&mut self, names: &'a [String]) -> &'a str {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let place = (self.0 >> 33) % names.len() as u64;
        &names[usize::try_from(place).unwrap()]
    }
}

/// Measures the memory of an entry without its token, and the memory of a token.
fn size_of_an_entry(report: &mut Report) {
    let names: Vec<String> = (0..FULL).map(workspace).collect();
    let tokens: Vec<_> = names.iter().map(|_| token()).collect();
    let cache = TokenCache::new();
    let of_cache = allocation_counter::measure(|| {
        for (name, token) in names.iter().zip(&tokens) {
            cache.set(name, PROVIDER, Arc::clone(token));
        }
    });
    let of_token = allocation_counter::measure(|| {
        black_box(Box::leak(Box::new(token())));
    });
    let entry = of_cache.bytes_current as f64 / FULL as f64;
    report.value(
        5,
        "an entry, without its token",
        Unit::Bytes,
        entry,
        Goal::Stated,
    );
    let token = of_token.bytes_current as f64;
    report.value(
        5,
        "a token of 40 characters",
        Unit::Bytes,
        token,
        Goal::Stated,
    );
}
