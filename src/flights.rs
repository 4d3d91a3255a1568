//! Calls that can make the gateway refresh a token.
//!
//! A gateway refreshes an expired token during the call that asks for the token. If the client disconnects during a
//! refresh, the new refresh token may be lost. If two calls refresh at once, both may use the same refresh token. In
//! both cases the provider may revoke the user's grant. Each of these calls is therefore a *flight*: it runs to its end
//! on a thread of its own, even if all of its callers have timed out. A client has at most one flight at a time for
//! each tenant (a workspace and a provider). Calls by connection id share the tenant's flights if the client has
//! requested the connection. Otherwise the id has flights of its own, because the client does not know its tenant
//! ([`operation`]).
//!
//! A caller with a cache first looks for a token there. A caller that finds no token, or has no cache, joins the
//! flight for its tenant or connection, or starts a flight if there is none ([`table`]), and waits. Before the flight
//! wakes its callers, it puts its token into the cache of the caller that started it. Each caller with another cache
//! puts the token there itself. If the gateway fails to return a newer token, a caller uses a stale token from its
//! cache (a token that is about to expire), unless the gateway has refused for good or `stale_if_error` is off.

mod operation;
mod table;
mod turn;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use self::operation::KnownIds;
pub(crate) use self::operation::Operation;
#[cfg(feature = "sessions")]
pub(crate) use self::operation::Subject;
use self::table::{Flight, Outcome, Table};
use crate::cache::{Tenant, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Gateway, Success};
use crate::json::Object;
use crate::lock::ProcessLock;
use crate::sync;
use crate::time::{Deadline, Now};
use crate::token::CachedToken;

/// The longest time for which dropping a client's last handle waits for flights.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for which a caller with a stale token waits for a newer token.
const MAX_STALE_WAIT: Duration = Duration::from_secs(1);

/// The origin of a token. After a 401, a request is sent again only if its token came from the cache, because such a
/// token may have been revoked in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Gateway,
}

/// The flights of a client, and the gateway that they call.
pub(crate) struct Flights {
    gateway: Arc<Gateway>,
    table: Table,
    known_ids: KnownIds,
    stale_if_error: bool,
    max_stale_wait: Duration,
    process_lock: Option<ProcessLock>,
    /// Responds in place of the gateway.
    #[cfg(test)]
    script: Option<tests::Script>,
}

