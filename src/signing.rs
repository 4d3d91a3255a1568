//! Request signatures, made with a secret that is never sent: an HMAC of the body, or AWS Signature Version 4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{EagerHash, Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use ureq::http::header::AUTHORIZATION;
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::header::base64;
use crate::header::{self, put};
use crate::time::date;
use crate::url;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The signing names of S3 and its related services, which share its rules.
const S3: [&str; 4] = ["s3", "s3-object-lambda", "s3-outposts", "s3express"];
/// Other services that require the hash of the body in a header.
const HASH_HEADER: [&str; 2] = ["aoss", "glacier"];

/// The method, URL and body of a request.
pub(crate) type Signed<'a> = (&'a Method, &'a Uri, &'a [u8]);

/// A way to sign requests.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Signature {
    /// An HMAC (RFC 2104) of the body. By default it uses SHA-256 and is written in hex.
    Hmac { sha1: bool, base64: bool },
    /// AWS Signature Version 4.
    Aws(AwsKey),
}

/// An AWS access key, without its secret, and the region and service for which requests are signed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AwsKey {
    pub(crate) access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Signature {
    /// Adds the signature to the headers, and replaces an earlier signature. `header_name` is for an HMAC
    /// only.
    pub(crate) fn sign(
        &self,
        header_name: &str,
        secret: &str,
        request: Signed<'_>,
        headers: &mut HeaderMap,
        now: SystemTime,
    ) -> Result<()> {
        match self {
            Self::Hmac { sha1, base64 } => {
                let mac = hmac(*sha1, *base64, secret.as_bytes(), request.2);
                let (name, value) = header::of_credential(header_name, "", &mac)?;
                put(headers, name, value)
            }
            Self::Aws(key) => sign_aws(key, secret, request, headers, now),
        }
    }
}

fn hmac(sha1: bool, in_base64: bool, secret: &[u8], payload: &[u8]) -> String {
    let mac = if sha1 {
        mac::<Sha1>(secret, payload)
    } else {
        mac::<Sha256>(secret, payload)
    };
    if in_base64 { base64(&mac) } else { hex(&mac) }
}

