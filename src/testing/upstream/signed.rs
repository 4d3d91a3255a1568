//! Verifies a signature by signing the request again.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use ureq::http::header::{AUTHORIZATION, HOST};
use ureq::http::{HeaderMap, HeaderName, Method, Uri};

use crate::signing::Signature;
use crate::testing::provider::Provider;
use crate::testing::received::ReceivedRequest;
use crate::time::{Now, ResponseClock, date};
use crate::token::{CachedToken, Place, TokenResponse};

pub(super) fn verify(
    request: &ReceivedRequest,
    provider: &Provider,
    credential: &Map<String, Value>,
) -> Option<bool> {
    let token = token(provider, credential)?;
    let Place::Signature(signature) = &token.place else {
        return None;
    };
    let now = match signature {
        Signature::Hmac { .. } => SystemTime::UNIX_EPOCH,
        Signature::Aws(..) => stated_time(request)?,
    };
    let mut headers = signed_headers(request, signature)?;
    sign(request, &token, signature, &mut headers, now)?;
    let name = HeaderName::from_bytes(token.header_name.as_bytes()).ok()?;
    Some(headers.get(&name)? == request.headers.get(&name)?)
}

fn token(provider: &Provider, credential: &Map<String, Value>) -> Option<CachedToken> {
    let body = json!({"strategy": provider.strategy, "credentials": credential});
    let clock = ResponseClock {
        at: Now::read(),
        date: None,
    };
    let response = TokenResponse::from_json(body).ok()?;
    response.to_cached(clock).ok()
}

fn sign(
    request: &ReceivedRequest,
    token: &CachedToken,
    signature: &Signature,
    headers: &mut HeaderMap,
    now: SystemTime,
) -> Option<()> {
    let method = Method::from_bytes(request.method.as_bytes()).ok()?;
    let host = request.headers.get(HOST)?.to_str().ok()?;
    let query = request.query.as_ref().map(|query| format!("?{query}"));
    let text = format!("http://{host}{}{}", request.path, query.unwrap_or_default());
    let url: Uri = text.parse().ok()?;
    let signed = (&method, &url, request.body.as_slice());
    let name = &token.header_name;
    let secret = &token.access_token;
    signature.sign(name, secret, signed, headers, now).ok()
}

/// Reads the time of a header such as `X-Amz-Date: 20150830T123600Z`.
fn stated_time(request: &ReceivedRequest) -> Option<SystemTime> {
    let text = request.headers.get("x-amz-date")?.to_str().ok()?;
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|part| text.get(part).unwrap_or_default());
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    date::moment(&Value::String(text))
}

/// Returns the headers that the request lists as covered by the signature. An HMAC covers no headers.
fn signed_headers(request: &ReceivedRequest, signature: &Signature) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if matches!(signature, Signature::Hmac { .. }) {
        return Some(headers);
    }
    let sent = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, names) = sent.split_once("SignedHeaders=")?;
    for name in names.split(',').next()?.split(';') {
        let header = HeaderName::from_bytes(name.as_bytes()).ok()?;
        for value in request.headers.get_all(&header) {
            headers.try_append(header.clone(), value.clone()).ok()?;
        }
    }
    Some(headers)
}
