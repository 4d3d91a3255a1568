//! The dates in responses (RFC 3339, seconds or milliseconds since 1970, HTTP dates and `Retry-After`), and the dates
//! in AWS signatures.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "the numbers are small: a year has four digits, a month or an hour two, and days since 1970 fit in 22 bits"
)]

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use ureq::http::HeaderMap;
use ureq::http::header::{DATE, RETRY_AFTER};

use crate::json;

/// The last second of the year 9999. Later times in RFC 3339 or in seconds since 1970 count as this second.
const LAST_SECOND: u64 = 253_402_300_799;
/// A larger number counts milliseconds since 1970, not seconds. As seconds, it would be in the year 33,658 or later.
const MILLIS_ABOVE: f64 = 1e12;
/// The first millisecond of the year 10,000.
const MAX_MILLIS: f64 = 253_402_300_800_000.0;
pub(crate) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Reads a moment: a date and time of RFC 3339, or a number of seconds or milliseconds since 1970, which may also be
/// in a string. Returns `None` if the moment is unset or cannot be read.
pub(crate) fn moment(value: &Value) -> Option<SystemTime> {
    let written = value.as_str().and_then(|text| rfc3339(text.trim()));
    written.or_else(|| from_epoch(count(value)?))
}

/// Reads a count of seconds, as a number or a string. Zero and negative numbers mean "not given".
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    positive(count(value)?)
}

/// Reads a JSON number, or a string that contains a number. `str::parse::<f64>` would add 18 KB of tables to
/// a program.
fn count(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => json::parse(text.trim().as_bytes()).ok()?.as_f64(),
        value => value.as_f64(),
    }
}

fn positive(seconds: f64) -> Option<Duration> {
    let length = Duration::try_from_secs_f64(seconds.min(MILLIS_ABOVE)).ok()?;
    // The conversion rounds less than half a nanosecond to zero.
    (!length.is_zero()).then(|| length.min(Duration::from_secs(LAST_SECOND)))
}

/// Reads seconds or milliseconds since 1970. Microseconds and nanoseconds are refused: read as
/// milliseconds, they would be after the year 9999.
fn from_epoch(number: f64) -> Option<SystemTime> {
    let in_millis = number > MILLIS_ABOVE;
    let seconds = if in_millis { number / 1000.0 } else { number };
    let since = positive(seconds).filter(|_| number < MAX_MILLIS)?;
    UNIX_EPOCH.checked_add(since)
}

/// Reads a date and time of RFC 3339 section 5.6. Also accepts a space instead of the `T`, a comma before the
/// fraction, a missing zone (read as UTC), and an offset such as `+02` or `+0200`. A moment that is not after the
/// start of 1970 counts as unset.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let (date, after_date) = text.split_at_checked(10)?;
    let from_time = after_date.strip_prefix(['T', 't', ' '])?;
    let (time, after_time) = from_time.split_at_checked(8)?;
    let end = after_time
        .find(['Z', 'z', '+', '-'])
        .unwrap_or(after_time.len());
    let (fraction, zone) = after_time.split_at_checked(end)?;
    let mut date_parts = date.split('-');
    let year = number(date_parts.next()?, 4..=4)?;
    let month = number(date_parts.next()?, 2..=2)?;
    let day = number(date_parts.next()?, 2..=2)?;
    let moment = start_of_day(year, month, day)? + clock(time)? - offset(zone)?;
    let seconds = u64::try_from(moment).ok()?;
    let since = Duration::new(seconds.min(LAST_SECOND), nanos(fraction)?);
    if since.is_zero() {
        return None;
    }
    UNIX_EPOCH.checked_add(since)
}

/// Reads the response's `Date`.
pub(crate) fn server_time(headers: &HeaderMap) -> Option<SystemTime> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

/// Returns the time for which the server asks the client to wait, from `Retry-After`.
pub(crate) fn retry_after_header(headers: &HeaderMap) -> Option<Duration> {
    let now = server_time(headers).unwrap_or_else(SystemTime::now);
    retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// Reads the date format that servers must send (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let lower = text.trim().to_ascii_lowercase();
    let words: Vec<&str> = lower.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "gmt"] = words.as_slice() else {
        return None;
    };
    let mut months = (1..).zip(MONTHS);
    let (month_number, _) = months.find(|(_, name)| name.eq_ignore_ascii_case(month))?;
    let start = start_of_day(number(year, 4..=4)?, month_number, number(day, 1..=2)?)?;
    let seconds = u64::try_from(start + clock(time)?).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Reads `Retry-After` (RFC 9110 section 10.2.3), which is a number of seconds or a date. Returns the time left
/// from `now`. Some servers send a fraction of a second, which is rounded up.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    match (number(whole, 1..=18), number(fraction, 1..=18)) {
        (Some(seconds), Some(fraction)) => {
            let seconds = u64::try_from(seconds + fraction.signum()).ok()?;
            Some(Duration::from_secs(seconds))
        }
        _ => Some(http_date(text)?.duration_since(now).unwrap_or_default()),
    }
}

/// Reads a number that consists of this many digits and nothing else.
fn number(text: &str, digits: RangeInclusive<usize>) -> Option<i64> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    text.parse().ok()
}

/// Reads `hh:mm:ss` as seconds. A leap second (`:60`) counts as the second after it.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| number(part, 2..=2));
    let hours = parts.next()??;
    let minutes = parts.next()??;
    let seconds = parts.next()??;
    let fits = hours < 24 && minutes < 60 && seconds <= 60 && parts.next().is_none();
    fits.then_some(hours * 3600 + minutes * 60 + seconds)
}

/// Reads a fraction of a second as nanoseconds. Digits after the ninth are ignored.
fn nanos(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(['.', ','])?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain {
        return None;
    }
    format!("{digits:0<9}").get(..9)?.parse().ok()
}

/// Reads a time zone as seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    let Some(east) = text.strip_prefix(['+', '-']) else {
        return matches!(text, "" | "Z" | "z").then_some(0);
    };
    let (hours, minutes) = match east.len() {
        2 => (east, "00"),
        4 => east.split_at_checked(2)?,
        _ => east.split_once(':')?,
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    Some(clock(&format!("{hours}:{minutes}:00"))? * sign)
}

/// Returns the seconds from 1970 to the start of a day of the Gregorian calendar. Returns `None` for a day that does
/// not exist, and for a day before 0000-03-01. Years are counted from March, so that a leap day is the last day of
/// its year.
fn start_of_day(year: i64, month: i64, day: i64) -> Option<i64> {
    let years = year - i64::from(month <= 2);
    let leap_days = years / 4 - years / 100 + years / 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    let days = years * 365 + leap_days + day_of_year - 719_469;
    (date(days) == (year, month, day)).then_some(days * 86_400)
}

/// Returns the year, month and day of the date this many days after 1970-01-01. Correct only from 0000-03-01 on.
pub(crate) fn date(days: i64) -> (i64, i64, i64) {
    let since_year_0 = days + 719_468;
    let era = since_year_0 / 146_097;
    let day_of_era = since_year_0 % 146_097;
    let in_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (in_era * 365 + in_era / 4 - in_era / 100);
    let from_march = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (from_march * 153 + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + in_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
