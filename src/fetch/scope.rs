//! The URLs that a fetcher may send its credential to.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ureq::http::Uri;

use crate::error::{ErrorKind, NexusError, Result};
use crate::url;

/// The number of times that a path is decoded to find encoded `..` segments.
const MAX_DECODINGS: usize = 4;

/// The parsed [`Fetcher::base_url`](crate::Fetcher::base_url) and
/// [`Fetcher::allow_hosts`](crate::Fetcher::allow_hosts). An invalid value makes every fetch fail. A clone is
/// cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    base: Option<Arc<Result<Base>>>,
    hosts: Option<Arc<Result<Vec<Rule>>>>,
}

impl Scope {
    pub(crate) fn set_base(&mut self, text: &str) {
        self.base = Some(Arc::new(Base::parse(text.trim())));
    }

    pub(crate) fn set_hosts<H: AsRef<str>>(&mut self, hosts: impl IntoIterator<Item = H>) {
        let rules = hosts.into_iter();
        let rules = rules.map(|host| Rule::parse(&host.as_ref().trim().to_ascii_lowercase()));
        self.hosts = Some(Arc::new(rules.collect()));
    }

    /// Appends a relative URL to the base. Returns the URL itself if there is no base.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a base that cannot be used, or a relative URL that could lead out of the base.
    pub(crate) fn absolute<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        match self.base.as_deref() {
            Some(base) => Ok(base.as_ref().map_err(Clone::clone)?.absolute(url)?.into()),
            None => Ok(url.into()),
        }
    }

    /// Checks that the credential may go to this URL.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a rule that can match no URL, `host_not_allowed` if no rule matches.
    pub(crate) fn check(&self, target: &Uri) -> Result<()> {
        let listed = match self.hosts.as_deref() {
            Some(rules) => {
                let rules = rules.as_ref().map_err(Clone::clone)?;
                rules.iter().any(|rule| rule.matches(target))
            }
            None => self.base.is_none(),
        };
        let base = self.base.as_deref();
        let of_base = matches!(base, Some(Ok(base)) if url::same_origin(&base.url, target));
        if listed || of_base {
            return Ok(());
        }
        let message = format!(
            "{} is not an allowed host; add it with `allow_hosts` if it should be",
            url::origin(target)
        );
        Err(NexusError::new(ErrorKind::HostNotAllowed, message))
    }
}

#[derive(Clone)]
struct Base {
    /// The base as the caller wrote it, before placeholders are filled.
    text: String,
    url: Uri,
}

impl Base {
    fn parse(text: &str) -> Result<Self> {
        let url = if text.contains(['?', '#']) {
            Err("has a query or a fragment; leave it out".into())
        } else {
            url::parse(text)
        };
        let text = text.to_owned();
        url.map(|url| Self { text, url })
            .map_err(|problem| NexusError::invalid_input("base_url", problem))
    }

    /// Appends a relative URL to the base. Encodes the braces of any URL, because a model may have written it and
    /// only the placeholders of the base may be filled.
    fn absolute(&self, url: &str) -> Result<String> {
        let plain = url.replace('{', "%7B").replace('}', "%7D");
        if url::split_scheme(url).is_some() {
            return Ok(plain);
        }
        check_relative(url).map_err(|problem| NexusError::invalid_input("url", problem))?;
        let (base, slash) = match url.as_bytes().first() {
            None | Some(b'?' | b'#') => (self.text.as_str(), ""),
            Some(b'/') => (self.text.trim_end_matches('/'), ""),
            Some(_) => (self.text.trim_end_matches('/'), "/"),
        };
        Ok([base, slash, &plain].concat())
    }
}

/// Shows only the origin, because the path may contain a credential.
impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base({})", url::origin(&self.url))
    }
}

/// Refuses a relative URL that some server could read as a URL outside the base. Some servers read a
/// backslash as a slash, decode a path more than once, or drop the text after a semicolon.
fn check_relative(url: &str) -> Result<(), url::Problem> {
    url::check_bytes(url)?;
    let is_slash = |c: char| matches!(c, '/' | '\\');
    if url.starts_with(is_slash) && url.chars().nth(1).is_some_and(is_slash) {
        return Err("begins with two slashes, which introduce a host; write one slash".into());
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut path = path.to_owned();
    for _ in 0..MAX_DECODINGS {
        let mut names = path.split(is_slash).map(|name| name.split(';').next());
        if names.any(|name| name == Some("..")) {
            let problem = "has a `..` segment, which may lead out of base_url; remove the segment";
            return Err(problem.into());
        }
        path = String::from_utf8_lossy(&url::decode(&path, false)).into_owned();
    }
    Ok(())
}

/// A rule of `allow_hosts`: `host`, `host:port` or `*.host`.
#[derive(Debug, Clone)]
struct Rule {
    /// The host in the normal form of [`url`].
    host: String,
    /// True for `*.host`. The rule then matches all names below the host, but not the host itself.
    below: bool,
    port: Option<u16>,
}

impl Rule {
    fn parse(text: &str) -> Result<Self> {
        let below = text.strip_prefix("*.");
        let authority = below.unwrap_or(text);
        let plain = url::parse(&format!("http://{authority}/")).unwrap_or_default();
        let host = plain.host().unwrap_or_default();
        // Some programs treat a leading dot as `*.`, so such a rule is ambiguous.
        let unclear = authority.contains(['/', '?', '#']) || host.starts_with('.');
        if host.is_empty() || unclear || (below.is_some() && url::address(host).is_some()) {
            let problem = format!("`{text}` is not `host`, `host:port` or `*.host`");
            return Err(NexusError::invalid_input("allow_hosts", problem));
        }
        let port = authority.rsplit_once(':');
        Ok(Self {
            host: host.to_owned(),
            below: below.is_some(),
            port: port.and_then(|(_, port)| port.parse().ok()),
        })
    }

    fn matches(&self, target: &Uri) -> bool {
        let host = target.host().unwrap_or_default();
        let named = if self.below {
            let name = host.strip_suffix(&self.host);
            name.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        } else {
            host == self.host
        };
        named && self.port.is_none_or(|port| port == url::port(target))
    }
}

#[cfg(test)]
mod tests;
