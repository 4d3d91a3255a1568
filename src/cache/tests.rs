//! Time is passed in: none of these waits for any.

mod time;

use super::*;
use std::time::SystemTime;

type Action = fn(&TokenCache, Now);
type Change = fn(&TokenCache, &Arc<CachedToken>);

const TENANT: Tenant<'_> = Tenant {
    workspace_id: "ws",
    provider: "p",
};

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn token(name: &str, now: Now, lifetime: Duration) -> Arc<CachedToken> {
    let expires_at = now.wall + lifetime;
    Arc::new(CachedToken::new(name, "Bearer", expires_at))
}

fn name_of(cache: &TokenCache, tenant: Tenant<'_>, now: Now) -> Option<String> {
    let found = cache.fresh(tenant, now)?;
    Some(found.access_token.clone())
}

fn name_at(cache: &TokenCache, now: Now) -> Option<String> {
    name_of(cache, TENANT, now)
}

fn spare_at(cache: &TokenCache, now: Now) -> Option<String> {
    match cache.look_up(TENANT, now) {
        Lookup::Spare(token) => Some(token.access_token.clone()),
        Lookup::Fresh(_) | Lookup::Nothing => None,
    }
}

fn claim(cache: &TokenCache) -> Claim {
    cache.claim(&TENANT.to_owned())
}

#[test]
fn tenants_never_share_a_token() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let pairs = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("a:b:c", ""),
        ("", "a:b:c"),
        ("c", "a:b"),
    ];
    let tenants = pairs.map(|(workspace_id, provider)| Tenant::new(workspace_id, provider));
    for tenant in tenants {
        let name = format!("{tenant:?}");
        cache.set_at(tenant, token(&name, now, secs(3600)), now);
    }
    for tenant in tenants {
        assert_eq!(name_of(&cache, tenant, now), Some(format!("{tenant:?}")));
    }
    cache.delete("a:b", "c");
    assert_eq!(name_of(&cache, tenants[0], now), None);
    assert_eq!(cache.len(), 4);
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
        cache.set_at(TENANT, token("t", start, secs(100)), start);
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
        cache.set_at(TENANT, token("old", now, secs(3600)), now);
        cache.set_at(TENANT, token("t", now, secs(lifetime)), now);
        let expected = kept.then(|| "t".to_owned());
        let found = name_at(&cache, now);
        assert_eq!(found, expected, "buffer {buffer}, lifetime {lifetime}");
    }
}

#[test]
fn a_token_that_arrives_within_its_buffer_is_kept_for_a_short_while() {
    let start = Now::read();
    // Its lifetime on arrival, and for how many seconds of that it is handed out.
    let table = [
        (0, 0),
        (1, 1),
        (4, 4),
        (5, 5),
        (29, 5),
        (30, 5),
        (36, 6),
        (100, 70),
    ];
    for (lifetime, handed_out) in table {
        let cache = TokenCache::new();
        claim(&cache).keep(token("t", start, secs(lifetime)), start);
        let found = |after| name_at(&cache, start.after(secs(after))).is_some();
        let counted = (0..lifetime).take_while(|second| found(*second)).count();
        assert_eq!(counted, handed_out, "lifetime {lifetime}");
    }
}

#[test]
fn the_last_half_minute_of_a_token_costs_a_handful_of_resolves() {
    let (cache, start) = (TokenCache::new(), Now::read());
    let mut resolves = 0;
    for tenth in 0..300 {
        let now = start.after(Duration::from_millis(tenth * 100));
        let expires_at = start.wall + secs(30);
        if name_at(&cache, now).is_none() {
            resolves += 1;
            let left = expires_at.duration_since(now.wall).unwrap();
            claim(&cache).keep(token("same", now, left), now);
        }
    }
    assert_eq!(resolves, 6);
}

