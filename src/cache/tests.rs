//! Time is passed in. No test waits.

mod time;

use super::*;
use std::time::{Instant, SystemTime};

type Action = fn(&TokenCache, Now);
type Change = fn(&TokenCache, &Arc<CachedToken>);
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

fn name_of(token: &Arc<CachedToken>) -> String {
    token.access_token.clone()
}

fn name_at(cache: &TokenCache, now: Now) -> Option<String> {
    cache.get_at("ws", "p", now).as_ref().map(name_of)
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
        Lookup::Stale { token, is_first } => Some((name_of(&token), is_first)),
        _ => None,
    }
}

/// Caches a token as if the gateway had returned it.
fn keep(cache: &TokenCache, token: Arc<CachedToken>, received: Now) {
    cache.update(&tenant(), Some(token), received, received, Instant::now());
}

fn set(cache: &TokenCache, token: Arc<CachedToken>, now: Now) {
    cache.set_at("ws", "p", token, now);
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
        ("a:b:c", ""),
        ("", "a:b:c"),
        ("c", "a:b"),
        ("a", "b"),
        ("b", "a"),
        ("ä", "ö"),
    ];
    for (workspace_id, provider) in tenants {
        let name = format!("{workspace_id} at {provider}");
        let token = token(&name, now, secs(3600));
        cache.set_at(workspace_id, provider, token, now);
    }
    for (workspace_id, provider) in tenants {
        let found = cache.get_at(workspace_id, provider, now).unwrap();
        assert_eq!(name_of(&found), format!("{workspace_id} at {provider}"));
    }
    assert!(cache.get_at("b", "c", now).is_none(), "of two tenants");
    cache.delete("a:b", "c");
    assert!(cache.get_at("a:b", "c", now).is_none());
    assert_eq!((cache.len(), cache.is_empty()), (tenants.len() - 1, false));
    cache.clear();
    assert_eq!((cache.len(), cache.is_empty()), (0, true));
}

#[test]
fn a_token_is_evicted_within_the_buffer_by_either_clock() {
    let start = Now::read();
    let at = |wall: i64, mono: u64| Now {
        wall: shifted(start.wall, wall),
        mono: start.mono + secs(mono),
    };
    let table = [
        ("at once", at(0, 0), true),
        ("a second before the buffer", at(69, 69), true),
        ("at the buffer", at(70, 70), false),
        ("after its expiry", at(101, 101), false),
        ("suspended: only the wall clock went on", at(3600, 1), false),
        ("the wall clock was set back a day", at(-86_400, 70), false),
        (
            "the wall clock was set back, still fresh",
            at(-86_400, 69),
            true,
        ),
    ];
    for (case, now, fresh) in table {
        let cache = TokenCache::new();
        set(&cache, token("t", start, secs(100)), start);
        assert_eq!(name_at(&cache, now).is_some(), fresh, "{case}");
        assert_eq!(cache.len_at(now), usize::from(fresh), "{case}");
    }
}

fn shifted(time: SystemTime, by: i64) -> SystemTime {
    let whole = secs(by.unsigned_abs());
    if by < 0 { time - whole } else { time + whole }
}

#[test]
fn set_keeps_only_what_is_outside_of_the_buffer() {
    let now = Now::read();
    let table = [
        (30, 0, false),
        (30, 29, false),
        (30, 30, false),
        (30, 31, true),
        (0, 1, true),
    ];
    for (buffer, lifetime, kept) in table {
        let cache = TokenCache::with_buffer(secs(buffer));
        set(&cache, token("old", now, secs(3600)), now);
        set(&cache, token("t", now, secs(lifetime)), now);
        let expected = kept.then(|| "t".to_owned());
        let found = name_at(&cache, now);
        assert_eq!(found, expected, "buffer {buffer}, lifetime {lifetime}");
    }
}

