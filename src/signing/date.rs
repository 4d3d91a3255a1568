//! The moment of a signature.

use std::time::{SystemTime, UNIX_EPOCH};

/// The last second of the year 9999; later years have no form with four digits.
const LAST_SECOND: u64 = 253_402_300_799;

/// ISO 8601's basic form in UTC, `20150830T123600Z`; `None` before 1970 and after 9999.
pub(super) fn basic(moment: SystemTime) -> Option<String> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (year, month, day) = calendar((since <= LAST_SECOND).then_some(since / 86_400)?);
    let second = since % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    ))
}

/// Year, month and day of a day counted from 1970.
///
/// Counts from March, so that the leap day is the last of the year, in eras of 400 years.
fn calendar(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let common = day
        .saturating_sub(day / 1_460)
        .saturating_add(day / 36_524)
        .saturating_sub(day / 146_096);
    let year = common / 365;
    let start = year
        .saturating_mul(365)
        .saturating_add(year / 4)
        .saturating_sub(year / 100);
    let day = day.saturating_sub(start);
    let from_march = day.saturating_mul(5).saturating_add(2) / 153;
    let month_start = from_march.saturating_mul(153).saturating_add(2) / 5;
    let month = from_march.saturating_add(2) % 12;
    let year = era.saturating_mul(400).saturating_add(year);
    (
        year.saturating_add(u64::from(month < 2)),
        month.saturating_add(1),
        day.saturating_sub(month_start).saturating_add(1),
    )
}
