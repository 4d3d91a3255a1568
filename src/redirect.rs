//! What follows a redirect: the next URL, the method and body by the Fetch standard, and which
//! headers may come along.

use std::iter;

use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, LOCATION,
};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::token::CachedToken;
use crate::url;

/// How many redirects are followed in one call.
pub(crate) const MOST: usize = 10;
/// In how many forms a text is searched for a credential: as it is, then decoded again and again.
const DEEPEST: usize = 10;

/// What is done with a redirect.
///
/// ```
/// use nexus_sdk::Redirects;
///
/// assert_eq!(Redirects::default(), Redirects::Follow);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Redirects {
    /// Follow up to ten, as the Fetch standard says, with the credential only as long as the origin
    /// stays the same.
    #[default]
    Follow,
    /// Return the redirect itself.
    Manual,
}

/// One request of a chain of redirects.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) sends_body: bool,
    /// Whether the credential is still on board; once dropped, it stays dropped.
    pub(crate) authenticated: bool,
}

/// The target of a response that is a redirect.
pub(crate) fn location(status: u16, headers: &HeaderMap) -> Option<&[u8]> {
    let redirects = matches!(status, 301 | 302 | 303 | 307 | 308);
    headers
        .get(LOCATION)
        .filter(|_| redirects)
        .map(HeaderValue::as_bytes)
}

impl Hop {
    /// Puts the credential on the request, as long as it is still on board.
    pub(crate) fn authorize(&mut self, token: &CachedToken, body: Option<&[u8]>) -> Result<()> {
        if !self.authenticated {
            return Ok(());
        }
        let body = body.unwrap_or_default();
        token.authorize(&self.method, &self.url, &mut self.headers, body)
    }

    /// Turns this request into the one that follows the redirect.
    ///
    /// # Errors
    ///
    /// `invalid_response` for a target that is no URL, `insecure_url` for one that a credential or
    /// its response must not go through.
    pub(crate) fn follow(
        &mut self,
        status: u16,
        target: &[u8],
        token: &CachedToken,
        allow_insecure_http: bool,
    ) -> Result<()> {
        let next = self
            .resolve(target)
            .map_err(|error| error.with_status(status))?;
        check_scheme(&self.url, &next, allow_insecure_http)?;
        self.change_method(status);
        if !url::same_origin(&self.url, &next) {
            self.drop_credentials(token);
        }
        self.url = if self.authenticated {
            token.redirect_target(next)?
        } else {
            without_secrets(next, token)?
        };
        Ok(())
    }

    fn resolve(&self, target: &[u8]) -> Result<Uri> {
        let from = url::origin(&self.url);
        let problem = |problem: &str| {
            let message = format!("{from}: the redirect's Location is not usable: {problem}");
            NexusError::new(ErrorKind::InvalidResponse, message)
        };
        let target = std::str::from_utf8(target).map_err(|_| problem("not UTF-8"))?;
        url::join(&self.url, target).map_err(|reason| problem(&reason))
    }

    /// Fetch standard, "HTTP-redirect fetch": 303 makes everything but GET and HEAD a GET, 301 and
    /// 302 do so to POST; the body goes with the method.
    fn change_method(&mut self, status: u16) {
        let keeps = match status {
            303 => matches!(self.method, Method::GET | Method::HEAD),
            301 | 302 => self.method != Method::POST,
            _ => true,
        };
        if keeps {
            return;
        }
        self.method = Method::GET;
        self.sends_body = false;
        for name in [
            CONTENT_ENCODING,
            CONTENT_LANGUAGE,
            CONTENT_LOCATION,
            CONTENT_TYPE,
        ] {
            self.headers.remove(name);
        }
    }

    fn drop_credentials(&mut self, token: &CachedToken) {
        self.authenticated = false;
        if let Ok(injected) = HeaderName::from_bytes(token.header_name.as_bytes()) {
            self.headers.remove(injected);
        }
        let names: Vec<_> = self
            .headers
            .keys()
            .filter(|name| is_credential(name))
            .cloned()
            .collect();
        for name in names {
            self.headers.remove(name);
        }
    }
}

/// Headers of the caller that stay with the origin: those of RFC 9110 and RFC 6265, and whatever
/// names itself a secret. A key is one, but for that of a request's repetition.
fn is_credential(name: &HeaderName) -> bool {
    const PARTS: [&str; 12] = [
        "auth",
        "cookie",
        "token",
        "secret",
        "password",
        "credential",
        "api-key",
        "api_key",
        "apikey",
        "session",
        "signature",
        "jwt",
    ];
    let name = name.as_str();
    let is_key = name.ends_with("key") && name != "idempotency-key";
    is_key || PARTS.iter().any(|part| name.contains(part))
}

fn check_scheme(from: &Uri, to: &Uri, allow_insecure_http: bool) -> Result<()> {
    if url::is_https(to) {
        return Ok(());
    }
    let problem = if url::is_https(from) {
        "redirects from https to http, which is never followed"
    } else if !allow_insecure_http && !url::is_loopback(to) {
        "redirects to plain http on another machine; allow_insecure_http would follow it"
    } else {
        return Ok(());
    };
    Err(NexusError::new(
        ErrorKind::InsecureUrl,
        format!("{}: {problem}", url::origin(from)),
    ))
}

/// The target without the credential, which servers copy into it along with the query.
fn without_secrets(next: Uri, token: &CachedToken) -> Result<Uri> {
    let secrets: Vec<&str> = token.secrets().collect();
    if secrets.iter().any(|secret| is_within(next.path(), secret)) {
        let origin = url::origin(&next);
        let message =
            format!("redirected to {origin} with the credential in the path; not followed");
        return Err(NexusError::new(ErrorKind::InsecureUrl, message));
    }
    let Some(query) = next.query() else {
        return Ok(next);
    };
    let is_secret = |pair: &&str| secrets.iter().any(|secret| holds(pair, secret));
    if !query.split('&').any(|pair| is_secret(&pair)) {
        return Ok(next);
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_secret(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    let text = format!(
        "{}{}{mark}{}",
        url::origin(&next),
        next.path(),
        kept.join("&")
    );
    text.parse()
        .map_err(|_| NexusError::new(ErrorKind::InvalidResponse, "the redirect is no URL"))
}

/// Whether a pair of a query has this secret: as its value or anywhere in it.
fn holds(pair: &str, secret: &str) -> bool {
    let value = pair.split_once('=').map_or(pair, |(_, value)| value);
    let is_it = |value: String| spaced(&value) == spaced(secret);
    decodings(value).take(2).any(is_it) || is_within(pair, secret)
}

/// Whether a secret is anywhere in the text, also in a URL that is part of it in turn; one so short
/// that it may be there by chance is not.
fn is_within(text: &str, secret: &str) -> bool {
    let found = |text: String| spaced(&text).contains(&spaced(secret));
    secret.len() >= 8 && decodings(text).any(found)
}

/// A plus may stand for a space or for itself.
fn spaced(text: &str) -> String {
    text.replace('+', " ")
}

/// The text, then as it is percent-decoded again and again: each URL in a URL encodes once more.
fn decodings(text: &str) -> impl Iterator<Item = String> {
    let decoded = |text: &String| {
        let decoded = String::from_utf8_lossy(&url::decode(text, false)).into_owned();
        (decoded != *text).then_some(decoded)
    };
    iter::successors(Some(text.to_owned()), decoded).take(DEEPEST)
}

#[cfg(test)]
mod tests;
