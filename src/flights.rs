//! Calls that can make the gateway refresh a token.
//!
//! A gateway refreshes a token inside the call that needs the token. If the client hangs up, the refresh may
//! be lost, and two calls at once may use the same refresh token twice. In either case the provider may
//! revoke the user's grant. Each of these calls is therefore a *flight*: it runs to its end on a thread of
//! its own, even if all of its callers have left. A tenant or connection has one flight at a time.
//!
//! A caller checks the cache first. If the cache has no fresh token, the caller joins the tenant's
//! flight or starts a flight ([`table`]), and waits. The flight puts its token into the cache before it
//! wakes its callers. If the gateway cannot be reached, a stale token is used until it expires
//! (`Flights::extend`).

mod lock;
mod table;

use std::io;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::lock::ProcessLock;
pub(crate) use self::table::{Call, Source};
use self::table::{Flight, Outcome, Subject, TOKEN_EXPIRED, Table, is_definite};
use crate::cache::{Lookup, Tenant, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Acquire, Gateway, Request, Success};
use crate::json::Object;
use crate::sync::{self, Shared};
use crate::time::{Deadline, Now};
use crate::token::CachedToken;
use crate::url;

/// The longest time for which dropping a client's last handle waits for flights.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for which a caller with a stale token waits for a newer token.
const MAX_STALE_WAIT: Duration = Duration::from_secs(1);

/// A counted handle, held by clients, fetchers and agents. Dropping the last handle waits for flights.
#[derive(Clone)]
pub(crate) struct Handle(Shared<LastHandle>);

struct LastHandle(Arc<Flights>);

/// A gateway and the flights to it. A flight holds this and no [`Handle`], so that it does not keep the
/// client open.
pub(crate) struct Flights {
    pub(crate) gateway: Gateway,
    table: Table,
    max_stale_wait: Duration,
    process_lock: Option<ProcessLock>,
    /// Responds in place of the gateway.
    #[cfg(test)]
    script: Option<tests::Script>,
}

impl Handle {
    pub(crate) fn new(gateway: Gateway, process_lock: Option<ProcessLock>) -> Self {
        Self::of(Flights::new(gateway, process_lock))
    }

    fn of(flights: Flights) -> Self {
        Self(Shared::new(LastHandle(Arc::new(flights))))
    }
}

impl Deref for Handle {
    type Target = Arc<Flights>;

    fn deref(&self) -> &Arc<Flights> {
        &self.0.0
    }
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        let (gateway, table) = (&self.0.gateway, &self.0.table);
        let count = table.len();
        if count > 0 {
            gateway.log.warn(|| {
                format!(
                    "waiting up to {} s for gateway calls to end ({count} running); if a call is cut short, \
                     the provider may revoke the user's grant",
                    DROP_TIMEOUT.as_secs()
                )
            });
            // Never cleared, because a flight that is still running after the wait must not send more requests.
            gateway.set_ending(true);
            self.0.drain(Deadline::after(DROP_TIMEOUT));
        }
    }
}

impl Flights {
    fn new(gateway: Gateway, process_lock: Option<ProcessLock>) -> Self {
        Self {
            gateway,
            table: Table::default(),
            max_stale_wait: MAX_STALE_WAIT,
            process_lock,
            #[cfg(test)]
            script: None,
        }
    }

