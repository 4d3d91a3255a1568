//! Time is passed in. No test waits.

mod time;

use super::*;
use crate::error::NexusError;
use std::time::SystemTime;

type Action = fn(&TokenCache, Now);
type Bring = fn(&TokenCache, Arc<CachedToken>, Now);

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
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

fn get_at(cache: &TokenCache, key: Key<'_>, now: Now) -> Option<Arc<CachedToken>> {
    cache.fresh(key, None, now)
}

fn name_at(cache: &TokenCache, now: Now) -> Option<String> {
    get_at(cache, ("ws", "p"), now).as_ref().map(name_of)
}

fn is_usable(cache: &TokenCache, now: Now) -> bool {
    let slots = cache.slots.lock();
    slots
        .get(("ws", "p"))
        .is_some_and(|slot| slot.is_in_use(now))
}

fn is_stale(cache: &TokenCache, now: Now) -> bool {
    name_at(cache, now).is_none() && is_usable(cache, now)
}

/// Returns the ticket of a caller that finds no token.
fn ask(cache: &TokenCache, now: Now) -> Ticket {
    let asker = Asker {
        gateway: "https://gateway".into(),
        uses_stale: true,
    };
    let tenant = Arc::new(Tenant::new("ws", "p"));
    match cache.want(&tenant, &Reason::Needed, &asker, now) {
        Want::Ask(question) => Ticket {
            cache: cache.clone(),
            tenant,
            question,
        },
        Want::Use(token) | Want::Keep(token, _) => panic!("has {}", token.access_token),
    }
}

/// Caches a token that was requested and received at these times.
fn receive(cache: &TokenCache, token: Arc<CachedToken>, requested: Now, received: Now) {
    cache.delete("ws", "p");
    let outcome = Ok((token, requested));
    ask(cache, received).done(outcome, received);
}

fn keep(cache: &TokenCache, token: Arc<CachedToken>, received: Now) {
    receive(cache, token, received, received);
}

fn set(cache: &TokenCache, token: Arc<CachedToken>, now: Now) {
    cache.set_at(("ws", "p"), token, now);
}

/// Returns the number of providers plus the number of tokens, expired tokens included.
fn size(cache: &TokenCache) -> usize {
    cache.slots.lock().size()
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
        let found = get_at(&cache, (workspace_id, provider), now).unwrap();
        assert_eq!(name_of(&found), format!("{workspace_id} at {provider}"));
    }
    assert!(get_at(&cache, ("b", "c"), now).is_none(), "of two tenants");
    cache.delete("a:b", "c");
    assert!(get_at(&cache, ("a:b", "c"), now).is_none());
    assert_eq!((cache.len(), cache.is_empty()), (tenants.len() - 1, false));
    cache.clear();
    assert_eq!((cache.len(), cache.is_empty()), (0, true));
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
            receive(&cache, token, requested, arrived);
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
    receive(&cache, token, requested, received);
    for (after, fresh, usable) in [(0, true, true), (50, false, true), (80, false, false)] {
        let now = received.after(secs(after));
        assert_eq!(name_at(&cache, now).is_some(), fresh, "{after} s");
        assert_eq!(is_usable(&cache, now), usable, "{after} s");
    }
}

