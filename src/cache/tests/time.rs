//! A laptop whose clocks differ from the server's clock: which tokens the cache returns, and how many resolves that
//! costs.

use serde_json::{Value, json};

use super::*;
use crate::seeded::Seeded;
use crate::time::ResponseClock;
use crate::time::date;
use crate::token::TokenResponse;

const MINUTE: i64 = 60_000;
const BUFFER_MS: i64 = 30_000;
const GRACE_MS: i64 = 5_000;

/// The true time and the two local clocks, in milliseconds since the start. The server's clock shows the true
/// time.
struct Clocks {
    start: Now,
    server: i64,
    /// The time by which the wall clock is ahead.
    skew: i64,
    /// The time for which the monotonic clock stood still.
    suspended: i64,
}

impl Clocks {
    fn new() -> Self {
        // 2025-06-15T14:30:00Z: a whole second, so that fractions come from the test alone.
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

/// The form in which a response states a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stated {
    In,
    At,
    AtWithDate,
}

const STATED: [Stated; 3] = [Stated::In, Stated::At, Stated::AtWithDate];

/// A token, and the state of the clocks when it was requested.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    stated: Stated,
    /// Times on the server's clock.
    asked: i64,
    expires: i64,
    /// The state of the local clocks at the request.
    skew: i64,
    suspended: i64,
    /// The response's `Date` header, if there was one.
    date: Option<i64>,
}

impl Arrival {
    /// Returns the time by which a client overestimates the token's lifetime for reasons that it cannot detect. There
    /// are two. First, an absolute expiry is read by a wall clock that is behind, and the response has no `Date`, or a
    /// `Date` within the tolerance of two seconds. Second, the wall clock is set back while the monotonic clock stands
    /// still.
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

    /// Returns whether the cache may return the token now. Before the buffer begins, the token is always allowed.
    /// Within the buffer, the token is allowed for a few seconds after the request, but not after its expiry.
    fn may_be_used(self, clocks: &Clocks) -> bool {
        let (now, unseen) = (clocks.server, self.unseen(clocks));
        let before = |end: i64| now < end + unseen;
        before(self.expires - BUFFER_MS) || before(self.expires.min(self.asked + GRACE_MS))
    }
}

/// Returns a gateway's response with a token, and the arrival of that token. The token lives for `lifetime`
/// milliseconds from the time of the response, which is `took` milliseconds after the request.
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
        let found = get_at(&cache, ("ws", "p"), clocks.now());
        if let (true, Some(arrival)) = (is_stale(&cache, clocks.now()), held) {
            let (now, unseen) = (clocks.server, arrival.unseen(&clocks));
            assert!(now < arrival.expires + unseen, "step {step}: {arrival:?}");
        }
        if found.is_none() {
            let lifetime = milliseconds(&mut seeded, 600_000);
            let (stated, took) = (seeded.pick(&STATED), milliseconds(&mut seeded, 3000));
            let (response, arrival) = grant(&clocks, stated, took, lifetime + 1);
            arrive(&cache, &clocks, &response, arrival.date);
            held = Some(arrival);
        } else {
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
    assert!(hits > 20_000 && hits - unseen > 10_000, "{hits}, {unseen}");
}

/// Advances the time. Sometimes suspends the laptop or sets its wall clock.
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

/// Counts the resolves in one minute in which a token is needed ten times a second.
fn resolves(response: impl Fn(&Clocks) -> (Value, Option<i64>), skew: i64) -> usize {
    let (cache, mut clocks) = (TokenCache::new(), Clocks::new());
    clocks.skew = skew;
    let mut resolves = 0;
    for tenth in 0..600 {
        // Between the ends of lifetimes, whose fractions each system rounds in its own way.
        clocks.server = tenth * 100 + 30;
        if get_at(&cache, ("ws", "p"), clocks.now()).is_none() {
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
    // The lifetime in seconds, and the resolves in one minute: for `expires_in`, for `expires_at` with a `Date`, and
    // for `expires_at` without a `Date`. The arrays are for a wall clock that is right, ahead and behind. A token that
    // arrives expired is not kept, so each call costs one resolve.
    let table = [
        (0, 1, [600, 600, 600], [600, 600, 1]),
        (1, 60, [60, 121, 121], [60, 600, 1]),
        (30, 12, [12, 12, 12], [12, 600, 1]),
        (31, 12, [12, 12, 12], [12, 600, 1]),
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
