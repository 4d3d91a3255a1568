//! Time is passed in. No test waits.

mod time;

use super::*;
use std::time::{Instant, SystemTime};

type Action = fn(&TokenCache, Now);
type Bring = fn(&TokenCache, Arc<CachedToken>, Now);

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn tenant() -> Tenant {
    Tenant::new("ws", "p")
}

fn token(name: &str, now: Now, lifetime: Duration) -> Arc<CachedToken> {
    let expires_at = now.wall + lifetime;
    Arc::new(CachedToken::new(name, "Bearer", expires_at))
}

fn new(name: &str, now: Now) -> Arc<CachedToken> {
    token(name, now, secs(3600))
}

fn name_of(token: &Arc<CachedToken>) -> String {
    token.access_token.clone()
}

fn name_at(cache: &TokenCache, now: Now) -> Option<String> {
    cache.get_at(("ws", "p"), now).as_ref().map(name_of)
}

fn is_usable(cache: &TokenCache, now: Now) -> bool {
    let mut entries = cache.entries.lock();
    let entry = entries.get_mut(("ws", "p"));
    entry.is_some_and(|entry| entry.is_usable(now))
}

fn is_stale(cache: &TokenCache, now: Now) -> bool {
    name_at(cache, now).is_none() && is_usable(cache, now)
}

/// Looks for the token. If it is stale, returns it, and whether this is the first time.
fn renewed(cache: &TokenCache, now: Now) -> Option<(String, bool)> {
    match cache.lookup(&tenant(), true, now) {
        Lookup::Stale { is_first } => Some((name_at(cache, now)?, is_first)),
        _ => None,
    }
}

/// Caches a token as if the gateway had returned it.
fn keep(cache: &TokenCache, token: Arc<CachedToken>, received: Now) {
    cache.update(&tenant(), Some(token), received, received, Instant::now());
}

fn set(cache: &TokenCache, token: Arc<CachedToken>, now: Now) {
    cache.set_at(("ws", "p"), token, now);
}

/// Returns the number of providers plus the number of tokens, expired tokens included.
fn size(cache: &TokenCache) -> usize {
    let entries = cache.entries.lock();
    let workspaces = entries.providers.values();
    workspaces.map(|workspaces| workspaces.len() + 1).sum()
}

#[test]
fn tenants_never_share_a_token() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let tenants = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a", "b"),
        ("b", "a"),
        ("ä", "ö"),
    ];
    for (workspace_id, provider) in tenants {
        let name = format!("{workspace_id} at {provider}");
        let token = new(&name, now);
        cache.set_at((workspace_id, provider), token, now);
    }
    for (workspace_id, provider) in tenants {
        let found = cache.get_at((workspace_id, provider), now).unwrap();
        assert_eq!(name_of(&found), format!("{workspace_id} at {provider}"));
    }
    assert!(cache.get_at(("b", "c"), now).is_none(), "of two tenants");
    cache.delete("a:b", "c");
    assert!(cache.get_at(("a:b", "c"), now).is_none());
    assert_eq!((cache.len(), cache.is_empty()), (tenants.len() - 1, false));
    cache.clear();
    assert_eq!((cache.len(), cache.is_empty()), (0, true));
}

/// After a change to a tenant, the cache accepts no token of that tenant that was requested earlier.
#[test]
fn what_wins_against_a_token_that_is_being_asked_for() {
    let now = Now::read();
    let table: [(&str, Action, &str); 5] = [
        ("nothing", |_, _| (), "resolved"),
        ("delete", |cache, _| cache.delete("ws", "p"), ""),
        ("clear", |cache, _| cache.clear(), ""),
        ("set", |cache, now| set(cache, new("set", now), now), "set"),
        (
            "another tenant resolved",
            |cache, now| {
                let (theirs, tenant) = (Some(new("theirs", now)), Tenant::new("ws", "q"));
                cache.update(&tenant, theirs, now, now, Instant::now());
            },
            "resolved",
        ),
    ];
    for (action, act, kept) in table {
        let cache = TokenCache::new();
        set(&cache, new("old", now), now);
        let (asked, now) = (Instant::now(), now.after(secs(1)));
        act(&cache, now);
        let resolved = Some(new("resolved", now));
        cache.update(&tenant(), resolved, now, now, asked);
        let found = name_at(&cache, now).unwrap_or_default();
        assert_eq!(found, kept, "{action}");
        let unchanged = kept == "resolved";
        assert_eq!(cache.is_unchanged(&tenant(), asked), unchanged, "{action}");
    }
}

