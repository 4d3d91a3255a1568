//! The clocks of a laptop against a server's: what is handed out by true time, and what it costs.

use serde_json::{Value, json};

use super::*;
use crate::seeded::Seeded;
use crate::time::ResponseClock;
use crate::time::date;
use crate::token::TokenResponse;

const MINUTE: i64 = 60_000;
const BUFFER_MS: i64 = 30_000;
const GRACE_MS: i64 = 5_000;

/// True time, and what the two local clocks have made of it; all in milliseconds since a start.
/// The server's clock is the true one.
struct Clocks {
    start: Now,
    server: i64,
    /// How far the wall clock is ahead.
    skew: i64,
    /// How long the monotonic clock stood still.
    suspended: i64,
}

impl Clocks {
    fn new() -> Self {
        // 2025-06-15T14:30:00Z, so that the fractions of a second are the test's own.
        let wall = SystemTime::UNIX_EPOCH + secs(1_749_997_800);
        Self {
            start: Now {
                wall,
                ..Now::read()
            },
            server: 0,
            skew: 0,
            suspended: 0,
        }
    }

    fn wall(&self, server: i64) -> SystemTime {
        let by = Duration::from_millis(server.unsigned_abs());
        let wall = self.start.wall;
        if server < 0 { wall - by } else { wall + by }
    }

    fn now(&self) -> Now {
        let awake = u64::try_from(self.server - self.suspended).unwrap();
        Now {
            wall: self.wall(self.server + self.skew),
            mono: self.start.mono + Duration::from_millis(awake),
        }
    }
}

/// How a response states a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stated {
    In,
    At,
    AtWithDate,
}

const STATED: [Stated; 3] = [Stated::In, Stated::At, Stated::AtWithDate];

/// A token as it came to the cache.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    stated: Stated,
    /// By the server's clock.
    asked: i64,
    expires: i64,
    /// The local clocks when it was asked for.
    skew: i64,
    suspended: i64,
    /// What the `Date` said, if it was there.
    date: Option<i64>,
}

impl Arrival {
    /// By how much the local clocks could not but take it to live longer, the two faults that no
    /// client can see: an absolute expiry against a clock that is behind, with no `Date` to tell or
    /// within the two seconds in which it counts as agreeing; and a wall clock that is set back by
    /// what the monotonic one missed.
    fn unseen(self, clocks: &Clocks) -> i64 {
        let behind = (-self.skew).max(0);
        let at_first = match (self.stated, self.date) {
            (Stated::In, _) => 0,
            (_, None) => behind,
            (_, Some(date)) if (date - self.asked - self.skew).abs() <= 2000 => behind,
            (_, Some(_)) => 0,
        };
        let set_back = (self.skew - clocks.skew).max(0);
        at_first + set_back.min(clocks.suspended - self.suspended)
    }

    /// Whether it may be handed out now: until its buffer begins, or within its buffer for the few
    /// seconds after it was asked for, and never once it has expired.
    fn may_be_used(self, clocks: &Clocks) -> bool {
        let (now, unseen) = (clocks.server, self.unseen(clocks));
        let before = |end: i64| now < end + unseen;
        before(self.expires - BUFFER_MS) || before(self.expires.min(self.asked + GRACE_MS))
    }
}

/// What a gateway grants for so many milliseconds from the server's time on, which is `took` after
/// the request began.
fn grant(clocks: &Clocks, stated: Stated, took: i64, lifetime: i64) -> (Value, Arrival) {
    let sent = clocks.server + took;
    let expires = sent + lifetime;
    let date = (stated == Stated::AtWithDate).then(|| sent.div_euclid(1000) * 1000);
    let response = if stated == Stated::In {
        let seconds = Duration::from_millis(lifetime.unsigned_abs()).as_secs_f64();
        json!({"access_token": "t", "expires_in": seconds})
    } else {
        let since = clocks.wall(expires).duration_since(SystemTime::UNIX_EPOCH);
        json!({"access_token": "t", "expires_at": since.unwrap().as_secs_f64()})
    };
    let arrival = Arrival {
        stated,
        asked: clocks.server,
        expires,
        skew: clocks.skew,
        suspended: clocks.suspended,
        date,
    };
    (response, arrival)
}

fn arrive(cache: &TokenCache, clocks: &Clocks, response: &Value, date: Option<i64>) {
    let received = ResponseClock {
        at: clocks.now(),
        date: date.map(|date| clocks.wall(date)),
    };
    let response = TokenResponse::from_json(response.clone());
    let token = response.unwrap().to_cached(received).unwrap();
    keep(cache, Arc::new(token), received.at);
}

