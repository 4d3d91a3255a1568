//! Gets a tenant's token: from its slot in a cache, or from the gateway through a flight.

use std::sync::Arc;

use crate::cache::{Ticket, TokenCache};
use crate::error::meaning::Asked;
use crate::error::{NexusError, Result};
use crate::flights::{Key, Response};
use crate::gateway::Request;
use crate::inner::Inner;
use crate::slot::{Reason, Refusal, Want};
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

/// The gateway's response about a token that an API has refused.
#[derive(Debug)]
pub(crate) enum Replacement {
    /// The gateway has returned another credential.
    Replaced(Arc<CachedToken>),
    /// The gateway has returned the same credential, now or a short time ago.
    Confirmed,
    /// The gateway has not answered, now or a short time ago.
    Unanswered(NexusError),
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
            let ticket = match cache.want(tenant, &Reason::Needed, &self.asker, Now::read()) {
                Want::Use(token) | Want::Keep(token, _) => return Ok((token, Source::Cache)),
                Want::Ask(ticket) => ticket,
            };
            let has_stale = ticket.question().has_stale;
            let limit = if has_stale {
                self.stale_deadline(deadline)
            } else {
                deadline
            };
            match self.ask(cache, tenant, ticket, limit) {
                Ok(Some(token)) => return Ok((token, Source::Gateway)),
                Ok(None) => {}
                Err(error) if has_stale && !error.is_final() => {
                    self.log.info(format_args!(
                        "the cached token stays in use, because there is no new token: {error}"
                    ));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the gateway about a token from the cache that an API has refused. Blocks at most until the deadline, and after a
    /// 403 for at most 1 s, because an API may refuse a request with 403 whatever the token is.
    ///
    /// # Errors
    ///
    /// The gateway's error if it has refused for good.
    pub(crate) fn replacement(
        &self,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        refused: &Arc<CachedToken>,
        refusal: Refusal,
        deadline: Deadline,
    ) -> Result<Replacement> {
        let reason = Reason::Refused(Arc::clone(refused), refusal);
        let limit = match refusal {
            Refusal::Unauthorized => deadline,
            Refusal::Forbidden => self.stale_deadline(deadline),
        };
        loop {
            let ticket = match cache.want(tenant, &reason, &self.asker, Now::read()) {
                Want::Use(token) => return Ok(Replacement::Replaced(token)),
                Want::Keep(_, None) => return Ok(Replacement::Confirmed),
                Want::Keep(_, Some(error)) => return Ok(Replacement::Unanswered(error)),
                Want::Ask(ticket) => ticket,
            };
            match self.ask(cache, tenant, ticket, limit) {
                Ok(Some(token)) if token.same_credential(refused) => {
                    return Ok(Replacement::Confirmed);
                }
                Ok(Some(token)) => return Ok(Replacement::Replaced(token)),
                Ok(None) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => return Ok(Replacement::Unanswered(error)),
            }
        }
    }

    /// Asks the gateway for the tenant's credential, bypassing every cache. Blocks at most until the deadline.
    pub(crate) fn resolve(&self, tenant: &Tenant, deadline: Deadline) -> Result<Arc<Response>> {
        tenant.check()?;
        let key = Key::tenant(tenant);
        let called = self.flights.call(&key, request(tenant), deadline);
        self.note(tenant, called)
    }

    /// Returns the deadline of the wait for a newer token, for a caller with a stale token, and for an agent's request
    /// that was refused: at most 1 s from now, and at most halfway to the caller's own deadline, so that time is left for
    /// the request or its response.
    pub(crate) fn stale_deadline(&self, deadline: Deadline) -> Deadline {
        let left = deadline.left().unwrap_or_default();
        Deadline::after(self.max_stale_wait.min(left.mul_f64(0.5)))
    }

    /// Resolves the tenant's token for a ticket. Returns `None` if the caller has to look at the cache again.
    fn ask(
        &self,
        cache: &TokenCache,
        tenant: &Tenant,
        ticket: Ticket,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.connections.caches.add(cache);
        let key = Key::tenant(tenant);
        let ran = self
            .flights
            .run(&key, request(tenant), Some(ticket), deadline);
        let response = self.note(tenant, ran)?;
        response.map(|response| response.token()).transpose()
    }

    /// Removes the tenant's token from all caches that the client has filled if the user has to connect again.
    fn note<T>(&self, tenant: &Tenant, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(NexusError::needs_reconnect) {
            self.connections.caches.remove_tenant(tenant);
        }
        outcome
    }
}

fn request(tenant: &Tenant) -> Request {
    let workspace_id = Some(&*tenant.workspace_id);
    let parameters = [
        ("workspace_id", workspace_id),
        ("provider_name", Some(&*tenant.provider)),
    ];
    Request::get(url::with_query("/v1/resolve", &parameters))
        .of_workspace(workspace_id)
        .of_provider(Some(&tenant.provider))
        .asked(Asked::Resolve)
}