    /// Blocks until all flights have ended, at most until the deadline. Returns whether all have ended.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        self.gateway.set_ending(true);
        let is_empty = self.table.wait_until_empty(deadline);
        self.gateway.set_ending(false);
        is_empty
    }

    /// Makes a call for one connection and returns the response. Blocks at most until the deadline.
    pub(crate) fn call(
        self: &Arc<Self>,
        call: Call,
        connection_id: &str,
        deadline: Deadline,
    ) -> Result<Object> {
        let subject = Subject::Connection(connection_id.into());
        let outcome = self.join_or_start(&subject, call, None, deadline)?;
        Ok(outcome.body.clone())
    }

    /// Resolves the tenant's token, bypassing the cache. Blocks at most until the deadline.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        workspace_id: &str,
        provider: &str,
        deadline: Deadline,
    ) -> Result<Arc<CachedToken>> {
        let tenant = Tenant::checked(workspace_id, provider)?;
        self.resolve_into(None, &tenant, deadline)
    }

    /// Returns the token in the cache, or resolves the token and caches it. Blocks at most until the deadline.
    /// If the cache has a stale token that may be used in an outage, blocks for at most 1 s, unless the stale
    /// token expires or is deleted meanwhile.
    pub(crate) fn cached(
        self: &Arc<Self>,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
        deadline: Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        let found = cache.look_up(workspace_id, provider, Now::read());
        if let Lookup::Fresh(token) = found {
            return Ok((token, Source::Cache));
        }
        let tenant = Tenant::checked(workspace_id, provider)?;
        let is_stale = matches!(found, Lookup::Stale) && self.gateway.stale_if_error;
        if is_stale {
            let soon = self.stale_deadline(deadline);
            match self.resolve_into(Some(cache), &tenant, soon) {
                Err(error) if !is_definite(&error) => {
                    if let Some(token) = self.extend(cache, &tenant, &error) {
                        return Ok((token, Source::Cache));
                    }
                    // The old token has expired, or was deleted in the meantime.
                }
                resolved => return Ok((resolved?, Source::Gateway)),
            }
        }
        let token = self.resolve_into(Some(cache), &tenant, deadline)?;
        Ok((token, Source::Gateway))
    }

    /// Returns the deadline of a caller with a stale token: at most 1 s away, and at most half of the caller's
    /// time, so that the rest is left for the request that needs the token.
    fn stale_deadline(&self, deadline: Deadline) -> Deadline {
        let left = deadline.left().unwrap_or_default();
        Deadline::after(self.max_stale_wait.min(left.mul_f64(0.5)))
    }

    /// Extends the stale token, so that the next calls use it too, and returns it. Logs one warning for each
    /// token, not for each call.
    fn extend(
        &self,
        cache: &TokenCache,
        tenant: &Tenant,
        why: &NexusError,
    ) -> Option<Arc<CachedToken>> {
        let (token, is_first) = cache.extend(tenant, Now::read())?;
        if is_first {
            let provider = &tenant.provider;
            self.gateway.log.warn(|| {
                format!("no new token for {provider:?}, using the old one until it expires: {why}")
            });
        }
        Some(token)
    }

    fn resolve_into(
        self: &Arc<Self>,
        cache: Option<&TokenCache>,
        tenant: &Tenant,
        deadline: Deadline,
    ) -> Result<Arc<CachedToken>> {
        let subject = Subject::Tenant(tenant.clone());
        let outcome = self.join_or_start(&subject, Call::Resolve, cache, deadline)?;
        outcome.token.clone()
    }

    fn join_or_start(
        self: &Arc<Self>,
        subject: &Subject,
        call: Call,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Result<Arc<Outcome>> {
        let joined = self.table.join_or_register(subject, call, cache, deadline);
        let (flight, is_new) = joined.ok_or_else(|| self.timed_out(subject))?;
        if is_new {
            self.start(&flight);
        }
        let outcome = flight.wait(cache, deadline);
        outcome.ok_or_else(|| self.timed_out(subject))?
    }

    /// Returns the error for a caller whose deadline has passed before the flight ended.
    fn timed_out(&self, subject: &Subject) -> NexusError {
        let lock = self.process_lock.as_ref();
        let waiting = lock.and_then(|lock| lock.caller_timed_out(subject, &self.gateway.address));
        waiting.unwrap_or_else(wait_timed_out)
    }

    fn start(self: &Arc<Self>, flight: &Arc<Flight>) {
        let (flights, started) = (Arc::clone(self), Arc::clone(flight));
        let run = move || flights.table.finish(&started, flights.run(&started));
        if let Err(error) = sync::spawn("nexus-flight", run) {
            self.table.finish(flight, Err(no_thread(&error)));
        }
    }

    fn run(&self, flight: &Flight) -> Result<Arc<Outcome>> {
        let request = || self.request(flight).map(Outcome::of).map(Arc::new);
        let outcome = panic::catch_unwind(AssertUnwindSafe(request));
        outcome.unwrap_or_else(|_| Err(panicked()))
    }

    fn request(&self, flight: &Flight) -> Result<Success> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script(flight.call);
        }
        let acquire = |longest| match &self.process_lock {
            Some(lock) => lock.acquire(&flight.subject, longest, &self.gateway),
            None => Ok(None),
        };
        match &flight.subject {
            Subject::Tenant(tenant) => self.request_token(tenant, &acquire),
            Subject::Connection(id) => {
                let id = url::encode(id);
                let request = match flight.call {
                    Call::Refresh => Request::post(format!("/v1/refresh/{id}")),
                    Call::Check => Request::get(format!("/v1/check-connection/{id}")),
                    Call::Token | Call::Resolve => Request::get(format!("/v1/token/{id}")),
                };
                self.gateway.send_with(&request, Some(&acquire))
            }
        }
    }

    /// Resolves the token, and resolves it a second time after `token_expired`. That error may mean that the
    /// provider is down for a moment or that it has refused for good. Only a second resolve tells which.
    fn request_token(&self, tenant: &Tenant, acquire: Acquire<'_>) -> Result<Success> {
        let parameters = [
            ("workspace_id", Some(&*tenant.workspace_id)),
            ("provider_name", Some(&*tenant.provider)),
        ];
        let request = Request::get(url::with_query("/v1/resolve", &parameters));
        let request = request.of_workspace(&*tenant.workspace_id);
        match self.gateway.send_with(&request, Some(acquire)) {
            Err(error) if error.code() == TOKEN_EXPIRED && !self.gateway.is_ending() => {
                self.gateway.send_with(&request, Some(acquire))
            }
            first => first,
        }
    }
}

fn wait_timed_out() -> NexusError {
    let message = "timed out waiting for the gateway; try again (a call that has begun continues in the \
                   background, so that no refresh is lost)";
    NexusError::new(ErrorKind::Timeout, message).retryable(true)
}

fn no_thread(error: &io::Error) -> NexusError {
    let message = format!("no thread can be started to call the gateway: {error}; try again");
    NexusError::new(ErrorKind::RequestFailed, message).retryable(true)
}

fn panicked() -> NexusError {
    let message = "the call to the gateway, or the lock around it, panicked; the panic's own message is on stderr; \
                   try again";
    NexusError::new(ErrorKind::RequestFailed, message).retryable(true)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
