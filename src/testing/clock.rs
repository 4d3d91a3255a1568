//! The gateway's clock, and the dates in its responses.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::time::date::{MONTHS, date};

/// The last millisecond of the year 9999, in milliseconds since 1970.
const LATEST: u64 = 253_402_300_799_999;
const DAY: u64 = 86_400_000;
/// 1970 began on a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Real time plus the time that [`Clock::advance`] added. It never goes back, even if the system clock does.
pub(super) struct Clock {
    started: Instant,
    /// The time of the start in milliseconds since 1970, plus the added time.
    base: Mutex<u64>,
}

impl Clock {
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            base: Mutex::new(since_1970.map_or(0, millis)),
        }
    }

    /// Returns the time in milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        after(*self.base.lock(), self.started.elapsed())
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut base = self.base.lock();
        *base = after(*base, by);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns `moment` plus `duration`, at most the end of the year 9999.
pub(super) fn after(moment: u64, duration: Duration) -> u64 {
    moment.saturating_add(millis(duration)).min(LATEST)
}

/// Formats a moment as `2026-01-31T08:49:37.120Z`.
pub(super) fn rfc3339(moment: u64) -> String {
    let (year, month, day) = date_of(moment);
    let time = time_of_day(moment);
    let millis = moment % 1000;
    format!("{year:04}-{month:02}-{day:02}T{time}.{millis:03}Z")
}

/// Formats a moment as `Sat, 31 Jan 2026 08:49:37 GMT`.
pub(super) fn imf_fixdate(moment: u64) -> String {
    let (year, month, day) = date_of(moment);
    let mut weekdays = (0..).zip(DAYS);
    let mut months = (1..).zip(MONTHS);
    let weekday = weekdays.find(|(number, _)| *number == moment / DAY % 7);
    let named_month = months.find(|(number, _)| *number == month);
    let (_, weekday_name) = weekday.unwrap_or_default();
    let (_, month_name) = named_month.unwrap_or_default();
    let time = time_of_day(moment);
    format!("{weekday_name}, {day:02} {month_name} {year:04} {time} GMT")
}

fn date_of(moment: u64) -> (i64, i64, i64) {
    date(i64::try_from(moment / DAY).unwrap_or(0))
}

fn time_of_day(moment: u64) -> String {
    let seconds = moment / 1000 % 86_400;
    let hour = seconds / 3600;
    let minute = seconds / 60 % 60;
    let second = seconds % 60;
    format!("{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_both_ways() {
        let leap_day = ("2000-02-29T00:00:00.000Z", "Tue, 29 Feb 2000 00:00:00 GMT");
        let last = ("9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT");
        let table = [(951_782_400_000, leap_day), (LATEST, last)];
        for (moment, (date_time, header)) in table {
            assert_eq!(rfc3339(moment), date_time);
            assert_eq!(imf_fixdate(moment), header);
        }
    }

    #[test]
    fn advancing_adds_up_and_saturates() {
        let clock = Clock::new();
        let before = clock.now();
        clock.advance(Duration::from_secs(60));
        clock.advance(Duration::from_secs(60));
        assert!(clock.now() >= before.saturating_add(120_000));
        clock.advance(Duration::MAX);
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), LATEST);
    }
}