#[test]
fn a_refusal_drops_what_was_there_before_it_was_asked_for() {
    let (cache, now) = (TokenCache::new(), Now::read());
    set(&cache, token("old", now, secs(99)), now);
    let (asked, later) = (Instant::now(), now.after(secs(1)));
    set(&cache, token("set", now, secs(99)), now);
    cache.update(&tenant(), None, later, later, asked);
    assert_eq!(name_at(&cache, later).as_deref(), Some("set"));
    cache.update(&tenant(), None, now, later, Instant::now());
    assert_eq!(name_at(&cache, later).as_deref(), Some("set"));
    cache.update(&tenant(), None, later, later, Instant::now());
    assert_eq!(name_at(&cache, later), None);
}

/// The two instants of a token, in seconds after it arrived: until when it is used without asking the gateway, and
/// until when it may be used if the gateway returns no newer token.
#[test]
fn a_token_is_fresh_and_usable_until_two_instants() {
    let assumed: Bring = |cache, token, now| keep_assumed(cache, &token, token.expires_at, now);
    let replaced: Bring = |cache, token, now| keep_assumed(cache, &token, now.wall, now);
    // The way in which the token came, the seconds that its request took, its lifetime when it was requested, and the
    // two instants.
    let table: [(&str, Bring, u64, u64, u64, u64); 12] = [
        ("set", set, 0, 100, 70, 100),
        ("resolved", keep, 0, 100, 70, 100),
        ("set within its buffer", set, 0, 20, 0, 20),
        ("resolved with 36 s", keep, 0, 36, 6, 36),
        ("resolved with its buffer", keep, 0, 30, 5, 30),
        ("resolved with 4 s", keep, 0, 4, 4, 4),
        ("resolved expired", keep, 0, 0, 0, 0),
        ("without an expiry", assumed, 0, 300, 270, 3600),
        ("its expiry was replaced", replaced, 0, 300, 270, 300),
        ("a slow request", keep, 10, 100, 60, 90),
        ("a request into the buffer", keep, 80, 100, 5, 20),
        ("a request to its end", keep, 100, 100, 0, 0),
    ];
    for (case, bring, took, lifetime, fresh, usable) in table {
        let arrived = Now::read().after(secs(1000));
        let requested = Now {
            wall: arrived.wall - secs(took),
            mono: arrived.mono.checked_sub(secs(took)).unwrap(),
        };
        let cache = TokenCache::new();
        let token = token("t", requested, secs(lifetime));
        if took == 0 {
            bring(&cache, token, arrived);
        } else {
            cache.update(&tenant(), Some(token), requested, arrived, Instant::now());
        }
        let at = |after| arrived.after(secs(after));
        let (before_fresh, before_usable) = (fresh.saturating_sub(1), usable.saturating_sub(1));
        assert_eq!(name_at(&cache, at(fresh)), None, "{case}");
        let found = name_at(&cache, at(before_fresh)).is_some();
        assert_eq!(found, fresh > 0, "{case}");
        assert_eq!(cache.len_at(at(before_fresh)), usize::from(found), "{case}");
        assert!(!is_usable(&cache, at(usable)), "{case}");
        assert_eq!(is_usable(&cache, at(before_usable)), usable > 0, "{case}");
    }
}

/// A user may replace the assumed expiry of a token with the real one.
fn keep_assumed(cache: &TokenCache, token: &CachedToken, assumed: SystemTime, received: Now) {
    let assumed_expiry = Some(assumed);
    let assumed = CachedToken {
        assumed_expiry,
        ..token.clone()
    };
    keep(cache, Arc::new(assumed), received);
}

