//! What gateways respond when they refuse.

use ureq::http::header::{DATE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderValue, Uri};

use super::{assert_line, split};
use crate::error::meaning::Asked;
use crate::gateway::refusal;
use crate::transport::Response;

/// What was sent in confidence, and is repeated by gateways.
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
    let status = status.trim().parse().unwrap_or(500_u16);
    let mut headers = HeaderMap::new();
    for (name, value) in [(RETRY_AFTER, wait), (DATE, clock), (LOCATION, to)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    let response = Response {
        status,
        headers,
        body: body.to_vec(),
    };
    for asked in [Asked::Resolve, Asked::Refresh, Asked::Connection] {
        check(asked, &response);
    }
}

fn check(asked: Asked, response: &Response) {
    let base = Uri::from_static("https://gateway.example/base");
    let (error, _) = refusal::of(asked, response, &base, &SENT);
    assert_eq!(error.status_code(), Some(response.status));
    let may_pass = matches!(response.status, 429 | 502..=504)
        || error.code() == "token_expired"
        || response.body.windows(3).any(|part| part == b"429");
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
    if (300..400).contains(&response.status) {
        assert!(!error.message().contains('?'), "{error}");
    }
}

/// One line, without any of the secrets as they are or as JSON quotes them.
fn assert_shown(text: &str, secrets: &[&str]) {
    assert_line(text);
    let quoted = unquoted(text);
    for secret in secrets {
        let plain = unquoted(secret);
        assert!(!text.contains(secret), "{secret:?} in {text:?}");
        assert!(!quoted.contains(&plain), "{plain:?} in {text:?}");
    }
}

/// With the escapes of JSON strings (RFC 8259 section 7) resolved, wherever they stand. Nobody escapes letters and digits.
fn unquoted(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let ends = [1, 5]
            .into_iter()
            .filter(|end| escape.is_char_boundary(*end));
        let mut read = ends.filter(|end| *end <= escape.len()).filter_map(|end| {
            let (escape, rest) = escape.split_at(end);
            let text: String = serde_json::from_str(&format!("\"\\{escape}\"")).ok()?;
            let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric());
            (!is_plain).then_some((text, rest))
        });
        let (text, after) = read.next().unwrap_or(("\\".to_owned(), escape));
        plain.push_str(&text);
        rest = after;
    }
    plain + rest
}
