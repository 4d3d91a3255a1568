//! Time is passed in: none of these waits for any.

mod time;

use super::*;
use std::time::{Instant, SystemTime};

type Action = fn(&TokenCache, Now);
type End = Box<dyn FnOnce(Leader)>;
type Ended = Outcome<Result<String, String>>;

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn token(name: &str, now: Now, lifetime: Duration) -> Arc<CachedToken> {
    let expires_at = now.wall + lifetime;
    Arc::new(CachedToken::new(
        name,
        "Bearer",
        expires_at,
        "Authorization",
        "Bearer ",
    ))
}

fn name_at(cache: &TokenCache, workspace_id: &str, provider: &str, now: Now) -> Option<String> {
    let found = cache.get_at(workspace_id, provider, now)?;
    Some(found.access_token.clone())
}

fn leader(cache: &TokenCache, now: Now) -> Leader {
    match cache.look_up("ws", "p", now) {
        Lookup::Lead(leader) => leader,
        Lookup::Hit(_) => panic!("a hit"),
        Lookup::Follow(_) => panic!("somebody else is asking"),
    }
}

fn land(leader: Leader, token: Arc<CachedToken>, at: Now) {
    leader.land(token, Received { at, date: None });
}

fn outcome(flight: &Landing) -> Option<Ended> {
    let landed = match flight.wait(Instant::now())? {
        Outcome::Landed(Ok(token)) => Ok(token.access_token.clone()),
        Outcome::Landed(Err(error)) => Err(error.code().to_owned()),
        Outcome::Abandoned => return Some(Outcome::Abandoned),
    };
    Some(Outcome::Landed(landed))
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
    for (workspace_id, provider) in pairs {
        let name = format!("{workspace_id}|{provider}");
        cache.set_at(workspace_id, provider, token(&name, now, secs(3600)), now);
    }
    for (workspace_id, provider) in pairs {
        let expected = Some(format!("{workspace_id}|{provider}"));
        assert_eq!(name_at(&cache, workspace_id, provider, now), expected);
    }
    cache.delete("a:b", "c");
    assert_eq!(name_at(&cache, "a:b", "c", now), None);
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
        cache.set_at("ws", "p", token("t", start, secs(100)), start);
        assert_eq!(name_at(&cache, "ws", "p", now).is_some(), fresh, "{case}");
        assert_eq!(
            cache.len(),
            usize::from(fresh),
            "{case}: evicted when that is noticed"
        );
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
        cache.set_at("ws", "p", token("old", now, secs(3600)), now);
        cache.set_at("ws", "p", token("t", now, secs(lifetime)), now);
        let expected = kept.then(|| "t".to_owned());
        let found = name_at(&cache, "ws", "p", now);
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
        land(
            leader(&cache, start),
            token("t", start, secs(lifetime)),
            start,
        );
        let found = |after| name_at(&cache, "ws", "p", start.after(secs(after))).is_some();
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
        if let Lookup::Lead(leader) = cache.look_up("ws", "p", now) {
            resolves += 1;
            let left = expires_at.duration_since(now.wall).unwrap();
            land(leader, token("same", now, left), now);
        }
    }
    assert_eq!(resolves, 6);
}

#[test]
fn what_wins_against_a_resolve_in_flight() {
    let now = Now::read();
    let table: [(&str, Action, Option<&str>); 4] = [
        ("nothing", |_, _| (), Some("resolved")),
        ("delete", |cache, _| cache.delete("ws", "p"), None),
        ("clear", |cache, _| cache.clear(), None),
        (
            "set",
            |cache, now| cache.set_at("ws", "p", token("set", now, secs(99)), now),
            Some("set"),
        ),
    ];
    for (action, act, kept) in table {
        let cache = TokenCache::new();
        let leader = leader(&cache, now);
        let Lookup::Follow(follower) = cache.look_up("ws", "p", now) else {
            panic!("{action}: nobody is asking");
        };
        act(&cache, now);
        land(leader, token("resolved", now, secs(3600)), now);
        let landed = Some(Outcome::Landed(Ok("resolved".to_owned())));
        assert_eq!(
            outcome(&follower),
            landed,
            "{action}: who waited is answered"
        );
        assert_eq!(name_at(&cache, "ws", "p", now).as_deref(), kept, "{action}");
    }
}