#[test]
fn no_token_is_handed_out_past_its_true_expiry_less_the_buffer() {
    let mut seeded = Seeded::new(7);
    let (cache, mut clocks) = (TokenCache::new(), Clocks::new());
    let mut held: Option<Arrival> = None;
    let (mut hits, mut unseen) = (0, 0);
    for step in 0..100_000 {
        walk(&mut clocks, &mut seeded);
        let found = cache.look_up("ws", "p", clocks.now());
        if let (Lookup::Stale, Some(arrival)) = (&found, held) {
            let (now, unseen) = (clocks.server, arrival.unseen(&clocks));
            assert!(now < arrival.expires + unseen, "step {step}: {arrival:?}");
        }
        match found {
            Lookup::Stale | Lookup::Nothing => {
                let lifetime = milliseconds(&mut seeded, 600_000);
                let (stated, took) = (seeded.pick(&STATED), milliseconds(&mut seeded, 3000));
                let (response, arrival) = grant(&clocks, stated, took, lifetime + 1);
                arrive(&cache, &clocks, &response, arrival.date);
                held = Some(arrival);
            }
            Lookup::Fresh(_) => {
                let arrival = held.unwrap();
                hits += 1;
                unseen += usize::from(arrival.unseen(&clocks) > 0);
                let (server, skew) = (clocks.server, clocks.skew);
                assert!(
                    arrival.may_be_used(&clocks),
                    "step {step}: at {server}, {skew} ahead, {arrival:?}"
                );
            }
        }
    }
    assert!(hits > 20_000 && hits - unseen > 10_000, "{hits}, {unseen}");
}

/// Time goes on; now and then the laptop sleeps, or its wall clock is set.
fn walk(clocks: &mut Clocks, seeded: &mut Seeded) {
    clocks.server += milliseconds(seeded, 10_000);
    if seeded.once_in(30) {
        let slept = milliseconds(seeded, 10 * MINUTE);
        clocks.server += slept;
        clocks.suspended += slept;
    }
    if seeded.once_in(30) {
        clocks.skew = milliseconds(seeded, 20 * MINUTE) - 10 * MINUTE;
    }
    if seeded.once_in(20) {
        clocks.skew = milliseconds(seeded, 6000) - 3000;
    }
}

fn milliseconds(seeded: &mut Seeded, end: i64) -> i64 {
    i64::try_from(seeded.below(usize::try_from(end).unwrap())).unwrap()
}

/// Resolves of a minute in which a token is asked for ten times a second, and each resolve grants
/// this anew.
fn resolves(response: impl Fn(&Clocks) -> (Value, Option<i64>), skew: i64) -> usize {
    let (cache, mut clocks) = (TokenCache::new(), Clocks::new());
    clocks.skew = skew;
    let mut resolves = 0;
    for tenth in 0..600 {
        clocks.server = tenth * 100;
        if cache.get_at("ws", "p", clocks.now()).is_none() {
            resolves += 1;
            let (response, date) = response(&clocks);
            arrive(&cache, &clocks, &response, date);
        }
    }
    resolves
}

#[test]
fn no_lifetime_makes_a_busy_loop() {
    const SKEWS: [i64; 3] = [0, 10 * MINUTE, -10 * MINUTE];
    // The lifetime in seconds, and the resolves of a minute: by `expires_in`, by `expires_at` with
    // a `Date` when the wall clock is right, ahead and behind, and the same without. What arrives
    // expired is not kept: it costs a resolve a call, and no more.
    let table = [
        (-60, 1, [600, 600, 600], [600, 600, 1]),
        (0, 1, [600, 600, 600], [600, 600, 1]),
        (1, 60, [60, 240, 240], [60, 600, 1]),
        (29, 12, [12, 12, 12], [12, 600, 1]),
        (30, 12, [12, 12, 12], [12, 600, 1]),
        (31, 60, [60, 12, 12], [60, 600, 1]),
        (36, 10, [10, 12, 12], [10, 600, 1]),
        (300, 1, [1, 1, 1], [1, 600, 1]),
    ];
    for (lifetime, by_in, dated, undated) in table {
        let relative = |_: &Clocks| (json!({"access_token": "t", "expires_in": lifetime}), None);
        let found = SKEWS.map(|skew| resolves(relative, skew));
        assert_eq!(found, [by_in; 3], "expires_in {lifetime}");
        let absolute = |stated| {
            move |clocks: &Clocks| {
                let (response, arrival) = grant(clocks, stated, 0, lifetime * 1000);
                (response, arrival.date)
            }
        };
        let of = |stated| SKEWS.map(|skew| resolves(absolute(stated), skew));
        assert_eq!(of(Stated::AtWithDate), dated, "{lifetime} s, with Date");
        assert_eq!(of(Stated::At), undated, "{lifetime} s, without Date");
    }
    let year_9999 = json!("9999-12-31T23:59:59Z");
    assert!(date::moment(&year_9999).is_some());
    for skew in SKEWS {
        let response = |_: &Clocks| (json!({"access_token": "t", "expires_at": year_9999}), None);
        assert_eq!(resolves(response, skew), 1, "the year 9999");
    }
}