/// The wall clock steps back by an hour while the gateway responds.
#[test]
fn the_life_of_a_token_counts_from_its_request_on_both_clocks() {
    let requested = Now::read();
    let cache = TokenCache::new();
    let received = Now {
        wall: requested.wall - secs(3600),
        mono: requested.mono + secs(20),
    };
    let token = token("t", requested, secs(100));
    cache.update(&tenant(), Some(token), requested, received, Instant::now());
    for (after, fresh, usable) in [(0, true, true), (50, false, true), (80, false, false)] {
        let now = received.after(secs(after));
        assert_eq!(name_at(&cache, now).is_some(), fresh, "{after} s");
        assert_eq!(is_usable(&cache, now), usable, "{after} s");
    }
}

#[test]
fn a_busy_tenant_affects_no_other() {
    let (cache, asked) = (TokenCache::new(), Instant::now());
    for _ in 0..100 {
        cache.delete("busy", "p");
    }
    let mut others = (0..1000).map(|number| Tenant::new(&number.to_string(), "p"));
    assert!(others.all(|other| cache.is_unchanged(&other, asked)));
    assert!(!cache.is_unchanged(&Tenant::new("busy", "p"), asked));
    cache.clear();
    assert!(!cache.is_unchanged(&tenant(), asked));
}

/// In each five seconds, the first caller asks the gateway, and all others find the token.
#[test]
fn a_stale_token_is_fresh_for_five_seconds_at_a_time() {
    let start = Now::read();
    let at = |after| start.after(secs(after));
    let (cache, old) = (TokenCache::new(), Some("old".to_owned()));
    set(&cache, token("old", start, secs(100)), start);
    assert!(is_stale(&cache, at(80)));
    let missing = cache.lookup(&tenant(), false, at(80));
    assert!(matches!(missing, Lookup::Missing), "without stale_if_error");
    for (after, is_first) in [(80, true), (85, false), (91, false), (96, false)] {
        assert_eq!(name_at(&cache, at(after)), None, "{after} s");
        let asks = renewed(&cache, at(after));
        assert_eq!(asks, Some(("old".to_owned(), is_first)), "{after} s");
        for later in [after, after + 3] {
            assert_eq!(renewed(&cache, at(later)), None, "one caller asks");
            assert_eq!(name_at(&cache, at(later)), old, "{later} s");
        }
    }
    assert_eq!(name_at(&cache, at(100)), None, "never past its end");
    assert_eq!(renewed(&cache, at(100)), None);
    assert!(!is_usable(&cache, at(100)));
}

/// Only a caller's own `Arc` keeps a removed token in memory.
#[test]
fn a_token_that_is_gone_is_neither_used_nor_kept() {
    let now = Now::read();
    let table: [(&str, Action); 5] = [
        ("delete", |cache, _| cache.delete("ws", "p")),
        ("clear", |cache, _| cache.clear()),
        ("a definite no", |cache, now| {
            cache.update(&tenant(), None, now, now, Instant::now());
        }),
        ("an expired one", |cache, now| {
            set(cache, token("new", now, secs(0)), now);
        }),
        ("a purge after its expiry", |cache, now| {
            let later = now.after(secs(101));
            for number in 0..100 {
                let token = new("t", later);
                cache.set_at((&number.to_string(), "p"), token, later);
            }
        }),
    ];
    for (case, act) in table {
        let (cache, token) = (TokenCache::new(), token("t", now, secs(100)));
        set(&cache, Arc::clone(&token), now);
        let late = now.after(secs(80));
        assert!(is_stale(&cache, late), "{case}");
        act(&cache, late);
        assert!(!is_usable(&cache, late), "{case}");
        assert_eq!(Arc::strong_count(&token), 1, "{case}");
    }
}