#[test]
fn what_wins_against_a_token_that_is_being_asked_for() {
    let now = Now::read();
    let table: [(&str, Action, Option<&str>); 5] = [
        ("nothing", |_, _| (), Some("resolved")),
        ("delete", |cache, _| cache.delete("ws", "p"), None),
        ("clear", |cache, _| cache.clear(), None),
        (
            "set",
            |cache, now| cache.set_at(TENANT, token("set", now, secs(99)), now),
            Some("set"),
        ),
        (
            "another tenant deleted",
            |cache, _| cache.delete("ws", "q"),
            Some("resolved"),
        ),
    ];
    for (action, act, kept) in table {
        let cache = TokenCache::new();
        let claim = claim(&cache);
        act(&cache, now);
        claim.keep(token("resolved", now, secs(3600)), now);
        assert_eq!(name_at(&cache, now).as_deref(), kept, "{action}");
    }
}

#[test]
fn after_a_delete_only_a_later_claim_counts() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let old = claim(&cache);
    cache.delete("ws", "p");
    let new = claim(&cache);
    assert!(new.is_of_cache(&old) && !new.is_like(&old));
    old.keep(token("old", now, secs(3600)), now);
    assert_eq!(name_at(&cache, now), None);
    new.keep(token("new", now, secs(3600)), now);
    drop(old);
    assert_eq!(name_at(&cache, now).as_deref(), Some("new"));
}

#[test]
fn claims_of_two_caches_have_nothing_to_do_with_one_another() {
    let (one, other) = (claim(&TokenCache::new()), claim(&TokenCache::new()));
    assert!(!one.is_like(&other) && !one.is_of_cache(&other));
}

#[test]
fn within_the_buffer_a_token_is_hidden_and_spare_until_it_expires() {
    let start = Now::read();
    // Seconds after it was set: whether it is handed out, and whether it may stand in.
    let table = [
        (0, true, false),
        (69, true, false),
        (70, false, true),
        (99, false, true),
        (100, false, false),
    ];
    for (after, fresh, spare) in table {
        let cache = TokenCache::new();
        cache.set_at(TENANT, token("t", start, secs(100)), start);
        let now = start.after(secs(after));
        assert_eq!(name_at(&cache, now).is_some(), fresh, "{after} s");
        assert_eq!(cache.len_at(now), usize::from(fresh), "{after} s");
        assert_eq!(spare_at(&cache, now).is_some(), spare, "{after} s");
    }
}

#[test]
fn a_token_without_a_known_expiry_is_spare_for_an_hour() {
    let start = Now::read();
    let token = token("t", start, secs(300));
    let assumed = CachedToken {
        assumed_expiry: Some(token.expires_at),
        ..CachedToken::clone(&token)
    };
    let known_better = CachedToken {
        expires_at: start.wall + secs(301),
        ..assumed.clone()
    };
    let table = [
        (&assumed, 269, false),
        (&assumed, 270, true),
        (&assumed, 3599, true),
        (&assumed, 3600, false),
        (&known_better, 300, true),
        (&known_better, 301, false),
    ];
    for (token, after, spare) in table {
        let cache = TokenCache::new();
        claim(&cache).keep(Arc::new(token.clone()), start);
        let now = start.after(secs(after));
        assert_eq!(spare_at(&cache, now).is_some(), spare, "{after} s");
    }
}

#[test]
fn what_is_gone_is_no_longer_spare() {
    let start = Now::read();
    let late = start.after(secs(80));
    let table: [(&str, Change, bool); 6] = [
        ("nothing", |_, _| (), true),
        ("delete", |cache, _| cache.delete("ws", "p"), false),
        ("clear", |cache, _| cache.clear(), false),
        ("a 401", |cache, token| cache.discard(TENANT, token), false),
        ("a definite no", |cache, _| claim(cache).refuse(), false),
        (
            "a claim without an end",
            |cache, _| drop(claim(cache)),
            true,
        ),
    ];
    for (case, change, spare) in table {
        let (cache, token) = (TokenCache::new(), token("t", start, secs(100)));
        cache.set_at(TENANT, Arc::clone(&token), start);
        change(&cache, &token);
        assert_eq!(spare_at(&cache, late).is_some(), spare, "{case}");
    }
}

