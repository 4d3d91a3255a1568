//! The errors made of gateways' refusals, whatever their bodies are.

use ureq::http::header::{DATE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderValue, StatusCode};

use super::{assert_line, split};
use crate::error::meaning::{REFRESH, REQUEST_CONNECTION, RESOLVE};
use crate::gateway::refusal;
use crate::transport::Response;

/// Secrets of the request, which the gateways of this test repeat.
const API_KEY: &str = "canary-key-1";
const SENT: [&str; 5] = [
    "canary/state",
    "canary\"user\\2",
    "canary/é\n3",
    "eu-1",
    API_KEY,
];

/// As much as the SDK adds of its own, in characters.
const ADVICE: usize = 120;

/// The status, `Retry-After`, `Date` and `Location` of a response, a line each, and its body.
pub fn error_body(data: &[u8]) {
    let (status, data) = split(data);
    let (wait, data) = split(data);
    let (clock, data) = split(data);
    let (to, body) = split(data);
    let mut response = Response::new(body.to_vec());
    let status = status.trim().parse();
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in [(RETRY_AFTER, wait), (DATE, clock), (LOCATION, to)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    for asked in [RESOLVE, REFRESH, REQUEST_CONNECTION] {
        check(asked, &response);
    }
}

fn check(asked: &str, response: &Response) {
    let (error, _) = refusal::of(asked, response, SENT);
    let status = response.status().as_u16();
    assert_eq!(error.status_code(), Some(status));
    let may_pass = matches!(status, 429 | 502..=504)
        || error.code() == "token_expired"
        || response.body().windows(3).any(|part| part == b"429");
    assert!(may_pass || !error.is_retryable(), "{error:?}");
    let length = error.message().chars().count();
    assert!(length <= 503 + ADVICE, "{length} characters");
    // A shorter one is part of a code by chance.
    let long = SENT.into_iter().filter(|secret| secret.len() > 4);
    let long: Vec<&str> = long.collect();
    assert_shown(error.code(), &long);
    assert_shown(error.message(), &SENT);
    let code = error.code().bytes();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    assert!(code.len() <= 100 && code.into_iter().all(plain), "{error}");
    if (300..400).contains(&status) {
        assert!(!error.message().contains('?'), "{error}");
    }
}

/// One line, without any of the secrets as they are, or as JSON quotes them once or twice.
fn assert_shown(text: &str, secrets: &[&str]) {
    assert_line(text);
    for secret in secrets {
        let once = quoted(secret);
        let slashes = once.replace('/', "\\/");
        for spelling in [*secret, &once, &slashes, &quoted(&once)] {
            assert!(!text.contains(spelling), "{spelling:?} in {text:?}");
        }
    }
}

fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"');
    inner.unwrap().to_owned()
}
