//! Checks of a request's headers, and the form fields in a request.

use ureq::http::HeaderName;
use ureq::http::header::{CONTENT_TYPE, ORIGIN};

use super::input::Entered;
use crate::loopback::{Request, fields};

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns the value of a header that occurs exactly once.
pub(super) fn only_header<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next()?.to_str().ok();
    value.filter(|_| values.next().is_none())
}

/// Returns the first field of this name in a query.
pub(super) fn field(query: &str, name: &str) -> Option<String> {
    let mut fields = fields(query).flatten();
    fields.find(|(own, _)| own == name).map(|(_, value)| value)
}

/// Returns whether the request opens a page in a window (Fetch Metadata). True without the header, which old browsers
/// do not send.
pub(super) fn is_visit(request: &Request) -> bool {
    states(request, &SEC_FETCH_DEST, "document")
}

/// Returns whether the request comes from a page of this origin. True without the headers, which browsers do not
/// always send.
pub(super) fn is_same_origin(request: &Request, origin: &str) -> bool {
    states(request, &ORIGIN, origin) && states(request, &SEC_FETCH_SITE, "same-origin")
}

fn states(request: &Request, name: &HeaderName, value: &str) -> bool {
    !request.headers().contains_key(name) || only_header(request, name) == Some(value)
}

/// Returns the fields of a submitted form.
///
/// # Errors
///
/// Returns the status with which to refuse the request.
pub(super) fn entered(request: &Request) -> Result<Entered, u16> {
    let content_type = only_header(request, &CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(415);
    }
    let text = std::str::from_utf8(request.body()).map_err(|_| 400_u16)?;
    fields(text).collect::<Option<_>>().ok_or(400)
}
