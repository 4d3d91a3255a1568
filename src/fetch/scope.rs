//! What a fetcher's URLs are below, and where else they may lead.

use std::borrow::Cow;
use std::fmt;

use ureq::http::Uri;

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::hosts::AllowedHosts;
use crate::url;

/// How often a path is decoded in search of dot segments.
const MAX_DECODINGS: usize = 4;

/// [`Fetcher::base_url`](crate::Fetcher::base_url) and
/// [`Fetcher::allow_hosts`](crate::Fetcher::allow_hosts).
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) base: Option<BaseUrl>,
    pub(crate) hosts: Option<AllowedHosts>,
}

impl Scope {
    /// The URL in full.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a base that is not usable, or a relative URL that would leave it.
    pub(crate) fn absolute<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        match &self.base {
            Some(base) => base.absolute(url),
            None => Ok(url.into()),
        }
    }

    /// # Errors
    ///
    /// `invalid_input` for a host rule that can match no URL, `host_not_allowed` if none matches.
    pub(crate) fn check(&self, target: &Uri) -> Result<()> {
        let listed = match &self.hosts {
            Some(hosts) => hosts.include(target)?,
            None => self.base.is_none(),
        };
        let of_base = self
            .base
            .as_ref()
            .is_some_and(|base| base.has_host_of(target));
        if listed || of_base {
            return Ok(());
        }
        let message = format!(
            "{} is not among the allowed hosts; `allow_hosts` names them",
            url::origin(target)
        );
        Err(NexusError::new(ErrorKind::HostNotAllowed, message))
    }
}

/// A base, read once; one that cannot be used is the error of every fetch.
#[derive(Clone)]
pub(crate) struct BaseUrl(Result<Base>);

#[derive(Clone)]
struct Base {
    /// As it was written: it may have placeholders.
    text: String,
    url: Uri,
}

impl BaseUrl {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim();
        let url = if text.contains(['?', '#']) {
            Err("has a query or a fragment; give the address without it".into())
        } else {
            url::parse(text)
        };
        let base = url.map(|url| Base {
            text: text.to_owned(),
            url,
        });
        Self(base.map_err(|problem| NexusError::invalid_input("base_url", problem)))
    }

    fn has_host_of(&self, target: &Uri) -> bool {
        let is_it = |base: &Base| {
            base.url.host() == target.host() && url::port(&base.url) == url::port(target)
        };
        self.0.as_ref().is_ok_and(is_it)
    }

    /// Placeholders are the base's alone: what is put below it may be written by a model.
    fn absolute<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        let base = self.0.as_ref().map_err(Clone::clone)?;
        let plain = if url.contains(['{', '}']) {
            Cow::from(url.replace('{', "%7B").replace('}', "%7D"))
        } else {
            Cow::from(url)
        };
        if url::scheme_of(url).is_some() {
            return Ok(plain);
        }
        check_relative(url).map_err(|problem| NexusError::invalid_input("url", problem))?;
        let (base, slash) = match url.as_bytes().first() {
            None | Some(b'?' | b'#') => (base.text.as_str(), ""),
            Some(b'/') => (base.text.trim_end_matches('/'), ""),
            Some(_) => (base.text.trim_end_matches('/'), "/"),
        };
        Ok([base, slash, &plain].concat().into())
    }
}

/// No more than an error shows: there may be a credential in the path.
impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.as_ref().map(|base| url::origin(&base.url));
        f.debug_tuple("BaseUrl").field(&origin).finish()
    }
}

/// Other software may take a backslash for a slash, decode more than once, or drop what follows a
/// semicolon.
fn check_relative(url: &str) -> Result<(), url::Problem> {
    url::check_bytes(url)?;
    let is_slash = |c: char| matches!(c, '/' | '\\');
    if url.starts_with(is_slash) && url.chars().nth(1).is_some_and(is_slash) {
        return Err("begins with two slashes, as the name of a host does; give one".into());
    }
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let mut path = path.to_owned();
    for _ in 0..MAX_DECODINGS {
        let mut names = path.split(is_slash).map(|name| name.split(';').next());
        if names.any(|name| name == Some("..")) {
            let problem = "has a `..` segment, which may lead out of the base_url; leave it out";
            return Err(problem.into());
        }
        path = String::from_utf8_lossy(&url::decode(&path, false)).into_owned();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
