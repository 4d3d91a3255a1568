//! The headers and form fields of a request.

use ureq::http::HeaderName;
use ureq::http::header::ORIGIN;

use super::input::Entered;
use crate::loopback::{Request, fields};

pub(super) fn header<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Returns the first field of this name in a query.
pub(super) fn field(query: &str, name: &str) -> Option<String> {
    let mut fields = fields(query).flatten();
    fields.find(|(own, _)| own == name).map(|(_, value)| value)
}

/// Returns false if `Origin` names another origin. A request without `Origin` is accepted: browsers send the header
/// with every POST, so the request is not from a browser.
pub(super) fn is_same_origin(request: &Request, origin: &str) -> bool {
    !request.headers().contains_key(ORIGIN) || header(request, &ORIGIN) == Some(origin)
}

/// Returns the fields of a submitted form, or `None` if they are not UTF-8.
pub(super) fn entered(request: &Request) -> Option<Entered> {
    fields(std::str::from_utf8(request.body()).ok()?).collect()
}
