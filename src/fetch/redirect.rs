//! Redirects: the URL, method, body and headers of the request that follows a redirect.

use std::mem;

use ureq::http::header::LOCATION;
use ureq::http::{HeaderMap, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::options::FetchOptions;
use crate::header;
use crate::hiding::{MIN_CREDENTIAL, Secrets};
use crate::token::CachedToken;
use crate::url;

/// The most redirects that one call follows.
pub(crate) const MAX_REDIRECTS: usize = 10;
/// The advice after a redirect that cannot be followed.
const ADVICE: &str = "set Redirects::Manual to get the redirect as the response";

/// One request in a chain of redirects.
pub(crate) struct Hop<'a> {
    /// The URL of the call, before placeholders are filled.
    pub(crate) call: &'a str,
    pub(crate) url: Uri,
    /// The URL of the first request, once a redirect has led to another URL.
    pub(crate) first: Option<Uri>,
    /// The method, data and headers, without the credential.
    pub(crate) options: FetchOptions,
    /// True until a redirect leads to another origin. After that, the credential is not sent.
    pub(crate) authenticated: bool,
}

/// Returns the `Location` of a response that is a redirect: as in curl, the first that is not empty. A `Location` with
/// nothing before its fragment refers to the same document (RFC 3986 section 4.4), so such a response is no redirect.
pub(crate) fn location(status: u16, headers: &HeaderMap) -> Option<&[u8]> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let values = headers.get_all(LOCATION).iter();
    let mut targets = values.map(|value| trimmed(value.as_bytes()));
    targets.find(|target| !matches!(target, [] | [b'#', ..]))
}

fn trimmed(value: &[u8]) -> &[u8] {
    str::from_utf8(value).map_or(value, |text| text.trim().as_bytes())
}

impl Hop<'_> {
    /// Changes this request into the request that follows the redirect.
    ///
    /// # Errors
    ///
    /// `invalid_response` if the target is not a usable URL. `insecure_url` if the redirect goes from https to http.
    /// Also `insecure_url` if this redirect or an earlier one has led to another origin, the URL of the call carries a
    /// credential of at least 8 bytes, and the target contains it.
    pub(crate) fn redirect(
        &mut self,
        status: u16,
        location: &[u8],
        token: &CachedToken,
    ) -> Result<()> {
        let next = self.resolve(status, location)?;
        if url::is_https(&self.url) && !url::is_https(&next) {
            let what = "refused a redirect from https to http";
            return Err(self.error(ErrorKind::InsecureUrl, what));
        }
        self.change_method(status);
        if !url::same_origin(&self.url, &next) {
            self.drop_credentials(token);
        }
        let target = token.redirect_target(next, self.authenticated)?;
        if !self.authenticated {
            self.check_secrets(&target, token)?;
        }
        let from = mem::replace(&mut self.url, target);
        self.first.get_or_insert(from);
        Ok(())
    }

    /// Resolves a `Location`. Percent-encodes its non-ASCII bytes one by one, as curl does, because they may be in any
    /// encoding.
    fn resolve(&self, status: u16, location: &[u8]) -> Result<Uri> {
        let reference = url::encode_unless(location, |byte| byte.is_ascii());
        url::join(&self.url, &reference).map_err(|problem| {
            let what = format!("the redirect's Location is not usable: {problem}");
            let error = self.error(ErrorKind::InvalidResponse, &what);
            error.with(|inner| inner.status = Some(status))
        })
    }

    /// Changes the method according to the Fetch standard ("HTTP-redirect fetch"). Status 303 turns all methods
    /// except GET and HEAD into GET. Statuses 301 and 302 turn POST into GET. The new GET has no body.
    fn change_method(&mut self, status: u16) {
        let options = &mut self.options;
        let becomes_get = match status {
            303 => !matches!(options.method, Method::GET | Method::HEAD),
            301 | 302 => options.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            options.method = Method::GET;
            options.data = None;
            for name in ["encoding", "language", "location", "type"] {
                options.headers.remove(format!("content-{name}"));
            }
        }
    }

    fn drop_credentials(&mut self, token: &CachedToken) {
        self.authenticated = false;
        for name in self.options.headers.clone().keys() {
            if header::is_secret(name.as_str()) || *name == *token.header_name {
                self.options.headers.remove(name);
            }
        }
    }

    /// Refuses a target that contains a credential from the URL of the call. Many servers copy the path or query of a
    /// request into the target, or the whole URL into its query.
    fn check_secrets(&self, target: &Uri, token: &CachedToken) -> Result<()> {
        let mut secrets = Secrets::default();
        if token.is_in_url() {
            secrets.add(token.secrets(self.call), MIN_CREDENTIAL);
        }
        let has_secret = |text: String| secrets.hidden(&text, "").is_some();
        if url::decodings(&target.to_string()).any(has_secret) {
            let what = "refused a redirect to another origin with the credential in its URL";
            return Err(self.error(ErrorKind::InsecureUrl, what));
        }
        Ok(())
    }

    /// Returns the error for a target that the fetcher does not allow. Does not advise to allow the target,
    /// because a server has chosen it.
    pub(crate) fn not_allowed(&self, kind: ErrorKind) -> NexusError {
        let what = match kind {
            ErrorKind::InsecureUrl => {
                "refused a redirect to plain http on a host that may be another machine"
            }
            _ => "refused a redirect to a host that is not allowed",
        };
        self.error(kind, what)
    }

    /// Returns the error for a redirect that is not followed.
    pub(crate) fn error(&self, kind: ErrorKind, what: &str) -> NexusError {
        NexusError::new(kind, format!("{}: {what}; {ADVICE}", self.place()))
    }

    /// Describes the place of the request, for messages.
    pub(crate) fn place(&self) -> String {
        url::place(&self.url, self.first.as_ref())
    }
}

#[cfg(test)]
mod tests;
