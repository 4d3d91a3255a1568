//! The client and the credential of a fetcher, and the URLs that the credential may be sent to.

use std::sync::Arc;

use ureq::http::Uri;

use crate::cache::{Tenant, TokenCache};
use crate::debug::debug_only;
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::scope::Scope;
use crate::flights::Source;
use crate::inner::Handle;
use crate::time::{Deadline, Now};
use crate::token::CachedToken;
use crate::url;

#[derive(Clone)]
pub(crate) struct Access {
    pub(super) client: Handle,
    pub(super) credential: Credential,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// The credential of a workspace and provider, from the cache or from the gateway.
    Tenant(TokenCache, Tenant),
    /// The credential of an agent session. It is not replaced after a 401.
    #[cfg_attr(not(feature = "sessions"), expect(dead_code))]
    Session(Arc<CachedToken>),
}

impl Access {
    pub(super) fn new(client: &Handle, credential: Credential) -> Self {
        Self {
            client: client.clone(),
            credential,
            scope: Scope::default(),
        }
    }

    /// Returns the deadline of a caller that only gets a token.
    pub(super) fn longest_call(&self) -> Deadline {
        self.client.gateway.longest_call()
    }

    /// Blocks at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                self.client
                    .flights
                    .cached(cache, &tenant.workspace_id, &tenant.provider, deadline)
            }
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Removes from the cache a token that the upstream refused with 401, unless the cache already has another token.
    pub(super) fn discard(&self, token: &Arc<CachedToken>) {
        if let Credential::Tenant(cache, tenant) = &self.credential {
            cache.discard(tenant, token);
            let provider = &tenant.provider;
            let line = format_args!("the upstream refused the cached token of {provider:?} (401)");
            self.client.log.info(line);
        }
    }

    /// Discards a token that the upstream refused with 401, and returns another token. Returns `None` if the
    /// gateway returns the same credential, which the upstream would refuse again.
    pub(super) fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.discard(refused);
        let (fresh, _) = self.token(deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Returns the token that the current token has replaced, until an hour after the replaced token's expiry.
    pub(super) fn replaced_token(&self) -> Option<Arc<CachedToken>> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => cache.replaced(tenant, Now::read()),
            Credential::Session(_) => None,
        }
    }

    /// Parses a URL, and checks that the credential may be sent to it.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Refuses URLs outside the fetcher's scope, and plain http to another machine unless the client allows it.
    pub(super) fn check(&self, url: &Uri) -> Result<()> {
        if !url::is_confidential(url) && !self.client.options.allow_insecure_http {
            let origin = url::origin(url);
            let advice = "use https, or set allow_insecure_http";
            let message = format!("url: {origin} is plain http to another machine; {advice}");
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        self.scope.check(url)
    }
}

debug_only!(Access: credential);
