//! A credential, and the URLs that it may be sent to.

use std::borrow::Cow;
use std::sync::Arc;

use ureq::http::Uri;

use crate::cache::TokenCache;
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::fetch::scope::{self, Base, Rule};
use crate::inner::Handle;
use crate::resolve::Source;
use crate::tenant::Tenant;
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::url;

/// The part of a fetcher that each of its requests needs, and that its agent shares.
#[derive(Clone)]
pub(crate) struct Access {
    pub(super) client: Handle,
    pub(super) credential: Credential,
    pub(super) base: Option<Base>,
    pub(super) hosts: Option<Vec<Rule>>,
    pub(super) hide_credential: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// The credential of a workspace and provider, from the cache or from the gateway. With a blank name, every request
    /// fails.
    Tenant(TokenCache, Arc<Tenant>),
    /// The credential of the agent session with this id. It is not replaced after a 401.
    #[cfg(feature = "sessions")]
    Session(Arc<CachedToken>, Arc<str>),
}

impl Access {
    /// Returns the tenant or session of the fetcher, for errors and log lines. Empty for a tenant with a blank name.
    pub(super) fn subject(&self) -> Subject {
        match &self.credential {
            Credential::Tenant(_, tenant) => tenant.subject(),
            #[cfg(feature = "sessions")]
            Credential::Session(_, id) => Subject::session(id),
        }
    }

    /// Returns a token and its source. Blocks at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => self.client.token(cache, tenant, deadline),
            #[cfg(feature = "sessions")]
            Credential::Session(token, _) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Asks the gateway after the upstream has refused a token from the cache. Blocks at most until the deadline.
    ///
    /// # Errors
    ///
    /// A final error if the gateway has refused for good, and any other if it has not answered.
    pub(super) fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        status: u16,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        let (cache, tenant) = match &self.credential {
            Credential::Tenant(cache, tenant) => (cache, tenant),
            #[cfg(feature = "sessions")]
            Credential::Session(..) => return Ok(None),
        };
        let log = self.client.gateway.log;
        let prefix = self.subject().prefix();
        log.info(format_args!(
            "{prefix}the upstream refused the cached token with status {status}"
        ));
        let client = &self.client;
        let replacement = client.replacement(cache, tenant, refused, status, deadline);
        if let Err(error) = &replacement {
            log.info(format_args!(
                "the gateway returned no new token after the upstream refused the old one: {error}"
            ));
        }
        replacement
    }

    /// Appends a relative URL to the base, if there is one.
    pub(super) fn absolute<'a>(&self, url: Cow<'a, str>) -> Result<Cow<'a, str>> {
        match &self.base {
            Some(base) => Ok(base.absolute(&url)?.into()),
            None => Ok(url),
        }
    }

    /// Parses a URL, and checks that the credential may be sent to it.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Refuses plain http to another machine unless the client allows it, and URLs that neither the base nor a rule
    /// allows.
    pub(super) fn check(&self, url: &Uri) -> Result<()> {
        if !url::is_confidential(url) && !self.client.gateway.options.allow_insecure_http {
            let message = format!("url: {}", url::not_confidential(url));
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        let is_listed = match &self.hosts {
            Some(rules) => rules.iter().any(|rule| rule.matches(url)),
            None => self.base.is_none(),
        };
        let has_origin = |base: &Base| url::same_origin(&base.url, url);
        if is_listed || self.base.as_ref().is_some_and(has_origin) {
            return Ok(());
        }
        Err(scope::not_allowed(url))
    }
}
