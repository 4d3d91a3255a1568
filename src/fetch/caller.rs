//! Whose credential goes on a request, where it comes from, and where it may go.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ureq::http::Uri;

use crate::cache::TokenCache;
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::scope::Scope;
use crate::flights::{Handle, Source};
use crate::tenant::Tenant;
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::url;

#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) flights: Handle,
    credential: Credential,
    pub(super) scope: Option<Arc<Scope>>,
}

#[derive(Clone)]
enum Credential {
    /// That of a workspace and provider: from the cache, or else from the gateway.
    Tenant(TokenCache, Tenant),
    /// That of an agent session: this one, as long as it lasts.
    Session(Arc<CachedToken>),
}

impl Caller {
    pub(crate) fn of_tenant(flights: &Handle, cache: &TokenCache, tenant: Tenant) -> Self {
        Self::new(flights, Credential::Tenant(cache.clone(), tenant))
    }

    pub(crate) fn of_session(flights: &Handle, token: CachedToken) -> Self {
        Self::new(flights, Credential::Session(Arc::new(token)))
    }

    fn new(flights: &Handle, credential: Credential) -> Self {
        Self {
            flights: flights.clone(),
            credential,
            scope: None,
        }
    }

    /// Blocks until there is a token, at most as long as a call to the gateway.
    pub(super) fn get_token(&self) -> Result<(Arc<CachedToken>, Source)> {
        self.token(self.flights.gateway.longest_call())
    }

    /// Blocks until there is a token, at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                let Tenant {
                    workspace_id,
                    provider,
                } = tenant;
                self.flights.cached(cache, workspace_id, provider, deadline)
            }
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// After a 401: the token that replaces a cached one, which is dropped. `None` if there is none,
    /// or if it is the same one, so that there is nothing to replay the request with.
    pub(super) fn replacement(
        &self,
        (refused, source): (&Arc<CachedToken>, Source),
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        if source != Source::Cache {
            return Ok(None);
        }
        self.discard(refused);
        let (fresh, _) = self.token(deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Drops this very token from the cache that it came from: a 401 has met it.
    pub(super) fn discard(&self, token: &Arc<CachedToken>) {
        if let Credential::Tenant(cache, tenant) = &self.credential {
            cache.discard(&tenant.workspace_id, &tenant.provider, token);
            let log = self.flights.gateway.log;
            log.info(|| format!("401 for the cached token of {:?}: dropped", tenant.provider));
        }
    }

    /// A URL that the credential may go to.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        if !url::is_private(&url) && !self.flights.gateway.allow_insecure_http {
            let message = format!(
                "url: {} would carry the credential in clear; use https, or allow_insecure_http",
                url::origin(&url)
            );
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        self.check_host(&url)?;
        Ok(url)
    }

    /// The URL as the credential wants it; `checked` is the text.
    pub(super) fn target(&self, text: &str, checked: Uri, token: &CachedToken) -> Result<Uri> {
        match token.target(text)? {
            Cow::Borrowed(_) => Ok(checked),
            Cow::Owned(target) => self.check_url(&target),
        }
    }

    pub(super) fn check_host(&self, target: &Uri) -> Result<()> {
        self.scope
            .as_ref()
            .map_or(Ok(()), |scope| scope.check(target))
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Fetcher");
        match &self.credential {
            Credential::Tenant(_, tenant) => debug.field("credential", tenant),
            Credential::Session(_) => debug.field("credential", &format_args!("Session")),
        };
        debug.field("scope", &self.scope).finish_non_exhaustive()
    }
}
