//! Redirects: the URL, method, body and headers of the request that follows a redirect.

use ureq::http::header::LOCATION;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::hiding::Secrets;
use crate::secret;
use crate::token::CachedToken;
use crate::url;

/// The most redirects that one call follows.
pub(crate) const MAX_REDIRECTS: usize = 10;

/// The choice between following redirects and returning them.
///
/// ```
/// use nexus_sdk::Redirects;
///
/// assert_eq!(Redirects::default(), Redirects::Follow);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Redirects {
    /// Follows up to ten redirects. Methods and bodies change according to the Fetch standard.
    ///
    /// Only the origin (scheme, host and port) of the call receives the credential and those of the caller's
    /// headers whose name suggests a secret, such as `Cookie` or `X-Api-Key`. After a redirect to another
    /// origin, these are not sent any more, not even to the first origin.
    ///
    /// If the credential is a query parameter, the SDK removes the parameter of that name from a target on
    /// another origin. If the URL carried a credential of at least 8 bytes, and a target on another origin
    /// still contains it, the fetch fails with `insecure_url`.
    #[default]
    Follow,
    /// Returns the redirect itself as the response.
    Manual,
}

/// One request in a chain of redirects.
pub(crate) struct Hop<'a> {
    /// The URL of the call, before placeholders are filled.
    pub(crate) call: &'a str,
    pub(crate) method: Method,
    pub(crate) url: Uri,
    /// The caller's headers. [`headers`](Self::headers) adds the credential.
    pub(crate) headers: HeaderMap,
    pub(crate) sends_body: bool,
    /// True until a redirect leads to another origin. After that, the credential is not sent.
    pub(crate) authenticated: bool,
}

/// Returns the `Location` of a response that is a redirect.
pub(crate) fn location(status: u16, headers: &HeaderMap) -> Option<&[u8]> {
    let redirects = matches!(status, 301 | 302 | 303 | 307 | 308);
    headers
        .get(LOCATION)
        .filter(|_| redirects)
        .map(HeaderValue::as_bytes)
}

impl Hop<'_> {
    /// Returns the headers to send: the caller's, and the credential if the request carries it.
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
    /// `invalid_response` if the target is not a URL. `insecure_url` if the redirect goes from https to http
    /// or,
    /// without `allow_insecure_http`, to plain http on another machine, or if a target on another origin contains
    /// the credential.
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
        let next = token.redirect_target(next, self.authenticated)?;
        if !self.authenticated {
            self.check_secrets(&next, token)?;
        }
        self.url = next;
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

    /// Changes the method according to the Fetch standard ("HTTP-redirect fetch"). Status 303 turns all methods
    /// except GET and HEAD into GET. Statuses 301 and 302 turn POST into GET. The new GET has no body.
    fn change_method(&mut self, status: u16) {
        let becomes_get = match status {
            303 => !matches!(self.method, Method::GET | Method::HEAD),
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            (self.method, self.sends_body) = (Method::GET, false);
            for name in ["encoding", "language", "location", "type"] {
                self.headers.remove(format!("content-{name}"));
            }
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

    /// Refuses a target on another origin that contains the credential. Many servers copy the path or query of a
    /// request into the target.
    fn check_secrets(&self, target: &Uri, token: &CachedToken) -> Result<()> {
        let mut secrets = Secrets::default();
        for text in token.secrets_in_url(self.call) {
            secrets.add_credential(text.as_bytes());
        }
        let found = secrets.hidden(target.to_string().as_bytes(), "");
        found.map_or(Ok(()), |_| {
            Err(insecure(
                &self.url,
                "redirects to another origin with the credential in the URL, which is not followed; \
                 Redirects::Manual returns the redirect",
            ))
        })
    }
}

fn check_scheme(from: &Uri, to: &Uri, allow_insecure_http: bool) -> Result<()> {
    let problem = if url::is_https(from) && !url::is_https(to) {
        "redirects from https to http, which is never followed"
    } else if !allow_insecure_http && !url::is_confidential(to) {
        "redirects to plain http on another machine, which is not followed; allow_insecure_http allows it"
    } else {
        return Ok(());
    };
    Err(insecure(from, problem))
}

fn insecure(from: &Uri, problem: &str) -> NexusError {
    let message = format!("{}: {problem}", url::origin(from));
    NexusError::new(ErrorKind::InsecureUrl, message)
}

#[cfg(test)]
mod tests;
