//! The provider's API: where it is, and what its answers say.

use std::sync::Arc;

use nexus_sdk::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use nexus_sdk::http::{HeaderMap, HeaderName, StatusCode, Uri};
use nexus_sdk::{CachedToken, FetchOptions, Redirects};
use serde_json::Value;

use crate::tools::Outcome;

/// How much of an upstream's error page is shown.
const SHOWN: usize = 2000;

pub(crate) struct Upstream {
    /// Without a slash at the end.
    base: String,
    authority: String,
}

impl Upstream {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let problem = || "is no address of an API; write it as https://api.example.com".to_owned();
        let url: Uri = text.parse().map_err(|_| problem())?;
        let known = matches!(url.scheme_str(), Some("https" | "http"));
        let authority = url
            .authority()
            .filter(|authority| !authority.as_str().contains('@'));
        let authority = authority
            .filter(|_| known && url.query().is_none())
            .ok_or_else(problem)?;
        let base = text.trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            authority: authority.to_string(),
        })
    }

    /// Host and port, as a rule for the fetcher.
    pub(crate) fn host(&self) -> &str {
        &self.authority
    }

    /// The URL of a path, which a model made up: it must not lead to another host.
    pub(crate) fn url(&self, path: &str) -> Result<String, String> {
        if !is_plain(path) {
            return Err(format!(
                "path {path:?} is refused: begin it with one /, as in /user/repos, without host, \
                 backslash or .. segment, and percent-encode spaces"
            ));
        }
        let url = format!("{}{path}", self.base);
        let parsed: Result<Uri, _> = url.parse();
        let same = parsed.is_ok_and(|parsed| {
            parsed
                .authority()
                .is_some_and(|found| found.as_str() == self.authority)
        });
        same.then_some(url)
            .ok_or_else(|| format!("path {path:?} is refused: it is no URL path"))
    }
}

fn is_plain(path: &str) -> bool {
    let without_query = path.split(['?', '#']).next().unwrap_or_default();
    let dots = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte > b' ' && byte != b'\\' && byte != 0x7F)
        && !without_query.split('/').any(dots)
}

pub(crate) fn options(method: &str, body: Option<&Value>) -> FetchOptions {
    let options = FetchOptions::default().method(method);
    // A redirect could lead away from the API's host: it is reported, not followed.
    let options = options.redirects(Redirects::Manual);
    match body {
        Some(body) => options
            .header(CONTENT_TYPE, "application/json")
            .data(body.to_string()),
        None => options,
    }
}

/// A response as the model gets it.
pub(crate) fn answer(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Outcome {
    let kind = header(headers, CONTENT_TYPE);
    let size = body.len();
    let text = String::from_utf8(body)
        .unwrap_or_else(|_| format!("({size} bytes of {kind}, which is no text)"));
    match status {
        200..=299 if text.is_empty() => Ok(format!("{}, no body", name(status))),
        200..=299 => Ok(text),
        _ => Err(refusal(status, headers, &text)),
    }
}

fn refusal(status: u16, headers: &HeaderMap, text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let advice = advice(status, headers);
    format!("The API answered {}. {advice}\n{shown}", name(status))
        .trim_end()
        .to_owned()
}

fn advice(status: u16, headers: &HeaderMap) -> String {
    let wait = header(headers, RETRY_AFTER);
    match status {
        // The query may hold a credential.
        300..=399 => match header(headers, LOCATION).split('?').next() {
            Some(place) if !place.is_empty() => format!("It redirects to {place}; if that is the same API, fetch that path."),
            _ => "It names no other place.".to_owned(),
        },
        401 => "It refuses the credential; if that stays so, the user has to connect the account again.".to_owned(),
        403 => "The connected user is not permitted to do this; it may need a connection with more scopes.".to_owned(),
        404 => "Check the path; what the connected user may not see is also not found.".to_owned(),
        429 if !wait.is_empty() => format!("Too many requests; retry after {wait}."),
        429 => "Too many requests; retry in a minute.".to_owned(),
        500.. => "That is a failure of the API; retry later.".to_owned(),
        _ => "Check method, path and body.".to_owned(),
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason());
    format!("HTTP {status} {}", reason.unwrap_or_default())
        .trim_end()
        .to_owned()
}

/// The same without the credentials.
pub(crate) fn without<'a>(
    outcome: Outcome,
    tokens: impl Iterator<Item = &'a Arc<CachedToken>>,
) -> Outcome {
    tokens
        .filter(|token| !token.access_token.is_empty())
        .fold(outcome, |outcome, token| {
            let hide = |text: String| {
                if text.contains(&token.access_token) {
                    text.replace(&token.access_token, "[credential]")
                } else {
                    text
                }
            };
            outcome.map(hide).map_err(hide)
        })
}
