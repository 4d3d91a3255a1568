//! The headers that carry a credential, and the limits of all headers.

use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{ErrorKind, NexusError, Result};

/// The SDK's own `User-Agent`. The `User-Agent` of a caller's agent takes precedence.
pub(crate) const USER_AGENT: &str =
    concat!("nexus-gateway-sdk/", env!("CARGO_PKG_VERSION"), " (rust)");

/// Headers that delimit the message, control its connection or name its target. A strategy must not set them.
pub(crate) const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The limit for the length of a header, in bytes. Most servers accept much less.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;

/// Checks and returns the header that carries a credential. `Debug` does not show its value.
pub(crate) fn of_credential(
    name: &str,
    prefix: &str,
    secret: &str,
) -> Result<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|name| !FRAMING.contains(&name.as_str()))
        .ok_or_else(|| {
            let problem = "the strategy's header_name is not a header that may carry a credential";
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })?;
    let value = secret_value([prefix, secret].concat())
        .filter(|value| can_carry(&name, value))
        .ok_or_else(|| {
            let problem = "a header cannot carry this credential: it is longer than 64 KiB, or has \
                           a line break, a control character or, for Authorization, a character \
                           beyond ASCII; store it again without them";
            NexusError::new(ErrorKind::InvalidCredentials, problem)
        })?;
    Ok((name, value))
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
    let put = headers.try_insert(name, value);
    put.map_err(|_| {
        NexusError::invalid_input(
            "headers",
            "there are too many to add the credential's header; remove some of them",
        )
    })?;
    Ok(())
}

/// Returns whether ureq sends this header. `Authorization` must be ASCII (RFC 9110 section 11.4).
pub(crate) fn can_carry(name: &HeaderName, value: &HeaderValue) -> bool {
    name != AUTHORIZATION || value.to_str().is_ok()
}
