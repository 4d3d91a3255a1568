//! Moments on the wall clock and the monotonic clock, and deadlines.

pub(crate) mod date;

use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

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
        let bounded = wait.min(MAX_DURATION);
        Self {
            wall: self.wall.checked_add(bounded).unwrap_or(self.wall),
            mono: self.mono.checked_add(bounded).unwrap_or(self.mono),
        }
    }

    /// Returns whether this moment is before `end` on both clocks.
    pub(crate) fn is_before(self, end: Self) -> bool {
        self.mono < end.mono && self.wall < end.wall
    }
}

/// If the wall clock gains more than this on the monotonic clock between two requests, the machine counts as suspended in
/// between.
const MIN_SUSPENSION: Duration = Duration::from_secs(5);

/// Notices suspensions of the machine, during which the monotonic clock of most systems stands still.
pub(crate) struct Suspensions(Mutex<(Now, Option<Instant>)>);

impl Suspensions {
    pub(crate) fn after(start: Now) -> Self {
        Self(Mutex::new((start, None)))
    }

    /// Returns the time since the last suspension was noticed, or `None` if there was no suspension. A suspension is noticed
    /// by the first call of this method after it.
    pub(crate) fn time_since_last(&self, now: Now) -> Option<Duration> {
        let (last, resumed) = &mut *self.0.lock();
        let awake = now.mono.saturating_duration_since(last.mono);
        let passed = now.wall.duration_since(last.wall).unwrap_or_default();
        if passed.saturating_sub(awake) > MIN_SUSPENSION {
            *resumed = Some(now.mono);
        }
        *last = now;
        resumed.map(|resumed| now.mono.saturating_duration_since(resumed))
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
        let certainly_left = left.saturating_sub(Duration::from_secs(1));
        self.at.after(certainly_left).wall
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
        for (wall, mono, before) in [
            (59, 59, true),
            (61, 1, false),
            (0, 61, false),
            (60, 60, false),
        ] {
            let now = Now {
                wall: start.wall + secs(wall),
                mono: start.mono + secs(mono),
            };
            assert_eq!(now.is_before(end), before, "{wall} {mono}");
        }
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
        // Seconds: how far the server's clock is ahead, the lifetime it grants, and the local result.
        let table = [
            (1, 3600, 3601),
            (600, 3600, 3599),
            (-600, 3600, 3599),
            (600, -10, 0),
        ];
        for (ahead, lifetime, here) in table {
            let server = shifted(at.wall, ahead);
            let date = Some(server);
            let local = ResponseClock { at, date }.local(shifted(server, lifetime));
            assert_eq!(local, shifted(at.wall, here), "{ahead} s ahead");
        }
        let (end, date) = (at.wall + secs(9), None);
        assert_eq!(ResponseClock { at, date }.local(end), end);
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
