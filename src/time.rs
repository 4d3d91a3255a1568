//! Moments on the wall clock and the monotonic clock, and deadlines.

pub(crate) mod date;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};

/// The longest wait or lifetime. Longer durations are shortened to it, so that no sum of times overflows.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// A moment on both clocks. A token is fresh only if both say so: the monotonic clock may stop while a
/// laptop sleeps, and the wall clock may be stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) wall: SystemTime,
    pub(crate) mono: Instant,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self {
            wall: SystemTime::now(),
            mono: Instant::now(),
        }
    }

    /// Returns the moment after this wait, which is limited to `MAX_DURATION`.
    pub(crate) fn after(self, wait: Duration) -> Self {
        let wait = wait.min(MAX_DURATION);
        Self {
            wall: self.wall.checked_add(wait).unwrap_or(self.wall),
            mono: self.mono.checked_add(wait).unwrap_or(self.mono),
        }
    }

    /// Returns whether this moment is before `end` on both clocks.
    pub(crate) fn is_before(self, end: Self) -> bool {
        self.mono < end.mono && self.wall < end.wall
    }
}

/// If the wall clock gains more than this on the monotonic clock, in seconds, the machine was suspended.
const SUSPENDED: i64 = 5;

/// Notices that the machine was suspended. The monotonic clock of most systems stands still meanwhile. All threads that
/// send requests share this value, so it is written only if it changes.
pub(crate) struct Suspensions {
    start: Now,
    /// The seconds that the wall clock has gained on the monotonic clock since `start`.
    gained: AtomicI64,
    /// The time at which the end of the last suspension was noticed, in nanoseconds after `start`. Zero if there was no
    /// suspension.
    resumed: AtomicU64,
}

impl Suspensions {
    pub(crate) fn after(start: Now) -> Self {
        Self {
            start,
            gained: AtomicI64::new(0),
            resumed: AtomicU64::new(0),
        }
    }

    /// Returns how long ago the end of the last suspension was noticed, or `None` if there was no suspension. The next call
    /// of this method notices a suspension.
    pub(crate) fn time_since_last(&self, now: Now) -> Option<Duration> {
        let passed = now.mono.saturating_duration_since(self.start.mono);
        let expected = self.start.wall.checked_add(passed)?;
        let seconds = |apart: Duration| i64::try_from(apart.as_secs()).unwrap_or(i64::MAX);
        let gained = match now.wall.duration_since(expected) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => seconds(behind.duration()).saturating_neg(),
        };
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        let last = self.gained.load(SeqCst);
        // Stored before the gain, so that a thread that sees the new gain also sees the end of the suspension.
        if gained.saturating_sub(last) > SUSPENDED {
            self.resumed.store(passed.max(1), SeqCst);
        }
        if gained != last {
            self.gained.store(gained, SeqCst);
        }
        let resumed = self.resumed.load(SeqCst);
        (resumed > 0).then(|| Duration::from_nanos(passed.saturating_sub(resumed)))
    }
}

/// The moment at which a call times out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
}

impl Deadline {
    pub(crate) fn after(budget: Duration) -> Self {
        let now = Instant::now();
        let at = now.checked_add(budget.min(MAX_DURATION)).unwrap_or(now);
        Self { at }
    }

    /// Returns the time until the deadline, or `None` once it has passed.
    pub(crate) fn left(self) -> Option<Duration> {
        let left = self.at.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// Relates the server's clock to the local clock, so that the times in a response can be converted.
///
/// `at` is the moment at which the request was sent, so a slow response can only shorten the lifetime of its
/// token. `date` is the response's `Date`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResponseClock {
    pub(crate) at: Now,
    pub(crate) date: Option<SystemTime>,
}

impl ResponseClock {
    /// Converts a moment from the server's clock to the local clock. `Date` has whole seconds, so a
    /// difference of up to two seconds is not corrected. If the difference is larger, the result is one
    /// second early to be safe.
    pub(crate) fn local(self, moment: SystemTime) -> SystemTime {
        let Some(date) = self.date else { return moment };
        let apart = date
            .duration_since(self.at.wall)
            .unwrap_or_else(|ahead| ahead.duration());
        if apart <= Duration::from_secs(2) {
            return moment;
        }
        let left = moment.duration_since(date).unwrap_or_default();
        let left = left.saturating_sub(Duration::from_secs(1));
        self.at.after(left).wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_moment_needs_both_clocks_to_be_before_another() {
        let start = Now::read();
        let end = start.after(secs(60));
        let table = [
            ("both before", 59, 59, true),
            ("suspended: only the wall clock went on", 61, 1, false),
            ("the wall clock was set back", 0, 61, false),
            ("both at the end", 60, 60, false),
        ];
        for (case, wall, mono, before) in table {
            let now = Now {
                wall: start.wall + secs(wall),
                mono: start.mono + secs(mono),
            };
            assert_eq!(now.is_before(end), before, "{case}");
        }
        let set_back = Now {
            wall: start.wall - secs(86_400),
            mono: start.mono + secs(61),
        };
        assert!(!set_back.is_before(end));
    }

    #[test]
    fn a_suspension_shows_as_a_wall_clock_that_gains_more_than_five_seconds() {
        let start = Now::read();
        let suspensions = Suspensions::after(start);
        // Seconds since the start, on the wall clock and on the monotonic clock, and since the last suspension.
        let table = [
            ("the start", 0, 0, None),
            ("a usual pause", 600, 600, None),
            ("a clock that was corrected a little", 615, 610, None),
            ("a clock that was set back", 20, 620, None),
            ("a usual pause", 30, 630, None),
            ("a suspension of an hour", 3640, 640, Some(0)),
            ("later", 3643, 643, Some(3)),
            ("a short suspension", 3653, 647, Some(0)),
            ("much later", 7653, 4647, Some(4000)),
        ];
        for (case, wall, mono, expected) in table {
            let now = Now {
                wall: start.wall + secs(wall),
                mono: start.mono + secs(mono),
            };
            let since = suspensions.time_since_last(now);
            assert_eq!(since, expected.map(secs), "{case}");
        }
    }

    #[test]
    fn a_skewed_clock_is_corrected_by_the_date_of_the_response() {
        let at = Now::read();
        let table: [(i64, i64, i64); 6] = [
            // Seconds: how far the server's clock is ahead, the lifetime it grants, and the local result.
            (0, 3600, 3600),
            (1, 3600, 3601),
            (600, 3600, 3599),
            (-600, 3600, 3599),
            (600, -10, 0),
            (-600, 0, 0),
        ];
        for (ahead, lifetime, here) in table {
            let date = shifted(at.wall, ahead);
            let local = ResponseClock {
                at,
                date: Some(date),
            }
            .local(shifted(date, lifetime));
            assert_eq!(
                local,
                shifted(at.wall, here),
                "server {ahead} s ahead, {lifetime} s granted"
            );
        }
        assert_eq!(
            ResponseClock { at, date: None }.local(at.wall + secs(9)),
            at.wall + secs(9)
        );
    }

    fn shifted(time: SystemTime, by: i64) -> SystemTime {
        let whole = secs(by.unsigned_abs());
        if by < 0 { time - whole } else { time + whole }
    }

    #[test]
    fn no_wait_overflows() {
        let now = Now::read();
        assert!(now.is_before(now.after(Duration::MAX)));
        assert!(Deadline::after(Duration::MAX).left().is_some());
        assert!(Deadline::after(Duration::ZERO).left().is_none());
    }
}