/// Returns the HMAC of a payload. `new_from_slice` cannot fail, because a key may have any length (RFC 2104
/// section 3).
fn mac<D: EagerHash>(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mac = Hmac::<D>::new_from_slice(key).map(|mac| mac.chain_update(payload));
    mac.map_or_else(|_| Vec::new(), |mac| mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Sets `Authorization` and `X-Amz-Date`. Also sets `X-Amz-Security-Token` if there is a session token, and
/// `X-Amz-Content-Sha256` if the service requires it or the caller has set it.
///
/// # Errors
///
/// `invalid_credentials` for a key, session token, region or service that a header cannot carry. `invalid_input` if
/// the request has too many headers.
fn sign_aws(
    key: &AwsKey,
    secret: &str,
    (method, url, body): Signed<'_>,
    headers: &mut HeaderMap,
    now: SystemTime,
) -> Result<()> {
    // A clock before 1970 or after 9999 gives no date, and AWS rejects the request.
    let date_time = basic_date(now).unwrap_or_default();
    put(headers, DATE, plain_value(&date_time)?)?;
    headers.remove(TOKEN);
    if let Some(token) = &key.session_token {
        put(headers, TOKEN, secret_value(token)?)?;
    }
    let service = &*key.service;
    let hash = hex(&Sha256::digest(body));
    let is_required = S3.contains(&service) || HASH_HEADER.contains(&service);
    // A caller may have set the header, perhaps to a wrong value.
    if is_required || headers.contains_key(HASH) {
        put(headers, HASH, plain_value(&hash)?)?;
    }
    let (request, names) = canonical(method, url, service, headers, &hash);
    let authorization = authorization(key, secret, &date_time, &request, &names)?;
    put(headers, AUTHORIZATION, authorization)
}

/// Returns the canonical form of a request, which both sides hash, and the names of the signed headers.
/// AWS requires signatures to cover `host`, `content-type` and `x-amz-*`. Other headers are not signed,
/// because a proxy may change them.
fn canonical(
    method: &Method,
    url: &Uri,
    service: &str,
    headers: &HeaderMap,
    hash: &str,
) -> (Vec<u8>, String) {
    let decoded_path = if S3.contains(&service) {
        // The path is encoded once. An object's name may contain dot segments and repeated slashes. S3 reads a plus sign
        // as a space.
        url::decode(url.path(), true)
    } else {
        // The path is encoded a second time.
        normal_path(url.path()).into_bytes()
    };
    let is_plain = |byte| byte == b'/' || url::is_unreserved(byte);
    let path = url::encode_unless(&decoded_path, is_plain);
    let query = query(url.query().unwrap_or_default());
    let mut signed: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    for (name, value) in headers {
        let header = name.as_str();
        if ["host", "content-type"].contains(&header) || header.starts_with("x-amz-") {
            let values = signed.entry(header).or_default();
            values.push(folded(value.as_bytes()));
        }
    }
    let host = url.authority().map_or("", Authority::as_str).as_bytes();
    signed.entry("host").or_insert_with(|| vec![host.to_vec()]);
    let mut text = format!("{method}\n{path}\n{query}\n").into_bytes();
    for (name, values) in &signed {
        text.extend([name.as_bytes(), b":", &values.join(&b','), b"\n"].concat());
    }
    let names = signed.into_keys().collect::<Vec<_>>().join(";");
    text.extend(format!("\n{names}\n{hash}").into_bytes());
    (text, names)
}

fn authorization(
    key: &AwsKey,
    secret: &str,
    date_time: &str,
    request: &[u8],
    names: &str,
) -> Result<HeaderValue> {
    let (day, _) = date_time.split_once('T').unwrap_or_default();
    let scope_parts = [day, &key.region, &key.service, "aws4_request"];
    // The derived key is valid for this day, region and service only.
    let root_key = ["AWS4", secret].concat().into_bytes();
    let derived = scope_parts
        .iter()
        .fold(root_key, |key, part| mac::<Sha256>(&key, part.as_bytes()));
    let scope = scope_parts.join("/");
    let hash = hex(&Sha256::digest(request));
    let to_sign = format!("{ALGORITHM}\n{date_time}\n{scope}\n{hash}");
    let signature = hex(&mac::<Sha256>(&derived, to_sign.as_bytes()));
    secret_value(&format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        key.access_key
    ))
}

/// Returns a path without dot segments and empty segments.
fn normal_path(path: &str) -> String {
    let segments: Vec<_> = path
        .split('/')
        .map(|segment| if segment.is_empty() { "." } else { segment })
        .collect();
    url::without_dots(&format!("/{}", segments.join("/")))
}

/// Returns the sorted parameters of a query. Each parameter is decoded and encoded again, because the same
/// text can be encoded in several ways.
fn query(query: &str) -> String {
    let canonical = |text| url::encode_unless(&url::decode(text, true), url::is_unreserved);
    let parameters = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = parameters
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (canonical(name), canonical(value)))
        .collect();
    pairs.sort_unstable();
    let texts: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    texts.join("&")
}

/// Removes white space at both ends, and replaces each inner run of white space with one space.
fn folded(value: &[u8]) -> Vec<u8> {
    let parts = value.split(u8::is_ascii_whitespace);
    let words: Vec<&[u8]> = parts.filter(|part| !part.is_empty()).collect();
    words.join(&b' ')
}

/// Returns a value that `Debug` may show.
fn plain_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| unusable())
}

fn secret_value(text: &str) -> Result<HeaderValue> {
    header::secret_value(text.to_owned()).ok_or_else(unusable)
}

fn unusable() -> NexusError {
    let problem = "the AWS access key, session token, region or service is too long, or has a character that a \
                   header cannot carry; connect the provider again, or ask the operator to correct the strategy";
    NexusError::new(ErrorKind::InvalidCredentials, problem)
}

/// Writes a moment in the basic format of ISO 8601, `20150830T123600Z`. Returns `None` before 1970 and after 9999.
fn basic_date(moment: SystemTime) -> Option<String> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let days = i64::try_from(since / 86_400)
        .ok()
        .filter(|days| *days < 2_932_897)?;
    let (year, month, day) = date::date(days);
    let hour = since / 3_600 % 24;
    let minute = since / 60 % 60;
    let second = since % 60;
    Some(format!(
        "{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"
    ))
}

#[cfg(test)]
mod tests;
