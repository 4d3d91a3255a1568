//! Moments as people read them.

use std::time::{Duration, SystemTime};

use nexus_sdk::TokenResponse;
use nexus_sdk::serde_json::Value as Json;

/// `2026-11-22T14:03:10Z, in 14 minutes`.
pub(crate) fn shown(moment: SystemTime, now: SystemTime) -> String {
    match date(moment) {
        Some(date) => format!("{date}, {}", relative(moment, now)),
        None => relative(moment, now),
    }
}

/// As RFC 3339 section 5.6 writes it, in whole seconds.
pub(crate) fn date(moment: SystemTime) -> Option<String> {
    let seconds = jiff::Timestamp::from_second(since_epoch(moment)?.try_into().ok()?);
    Some(seconds.ok()?.to_string())
}

pub(crate) fn since_epoch(moment: SystemTime) -> Option<u64> {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// `in 14 minutes`, or `expired 2 minutes ago`.
pub(crate) fn relative(moment: SystemTime, now: SystemTime) -> String {
    match moment.duration_since(now) {
        Ok(left) => format!("in {}", rough(left)),
        Err(past) => format!("expired {} ago", rough(past.duration())),
    }
}

/// Cut off, never rounded up: nobody is promised a minute that is not there.
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

/// The moment that the response states, or the end of the lifetime that it states.
pub(crate) fn expiry(token: &TokenResponse) -> Option<SystemTime> {
    let lifetime = token
        .expires_in
        .map(|left| SystemTime::now().checked_add(left));
    token.expires_at.or(lifetime.flatten())
}

/// For JSON: in seconds since the epoch, and from now.
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
