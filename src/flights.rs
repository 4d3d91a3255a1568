//! Calls that can make the gateway refresh a token.
//!
//! A gateway refreshes an expired token during the call that asks for the token. If the client disconnects during a
//! refresh, the new refresh token may be lost. If two calls refresh at once, both may use the same refresh token. In
//! both cases the provider may revoke the user's grant. Each of these calls is therefore a *flight*: it runs to its end
//! on a thread of its own, even if all of its callers have timed out. A client has at most one flight at a time for
//! each tenant (a workspace and a provider). A call by connection id counts as a call for the tenant if the client has
//! requested the connection. Otherwise the id has flights of its own, because the client does not know its tenant
//! ([`call`]).
//!
//! A caller with a cache first looks for a token there. A caller that finds no token, or has no cache, joins the
//! flight for its tenant or connection, or starts a flight if there is none ([`table`]), and waits. Before the flight
//! wakes its callers, it puts its token into the cache of the caller that started it. Each caller with another cache
//! puts the token there itself. If a cached token is stale (about to expire), one caller in 5 s asks the gateway, and
//! the others use the token. After a 401, the gateway is asked about the refused token. After further 401s, it is asked
//! again after 2 s at the earliest, and then at most once in 30 s.

mod call;
mod table;
mod turn;

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use self::call::{Call, Key, Reason};
use self::table::{Flight, Outcome, Response, Table};
use crate::cache::{Lookup, Tenant, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Gateway, Request, Success};
use crate::json::Object;
use crate::lock::ProcessLock;
use crate::sync::{self, Mutex};
use crate::time::{Deadline, Now};
use crate::token::CachedToken;

/// The maximum number of connection ids whose workspace and provider a client remembers.
const MAX_KNOWN_IDS: usize = 1000;
/// The longest time for which dropping a client's last handle waits for flights.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time for which a caller with a stale token waits for a newer token.
const MAX_STALE_WAIT: Duration = Duration::from_secs(1);

/// The source of a token. After a 401, a request is sent again only if its token came from the cache, because such a
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
    /// The ids of the connections that the client has requested, with their tenants, the latest last.
    known_ids: Mutex<VecDeque<(Box<str>, Tenant)>>,
    max_stale_wait: Duration,
    /// The number of threads that wait for all flights to end. While at least one thread waits, flights neither retry nor
    /// wait for a lock, because the program may exit during the next attempt. The wait of the client's last handle stays counted
    /// after it has ended, because a flight that outlasts it must not send another request.
    ending: AtomicUsize,
    process_lock: Option<ProcessLock>,
    /// Responds in place of the gateway.
    #[cfg(test)]
    script: Option<tests::Script>,
}

impl Flights {
    pub(crate) fn new(gateway: Arc<Gateway>, process_lock: Option<ProcessLock>) -> Self {
        Self {
            gateway,
            table: Table::default(),
            known_ids: Mutex::default(),
            max_stale_wait: MAX_STALE_WAIT,
            ending: AtomicUsize::new(0),
            process_lock,
            #[cfg(test)]
            script: None,
        }
    }

