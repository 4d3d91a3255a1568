//! The origins of URLs as browsers read them.

use ::url::Url;

pub(crate) fn origin(base: &str, reference: &str) -> Option<String> {
    let url = Url::parse(base).ok()?.join(reference).ok()?;
    Some(url.origin().ascii_serialization())
}