impl Flights {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        process_lock: Option<ProcessLock>,
        stale_if_error: bool,
    ) -> Self {
        Self {
            gateway,
            table: Table::default(),
            known_ids: KnownIds::default(),
            stale_if_error,
            max_stale_wait: MAX_STALE_WAIT,
            process_lock,
            #[cfg(test)]
            script: None,
        }
    }

    /// Blocks until all flights have ended, at most until the deadline. Returns whether all have ended. While this
    /// method blocks, flights do not retry, and a flight that waits for a lock gives up.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        self.gateway.set_ending(true);
        let is_empty = self.table.wait_until_empty(deadline);
        self.gateway.set_ending(false);
        is_empty
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.table.flights.lock().is_empty()
    }

    /// Waits for the flights under way, for at most 5 s. Called when the last handle to the client is dropped.
    pub(crate) fn end(&self) {
        let count = self.table.flights.lock().len();
        if count > 0 {
            self.gateway.log.warn(format_args!(
                "waiting up to {} s for gateway calls to end ({count} running); if a call is cut short, \
                 the provider may revoke the user's grant",
                DROP_TIMEOUT.as_secs()
            ));
            // No `set_ending(false)` follows, because a flight that outlasts this wait must not send another request.
            self.gateway.set_ending(true);
            self.table.wait_until_empty(Deadline::after(DROP_TIMEOUT));
        }
    }

    /// Remembers which workspace and provider a connection id belongs to.
    pub(crate) fn remember(&self, connection_id: &str, tenant: Tenant) {
        self.known_ids.add(connection_id, tenant);
    }

    /// Performs an operation and returns the response, which is empty for a resolve. Blocks at most until the deadline.
    pub(crate) fn call(
        self: &Arc<Self>,
        operation: Operation,
        deadline: Deadline,
    ) -> Result<Object> {
        match &*self.join_or_start(operation, deadline)? {
            Outcome::Body(body) => Ok(body.clone()),
            Outcome::Token(..) => Ok(Object::new()),
        }
    }

    /// Returns the token in the cache, or resolves the token and caches it. Blocks at most until the deadline.
    ///
    /// If the cache has a stale token and `stale_if_error` is on, waits for the gateway for at most 1 s. Then returns
    /// the stale token, unless the gateway has returned a newer token or refused for good. If the stale token has
    /// expired or was deleted in the meantime, waits for the gateway again, until the deadline.
    pub(crate) fn cached(
        self: &Arc<Self>,
        cache: &TokenCache,
        tenant: &Tenant,
        deadline: Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        let now = Now::read();
        let (workspace_id, provider) = (&tenant.workspace_id, &tenant.provider);
        if let Some(token) = cache.get_at(workspace_id, provider, now) {
            return Ok((token, Source::Cache));
        }
        let resolve = |deadline| {
            let token = self.resolve(Some(cache), tenant, deadline)?;
            Ok((token, Source::Gateway))
        };
        if !self.stale_if_error || !cache.has_stale(tenant, now) {
            return resolve(deadline);
        }
        let error = match resolve(self.stale_deadline(deadline)) {
            Err(error) if !error.is_final() => error,
            resolved => return resolved,
        };
        let Some((token, is_first)) = cache.extend(tenant, Now::read()) else {
            // The stale token has expired or was deleted in the meantime.
            return resolve(deadline);
        };
        if is_first {
            self.gateway.log.warn(format_args!(
                "no new token for {provider:?}, using the old one until it expires: {error}"
            ));
        }
        Ok((token, Source::Cache))
    }

    /// Returns the time until which a caller with a stale token waits: at most 1 s from now, and at most halfway to the
    /// caller's deadline, so that time is left for the request that needs the token.
    fn stale_deadline(&self, deadline: Deadline) -> Deadline {
        let left = deadline.left().unwrap_or_default();
        Deadline::after(self.max_stale_wait.min(left.mul_f64(0.5)))
    }

    /// Resolves the tenant's token, and puts it into the cache if there is one. Blocks at most until the deadline.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        cache: Option<&TokenCache>,
        tenant: &Tenant,
        deadline: Deadline,
    ) -> Result<Arc<CachedToken>> {
        match &*self.join_or_start(Operation::resolve(tenant.clone(), cache), deadline)? {
            Outcome::Token(token, _) => token.clone(),
            Outcome::Body(_) => Err(NexusError::no_credential("access_token")),
        }
    }

    fn join_or_start(
        self: &Arc<Self>,
        operation: Operation,
        deadline: Deadline,
    ) -> Result<Arc<Outcome>> {
        let key = self.known_ids.canonical(&operation.subject);
        let operation = Arc::new(operation);
        let joined = self.table.join_or_register(&operation, &key, deadline);
        let outcome = joined.and_then(|(flight, is_new)| {
            if is_new {
                self.start(&flight);
            }
            flight.wait(&operation, deadline)
        });
        outcome.unwrap_or_else(|| {
            let message = "timed out waiting for the gateway, or for another process that holds the lock for \
                           this token; try again (a call that has begun continues in the background, so that no refresh \
                           is lost)";
            Err(retryable(ErrorKind::Timeout, message))
        })
    }

    fn start(self: &Arc<Self>, flight: &Arc<Flight>) {
        let (flights, started) = (Arc::clone(self), Arc::clone(flight));
        let run = move || {
            let request = AssertUnwindSafe(|| {
                let success = flights.request(&started)?;
                Outcome::of(&started.operation, success)
            });
            let outcome = panic::catch_unwind(request).unwrap_or_else(|_| {
                let message = "the call to the gateway, or the lock around it, panicked; the panic's own message is \
                               on stderr; try again";
                Err(retryable(ErrorKind::RequestFailed, message))
            });
            flights.table.finish(&started, outcome.map(Arc::new));
        };
        if let Err(error) = sync::spawn("nexus-flight", run) {
            let message = format!("cannot start a thread to call the gateway: {error}; try again");
            let error = retryable(ErrorKind::RequestFailed, &message);
            self.table.finish(flight, Err(error));
        }
    }

    /// Sends the flight's request. A resolve is sent a second time after an error whose meaning only the second response
    /// tells: the provider may have been down for a moment, or may have refused for good.
    fn request(&self, flight: &Flight) -> Result<Success> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script(&flight.operation);
        }
        let acquire = || match &self.process_lock {
            Some(lock) => turn::acquire(lock, &flight.key, &self.gateway),
            None => Ok(None),
        };
        let send = || self.gateway.send(&flight.operation.request, Some(&acquire));
        let is_resolve = flight.operation.is_resolve();
        match send() {
            Err(error) if is_resolve && error.needs_second() && !self.gateway.is_ending() => send(),
            first => first,
        }
    }
}

fn retryable(kind: ErrorKind, message: &str) -> NexusError {
    NexusError::new(kind, message).retryable(true)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
