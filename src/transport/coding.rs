//! How a body is coded on its way, as far as ureq does not see to it, or does not tell.

#[cfg(feature = "gzip")]
use std::io;

use ureq::Body;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRANSFER_ENCODING};
use ureq::http::{HeaderMap, Version, response::Parts};

/// Whether ureq finds the body in what arrives. Where not, it returns all of it, chunks and all; nobody
/// asked for another coding, and HTTP/1.0 has none (RFC 9112 section 6.1).
pub(super) fn is_framed(head: &Parts) -> bool {
    let is_known = |coding: &HeaderValue| {
        let is = |name| coding.as_bytes().eq_ignore_ascii_case(name);
        is(b"identity") || is(b"chunked") && head.version == Version::HTTP_11
    };
    head.headers.get_all(TRANSFER_ENCODING).iter().all(is_known)
}

/// Whether a body that says gzip ended, as its framing allows, before the header of gzip did: servers
/// label bodies of no bytes so, and ureq decodes them all the same. A connection that was cut has a text
/// with its error, the decoder's end of input has none.
#[cfg(feature = "gzip")]
pub(super) fn is_empty_gzip(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Decompress(_, cause)
        if cause.kind() == io::ErrorKind::UnexpectedEof && cause.get_ref().is_none())
}

/// With ureq's feature `charset`, which another crate may switch on, texts become UTF-8 as they are read,
/// and nothing turns that off. So the header says it, too.
pub(super) fn relabel(body: &Body, headers: &mut HeaderMap) {
    let mime = body.mime_type().filter(|mime| mime.starts_with("text/"));
    let (Some(mime), Some(charset)) = (mime, body.charset()) else {
        return;
    };
    // In UTF-8 this byte is never alone.
    let mut sample = Body::builder()
        .mime_type(mime)
        .charset(charset)
        .data(*b"\xE9");
    if sample.read_to_vec().is_ok_and(|read| read == b"\xE9") {
        return;
    }
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let value = value.map(|value| value.replace(&format!("charset={charset}"), "charset=utf-8"));
    if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers.remove(CONTENT_LENGTH);
}
