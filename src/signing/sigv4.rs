//! AWS Signature Version 4, in the `Authorization` header.

use std::collections::BTreeMap;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use ureq::http::header::AUTHORIZATION;
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::{hex, mac};
use crate::error::{ErrorKind, NexusError, Result};
use crate::header::{self, put};
use crate::time::date;
use crate::url;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const PAYLOAD: HeaderName = HeaderName::from_static("x-amz-content-sha256");

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// In place of the payload's hash, where a caller wants the payload left out.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// The signing names of S3, which share its rules.
const S3: [&str; 4] = ["s3", "s3-object-lambda", "s3-outposts", "s3express"];
/// Further services that refuse a request without the hash of its payload in a header.
const PAYLOAD_HEADER: [&str; 2] = ["aoss", "glacier"];

/// Headers beside those of framing that ureq or a hop may add, change or drop on the way, which would
/// break a signature over them. AWS asks for none of them to be signed.
const UNSIGNED: [&str; 20] = [
    "accept",
    "accept-encoding",
    "authorization",
    "baggage",
    "cache-control",
    "cookie",
    "forwarded",
    "keep-alive",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "referer",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-real-ip",
];

/// An account's key, and the region and service that it signs for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AwsKey {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}

/// Signs a request: its headers get `Authorization`, `X-Amz-Date`, with a session token
/// `X-Amz-Security-Token`, and `X-Amz-Content-Sha256` where the service asks for it. Those of an
/// earlier signature are replaced. On an error the headers may be half done, but hold no signature.
///
/// A caller's own `X-Amz-Content-Sha256: UNSIGNED-PAYLOAD` is kept.
///
/// # Errors
///
/// `invalid_credentials` for a key or token that a header cannot carry, `invalid_response` for such a
/// region or service, `invalid_input` for a URL without a host or a time out of range.
pub(crate) fn sign_aws(
    key: &AwsKey,
    method: &Method,
    url: &Uri,
    headers: &mut HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Result<()> {
    headers.remove(AUTHORIZATION);
    let host = url.authority().map(Authority::as_str);
    let host = host.ok_or_else(|| NexusError::invalid_input("url", "has no host"))?;
    let date_time = date::basic(now).ok_or_else(|| {
        NexusError::invalid_input("now", "the clock stands before 1970 or after 9999")
    })?;
    check(key)?;
    put(headers, DATE, plain(&date_time)?)?;
    headers.remove(TOKEN);
    if let Some(token) = &key.session_token {
        put(headers, TOKEN, value(token)?)?;
    }
    let service = key.service.as_str();
    let payload = put_payload(service, headers, body)?;
    let (request, names) = canonical((method, url, host), service, headers, &payload);
    put(
        headers,
        AUTHORIZATION,
        authorization(key, &date_time, &request, &names)?,
    )
}

/// What stands for the payload; the header of it goes to the services that ask for it.
fn put_payload(service: &str, headers: &mut HeaderMap, body: &[u8]) -> Result<String> {
    let own = headers.get(PAYLOAD);
    if own.is_some_and(|own| own == UNSIGNED_PAYLOAD) {
        return Ok(UNSIGNED_PAYLOAD.to_owned());
    }
    let hash = hex(&Sha256::digest(body));
    if own.is_some() || S3.contains(&service) || PAYLOAD_HEADER.contains(&service) {
        put(headers, PAYLOAD, plain(&hash)?)?;
    }
    Ok(hash)
}

/// The one form of a request that both sides hash, however it is written on the way, and the names of
/// the headers in it.
fn canonical(
    (method, url, host): (&Method, &Uri, &str),
    service: &str,
    headers: &HeaderMap,
    payload: &str,
) -> (Vec<u8>, String) {
    let path = if S3.contains(&service) {
        object_path(url.path())
    } else {
        path(url.path())
    };
    let query = query(url.query().unwrap_or_default());
    let mut signed: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in headers {
        if is_signed(name.as_str()) {
            let values = signed.entry(name.as_str()).or_default();
            values.push(folded(value.as_bytes()));
        }
    }
    let host = || vec![host.as_bytes().to_vec()];
    signed.entry("host").or_insert_with(host);
    let mut text = format!("{method}\n{path}\n{query}\n").into_bytes();
    for (name, values) in &signed {
        text.extend([name.as_bytes(), b":", &values.join(&b','), b"\n"].concat());
    }
    let names = signed.into_keys().collect::<Vec<_>>().join(";");
    text.extend(format!("\n{names}\n{payload}").into_bytes());
    (text, names)
}

fn authorization(
    key: &AwsKey,
    date_time: &str,
    request: &[u8],
    names: &str,
) -> Result<HeaderValue> {
    let (day, _) = date_time.split_once('T').unwrap_or_default();
    let scope = [day, &key.region, &key.service, "aws4_request"];
    // The key for this day, region and service alone.
    let secret = format!("AWS4{}", key.secret_key).into_bytes();
    let derived = scope
        .iter()
        .fold(secret, |key, part| mac::<Sha256>(&key, part.as_bytes()));
    let (scope, hash) = (scope.join("/"), hex(&Sha256::digest(request)));
    let to_sign = format!("{ALGORITHM}\n{date_time}\n{scope}\n{hash}");
    let signature = hex(&mac::<Sha256>(&derived, to_sign.as_bytes()));
    value(&format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.access_key
    ))
}

