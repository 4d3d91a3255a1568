//! The proleptic Gregorian calendar, in both directions.
//!
//! Both count from March, so that the leap day is the last of the year, in eras of 400 years.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "years have four digits at most, and days 22 bits"
)]

/// Seconds from 1970 to the start of a day; `None` for one that no calendar has. The year has four
/// digits.
pub(super) fn start_of_day(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    let days = era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + day_of_year;
    Some((days - 719_469) * 86_400)
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month and day of a day counted from 1970, before the year 10,000.
#[cfg(feature = "signing")]
pub(super) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let in_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (in_era * 365 + in_era / 4 - in_era / 100);
    let from_march = (day * 5 + 2) / 153;
    let day = day - (from_march * 153 + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + in_era + u64::from(month <= 2), month, day)
}