/// Only a caller's own `Arc` keeps a removed token in memory.
#[test]
fn a_token_that_is_gone_is_neither_used_nor_kept() {
    let now = Now::read();
    let table: [(&str, Action); 5] = [
        ("delete", |cache, _| cache.delete("ws", "p")),
        ("clear", |cache, _| cache.clear()),
        ("a definite no", |cache, now| {
            ask(cache, now).done(
                Err(NexusError::with_code("connection_not_found", "no")),
                now,
            );
        }),
        ("an expired one", |cache, now| {
            set(cache, token("new", now, secs(0)), now);
        }),
        ("a purge after its expiry", |cache, now| {
            fill(cache, now.after(secs(101)));
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
            let kept = get_at(&cache, (&workspace_id, &provider), now);
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

/// A ticket changes nothing after its slot has been removed, even if the tenant has a new slot by then.
#[test]
fn what_wins_against_a_token_that_is_being_asked_for() {
    let table: [(&str, Action, &str); 7] = [
        ("nothing", |_, _| (), "resolved"),
        ("delete", |cache, _| cache.delete("ws", "p"), ""),
        ("clear", |cache, _| cache.clear(), ""),
        ("set", |cache, now| set(cache, new("set", now), now), "set"),
        (
            "delete, and another caller that asks",
            |cache, now| {
                cache.delete("ws", "p");
                drop(ask(cache, now));
            },
            "",
        ),
        (
            "a change that the client learns of",
            |cache, _| {
                let filled = Caches::default();
                filled.add(cache);
                filled.remove(Some("ws"), Some("P"));
            },
            "",
        ),
        (
            "another tenant's delete",
            |cache, _| cache.delete("ws", "q"),
            "resolved",
        ),
    ];
    for (action, act, kept) in table {
        let now = Now::read();
        let cache = TokenCache::new();
        let ticket = ask(&cache, now);
        act(&cache, now);
        assert_eq!(ticket.is_open(), kept == "resolved", "{action}");
        ticket.done(Ok((new("resolved", now), now)), now);
        assert_eq!(name_at(&cache, now).unwrap_or_default(), kept, "{action}");
    }
}

/// A request that began before a change may return the token that was removed.
#[test]
fn a_caller_does_not_join_a_request_from_before_a_change() {
    let table: [(&str, Action, bool); 5] = [
        ("nothing", |_, _| (), true),
        ("delete", |cache, _| cache.delete("ws", "p"), false),
        ("clear", |cache, _| cache.clear(), false),
        (
            "set, within its buffer",
            |cache, now| set(cache, token("set", now, secs(1)), now),
            false,
        ),
        (
            "a purge of the changed slot",
            |cache, now| {
                set(cache, token("set", now, secs(0)), now);
                fill(cache, now);
            },
            false,
        ),
    ];
    for (action, act, joins) in table {
        let (cache, now) = (TokenCache::new(), Now::read());
        let began = Instant::now();
        act(&cache, now);
        let ticket = ask(&cache, now);
        let question = &ticket.question;
        assert_eq!(question.is_answered_by(began, None), joins, "{action}");
        assert!(question.is_answered_by(Instant::now(), None), "{action}");
    }
}

fn fill(cache: &TokenCache, now: Now) {
    for number in 0..100 {
        cache.set_at((&number.to_string(), "p"), new("t", now), now);
    }
}

/// The slots of callers that wait for the gateway are not purged.
#[test]
fn a_slot_with_an_open_ticket_survives_a_purge() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let ticket = ask(&cache, now);
    fill(&cache, now);
    ticket.done(Ok((new("resolved", now), now)), now);
    assert_eq!(name_at(&cache, now).as_deref(), Some("resolved"));
}

#[test]
fn a_client_removes_what_matches_from_the_caches_that_live() {
    let now = Now::read();
    let tenants = [
        ("a", "github"),
        ("a", "GitHub"),
        ("a", "slack"),
        ("b", "github"),
    ];
    for (workspace_id, provider, left) in [
        (Some("a"), Some("github"), 2),
        (None, Some("GITHUB"), 1),
        (Some("a"), None, 1),
        (Some("c"), Some("github"), 4),
        (None, None, 0),
    ] {
        let cache = TokenCache::new();
        for tenant in tenants {
            cache.set_at(tenant, new("t", now), now);
        }
        let filled = Caches::default();
        filled.add(&cache);
        filled.add(&cache.clone());
        filled.remove(workspace_id, provider);
        assert_eq!(cache.len(), left, "{workspace_id:?}, {provider:?}");
        assert_eq!(filled.0.lock().len(), 1, "a cache is in the list once");
        drop(cache);
        filled.add(&TokenCache::new());
        assert_eq!(filled.0.lock().len(), 1, "the list keeps no cache alive");
    }
}