/// A path as it was sent, dot segments and empty ones resolved, encoded once more.
fn path(path: &str) -> String {
    let segments = path.split('/');
    let segments = segments.map(|segment| if segment.is_empty() { "." } else { segment });
    let normal = url::without_dots(&format!("/{}", segments.collect::<Vec<_>>().join("/")));
    url::encode_unless(normal.as_bytes(), is_plain_in_path)
}

/// A path as the name of an object of S3, which may hold dots and slashes of any kind, encoded once. S3
/// reads it as it reads a query: a plus sign is a space.
fn object_path(path: &str) -> String {
    url::encode_unless(&url::decode(path, true), is_plain_in_path)
}

fn is_plain_in_path(byte: u8) -> bool {
    byte == b'/' || url::is_unreserved(byte)
}

/// Decoded before it is encoded, so that all spellings of a parameter are one.
fn query(query: &str) -> String {
    let canonical = |text| url::encode_unless(&url::decode(text, true), url::is_unreserved);
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let pairs = pairs.map(|(name, value)| (canonical(name), canonical(value)));
    let mut pairs: Vec<(String, String)> = pairs.collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn is_signed(name: &str) -> bool {
    let is_framing = header::FRAMING.contains(&name) && name != "host";
    !is_framing && !UNSIGNED.contains(&name) && !name.starts_with("x-forwarded-")
}

/// Without white space at the ends, and with one space for each run of it inside.
fn folded(value: &[u8]) -> Vec<u8> {
    let words = value.split(u8::is_ascii_whitespace);
    let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
    words.join(&b' ')
}

fn check(key: &AwsKey) -> Result<()> {
    let token = key.session_token.as_deref();
    let (kind, problem) = if !is_word(&key.access_key) || !token.is_none_or(is_word) {
        let problem = "the access key or session token is empty or has a character that a header \
                       cannot carry; store it again without";
        (ErrorKind::InvalidCredentials, problem)
    } else if key.secret_key.is_empty() {
        let problem = "the secret key is empty; connect the provider again";
        (ErrorKind::InvalidCredentials, problem)
    } else if !is_word(&key.region) || !is_word(&key.service) {
        let problem = "the strategy's region or service is empty or not a name that AWS has";
        (ErrorKind::InvalidResponse, problem)
    } else {
        return Ok(());
    };
    Err(NexusError::new(kind, problem))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What is no secret, and may be shown and found in a response.
fn plain(text: &str) -> Result<HeaderValue> {
    let mut value = value(text)?;
    value.set_sensitive(false);
    Ok(value)
}

fn value(text: &str) -> Result<HeaderValue> {
    let problem = "a part of the signature has a character that a header cannot carry";
    header::secret_value(text.to_owned())
        .ok_or_else(|| NexusError::new(ErrorKind::InvalidCredentials, problem))
}