/// A caller with another cache wakes late, when a later flight has cached a newer token.
#[test]
fn an_older_token_never_replaces_a_newer_one() {
    let (cache, start) = (TokenCache::new(), Now::read());
    let now = start.after(secs(20));
    for (name, requested, kept) in [
        ("second", 10, "second"),
        ("first", 5, "second"),
        ("again", 10, "second"),
        ("third", 11, "third"),
    ] {
        let requested = start.after(secs(requested));
        let token = Some(new(name, requested));
        cache.update(&tenant(), token, requested, now, Instant::now());
        assert_eq!(name_at(&cache, now).as_deref(), Some(kept), "{name}");
    }
}

/// The gateway is asked about a refused token, again 2 s later, and then once in 30 s. Other callers go on with the token that is there.
#[test]
fn after_a_401_one_caller_asks_in_30_seconds() {
    let start = Now::read();
    let (cache, refused) = (TokenCache::new(), new("t", start));
    let after_401 = |refused: &CachedToken, after| {
        let token = cache.after_refusal(&tenant(), refused, start.after(secs(after)));
        token.as_ref().map(name_of)
    };
    assert_eq!(after_401(&refused, 0), None, "nothing there");
    set(&cache, Arc::clone(&refused), start);
    assert_eq!(after_401(&refused, 10), None, "asks");
    let same = Some("t".to_owned());
    assert_eq!(after_401(&refused, 10), same);
    assert_eq!(name_at(&cache, start.after(secs(10))), same, "stays fresh");
    // The gateway returns the same credential. The interval until the next question goes on.
    keep(&cache, new("t", start), start.after(secs(11)));
    assert_eq!(after_401(&refused, 11), same);
    assert_eq!(after_401(&refused, 12), None, "asks once more");
    assert_eq!(after_401(&refused, 41), same);
    assert_eq!(after_401(&refused, 42), None, "asks again");
    keep(&cache, new("new", start), start.after(secs(43)));
    let new = Some("new".to_owned());
    assert_eq!(after_401(&refused, 43), new, "was replaced");
    assert_eq!(after_401(&token("new", start, secs(1)), 44), None, "asks");
    assert_eq!(after_401(&refused, 3700), None, "has expired");
}

/// The limit counts tokens, not providers or workspaces.
#[test]
fn the_cache_is_bounded() {
    for providers in [1, 5_000] {
        let (cache, now) = (TokenCache::new(), Now::read());
        let token = new("t", now);
        for number in 0..12_000 {
            let provider = format!("p{}", number % providers);
            let workspace_id = format!("w{}", number / providers);
            cache.set_at((&workspace_id, &provider), Arc::clone(&token), now);
            // Does not call `len`, which reads every token.
            assert!(number % 500 != 0 || size(&cache) <= 10_000 + providers);
            let kept = cache.get_at((&workspace_id, &provider), now);
            assert!(kept.is_some(), "{providers} providers: {number}");
        }
        let held = cache.len();
        assert!((9_000..=10_000).contains(&held), "{held} of {providers}");
    }
}

#[test]
fn expired_tokens_are_purged_as_the_cache_grows() {
    let (cache, start) = (TokenCache::new(), Now::read());
    for number in 0..1000_u32 {
        let now = start.after(secs(10) * number);
        let name = format!("w{number}");
        cache.set_at((&name, "p"), token("t", now, secs(40)), now);
        let held = size(&cache);
        assert!(held <= 64 + 4 + 1, "{held}: each lives for four steps");
    }
}

#[test]
fn keys_that_hold_nothing_are_purged_as_the_cache_grows() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..1000 {
        let (workspace_id, provider) = (format!("w{number}"), format!("p{number}"));
        let token = new("t", now);
        cache.set_at((&workspace_id, &provider), token, now);
        cache.delete(&workspace_id, &provider);
        assert!(size(&cache) <= 64);
    }
}

#[test]
fn the_memory_of_changes_is_bounded_and_forgets_none() {
    let cache = TokenCache::new();
    let asked = Instant::now();
    cache.delete("ws", "p");
    for number in 0..25_000 {
        cache.delete(&number.to_string(), "p");
    }
    assert!(cache.entries.lock().changes.len() <= 10_000);
    assert!(!cache.is_unchanged(&tenant(), asked));
}