#[test]
fn after_a_delete_the_next_caller_asks_anew() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let old = leader(&cache, now);
    cache.delete("ws", "p");
    let new = leader(&cache, now);
    land(old, token("old", now, secs(3600)), now);
    assert!(
        matches!(cache.look_up("ws", "p", now), Lookup::Follow(_)),
        "the new one still asks"
    );
    land(new, token("new", now, secs(3600)), now);
    assert_eq!(name_at(&cache, "ws", "p", now).as_deref(), Some("new"));
}

#[test]
fn a_leader_that_fails_or_goes_away_strands_nobody() {
    let now = Now::read();
    let refused = || NexusError::invalid_input("here", "refused");
    let table: [(&str, End, Ended); 3] = [
        (
            "fails",
            Box::new(move |leader| leader.fail(refused())),
            Outcome::Landed(Err("invalid_input".to_owned())),
        ),
        ("goes away", Box::new(drop), Outcome::Abandoned),
        (
            "panics",
            Box::new(|leader| {
                let fly = std::panic::AssertUnwindSafe(|| {
                    let _leader = leader;
                    std::panic::resume_unwind(Box::new("a bug"));
                });
                std::panic::catch_unwind(fly).unwrap_err();
            }),
            Outcome::Abandoned,
        ),
    ];
    for (case, end, expected) in table {
        let cache = TokenCache::new();
        let first = leader(&cache, now);
        let Lookup::Follow(follower) = cache.look_up("ws", "p", now) else {
            panic!("{case}: nobody is asking");
        };
        end(first);
        assert_eq!(outcome(&follower), Some(expected), "{case}");
        land(leader(&cache, now), token("next", now, secs(3600)), now);
        assert_eq!(
            name_at(&cache, "ws", "p", now).as_deref(),
            Some("next"),
            "{case}"
        );
    }
}

#[test]
fn only_the_very_token_is_discarded() {
    let (cache, now) = (TokenCache::new(), Now::read());
    let (dead, newer) = (token("t", now, secs(3600)), token("t", now, secs(3600)));
    cache.set_at("ws", "p", Arc::clone(&newer), now);
    cache.discard("ws", "p", &dead);
    assert_eq!(cache.len(), 1, "an equal token that came later stays");
    cache.discard("ws", "p", &newer);
    assert_eq!(cache.len(), 0);
}

#[test]
fn the_cache_is_bounded_and_those_that_expire_soonest_make_room() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..25_000_u64 {
        let lifetime = secs(100 + number);
        cache.set_at(&number.to_string(), "p", token("t", now, lifetime), now);
        assert!(cache.len() <= 10_000, "after {number}");
    }
    assert!(cache.len() > 9_000, "only as many as needed make room");
    assert!(cache.get_at("24999", "p", now).is_some());
    assert!(cache.get_at("0", "p", now).is_none());
}

#[test]
fn equal_expiries_do_not_empty_a_full_cache() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..10_001 {
        cache.set_at(&format!("w{number}"), "p", token("t", now, secs(3600)), now);
    }
    assert_eq!(cache.len(), 10_000 - 10_000 / 16 + 1);
}

#[test]
fn expired_tokens_are_purged_as_the_cache_grows() {
    let (cache, start) = (TokenCache::new(), Now::read());
    for number in 0..1000_u32 {
        let now = start.after(secs(10) * number);
        cache.set_at(&format!("w{number}"), "p", token("t", now, secs(40)), now);
        assert!(cache.len() <= 64, "each lives for one step of the clock");
    }
}

#[test]
fn keys_that_hold_nothing_take_no_room() {
    let (cache, now) = (TokenCache::new(), Now::read());
    for number in 0..1000 {
        let workspace_id = format!("w{number}");
        if let Lookup::Lead(leader) = cache.look_up(&workspace_id, "p", now) {
            leader.fail(NexusError::invalid_input("here", "refused"));
        }
        cache.set_at(&workspace_id, "p", token("t", now, secs(3600)), now);
        cache.delete(&workspace_id, "p");
    }
    assert_eq!(cache.0.slots.lock().keys(), 0);
}
