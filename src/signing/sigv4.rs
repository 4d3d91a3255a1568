//! AWS Signature Version 4, in the `Authorization` header.

use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use ureq::http::header::AUTHORIZATION;
use ureq::http::uri::Authority;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::canonical::{self, Canonical};
use super::{hex, mac};
use crate::error::{ErrorKind, NexusError, Result};
use crate::header::{self, put};
use crate::timestamp;

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
    let signer = Signer::new(key, now)?;
    let payload = signer.prepare(headers, body)?;
    let canonical = Canonical::new((method, url, host), &signer.path(url), headers, &payload);
    put(headers, AUTHORIZATION, signer.authorization(&canonical)?)
}

/// Who signs, for what, and when.
struct Signer<'a> {
    key: &'a AwsKey,
    date_time: String,
}

impl<'a> Signer<'a> {
    fn new(key: &'a AwsKey, now: SystemTime) -> Result<Self> {
        let problem = "the clock stands before 1970 or after 9999";
        let date_time = timestamp::basic(now);
        let date_time = date_time.ok_or_else(|| NexusError::invalid_input("now", problem))?;
        check(key)?;
        Ok(Self { key, date_time })
    }

    fn is_s3(&self) -> bool {
        S3.contains(&self.key.service.as_str())
    }

    fn path(&self, url: &Uri) -> String {
        if self.is_s3() {
            canonical::object_path(url.path())
        } else {
            canonical::path(url.path())
        }
    }

    /// Puts all but the signature on the headers; returns what stands for the payload.
    fn prepare(&self, headers: &mut HeaderMap, body: &[u8]) -> Result<String> {
        put(headers, DATE, value(&self.date_time)?)?;
        headers.remove(TOKEN);
        if let Some(token) = &self.key.session_token {
            put(headers, TOKEN, value(token)?)?;
        }
        let own = headers.get(PAYLOAD);
        if own.is_some_and(|own| own == UNSIGNED_PAYLOAD) {
            return Ok(UNSIGNED_PAYLOAD.to_owned());
        }
        let hash = hex(&Sha256::digest(body));
        let service = self.key.service.as_str();
        if own.is_some() || self.is_s3() || PAYLOAD_HEADER.contains(&service) {
            put(headers, PAYLOAD, value(&hash)?)?;
        }
        Ok(hash)
    }

    fn authorization(&self, canonical: &Canonical) -> Result<HeaderValue> {
        let signature = self.signature(canonical);
        value(&format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.key.access_key,
            self.credential_scope(),
            canonical.signed_headers,
        ))
    }

    fn signature(&self, canonical: &Canonical) -> String {
        let hash = hex(&Sha256::digest(&canonical.text));
        let scope = self.credential_scope();
        let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{hash}", self.date_time);
        hex(&mac::<Sha256>(&self.derived_key(), to_sign.as_bytes()))
    }

    fn credential_scope(&self) -> String {
        self.scope_parts().join("/")
    }

    /// The key for this day, region and service alone.
    fn derived_key(&self) -> Vec<u8> {
        let secret = format!("AWS4{}", self.key.secret_key).into_bytes();
        let parts = self.scope_parts().into_iter();
        parts.fold(secret, |key, part| mac::<Sha256>(&key, part.as_bytes()))
    }

    fn scope_parts(&self) -> [&str; 4] {
        let (day, _) = self.date_time.split_once('T').unwrap_or_default();
        [day, &self.key.region, &self.key.service, "aws4_request"]
    }
}

fn check(key: &AwsKey) -> Result<()> {
    let token = key.session_token.as_deref();
    if !is_word(&key.access_key) || !token.is_none_or(is_word) {
        let problem = "the access key or session token is empty or has a character that a header \
                       cannot carry; store it again without";
        return Err(NexusError::new(ErrorKind::InvalidCredentials, problem));
    }
    if key.secret_key.is_empty() {
        let problem = "the secret key is empty; connect the provider again";
        return Err(NexusError::new(ErrorKind::InvalidCredentials, problem));
    }
    if !is_word(&key.region) || !is_word(&key.service) {
        let problem = "the strategy's region or service is empty or not a name that AWS has";
        return Err(NexusError::new(ErrorKind::InvalidResponse, problem));
    }
    Ok(())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn value(text: &str) -> Result<HeaderValue> {
    let problem = "a part of the signature has a character that a header cannot carry";
    header::secret_value(text)
        .ok_or_else(|| NexusError::new(ErrorKind::InvalidCredentials, problem))
}