    /// Blocks until all flights have ended, at most until the deadline. Returns whether all have ended. While this
    /// method blocks, flights do not retry, and a flight that waits for a lock gives up.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        self.ending.fetch_add(1, Ordering::Relaxed);
        let is_empty = self.table.wait_until_empty(deadline);
        self.ending.fetch_sub(1, Ordering::Relaxed);
        is_empty
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) > 0
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
            self.ending.fetch_add(1, Ordering::Relaxed);
            self.table.wait_until_empty(Deadline::after(DROP_TIMEOUT));
        }
    }

    /// Remembers which workspace and provider a connection id belongs to.
    pub(crate) fn remember(&self, connection_id: &str, tenant: Tenant) {
        let mut known = self.known_ids.lock();
        if known.len() >= MAX_KNOWN_IDS {
            known.pop_front();
        }
        known.push_back((connection_id.into(), tenant));
    }

    /// Returns a call by connection id. If the id is known, the call takes turns with the calls that name its workspace
    /// and provider, and counts towards the rate limit of its workspace.
    pub(crate) fn by_id(&self, connection_id: &str, request: Request) -> Call {
        let known = self.known_ids.lock();
        let mut latest = known.iter().rev();
        match latest.find(|(known, _)| **known == *connection_id) {
            Some((_, tenant)) => {
                let request = request.of_workspace(Some(&tenant.workspace_id));
                Call::new(Key::tenant(tenant), request)
            }
            None => Call::new(Key::Connection(connection_id.into()), request),
        }
    }

    /// Makes a call and returns the response, which is empty for a resolve. Blocks at most until the deadline.
    pub(crate) fn call(self: &Arc<Self>, call: Call, deadline: Deadline) -> Result<Object> {
        match &*self.join_or_start(call, deadline)? {
            Response::Body(body) => Ok(body.clone()),
            Response::Token(..) => Ok(Object::new()),
        }
    }

    /// Returns the token in the cache, or resolves the token and caches it. Blocks at most until the deadline.
    ///
    /// A caller that finds a stale token waits for the gateway for at most 1 s. Then it returns the stale token, unless
    /// the gateway has returned a newer token or refused for good. If the stale token has expired or was deleted in the
    /// meantime, the caller waits for the gateway again, until the deadline.
    pub(crate) fn cached(
        self: &Arc<Self>,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        deadline: Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        let resolve = |reason, deadline| {
            let token = self.resolve(cache, tenant, reason, deadline)?;
            Ok((token, Source::Gateway))
        };
        let lookup = |now| cache.lookup(tenant, self.gateway.options.stale_if_error, now);
        let is_first = match lookup(Now::read()) {
            Lookup::Fresh(token) => return Ok((token, Source::Cache)),
            Lookup::Missing => return resolve(Reason::Missing, deadline),
            Lookup::Stale { is_first } => is_first,
        };
        let error = match resolve(Reason::Stale, self.stale_deadline(deadline)) {
            Err(error) if !error.is_final() => error,
            resolved => return resolved,
        };
        // The second lookup is for a suspension of the machine, which ends the 5 s of the first.
        let now = Now::read();
        lookup(now);
        let Some(token) = cache.get_at(tenant.key(), now) else {
            return resolve(Reason::Missing, deadline);
        };
        if is_first {
            let provider = &tenant.provider;
            self.gateway.log.warn(format_args!(
                "the gateway returned no new token for {provider:?}, so the cached token stays in use: {error}"
            ));
        }
        Ok((token, Source::Cache))
    }

    /// Returns the deadline of the wait for a newer token, for a caller with a stale token, and for an agent's request
    /// that got a 401: at most 1 s from now, and at most halfway to the caller's own deadline, so that time is left for
    /// the request or its response.
    pub(crate) fn stale_deadline(&self, deadline: Deadline) -> Deadline {
        let left = deadline.left().unwrap_or_default();
        Deadline::after(self.max_stale_wait.min(left.mul_f64(0.5)))
    }

    /// Resolves the tenant's token, and puts the token into `cache`. Blocks at most until the deadline.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        cache: &TokenCache,
        tenant: &Arc<Tenant>,
        reason: Reason,
        deadline: Deadline,
    ) -> Result<Arc<CachedToken>> {
        match &*self.join_or_start(Call::resolve(tenant, cache, reason), deadline)? {
            Response::Token(token, _) => token.clone(),
            Response::Body(_) => Err(NexusError::no_credential("access_token")),
        }
    }

    fn join_or_start(self: &Arc<Self>, call: Call, deadline: Deadline) -> Outcome {
        let call = Arc::new(call);
        let joined = self.table.join(&call, deadline);
        let outcome = joined.and_then(|(flight, is_new)| {
            if is_new {
                self.start(&flight);
            }
            self.table.wait(&flight, &call, deadline)
        });
        outcome.unwrap_or_else(|| {
            let message = "timed out waiting for the gateway, or for another process that holds the lock for \
                           this token; try again (a call that has begun continues in the background, so that no refresh \
                           is lost)";
            Err(NexusError::new(ErrorKind::Timeout, message))
        })
    }

    fn start(self: &Arc<Self>, flight: &Arc<Flight>) {
        let (flights, started) = (Arc::clone(self), Arc::clone(flight));
        let run = move || {
            let request = AssertUnwindSafe(|| {
                let success = flights.ask(&started.call)?;
                Response::of(&started.call, success)
            });
            let outcome = panic::catch_unwind(request).unwrap_or_else(|_| {
                let message = "the call to the gateway, or the lock around it, panicked; the panic's own message is \
                               on stderr; try again";
                Err(NexusError::new(ErrorKind::RequestFailed, message))
            });
            flights.table.finish(&started, outcome.map(Arc::new));
        };
        if let Err(error) = sync::spawn("nexus-flight", run) {
            let message = format!("cannot start a thread to call the gateway: {error}; try again");
            let error = NexusError::new(ErrorKind::RequestFailed, message);
            self.table.finish(flight, Err(error));
        }
    }

    /// Sends a call's request. After `token_expired`, sends a resolve again at once, because only the second response
    /// tells whether the provider was down for a moment or has refused for good.
    fn ask(&self, call: &Call) -> Result<Success> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script(call);
        }
        let is_resolve = call.is_resolve();
        match self.send(call) {
            Err(error) if is_resolve && error.code() == "token_expired" && !self.is_ending() => {
                self.send(call)
            }
            first => first,
        }
    }

    /// Sends a call's request, and retries it. During each attempt, holds the lock that processes share.
    fn send(&self, call: &Call) -> Result<Success> {
        let is_ending = || self.is_ending();
        let attempt = || {
            let lock = self.process_lock.as_ref();
            let _guard = turn::acquire(lock, &call.key, &self.gateway, is_ending)?;
            self.gateway.attempt(&call.request, true)
        };
        self.gateway.retry(attempt, is_ending)
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
