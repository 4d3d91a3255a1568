//! Responses of resolve, token and refresh.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{assert_clean, assert_clean_beside, assert_hides, assert_line, strategy_names};
use crate::json;
use crate::slot::{Asker, Reason, Slot, Want};
use crate::time::{MAX_DURATION, Now, ResponseClock};
use crate::token::{CachedToken, Place, TokenResponse};

/// 2025-06-15T14:30:00Z, the local time at which responses come.
const NOON: u64 = 1_749_997_800;
/// The assumed lifetime of a token without an expiry.
const DEFAULT: Duration = Duration::from_secs(300);

/// The body of a response.
pub fn token(data: &[u8]) {
    let body = match json::response(data) {
        Ok(body) => body,
        Err(error) => return assert_line(error.message()),
    };
    let response = match TokenResponse::from_json(body.clone().into()) {
        Ok(response) => response,
        Err(error) => return assert_clean(&error),
    };
    assert_eq!(response.raw, body, "the response is kept whole");
    let credentials = response.credentials.as_ref();
    assert!(!response.access_token.is_empty() || credentials.is_some());
    let strategy = response.strategy.as_ref();
    let kind = strategy.and_then(|fields| fields.get("type"));
    let shown = (&response.token_type, &response.scope, &response.provider);
    assert_hides(&response, &format!("{shown:?} {kind:?}"));
    let wall = at(NOON);
    let mono = Instant::now();
    let skewed = [
        None,
        Some(wall),
        Some(at(NOON + 600)),
        Some(at(NOON - 600)),
        Some(UNIX_EPOCH),
        Some(at(253_402_300_799)),
    ];
    for date in skewed {
        let at = Now { wall, mono };
        let received = ResponseClock { at, date };
        match response.to_cached(received) {
            Ok(token) => {
                never_outlives(&token, &response, received);
                is_sent(&token);
                is_never_served_late(&token, received);
            }
            Err(error) => assert_clean_beside(&error, &strategy_names(&body)),
        }
    }
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The local expiry is at most as far away as the response says, by the gateway's own clock.
fn never_outlives(token: &CachedToken, response: &TokenResponse, received: ResponseClock) {
    let now = received.at.wall;
    let left = token.expires_at.duration_since(now).unwrap_or_default();
    let claimed = match (response.expires_at, response.expires_in) {
        (Some(moment), _) => {
            let clock = received.date.filter(|date| apart(*date, now) > 2);
            moment
                .duration_since(clock.unwrap_or(now))
                .unwrap_or_default()
        }
        (None, length) => length.unwrap_or(DEFAULT).min(MAX_DURATION),
    };
    assert!(left <= claimed, "{left:?} of {claimed:?}");
}

fn apart(a: SystemTime, b: SystemTime) -> u64 {
    let apart = a.duration_since(b).unwrap_or_else(|error| error.duration());
    apart.as_secs()
}

/// Asserts that a token whose place is a header has a header that can be sent.
fn is_sent(token: &CachedToken) {
    let (name, value) = match token.to_header() {
        Ok(Some(header)) => header,
        Ok(None) => return assert!(token.place != Place::Header),
        Err(error) => return assert!(token.place != Place::Header, "{error}"),
    };
    let expected = format!("{}{}", token.value_prefix, token.access_token);
    assert_eq!(value.as_bytes(), expected.as_bytes());
    assert!(value.is_sensitive());
    assert!(name.as_str().eq_ignore_ascii_case(&token.header_name));
    assert!(!expected.contains(['\r', '\n', '\0']), "{name}");
}

/// The cache never hands it out at or after its expiry.
fn is_never_served_late(token: &CachedToken, received: ResponseClock) {
    let asker = Asker {
        gateway: "https://gateway".into(),
        uses_stale: true,
    };
    let mut slot = Slot::empty(None);
    let now = received.at;
    if let Want::Ask(question) = slot.want(&Reason::Needed, &asker, now) {
        let outcome = Ok((token.clone().into(), now));
        slot.done(&question, outcome, Duration::from_secs(30), now);
    }
    let left = token.expires_at.duration_since(received.at.wall);
    let left = left.unwrap_or_default();
    // No token is kept for longer than that.
    let left = if left < MAX_DURATION { left } else { return };
    for early in [0, 29].map(Duration::from_secs) {
        let wait = left.saturating_sub(early);
        let hit = slot.fresh(None, received.at.after(wait)).is_some();
        // A token that arrives within its buffer is kept for five seconds.
        let kept = !early.is_zero() && wait < Duration::from_secs(5);
        assert!(!hit || kept, "served {early:?} before the end of {left:?}");
    }
}