/// After a change to a tenant, the cache accepts no token of that tenant that was requested earlier.
#[test]
fn what_wins_against_a_token_that_is_being_asked_for() {
    let now = Now::read();
    let table: [(&str, Action, Option<&str>); 6] = [
        ("nothing", |_, _| (), Some("resolved")),
        ("delete", |cache, _| cache.delete("ws", "p"), None),
        ("clear", |cache, _| cache.clear(), None),
        (
            "set",
            |cache, now| set(cache, token("set", now, secs(99)), now),
            Some("set"),
        ),
        (
            "another tenant resolved",
            |cache, now| {
                let theirs = Some(token("theirs", now, secs(99)));
                cache.update(&Tenant::new("ws", "q"), theirs, now, now, Instant::now());
            },
            Some("resolved"),
        ),
        (
            "another cache cleared",
            |_, _| TokenCache::new().clear(),
            Some("resolved"),
        ),
    ];
    for (action, act, kept) in table {
        let cache = TokenCache::new();
        set(&cache, token("old", now, secs(99)), now);
        let (asked, now) = (Instant::now(), now.after(secs(1)));
        act(&cache, now);
        let resolved = Some(token("resolved", now, secs(3600)));
        cache.update(&tenant(), resolved, now, now, asked);
        assert_eq!(name_at(&cache, now).as_deref(), kept, "{action}");
        let unchanged = kept == Some("resolved");
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
    // The way in which the token came, the seconds that its request took, its lifetime when it was requested, what happens, and the
    // two instants.
    let table: [(&str, Bring, u64, u64, Action, u64, u64); 17] = [
        ("set", set, 0, 100, |_, _| {}, 70, 100),
        ("resolved", keep, 0, 100, |_, _| {}, 70, 100),
        ("set within its buffer", set, 0, 20, |_, _| {}, 0, 20),
        ("resolved with 36 s", keep, 0, 36, |_, _| {}, 6, 36),
        ("resolved with its buffer", keep, 0, 30, |_, _| {}, 5, 30),
        ("resolved within its buffer", keep, 0, 20, |_, _| {}, 5, 20),
        ("resolved with 5 s", keep, 0, 5, |_, _| {}, 5, 5),
        ("resolved with 4 s", keep, 0, 4, |_, _| {}, 4, 4),
        ("resolved at its end", keep, 0, 3, |_, _| {}, 3, 3),
        ("resolved expired", keep, 0, 0, |_, _| {}, 0, 0),
        (
            "without an expiry",
            keep_assumed,
            0,
            300,
            |_, _| {},
            270,
            3600,
        ),
        ("a slow request", keep, 10, 100, |_, _| {}, 60, 90),
        ("a request into the buffer", keep, 80, 100, |_, _| {}, 5, 20),
        ("a request to its end", keep, 100, 100, |_, _| {}, 0, 0),
        (
            "asked about at 80 s",
            set,
            0,
            100,
            |cache, start| drop(renewed(cache, start.after(secs(80))).unwrap()),
            85,
            100,
        ),
        (
            "asked about at 97 s",
            set,
            0,
            100,
            |cache, start| drop(renewed(cache, start.after(secs(97))).unwrap()),
            100,
            100,
        ),
        (
            "asked about at 80 s and at 90 s",
            set,
            0,
            100,
            |cache, start| {
                renewed(cache, start.after(secs(80))).unwrap();
                renewed(cache, start.after(secs(90))).unwrap();
            },
            95,
            100,
        ),
    ];
    for (case, bring, took, lifetime, act, fresh, usable) in table {
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
        act(&cache, arrived);
        let at = |after| arrived.after(secs(after));
        let (before_fresh, before_usable) = (fresh.saturating_sub(1), usable.saturating_sub(1));
        assert_eq!(name_at(&cache, at(fresh)), None, "{case}");
        assert_eq!(
            name_at(&cache, at(before_fresh)).is_some(),
            fresh > 0,
            "{case}"
        );
        assert_eq!(
            cache.len_at(at(before_fresh)),
            usize::from(fresh > 0),
            "{case}"
        );
        assert!(!is_usable(&cache, at(usable)), "{case}");
        assert_eq!(is_usable(&cache, at(before_usable)), usable > 0, "{case}");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a `Bring`")]
fn keep_assumed(cache: &TokenCache, token: Arc<CachedToken>, received: Now) {
    let assumed_expiry = Some(token.expires_at);
    let assumed = CachedToken {
        assumed_expiry,
        ..CachedToken::clone(&token)
    };
    keep(cache, Arc::new(assumed), received);
}

/// A user may replace the assumed expiry of a token with the real one.
#[test]
fn an_assumed_expiry_that_was_replaced_counts() {
    let start = Now::read();
    let token = token("t", start, secs(300));
    let known_better = CachedToken {
        assumed_expiry: Some(token.expires_at),
        expires_at: start.wall + secs(301),
        ..CachedToken::clone(&token)
    };
    for (after, stale) in [(300, true), (301, false)] {
        let cache = TokenCache::new();
        keep(&cache, Arc::new(known_better.clone()), start);
        assert_eq!(
            is_stale(&cache, start.after(secs(after))),
            stale,
            "{after} s"
        );
    }
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
    let (cache, now) = (TokenCache::new(), Now::read());
    let asked = Instant::now();
    let busy = token("busy", now, secs(3600));
    for _ in 0..100 {
        cache.set_at("busy", "p", Arc::clone(&busy), now);
    }
    let others = (0..1000).map(|number| Tenant::new(&number.to_string(), "p"));
    let affected = others
        .filter(|other| !cache.is_unchanged(other, asked))
        .count();
    assert_eq!(affected, 0);
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

#[test]
fn the_five_seconds_end_with_the_first_clock() {
    let start = Now::read();
    let cache = TokenCache::new();
    set(&cache, token("old", start, secs(100)), start);
    // The laptop slept for 18 s.
    let now = Now {
        wall: start.wall + secs(98),
        mono: start.mono + secs(80),
    };
    assert!(renewed(&cache, now).is_some());
    assert!(name_at(&cache, now.after(secs(1))).is_some());
    assert!(name_at(&cache, now.after(secs(2))).is_none());
}

#[test]
fn a_new_token_is_fresh_for_its_own_time() {
    let start = Now::read();
    let late = start.after(secs(80));
    for bring in [keep as Bring, set] {
        let cache = TokenCache::new();
        set(&cache, token("old", start, secs(100)), start);
        renewed(&cache, late).unwrap();
        bring(&cache, token("new", late, secs(100)), late);
        assert_eq!(name_at(&cache, late).as_deref(), Some("new"));
        let next = late.after(secs(80));
        assert_eq!(renewed(&cache, next), Some(("new".to_owned(), true)));
    }
}

#[test]
fn a_token_that_is_gone_is_not_stale() {
    let start = Now::read();
    let late = start.after(secs(80));
    let table: [(&str, Change, bool); 4] = [
        ("nothing", |_, _| (), true),
        ("delete", |cache, _| cache.delete("ws", "p"), false),
        ("clear", |cache, _| cache.clear(), false),
        (
            "a definite no",
            |cache, _| cache.update(&tenant(), None, Now::read(), Now::read(), Instant::now()),
            false,
        ),
    ];
    for was_asked_about in [false, true] {
        for (case, change, usable) in table {
            let (cache, token) = (TokenCache::new(), token("t", start, secs(100)));
            set(&cache, Arc::clone(&token), start);
            if was_asked_about {
                renewed(&cache, late).unwrap();
            }
            change(&cache, &token);
            assert_eq!(name_at(&cache, late).is_some(), usable && was_asked_about);
            assert_eq!(is_usable(&cache, late), usable, "{case}");
        }
    }
}

/// Only a caller's own `Arc` keeps a removed token in memory.
#[test]
fn a_token_that_is_gone_is_freed() {
    let now = Now::read();
    let table: [(&str, Change); 4] = [
        ("delete", |cache, _| cache.delete("ws", "p")),
        ("clear", |cache, _| cache.clear()),
        ("a newer one", |cache, _| {
            cache.set("ws", "p", token("new", Now::read(), secs(99)));
        }),
        ("a purge after its expiry", |cache, _| {
            let later = Now::read().after(secs(3601));
            for number in 0..100 {
                let tenant = number.to_string();
                cache.set_at(&tenant, "p", token("t", later, secs(3600)), later);
            }
        }),
    ];
    for (case, change) in table {
        let (cache, token) = (TokenCache::new(), token("t", now, secs(3600)));
        set(&cache, Arc::clone(&token), now);
        drop(cache.get("ws", "p"));
        assert_eq!(Arc::strong_count(&token), 2, "{case}");
        change(&cache, &token);
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
        let token = Some(token(name, requested, secs(3600)));
        cache.update(&tenant(), token, requested, now, Instant::now());
        assert_eq!(name_at(&cache, now).as_deref(), Some(kept), "{name}");
    }
}

/// The gateway is asked about a refused token, again 2 s later, and then once in 30 s. Other callers go on with the token that is there.
#[test]
fn after_a_401_one_caller_asks_in_30_seconds() {
    let start = Now::read();
    let (cache, refused) = (TokenCache::new(), token("t", start, secs(3600)));
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
    keep(&cache, token("t", start, secs(3600)), start.after(secs(11)));
    assert_eq!(after_401(&refused, 11), same);
    assert_eq!(after_401(&refused, 12), None, "asks once more");
    assert_eq!(after_401(&refused, 41), same);
    assert_eq!(after_401(&refused, 42), None, "asks again");
    keep(
        &cache,
        token("new", start, secs(3600)),
        start.after(secs(43)),
    );
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
        let token = token("t", now, secs(3600));
        for number in 0..12_000 {
            let provider = format!("p{}", number % providers);
            let workspace_id = format!("w{}", number / providers);
            cache.set_at(&workspace_id, &provider, Arc::clone(&token), now);
            // Does not call `len`, which reads every token.
            assert!(number % 500 != 0 || size(&cache) <= 10_000 + providers);
            let kept = cache.get_at(&workspace_id, &provider, now);
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
        cache.set_at(&name, "p", token("t", now, secs(40)), now);
        let held = size(&cache);
        assert!(
            held <= 64 + 4 + 1,
            "{held}: each lives for four steps of the clock"
        );
    }
}

#[test]
fn keys_that_hold_nothing_are_purged_as_the_cache_grows() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..1000 {
        let (workspace_id, provider) = (format!("w{number}"), format!("p{number}"));
        let token = token("t", now, secs(3600));
        cache.set_at(&workspace_id, &provider, token, now);
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
