//! The state that a client shares with its fetchers and agents, and the map of the crate.
//!
//! 1. [`client`](crate::client) has one short method for each operation of the gateway.
//! 2. [`fetch`](crate::fetch) sends one authenticated request, with its redirects, retries and replay after a 401.
//! 3. [`cache`](crate::cache) holds the tokens, and the time until which each may be used.
//! 4. [`flights`](crate::flights) makes the calls that can refresh a token, one at a time for each tenant or unknown id.
//! 5. [`gateway`](crate::gateway) sends requests to the gateway, with retries. `error::meaning` says what its errors mean.
//! 6. [`transport`](crate::transport) sends all requests: those to the gateway, and those of fetches and agents.
//! 7. [`token`](crate::token), `connection`, `wait`, `session`, `providers` and `capture` are the gateway's vocabulary.
//! 8. All of these use [`options`](crate::options), `error`, `retry`, `url`, `time` and others.

use std::sync::Arc;

use crate::error::Result;
use crate::flights::Flights;
use crate::gateway::Gateway;
use crate::log::Log;
use crate::options::NexusClientOptions;
use crate::sync::Shared;
use crate::transport::Transport;

/// A counted handle, held by clients, fetchers and agents. The threads of flights hold [`Flights`] but no handle, so
/// that they do not keep the client open.
pub(crate) type Handle = Shared<Inner>;

/// The parts of a client. Dropping the last handle waits for the flights under way, for at most 5 s.
pub(crate) struct Inner {
    pub(crate) transport: Arc<Transport>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) flights: Arc<Flights>,
}

impl Inner {
    /// Checks the options and builds the parts.
    pub(crate) fn new(mut options: NexusClientOptions) -> Result<Self> {
        let log = Log::new(options.log_level);
        let agent = options.agent.take();
        let transport = Arc::new(Transport::new(agent, options.timeout, log)?);
        let lock = options.lock.clone().choose(log)?;
        let gateway = Arc::new(Gateway::new(options, Arc::clone(&transport), log)?);
        let flights = Flights::new(Arc::clone(&gateway), lock);
        Ok(Self {
            transport,
            gateway,
            flights: Arc::new(flights),
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.flights.end();
    }
}
