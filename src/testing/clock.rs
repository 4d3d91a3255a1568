//! The gateway's clock and the two ways it is written on the wire.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970 of the last moment with a four-digit year.
const LATEST: u64 = 253_402_300_799_999;
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

/// Real time plus what [`Clock::advance`] added. It never steps back, whatever the system clock does.
pub(super) struct Clock {
    started: Instant,
    started_at: u64,
    advanced: AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_at: since_1970.map_or(0, millis),
            advanced: AtomicU64::new(0),
        }
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> u64 {
        let advanced = self.advanced.load(Ordering::SeqCst);
        let start = self.started_at.saturating_add(advanced);
        after(start, self.started.elapsed())
    }

    pub(super) fn advance(&self, by: Duration) {
        let add = |advanced: u64| Some(advanced.saturating_add(millis(by)));
        // The closure never refuses, so there is no error to look at.
        let _ = self
            .advanced
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `moment` plus `duration`, at most the end of the year 9999.
pub(super) fn after(moment: u64, duration: Duration) -> u64 {
    moment.saturating_add(millis(duration)).min(LATEST)
}

/// `2026-01-31T08:49:37.120Z`.
pub(super) fn rfc3339(moment: u64) -> String {
    let (year, month, day) = date(moment);
    let month = month.saturating_add(1);
    let milli = moment % 1000;
    format!(
        "{year:04}-{month:02}-{day:02}T{}.{milli:03}Z",
        time_of_day(moment)
    )
}

/// `Sat, 31 Jan 2026 08:49:37 GMT`.
pub(super) fn imf_fixdate(moment: u64) -> String {
    let (year, month, day) = date(moment);
    let weekday = usize::try_from(moment / 86_400_000 % 7).unwrap_or(0);
    let weekday = DAYS.get(weekday).copied().unwrap_or_default();
    let month = MONTHS.get(month).map_or("", |(name, _)| name);
    format!(
        "{weekday}, {day:02} {month} {year:04} {} GMT",
        time_of_day(moment)
    )
}

fn time_of_day(moment: u64) -> String {
    let seconds = moment / 1000 % 86_400;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}")
}

/// Year, month counted from 0, day counted from 1.
fn date(moment: u64) -> (u64, usize, u64) {
    let mut days = moment / 86_400_000;
    let mut year = 1970_u64;
    while days >= year_days(year) {
        days = days.saturating_sub(year_days(year));
        year = year.saturating_add(1);
    }
    let mut month = 0_usize;
    while days >= month_days(year, month) {
        days = days.saturating_sub(month_days(year, month));
        month = month.saturating_add(1);
    }
    (year, month, days.saturating_add(1))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn month_days(year: u64, month: usize) -> u64 {
    match MONTHS.get(month) {
        Some(_) if month == 1 && is_leap(year) => 29,
        Some((_, days)) => *days,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_both_ways() {
        let table = [
            (
                0,
                "1970-01-01T00:00:00.000Z",
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ),
            (
                784_111_777_000,
                "1994-11-06T08:49:37.000Z",
                "Sun, 06 Nov 1994 08:49:37 GMT",
            ),
            (
                951_782_399_999,
                "2000-02-28T23:59:59.999Z",
                "Mon, 28 Feb 2000 23:59:59 GMT",
            ),
            (
                951_782_400_000,
                "2000-02-29T00:00:00.000Z",
                "Tue, 29 Feb 2000 00:00:00 GMT",
            ),
            (
                4_107_542_400_000,
                "2100-03-01T00:00:00.000Z",
                "Mon, 01 Mar 2100 00:00:00 GMT",
            ),
            (
                LATEST,
                "9999-12-31T23:59:59.999Z",
                "Fri, 31 Dec 9999 23:59:59 GMT",
            ),
        ];
        for (moment, date_time, header) in table {
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
