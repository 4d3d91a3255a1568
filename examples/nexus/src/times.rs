//! Formats times for people and for programs.

use std::time::{Duration, SystemTime};

use nexus_sdk::TokenResponse;
use nexus_sdk::serde_json::Value as Json;

/// The end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads a duration: a number of seconds, or numbers with units, such as `90s`, `5m` and `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let given = match text.parse() {
        Ok(seconds) => seconds,
        Err(_) => with_units(text).unwrap_or(f64::NAN),
    };
    let seconds = Duration::try_from_secs_f64(given);
    let seconds =
        seconds.map_err(|_| "give a number of seconds, 0 or more, or a time such as 90s or 5m")?;
    // A positive number that rounds to 0 must not mean the default.
    let least = Duration::from_nanos((given > 0.0).into());
    Ok(seconds.max(least))
}

/// Adds up numbers that have units. Returns `None` if the text is anything else.
fn with_units(text: &str) -> Option<f64> {
    let (mut sum, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(unit);
        let next = after.find(|c: char| c.is_ascii_digit());
        let (unit, after) = after.split_at(next.unwrap_or(after.len()));
        let number: f64 = number.parse().ok()?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        sum += number * seconds;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

/// Formats the time that is left, with a started second as a whole one.
pub(crate) fn left(duration: Duration) -> String {
    rough(Duration::from_secs(whole_seconds(duration)))
}

/// Counts a started second as a whole one.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    let started = Duration::from_nanos(999_999_999);
    duration.saturating_add(started).as_secs()
}

/// Formats a time for people, such as `2026-11-22T14:03:10Z, in 14 minutes`.
pub(crate) fn shown(moment: SystemTime, now: SystemTime) -> String {
    match date(moment) {
        Some(date) => format!("{date}, {}", relative(moment, now)),
        None => relative(moment, now),
    }
}

/// Formats a time as in RFC 3339, section 5.6, in whole seconds. Returns `None` outside the years 1970 to 9999.
#[allow(clippy::arithmetic_side_effects, reason = "the seconds are bounded")]
pub(crate) fn date(moment: SystemTime) -> Option<String> {
    let seconds = since_epoch(moment).filter(|seconds| *seconds <= LAST_SECOND)?;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The years of this calculation begin in March, so that a leap day is the last day of its year. Year 0
    // began 719,468 days before 1970.
    let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, passed) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + passed;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

pub(crate) fn since_epoch(moment: SystemTime) -> Option<u64> {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// Formats a time relative to now, such as `in 14 minutes` or `expired 2 minutes ago`.
fn relative(moment: SystemTime, now: SystemTime) -> String {
    match moment.duration_since(now) {
        Ok(left) => format!("in {}", rough(left)),
        Err(past) => format!("expired {} ago", rough(past.duration())),
    }
}

/// Formats a duration, rounded down so that it never promises more time than is left.
fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// Returns the token's expiry. If the response has no expiry, calculates the expiry from the token's lifetime.
pub(crate) fn expiry(token: &TokenResponse) -> Option<SystemTime> {
    let lifetime = token
        .expires_in
        .map(|left| SystemTime::now().checked_add(left));
    token.expires_at.or(lifetime.flatten())
}

/// Returns the expiry for JSON, in seconds since 1970 and in seconds from now.
pub(crate) fn exact(moment: Option<SystemTime>) -> [(&'static str, Json); 2] {
    let left = |moment: SystemTime| {
        let left = moment.duration_since(SystemTime::now());
        left.unwrap_or_default().as_secs()
    };
    [
        ("expires_at", moment.and_then(since_epoch).into()),
        ("expires_in", moment.map(left).into()),
    ]
}