/// Nothing but a caller's own `Arc` keeps a token.
#[test]
fn a_token_that_is_gone_is_freed() {
    let now = Now::read();
    let table: [(&str, Change); 5] = [
        ("delete", |cache, _| cache.delete("ws", "p")),
        ("clear", |cache, _| cache.clear()),
        ("a 401", |cache, token| cache.discard(TENANT, token)),
        ("a newer one", |cache, _| {
            cache.set("ws", "p", token("new", Now::read(), secs(99)));
        }),
        ("eviction", |cache, _| {
            let now = Now::read();
            for number in 0..20_000 {
                let tenant = number.to_string();
                let lifetime = token("t", now, secs(4000));
                cache.set_at(Tenant::new(&tenant, "p"), lifetime, now);
            }
        }),
    ];
    for (case, change) in table {
        let (cache, token) = (TokenCache::new(), token("t", now, secs(3600)));
        cache.set_at(TENANT, Arc::clone(&token), now);
        drop(cache.get("ws", "p"));
        assert_eq!(Arc::strong_count(&token), 2, "{case}");
        change(&cache, &token);
        assert_eq!(Arc::strong_count(&token), 1, "{case}");
    }
}

/// A flight from before may bring the dead token once more.
#[test]
fn a_claim_from_before_a_401_brings_nothing() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let dead = token("t", now, secs(3600));
    for (discarded, kept) in [(&token("t", now, secs(3600)), true), (&dead, false)] {
        cache.set_at(TENANT, Arc::clone(&dead), now);
        let claim = claim(&cache);
        cache.discard(TENANT, discarded);
        claim.keep(token("again", now, secs(3600)), now);
        assert_eq!(name_at(&cache, now).as_deref() == Some("again"), kept);
        assert_eq!(claim.may_be_deleted_since(now.mono), !kept);
    }
}

#[test]
fn only_the_very_token_is_discarded() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let (dead, newer) = (token("t", now, secs(3600)), token("t", now, secs(3600)));
    cache.set_at(TENANT, Arc::clone(&newer), now);
    cache.discard(TENANT, &dead);
    assert_eq!(cache.len(), 1, "an equal token that came later stays");
    cache.discard(TENANT, &newer);
    assert_eq!(cache.len(), 0);
}

#[test]
fn the_cache_is_bounded_and_those_that_expire_soonest_make_room() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..25_000_u64 {
        let lifetime = secs(100 + number);
        let name = number.to_string();
        cache.set_at(Tenant::new(&name, "p"), token("t", now, lifetime), now);
        // Not `len`, which looks at each token.
        let held = cache.0.entries.lock().len();
        assert!(held <= 10_000, "after {number}");
    }
    assert!(cache.len() > 9_000, "only as many as needed make room");
    assert!(cache.fresh(Tenant::new("24999", "p"), now).is_some());
    assert!(cache.fresh(Tenant::new("0", "p"), now).is_none());
}

#[test]
fn equal_expiries_do_not_empty_a_full_cache() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..10_001 {
        let name = format!("w{number}");
        cache.set_at(Tenant::new(&name, "p"), token("t", now, secs(3600)), now);
    }
    assert_eq!(cache.len(), 10_000 - 10_000 / 16 + 1);
}

#[test]
fn expired_tokens_are_purged_as_the_cache_grows() {
    let (cache, start) = (TokenCache::new(), Now::read());
    for number in 0..1000_u32 {
        let now = start.after(secs(10) * number);
        let name = format!("w{number}");
        cache.set_at(Tenant::new(&name, "p"), token("t", now, secs(40)), now);
        assert!(
            cache.len_at(now) <= 64,
            "each lives for one step of the clock"
        );
    }
}

#[test]
fn keys_that_hold_nothing_take_no_room() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..1000 {
        let workspace_id = format!("w{number}");
        let tenant = Tenant::new(&workspace_id, "p");
        drop(cache.claim(&tenant.to_owned()));
        cache.set_at(tenant, token("t", now, secs(3600)), now);
        cache.delete(&workspace_id, "p");
    }
    assert_eq!(cache.0.entries.lock().len(), 0);
}
