//! The one form of a request that both sides of Signature Version 4 hash, however it is written on
//! the way.

use std::collections::BTreeMap;

use ureq::http::{HeaderMap, Method, Uri};

use crate::url;

/// Headers that ureq or a hop may add, change or drop on the way, which would break a signature
/// over them. AWS asks for none of them to be signed.
const UNSIGNED: [&str; 27] = [
    "accept",
    "accept-encoding",
    "authorization",
    "baggage",
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-real-ip",
];

/// A request in canonical form, and the names of the headers in it.
pub(super) struct Canonical {
    pub(super) text: Vec<u8>,
    pub(super) signed_headers: String,
}

impl Canonical {
    pub(super) fn new(
        (method, url, host): (&Method, &Uri, &str),
        path: &str,
        headers: &HeaderMap,
        payload: &str,
    ) -> Self {
        let signed = signed(headers, host);
        let query = query(url.query().unwrap_or_default());
        let mut text = format!("{method}\n{path}\n{query}\n").into_bytes();
        for (name, value) in &signed {
            text.extend([name.as_bytes(), b":", value, b"\n"].concat());
        }
        let signed_headers = signed.into_keys().collect::<Vec<_>>().join(";");
        text.extend(format!("\n{signed_headers}\n{payload}").into_bytes());
        Self {
            text,
            signed_headers,
        }
    }
}

/// A path as it was sent, dot segments and empty ones resolved, encoded once more.
pub(super) fn path(path: &str) -> String {
    let segments = path.split('/');
    let segments = segments.map(|segment| if segment.is_empty() { "." } else { segment });
    let normal = url::without_dots(&format!("/{}", segments.collect::<Vec<_>>().join("/")));
    encode(normal.as_bytes(), b"/")
}

/// A path as the name of an object of S3, which may hold dots and slashes of any kind, encoded once. S3
/// reads it as it reads a query: a plus sign is a space.
pub(super) fn object_path(path: &str) -> String {
    encode(&url::decode(path, true), b"/")
}

/// Decoded before it is encoded, so that all spellings of a parameter are one.
fn query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let canonical = |text| encode(&url::decode(text, true), b"");
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (canonical(name), canonical(value)))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// The signed headers by name, each with its values in order.
fn signed<'a>(headers: &'a HeaderMap, host: &str) -> BTreeMap<&'a str, Vec<u8>> {
    let names = headers.keys().filter(|name| is_signed(name.as_str()));
    let joined = |name| {
        let values = headers.get_all(name).iter();
        let values: Vec<Vec<u8>> = values.map(|value| folded(value.as_bytes())).collect();
        values.join(&b',')
    };
    let mut signed: BTreeMap<&str, Vec<u8>> =
        names.map(|name| (name.as_str(), joined(name))).collect();
    signed
        .entry("host")
        .or_insert_with(|| host.as_bytes().to_vec());
    signed
}

fn is_signed(name: &str) -> bool {
    !UNSIGNED.contains(&name) && !name.starts_with("x-forwarded-")
}

/// Without white space at the ends, and with one space for each run of it inside.
fn folded(value: &[u8]) -> Vec<u8> {
    let words = value.split(u8::is_ascii_whitespace);
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}

/// All but RFC 3986's unreserved characters, and those of `plain`, as `%XX`.
fn encode(bytes: &[u8], plain: &[u8]) -> String {
    let plain = |byte| url::is_unreserved(byte) || plain.contains(&byte);
    url::encode_unless(bytes, plain)
}
