//! Responses of the provider's API, as text for the model.

use nexus_sdk::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use nexus_sdk::http::{HeaderMap, HeaderName, StatusCode};

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
        403 => "The user lacks a permission, or the connection needs more scopes.",
        404 => "Check the path. The API may also hide what the user is not permitted to see.",
        429 => match header(headers, RETRY_AFTER) {
            "" => "Too many requests. Retry in a minute.",
            wait => return format!("Too many requests. Retry later (Retry-After: {wait})."),
        },
        500.. => "The API failed. Retry later.",
        _ => "Check the method, the path and the body.",
    };
    hint.to_owned()
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
