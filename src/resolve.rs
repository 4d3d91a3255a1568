//! Gets a tenant's token: from its slot in a cache, or from the gateway through a flight.

use std::sync::Arc;

use crate::cache::{Ticket, TokenCache};
use crate::error::Result;
use crate::error::meaning::RESOLVE;
use crate::flights::Response;
use crate::gateway::Request;
use crate::inner::Inner;
use crate::slot::{Question, Reason, Want};
use crate::tenant::Tenant;
use crate::time::{Deadline, Now};
use crate::token::CachedToken;
use crate::url;

/// The source of a token. After a 401 or 403, a request is sent again only if its token came from the cache, because such a
/// token may have been revoked in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Gateway,
}

impl Inner {
    /// Returns the token in the cache, or resolves the token and caches it. Blocks at most until the deadline.
    ///
    /// A caller that finds a stale token waits for the gateway for at most 1 s. Then it returns the stale token, unless
    /// the gateway has returned a newer token or refused for good. If the stale token has expired or was deleted in the
    /// meantime, the caller waits for the gateway again, until the deadline.
    pub(crate) fn token(
        &self,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        deadline: Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        tenant.check()?;
        loop {
            let question = match cache.want(tenant, &Reason::Needed, &self.asker, Now::read()) {
                Want::Use(token) | Want::Keep(token, _) => return Ok((token, Source::Cache)),
                Want::Ask(question) => question,
            };
            let has_stale = question.has_stale;
            let limit = if has_stale {
                self.stale_deadline(deadline)
            } else {
                deadline
            };
            match self.ask(cache, tenant, question, limit) {
                Ok(Some(token)) => return Ok((token, Source::Gateway)),
                Ok(None) => {}
                Err(error) if has_stale && !error.is_final() => {
                    self.gateway.log.info(format_args!(
                        "the cached token stays in use, because there is no new token: {error}"
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the gateway about a token from the cache that an API has refused with this status. Blocks at most until the
    /// deadline, and after a 403 for at most 1 s, because an API may refuse a request with 403 whatever the token is.
    /// Returns another token, or `None` if the gateway has returned the same credential, now or a short time ago.
    ///
    /// # Errors
    ///
    /// A final error if the gateway has refused for good, and any other if it has not answered, now or a short time ago.
    pub(crate) fn replacement(
        &self,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        refused: &Arc<CachedToken>,
        status: u16,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        let reason = Reason::Refused(Arc::clone(refused), status);
        let limit = match status {
            403 => self.stale_deadline(deadline),
            _ => deadline,
        };
        loop {
            let question = match cache.want(tenant, &reason, &self.asker, Now::read()) {
                Want::Use(token) => return Ok(Some(token)),
                Want::Keep(_, failure) => return failure.map_or(Ok(None), Err),
                Want::Ask(question) => question,
            };
            if let Some(token) = self.ask(cache, tenant, question, limit)? {
                return Ok(Some(token).filter(|token| !token.same_credential(refused)));
            }
        }
    }

    /// Asks the gateway for the tenant's credential, bypassing every cache. Blocks at most until the deadline.
    pub(crate) fn resolve(&self, tenant: &Tenant, deadline: Deadline) -> Result<Arc<Response>> {
        tenant.check()?;
        self.call(request(tenant), deadline)
    }

    /// Returns the deadline of the wait for a newer token, for a caller with a stale token, and for an agent's request
    /// that was refused: at most 1 s from now, and at most halfway to the caller's own deadline, so that time is left for
    /// the request or its response.
    pub(crate) fn stale_deadline(&self, deadline: Deadline) -> Deadline {
        let left = deadline.left().unwrap_or_default();
        Deadline::after(self.max_stale_wait.min(left.mul_f64(0.5)))
    }

    /// Resolves the tenant's token for a question of its slot. Returns `None` if the caller has to look at the cache again.
    fn ask(
        &self,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        question: Question,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.connections.caches.add(cache);
        let ticket = Ticket {
            cache: cache.clone(),
            tenant: Arc::clone(tenant),
            question,
        };
        let response = self.run(request(tenant), Some(ticket), deadline)?;
        response.map(|response| response.token.clone()).transpose()
    }
}

fn request(tenant: &Tenant) -> Request {
    let workspace_id = &tenant.workspace_id;
    let provider = &tenant.provider;
    let of_workspace = url::with_parameter("/v1/resolve", "workspace_id", workspace_id);
    let path = url::with_parameter(&of_workspace, "provider_name", provider);
    Request::get(RESOLVE, path).of_tenant(Some(workspace_id), Some(provider))
}
