//! Builds the headers that carry a credential, and checks which headers ureq can send, and which are secret.

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH};
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{ErrorKind, NexusError, Result};

/// The `User-Agent` of the SDK's own agent.
pub(crate) const USER_AGENT: &str =
    concat!("nexus-gateway-sdk/", env!("CARGO_PKG_VERSION"), " (rust)");

/// The maximum length of the value of a secret header, in bytes. Most servers accept much less.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;

/// A header is secret if its name contains one of these.
const SECRET_PARTS: &str = "auth bearer cookie credential dpop jwt passcode passphrase passwd password pwd secret \
    session signature token";

/// The headers that only the HTTP client may set: `Host`, `Expect`, and the headers for the connection and the length of
/// the message (RFC 9110 sections 7.2, 10.1.1, 7.6.1 and 8.6).
const FRAMING: &str = "host content-length transfer-encoding connection keep-alive proxy-connection te trailer upgrade \
    expect";

/// The base64 alphabet (RFC 4648 section 4).
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns the header that carries a credential, or an error if this header cannot carry it. `Debug` does not show the
/// value.
pub(crate) fn of_credential(
    name: &str,
    prefix: &str,
    secret: &str,
) -> Result<(HeaderName, HeaderValue)> {
    let header = of_strategy(name)?;
    let value = secret_value([prefix, secret].concat())
        .filter(|value| can_carry(&header, value))
        .ok_or_else(|| {
            let problem = "a header cannot carry this credential; check that it was stored correctly (at most \
                           64 KiB, no line breaks or control characters, and only ASCII for Authorization)";
            NexusError::new(ErrorKind::InvalidCredentials, problem)
        })?;
    Ok((header, value))
}

/// Parses the header name in a strategy's config, and checks that such a header can carry a credential.
///
/// # Errors
///
/// `invalid_response` for text that is not the name of a header, and for a header that frames the request.
pub(crate) fn of_strategy(name: &str) -> Result<HeaderName> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
    let usable = parsed.filter(|header| !frames_request(header));
    usable.ok_or_else(|| {
        let problem = "the strategy's header_name is not a header that can carry a credential; ask the \
                       operator to correct it";
        NexusError::new(ErrorKind::InvalidResponse, problem)
    })
}

/// Returns whether only the HTTP client may set a header.
fn frames_request(name: &HeaderName) -> bool {
    FRAMING.split(' ').any(|own| own == name.as_str())
}

/// Returns a value that `Debug` does not show, or `None` for text that a header cannot carry.
pub(crate) fn secret_value(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    (value.len() <= MAX_LENGTH).then_some(value)
}

/// Sets a header of a request, and replaces all headers of the same name.
///
/// # Errors
///
/// `invalid_input` if the request already has too many headers.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<()> {
    let put = headers.try_insert(name, value).map(drop);
    put.map_err(|_| too_many())
}

/// Adds a header to a request, and keeps other headers of the same name.
///
/// # Errors
///
/// `invalid_input` if the request already has too many headers.
pub(crate) fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<()> {
    let added = headers.try_append(name, value).map(drop);
    added.map_err(|_| too_many())
}

fn too_many() -> NexusError {
    let problem = "there are too many to add another header; remove some";
    NexusError::invalid_input("headers", problem)
}

/// Returns whether ureq sends this header. ureq refuses an `Authorization` header that is not ASCII.
pub(crate) fn can_carry(name: &HeaderName, value: &HeaderValue) -> bool {
    name != AUTHORIZATION || value.to_str().is_ok()
}

/// Adds a caller's header, and keeps other headers of the same name.
///
/// # Errors
///
/// `invalid_input` for a header that cannot be sent, for a header that frames the request (except `Content-Length`),
/// and for too many headers.
pub(crate) fn add(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<()> {
    let number = headers.len().saturating_add(1);
    // The name is not shown, because the caller may have passed a secret value as the name.
    let header = HeaderName::from_bytes(name).map_err(|_| {
        let problem = "its name is empty or has a character that is not allowed in a header name";
        NexusError::invalid_input(&format!("header {number}"), problem)
    })?;
    let place = || format!("header {number} ({header})");
    let text = HeaderValue::from_bytes(value).map_err(|_| not_sendable(&place()))?;
    check(&header, &text, place)?;
    append(headers, header, text)
}

/// Refuses a caller's header that cannot be sent, or that frames the request (except `Content-Length`, which the SDK
/// replaces).
pub(crate) fn check(
    name: &HeaderName,
    value: &HeaderValue,
    place: impl Fn() -> String,
) -> Result<()> {
    if frames_request(name) && name != CONTENT_LENGTH {
        let problem = "only the SDK may set it; leave it out";
        return Err(NexusError::invalid_input(&place(), problem));
    }
    if !can_carry(name, value) {
        return Err(not_sendable(&place()));
    }
    Ok(())
}

fn not_sendable(place: &str) -> NexusError {
    let problem = "its value has a line break or invalid character; remove it";
    NexusError::invalid_input(place, problem)
}

/// Returns whether a header must not be sent to another origin after a redirect. `name` must be in lower case. True
/// for the headers that carry credentials (RFC 9110) or cookies (RFC 6265), and for all headers whose name suggests a
/// secret, a session or a key, except `idempotency-key`. `otp` counts only at the end, because `footprint` contains it.
pub(crate) fn is_secret(name: &str) -> bool {
    let is_key = name.contains("key") && name != "idempotency-key";
    is_key || name.ends_with("otp") || SECRET_PARTS.split(' ').any(|part| name.contains(part))
}

/// Encodes credentials and signatures in base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| usize::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let is_used = at <= chunk.len();
            let digit = BASE64.get(group >> shift & 63).filter(|_| is_used);
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_secret_headers() {
        let table = [
            ("authorization", true),
            ("set-cookie", true),
            ("x-jwt-assertion", true),
            ("x-signature", true),
            ("x-github-otp", true),
            ("dpop", true),
            ("x-bearer", true),
            ("x-passcode", true),
            ("db_pwd", true),
            ("rootpath", false),
            ("x-carbon-footprint", false),
            ("client_secret", true),
            ("x-csrf-token", true),
            ("x-api-key-id", true),
            ("ocp-apim-subscription-key", true),
            ("session_id", true),
            ("idempotency-key", false),
            ("key_id", true),
            ("message", false),
        ];
        for (name, expected) in table {
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }
}
