//! Getting a token: from the cache, from whoever is asking already, or from the gateway.

use std::sync::Arc;

use crate::clock::{Deadline, Now, Received};
use crate::error::{self, ErrorKind, NexusError, Result};
use crate::gateway::Gateway;
use crate::single_flight::Outcome;
use crate::token::{CachedToken, TokenResponse};
use crate::token_cache::{Leader, Lookup, TokenCache};
use crate::url;

/// Where a token came from: only one out of the cache can have died since it was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Gateway,
}

/// The pair that a token belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Tenant<'a> {
    pub(crate) workspace_id: &'a str,
    pub(crate) provider: &'a str,
}

impl Tenant<'_> {
    pub(crate) fn check(self) -> Result<()> {
        error::not_blank("workspace_id", self.workspace_id)?;
        error::not_blank("provider", self.provider)
    }
}

/// One resolve of the gateway, past the cache.
pub(crate) fn resolve(
    gateway: &Gateway,
    tenant: Tenant<'_>,
    deadline: Deadline,
) -> Result<(CachedToken, Received)> {
    let (workspace_id, provider) = (
        url::encode(tenant.workspace_id),
        url::encode(tenant.provider),
    );
    let path = format!("/v1/resolve?workspace_id={workspace_id}&provider_name={provider}");
    let answer = gateway.get(&path, deadline)?;
    let token = TokenResponse::from_reply(answer.body)?.to_cached(answer.received)?;
    Ok((token, answer.received))
}

/// The token of the cache, or one resolve for all the threads that miss together. Blocks until the
/// gateway has answered, at most until the deadline.
pub(crate) fn cached(
    gateway: &Gateway,
    cache: &TokenCache,
    tenant: Tenant<'_>,
    deadline: Deadline,
) -> Result<(Arc<CachedToken>, Source)> {
    cached_or(cache, tenant, deadline, || {
        resolve(gateway, tenant, deadline)
    })
}

/// The same, whatever a resolve is.
fn cached_or(
    cache: &TokenCache,
    tenant: Tenant<'_>,
    deadline: Deadline,
    resolve: impl FnOnce() -> Result<(CachedToken, Received)>,
) -> Result<(Arc<CachedToken>, Source)> {
    loop {
        match cache.look_up(tenant.workspace_id, tenant.provider, Now::read()) {
            Lookup::Hit(token) => return Ok((token, Source::Cache)),
            Lookup::Lead(leader) => return lead(leader, deadline, resolve),
            Lookup::Follow(flight) => match flight.wait(deadline.instant()) {
                // Whoever asked had no time to try again; this caller has.
                Some(Outcome::Landed(Err(error)))
                    if error.is_only_short_of_time(deadline.left()) => {}
                Some(Outcome::Landed(landed)) => {
                    return landed.map(|token| (token, Source::Gateway));
                }
                // Whoever asked went away without an answer: look again, and ask in their place.
                Some(Outcome::Abandoned) => {}
                None => return Err(waited_too_long()),
            },
        }
    }
}

fn lead(
    leader: Leader,
    deadline: Deadline,
    resolve: impl FnOnce() -> Result<(CachedToken, Received)>,
) -> Result<(Arc<CachedToken>, Source)> {
    match resolve() {
        Ok((token, received)) => {
            let token = Arc::new(token);
            leader.land(Arc::clone(&token), received);
            Ok((token, Source::Gateway))
        }
        Err(error) => {
            // A failure that is only this caller's own deadline says nothing to the others.
            if deadline.left().is_some() {
                leader.fail(error.clone());
            }
            Err(error)
        }
    }
}

fn waited_too_long() -> NexusError {
    let message = "another thread is resolving this token and had no answer in time";
    NexusError::new(ErrorKind::Timeout, message).retryable(true)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
