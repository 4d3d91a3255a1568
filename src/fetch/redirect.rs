//! What follows a redirect: the next URL, the method and body by the Fetch standard, and which
//! headers may come along.

use ureq::http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, LOCATION,
};
use ureq::http::uri::PathAndQuery;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::hiding::{MIN_LENGTH, Secrets};
use crate::secret;
use crate::token::{CachedToken, Place};
use crate::url;

/// How many redirects are followed in one call.
pub(crate) const MAX_REDIRECTS: usize = 10;
/// How many URLs may be within one another in one that is searched for a credential.
const MAX_URLS: usize = 10;

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
pub(crate) struct Hop<'a> {
    /// The URL of the call, with its placeholders.
    pub(crate) call: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Uri,
    /// The caller's own.
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

impl Hop<'_> {
    /// What is sent as headers, with the credential as long as it is still on board.
    pub(crate) fn headers(&self, token: &CachedToken, body: &[u8]) -> Result<HeaderMap> {
        let mut headers = self.headers.clone();
        if self.authenticated {
            token.authorize(&self.method, &self.url, &mut headers, body)?;
        }
        Ok(headers)
    }

    /// Turns this request into the one that follows the redirect.
    ///
    /// # Errors
    ///
    /// `invalid_response` for a target that is not a URL, `insecure_url` for one that a credential or
    /// its response must not go through.
    pub(crate) fn redirect(
        &mut self,
        status: u16,
        target: &[u8],
        token: &CachedToken,
        allow_insecure_http: bool,
    ) -> Result<()> {
        let next = self.resolve(status, target)?;
        check_scheme(&self.url, &next, allow_insecure_http)?;
        self.change_method(status);
        if !url::same_origin(&self.url, &next) {
            self.drop_credentials(token);
        }
        self.url = if self.authenticated {
            token.redirect_target(next)?
        } else {
            without_secrets(next, &token.secrets(Some(self.call)))?
        };
        Ok(())
    }

    fn resolve(&self, status: u16, target: &[u8]) -> Result<Uri> {
        let from = url::origin(&self.url);
        let problem = |problem: &str| {
            let message = format!("{from}: the redirect's Location is not usable: {problem}");
            NexusError::new(ErrorKind::InvalidResponse, message).with_status(status)
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
        let is_secret = |name: &&HeaderName| {
            secret::is_secret_header(name.as_str()) || **name == *token.header_name
        };
        let names: Vec<_> = self.headers.keys().filter(is_secret).cloned().collect();
        for name in names {
            self.headers.remove(name);
        }
    }
}

fn check_scheme(from: &Uri, to: &Uri, allow_insecure_http: bool) -> Result<()> {
    let problem = if url::is_https(from) && !url::is_https(to) {
        "redirects from https to http, which is never followed"
    } else if !allow_insecure_http && !url::is_private(to) {
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
fn without_secrets(next: Uri, all: &[Vec<u8>]) -> Result<Uri> {
    let long = Secrets::new(all.iter().filter(|secret| secret.len() >= MIN_LENGTH));
    if long.are_within(next.path(), MAX_URLS) {
        let origin = url::origin(&next);
        let message =
            format!("redirected to {origin} with the credential in the path; not followed");
        return Err(NexusError::new(ErrorKind::InsecureUrl, message));
    }
    let Some(query) = next.query() else {
        return Ok(next);
    };
    // A short one only as a whole value.
    let all = Secrets::new(all);
    let shows = |pair: &&str| {
        let value = pair.split_once('=').map_or(*pair, |(_, value)| value);
        let rest = all.hidden(value.as_bytes(), "");
        long.are_within(pair, MAX_URLS) || rest.is_some_and(|rest| rest.is_empty())
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !shows(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    with_path(&next, &format!("{}{mark}{}", next.path(), kept.join("&")))
}

fn with_path(url: &Uri, path_and_query: &str) -> Result<Uri> {
    let text = [&url::origin(url), path_and_query].concat();
    text.parse()
        .map_err(|_| NexusError::new(ErrorKind::InvalidResponse, "the redirect is not a URL"))
}

/// A URL to which a server has redirected, with the fresh credential instead of the refused one.
pub(crate) fn renewed(url: &Uri, refused: &CachedToken, fresh: &CachedToken) -> Result<Uri> {
    let path = url.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut path = path.to_owned();
    if let (Place::Path(old), Place::Path(new)) = (&refused.place, &fresh.place) {
        for (name, value) in old.iter().filter(|(_, value)| value.len() >= MIN_LENGTH) {
            let Some((_, new)) = new.iter().find(|(own, _)| own == name) else {
                continue;
            };
            let renewed = Secrets::new([value]).hidden(path.as_bytes(), &url::encode(new));
            if let Some(Ok(renewed)) = renewed.map(String::from_utf8) {
                path = renewed;
            }
        }
    }
    fresh.redirect_target(with_path(url, &path)?)
}

#[cfg(test)]
mod tests;
