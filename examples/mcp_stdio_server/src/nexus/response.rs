//! Responses of the provider's API, as text for the model.

use std::time::{Duration, SystemTime};

use nexus_sdk::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use nexus_sdk::http::{HeaderMap, HeaderName, StatusCode};

/// The number of requests that the API still accepts until [`RESET`]. GitHub and other APIs send it.
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
/// The end of the rate limit, in seconds since 1970.
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The number of seconds of a day.
const DAY: u64 = 86_400;

/// The maximum number of characters that the model gets from a response that is an error or is not the expected JSON.
const MAX_SHOWN: usize = 2000;

/// Returns the body of a response with a status from 200 to 299, or describes a body that is empty or is not UTF-8.
/// Explains any other response.
pub(super) fn read(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Result<String, String> {
    let size = body.len();
    let text = String::from_utf8(body).unwrap_or_else(|_| {
        let kind = header(headers, CONTENT_TYPE);
        let kind = if kind.is_empty() { "none" } else { kind };
        format!("({size} bytes that are not UTF-8 text; Content-Type: {kind})")
    });
    match status {
        200..=299 if text.is_empty() => Ok(format!("{}, no body", name(status))),
        200..=299 => Ok(text),
        _ => Err(refusal(status, headers, &text)),
    }
}

/// Explains a response from the API whose status is not 200 to 299.
fn refusal(status: u16, headers: &HeaderMap, text: &str) -> String {
    let (name, hint, shown) = (name(status), hint(status, headers), shown(text));
    let text = format!("The API responded with {name}. {hint}\n{shown}");
    text.trim_end().to_owned()
}

fn hint(status: u16, headers: &HeaderMap) -> String {
    let time = |default: &str| time(headers).unwrap_or_else(|| default.to_owned());
    let hint = match status {
        // The query is left out because it may contain a credential.
        300..=399 => match header(headers, LOCATION).split('?').next() {
            Some(target) if !target.is_empty() => {
                return format!(
                    "It redirects to {target}. If that is the same API, fetch that path."
                );
            }
            _ => "It redirects, but does not say where to.",
        },
        401 => {
            "It refuses the credential. If that happens again, the user has to connect the account again."
        }
        429 => return format!("Too many requests. Retry {}.", time("in a minute")),
        403 if is_limited(headers) => {
            let time = time("in a minute");
            return format!("Too many requests, or the user lacks a permission. Retry {time}.");
        }
        403 => "The user lacks a permission, or the connection needs more scopes.",
        404 => "Check the path. The API may also hide what the user is not permitted to see.",
        500.. => return format!("The API failed. Retry {}.", time("later")),
        _ => "Check the method, the path and the body.",
    };
    hint.to_owned()
}

/// Returns whether the API has received too many requests. GitHub then responds with 403.
fn is_limited(headers: &HeaderMap) -> bool {
    !header(headers, RETRY_AFTER).is_empty() || header(headers, REMAINING) == "0"
}

/// Returns the time of the next attempt, in words that follow "Retry", or `None` if the API does not state it.
fn time(headers: &HeaderMap) -> Option<String> {
    let stated = header(headers, RETRY_AFTER);
    if !stated.is_empty() {
        return Some(format!("later (Retry-After: {stated})"));
    }
    if header(headers, REMAINING) != "0" {
        return None;
    }
    let reset = Duration::from_secs(header(headers, RESET).parse().ok()?);
    let reset = SystemTime::UNIX_EPOCH.checked_add(reset)?;
    let left = reset.duration_since(SystemTime::now()).ok()?.as_secs();
    // Some APIs send milliseconds, which would lead to a time far ahead.
    (left < DAY).then(|| format!("in {} s", left.saturating_add(1)))
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// Names a status, as in `HTTP 404 Not Found`.
fn name(status: u16) -> String {
    let code = StatusCode::from_u16(status).ok();
    let reason = code.and_then(|code| code.canonical_reason());
    let name = format!("HTTP {status} {}", reason.unwrap_or_default());
    name.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A status, headers, and a part of the text for the model.
    type Row<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);

    #[test]
    fn a_rate_limit_has_its_time_and_is_no_missing_permission() {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let (reset, past) = (now.saturating_add(3600).to_string(), now.to_string());
        let wait = "retry-after";
        let (remaining, end) = ("x-ratelimit-remaining", "x-ratelimit-reset");
        let table: [Row<'_>; 13] = [
            (403, &[], "The user lacks a permission"),
            (403, &[(remaining, "5"), (end, &reset)], "The user lacks"),
            (
                403,
                &[(wait, "9")],
                "permission. Retry later (Retry-After: 9).",
            ),
            (403, &[(wait, "")], "The user lacks a permission"),
            (
                403,
                &[(remaining, "0")],
                "Too many requests, or the user lacks a permission. Retry in a minute.",
            ),
            (
                403,
                &[(remaining, "0"), (end, &reset)],
                "permission. Retry in 3",
            ),
            (
                403,
                &[(remaining, "0"), (end, "1893456000000")],
                "Retry in a minute.",
            ),
            (403, &[(remaining, "0"), (end, &past)], "Retry in a minute."),
            (
                429,
                &[(remaining, "0"), (end, "soon")],
                "Retry in a minute.",
            ),
            (
                429,
                &[(wait, "9"), (remaining, "0"), (end, &reset)],
                "(Retry-After: 9).",
            ),
            (429, &[], "Too many requests. Retry in a minute."),
            (
                503,
                &[(wait, "9")],
                "The API failed. Retry later (Retry-After: 9).",
            ),
            (503, &[], "The API failed. Retry later."),
        ];
        for (status, given, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in given {
                let name = HeaderName::from_bytes(name.as_bytes()).ok();
                headers.extend(
                    name.zip(value.parse().ok())
                        .map(|(name, value)| (Some(name), value)),
                );
            }
            let said = refusal(status, &headers, "");
            assert!(said.contains(expected), "{status} {given:?}: {said}");
        }
    }
}
