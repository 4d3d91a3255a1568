//! Which headers may carry a credential, and how they are set.

use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{ErrorKind, NexusError, Result};

/// What the SDK calls itself, unless an agent of the caller's says otherwise.
pub(crate) const USER_AGENT: &str =
    concat!("nexus-gateway-sdk/", env!("CARGO_PKG_VERSION"), " (rust)");

/// Headers that frame the message or name its target; strategies must not set them.
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

/// The longest header that is sent; servers take much less.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;

/// The header that carries a credential, checked and marked so that it does not show in `Debug`.
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
            let problem = "the credential has a line break, a control character or, for \
                           Authorization, one beyond ASCII, or is longer than 64 KiB, which its \
                           header cannot carry; store it again without";
            NexusError::new(ErrorKind::InvalidCredentials, problem)
        })?;
    Ok((name, value))
}

/// A value that does not show in `Debug`; `None` for a text that a header cannot carry.
pub(crate) fn secret_value(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    (value.len() <= MAX_LENGTH).then_some(value)
}

/// Sets a header of a request; it replaces those of the same name.
///
/// # Errors
///
/// `invalid_input` when the request has too many headers already.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<()> {
    let put = headers.try_insert(name, value);
    put.map_err(|_| NexusError::invalid_input("headers", "too many, with the credential's own"))?;
    Ok(())
}

/// Whether this header can be sent: it is not too long, and `Authorization` is ASCII (RFC 9110
/// section 11.4), as ureq demands.
pub(crate) fn can_carry(name: &HeaderName, value: &HeaderValue) -> bool {
    value.len() <= MAX_LENGTH && (name != AUTHORIZATION || value.to_str().is_ok())
}
