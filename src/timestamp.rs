//! Dates off the wire: `expires_at` in all its forms, HTTP dates, `Retry-After`.
#![allow(
    clippy::arithmetic_side_effects,
    reason = "what is added up has few digits: years four, all else two, and days of the epoch 22 bits"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::json;

/// The last second of the year 9999; anything later counts as then.
const LAST_SECOND: u64 = 253_402_300_799;
/// Above this, an epoch number is in milliseconds.
const MILLIS_ABOVE: f64 = 1e12;
/// The milliseconds of the year 10,000.
const MAX_MILLIS: f64 = 253_402_300_800_000.0;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// A moment as gateways write it: RFC 3339 with its common variations, epoch seconds or
/// milliseconds, or either as a string. `None` where it is missing, unset or unreadable.
pub(crate) fn moment(value: &Value) -> Option<SystemTime> {
    match value {
        Value::Number(number) => from_epoch(number.as_f64()?),
        Value::String(text) => {
            let text = text.trim();
            rfc3339(text).or_else(|| from_epoch(plain_number(text)?))
        }
        _ => None,
    }
}

/// A count of seconds, as a number or a string. Zero and below mean "not given".
pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    let count = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => plain_number(text.trim())?,
        _ => return None,
    };
    positive(count)
}

fn positive(seconds: f64) -> Option<Duration> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a bound; its last digit does not matter"
    )]
    let last = LAST_SECOND as f64;
    let length = (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(last)))?;
    // What is less than a nanosecond is rounded to none.
    (!length.is_zero()).then_some(length)
}

/// A number as JSON writes it. What else `f64` reads is words, and 16 KB of tables in a program.
fn plain_number(text: &str) -> Option<f64> {
    json::parse(text.as_bytes()).ok()?.as_f64()
}

/// Seconds, or milliseconds; micro- and nanoseconds, which are past the year 9999 even as
/// milliseconds, are none.
fn from_epoch(number: f64) -> Option<SystemTime> {
    let seconds = match number {
        number if number >= MAX_MILLIS => return None,
        number if number > MILLIS_ABOVE => number / 1000.0,
        number => number,
    };
    UNIX_EPOCH.checked_add(positive(seconds)?)
}

/// RFC 3339 section 5.6, and what is seen beside it: a space for the `T`, no zone (then UTC),
/// offsets without a colon. A moment before 1970 is an unset one.
fn rfc3339(text: &str) -> Option<SystemTime> {
    let mut cursor = Cursor(text.as_bytes());
    let year = cursor.digits(4)?;
    cursor.one_of(b"-")?;
    let month = cursor.digits(2)?;
    cursor.one_of(b"-")?;
    let day = cursor.digits(2)?;
    cursor.one_of(b"Tt ")?;
    let time = cursor.clock()?;
    let nanos = cursor.fraction()?;
    let offset = cursor.offset()?;
    let seconds = start_of_day(year, month, day)? + time - offset;
    let seconds = u64::try_from(seconds).ok()?;
    let since = Duration::new(seconds.min(LAST_SECOND), nanos);
    (since > Duration::ZERO).then(|| UNIX_EPOCH.checked_add(since))?
}

/// An HTTP date in any of the three forms of RFC 9110 section 5.6.7.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let text = text.trim().to_ascii_lowercase();
    let words: Vec<&str> = text
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    let ([_, day, month, year, time, "gmt"] | [_, month, day, time, year]) = words.as_slice()
    else {
        return None;
    };
    let (month, _) = (1..).zip(MONTHS).find(|(_, name)| name == month)?;
    let mut clock = Cursor(time.as_bytes());
    let time = clock.clock().filter(|_| clock.0.is_empty())?;
    let seconds = start_of_day(full_year(year)?, month, number(day, 2)?)? + time;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date to be read against `now`.
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    if let Some(seconds) = number(text.trim(), 18) {
        return Some(Duration::from_secs(u64::try_from(seconds).ok()?));
    }
    Some(http_date(text)?.duration_since(now).unwrap_or_default())
}

/// ISO 8601's basic form in UTC, `20150830T123600Z`; `None` before 1970 and after 9999.
#[cfg(feature = "signing")]
pub(crate) fn basic(moment: SystemTime) -> Option<String> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (year, month, day) = date((since <= LAST_SECOND).then_some(since / 86_400)?);
    let second = since % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    ))
}

/// RFC 850 writes two digits: 70 to 99 are the last century's.
fn full_year(text: &str) -> Option<i64> {
    let year = number(text, 4)?;
    match text.len() {
        4 => Some(year),
        2 if year < 70 => Some(year + 2000),
        2 => Some(year + 1900),
        _ => None,
    }
}

fn number(text: &str, max_digits: usize) -> Option<i64> {
    let plain = (1..=max_digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// What is left of a text being read.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        wanted.contains(first).then(|| self.0 = rest)?;
        Some(*first)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = number(std::str::from_utf8(digits).ok()?, count)?;
        self.0 = rest;
        Some(value)
    }

    /// `hh:mm:ss` as seconds; a leap second is the one after it.
    fn clock(&mut self) -> Option<i64> {
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        self.one_of(b":")?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        self.one_of(b":")?;
        let seconds = self.digits(2).filter(|seconds| *seconds <= 60)?;
        Some(hours * 3600 + minutes * 60 + seconds)
    }

    /// A fraction of a second in nanoseconds; further digits are cut off.
    fn fraction(&mut self) -> Option<u32> {
        if self.one_of(b".,").is_none() {
            return Some(0);
        }
        let (mut nanos, mut scale) = (0, 1_000_000_000);
        while let Some(digit) = self.one_of(b"0123456789") {
            scale /= 10;
            nanos += u32::from(digit - b'0') * scale;
        }
        (scale < 1_000_000_000).then_some(nanos)
    }

    /// The zone, in seconds east of UTC, and nothing after it.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-") {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return self.0.is_empty().then_some(0),
        };
        let hours = self.digits(2).filter(|hours| *hours < 24)?;
        let minutes = if self.0.is_empty() {
            0
        } else {
            let _ = self.one_of(b":");
            self.digits(2).filter(|minutes| *minutes < 60)?
        };
        let east = hours * 3600 + minutes * 60;
        self.0.is_empty().then_some(east * sign)
    }
}

/// Seconds from 1970 to the start of a day of the proleptic Gregorian calendar, counted like `date` from
/// March, so that the leap day is the last of the year, in eras of 400 years; `None` for one that no calendar has. The year has four
/// digits.
fn start_of_day(year: i64, month: i64, day: i64) -> Option<i64> {
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
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let in_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (in_era * 365 + in_era / 4 - in_era / 100);
    let from_march = (day * 5 + 2) / 153;
    let day = day - (from_march * 153 + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + in_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod against_jiff;
#[cfg(test)]
mod tests;
