//! Whose credential goes on a request, and where it comes from.

use std::fmt;
use std::sync::Arc;

use crate::clock::Deadline;
use crate::error::Result;
use crate::flights::{Flights, Source};
use crate::log::Log;
use crate::tenant::{OwnedTenant, Tenant};
use crate::token::CachedToken;
use crate::token_cache::TokenCache;

#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// That of a workspace and provider: from the cache, or else from the gateway.
    Tenant(&'a TokenCache, Tenant<'a>),
    /// That of an agent session: this one, as long as it lasts.
    Session(&'a Arc<CachedToken>),
}

/// The same, to be kept.
#[derive(Clone)]
pub(crate) enum OwnedCredential {
    Tenant(TokenCache, OwnedTenant),
    Session(Arc<CachedToken>),
}

impl OwnedCredential {
    pub(crate) fn of_tenant(cache: &TokenCache, tenant: Tenant<'_>) -> Self {
        Self::Tenant(cache.clone(), tenant.to_owned())
    }

    pub(crate) fn as_credential(&self) -> Credential<'_> {
        match self {
            Self::Tenant(cache, tenant) => Credential::Tenant(cache, tenant.as_tenant()),
            Self::Session(token) => Credential::Session(token),
        }
    }
}

impl Credential<'_> {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Tenant(_, tenant) => tenant.check(),
            Self::Session(_) => Ok(()),
        }
    }

    /// Blocks until there is a token, at most until the deadline, which is read only when there is
    /// something to wait for.
    pub(crate) fn token(
        self,
        flights: &Arc<Flights>,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        match self {
            Self::Tenant(cache, tenant) => flights.cached(cache, tenant, deadline),
            Self::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// After a 401: the token that replaces a cached one, which is dropped. `None` if there is none,
    /// or if it is the same one, so that there is nothing to replay the request with.
    pub(crate) fn replacement(
        self,
        flights: &Arc<Flights>,
        (refused, source): (&Arc<CachedToken>, Source),
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        if source != Source::Cache {
            return Ok(None);
        }
        self.discard(refused, flights.gateway.log);
        let (fresh, _) = self.token(flights, || deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Drops this very token from the cache that it came from: a 401 has met it.
    pub(crate) fn discard(self, token: &Arc<CachedToken>, log: Log) {
        if let Self::Tenant(cache, tenant) = self {
            cache.discard(tenant, token);
            log.info(|| format!("401 for the cached token of {:?}: dropped", tenant.provider));
        }
    }
}

impl fmt::Debug for OwnedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(_, tenant) => tenant.as_tenant().fmt(f),
            Self::Session(_) => f.write_str("Session"),
        }
    }
}
