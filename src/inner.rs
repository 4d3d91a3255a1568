//! The state that a client shares with its fetchers and agents, and the map of the crate.
//!
//! 1. [`client`](crate::client) has one short method for each operation of the gateway.
//! 2. [`fetch`](crate::fetch) sends one authenticated request, with its redirects, retries and replay after a 401 or 403.
//! 3. [`resolve`](crate::resolve) gets a tenant's token, from its slot or through a flight.
//! 4. [`cache`](crate::cache) holds a [`slot`](crate::slot) for each tenant, which decides what its token is worth.
//! 5. [`flights`](crate::flights) makes the calls that can refresh a token, one at a time for each tenant or unknown id.
//! 6. [`gateway`](crate::gateway) sends requests to the gateway, with retries. `error::meaning` says what its errors mean.
//! 7. [`transport`](crate::transport) sends all requests: those to the gateway, and those of fetches and agents.
//! 8. [`token`](crate::token), `connection`, `wait`, `session`, `providers` and `capture` are the gateway's vocabulary.
//! 9. All of these use [`options`](crate::options), `error`, `retry`, `url`, `time` and others.

pub(crate) mod connections;

use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use self::connections::Connections;
use crate::cache::Ticket;
use crate::error::{NexusError, Result};
use crate::flights::{self, Flights, Response};
use crate::gateway::{Gateway, Request};
use crate::log::Log;
use crate::options::NexusClientOptions;
use crate::slot::Asker;
use crate::sync::Shared;
use crate::time::{Deadline, MAX_DURATION};
use crate::transport::Transport;

/// The longest time for which a caller with a stale token waits for a newer token.
const MAX_STALE_WAIT: Duration = Duration::from_secs(1);

/// A counted handle, held by clients, fetchers and agents. The threads of flights hold [`Flights`] but no handle, so
/// that they do not keep the client open.
pub(crate) type Handle = Shared<Inner>;

/// The parts of a client. Dropping the last handle waits for the flights under way, for at most 5 s.
pub(crate) struct Inner {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) asker: Asker,
    pub(crate) max_stale_wait: Duration,
}

// A panic poisons nothing: the locks of `parking_lot` know no poison, and no code that can panic runs while one is held.
impl RefUnwindSafe for Inner {}

impl Inner {
    /// Checks the options and builds the parts.
    pub(crate) fn new(mut options: NexusClientOptions) -> Result<Self> {
        // Otherwise the sum of a time and the timeout could overflow, for example in ureq, which would panic.
        options.timeout = options.timeout.min(MAX_DURATION);
        let log = Log::new(options.log_level);
        let agent = options.agent.take();
        let transport = Transport::new(agent, options.timeout)?;
        let lock = options.lock.clone().choose(log)?;
        let gateway = Arc::new(Gateway::new(options, transport, log)?);
        let asker = Asker {
            gateway: gateway.address.as_str().into(),
            uses_stale: gateway.options.stale_if_error,
        };
        let flights = Flights::new(Arc::clone(&gateway), lock);
        Ok(Self {
            gateway,
            flights: Arc::new(flights),
            connections: Arc::default(),
            asker,
            max_stale_wait: MAX_STALE_WAIT,
        })
    }

    /// Makes a call that can refresh a token. Blocks at most until the deadline. If the user has to connect again, removes the
    /// tenant's tokens from all caches that the client has filled. Returns `None` if the caller has to look at the ticket's
    /// slot again.
    pub(crate) fn run(
        &self,
        request: Request,
        ticket: Option<Ticket>,
        deadline: Deadline,
    ) -> Result<Option<Arc<Response>>> {
        let subject = request.subject.clone();
        let outcome = self.flights.run(request, ticket, deadline);
        if let (Some(workspace_id), Some(provider)) = (&subject.workspace_id, &subject.provider)
            && outcome.as_ref().is_err_and(NexusError::needs_reconnect)
        {
            // Gateways tell `GitHub` and `github` apart, so the answer says nothing about another spelling.
            let caches = &self.connections.caches;
            caches.remove_exactly(workspace_id, provider);
        }
        outcome.map_err(|error| error.about(&subject))
    }

    /// Makes a call without a ticket.
    pub(crate) fn call(&self, request: Request, deadline: Deadline) -> Result<Arc<Response>> {
        let response = self.run(request, None, deadline)?;
        response.ok_or_else(flights::timed_out)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flights.end();
    }
}
