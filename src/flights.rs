//! The calls that can make a gateway refresh a token, and who waits for them.
//!
//! A gateway refreshes inside the call that asks, and gives the refresh up when its caller hangs up;
//! two that ask at once spend the same refresh token. Either can end the user's grant. So each of
//! these calls is a flight: it runs on a thread of its own until it has landed, however soon its
//! callers leave, and there is one at a time for a tenant or a connection.

mod lock;
mod outages;
mod table;

use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::lock::ProcessLock;
use self::outages::{Outages, PAUSE, TOKEN_EXPIRED, is_definite};
pub(crate) use self::table::Call;
use self::table::{Flight, Landed, Subject, Table};
use crate::cache::{Claim, Lookup, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Acquire, Gateway, Request, Success};
use crate::json::Object;
use crate::sync::{self, Shared};
use crate::tenant::{Named as _, OwnedTenant, Tenant};
use crate::time::{Deadline, Now};
use crate::token::CachedToken;
use crate::url;

/// How long the last handle of a client waits for flights under way.
const LANDING_TIME: Duration = Duration::from_secs(5);
/// How long a call that has a usable token waits for a newer one.
const SPARE_PATIENCE: Duration = Duration::from_secs(1);

/// What clients, fetchers, agents and session guards hold. The last one waits for the flights.
#[derive(Clone)]
pub(crate) struct Handle(Shared<LastHandle>);

struct LastHandle(Arc<Flights>);

/// A gateway, and the flights to it.
pub(crate) struct Flights {
    pub(crate) gateway: Gateway,
    table: Table,
    outages: Outages,
    spare_patience: Duration,
    process_lock: Option<ProcessLock>,
    /// What stands in for the gateway.
    #[cfg(test)]
    script: Option<tests::Script>,
}

/// Where a token came from: only one out of the cache can have died since it was handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Gateway,
}

impl Handle {
    pub(crate) fn new(gateway: Gateway, process_lock: Option<ProcessLock>) -> Self {
        Self::of(Flights {
            process_lock,
            ..Flights::new(gateway)
        })
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
        let flights = &self.0;
        let flying = flights.table.len();
        if flying > 0 {
            flights.gateway.log.warn(|| {
                format!(
                    "waiting up to {} s for calls to the gateway ({flying}); cut short, they \
                     could cost a connection",
                    LANDING_TIME.as_secs()
                )
            });
            flights.gateway.set_ending(true);
            flights.drain(Deadline::after(LANDING_TIME));
        }
    }
}

impl Flights {
    fn new(gateway: Gateway) -> Self {
        Self {
            process_lock: None,
            gateway,
            table: Table::new(),
            outages: Outages::new(),
            spare_patience: SPARE_PATIENCE,
            #[cfg(test)]
            script: None,
        }
    }

    /// Blocks until nothing flies, at most until the deadline; whether nothing does.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        self.gateway.set_ending(true);
        let is_empty = self.table.wait_until_empty(deadline);
        self.gateway.set_ending(false);
        is_empty
    }

    /// The response to a call about one connection. Blocks until it is there, at most until the
    /// deadline.
    pub(crate) fn call(
        self: &Arc<Self>,
        call: Call,
        connection_id: &str,
        deadline: Deadline,
    ) -> Result<Object> {
        let subject = Subject::Connection(connection_id.into());
        let landed = self.ride(&subject, call, None, deadline);
        Ok(landed.ok_or_else(|| self.left(&subject))??.body.clone())
    }

    /// The tenant's token, past every cache. Blocks until it is there, at most until the deadline.
    pub(crate) fn resolve(
        self: &Arc<Self>,
        tenant: Tenant<'_>,
        deadline: Deadline,
    ) -> Result<Arc<CachedToken>> {
        tenant.check()?;
        let tenant = tenant.to_owned();
        self.ask(&tenant, None, deadline)
            .ok_or_else(|| self.left(&Subject::Tenant(tenant)))?
    }

    /// The token of the cache, or of the gateway and then cached. Blocks until it is there, at most
    /// until the deadline, which is read only when there is something to wait for.
    pub(crate) fn cached(
        self: &Arc<Self>,
        cache: &TokenCache,
        tenant: Tenant<'_>,
        deadline: &dyn Fn() -> Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        let spare = match cache.look_up(tenant, Now::read()) {
            Lookup::Fresh(token) => return Ok((token, Source::Cache)),
            Lookup::Spare(_) => self.gateway.stale_if_error,
            Lookup::Nothing => false,
        };
        tenant.check()?;
        let (tenant, deadline) = (tenant.to_owned(), deadline());
        if spare {
            if let Some(newer) = self.newer(&tenant, cache, deadline) {
                return newer.map(|token| (token, Source::Gateway));
            }
            // It may be gone by now, or replaced.
            match cache.look_up(tenant.names(), Now::read()) {
                Lookup::Fresh(token) => return Ok((token, Source::Cache)),
                Lookup::Spare(token) => {
                    self.outages.warn(&tenant, self.gateway.log);
                    return Ok((token, Source::Cache));
                }
                Lookup::Nothing => {}
            }
        }
        let asked = self.ask(&tenant, Some(cache), deadline);
        asked
            .ok_or_else(|| self.left(&Subject::Tenant(tenant)))?
            .map(|token| (token, Source::Gateway))
    }

    /// A newer token than the spare one if it is to be had soon, or the word that there is none for
    /// this tenant any more. While an outage is known, a call now and then finds out whether it is
    /// over, and does not wait for that.
    fn newer(
        self: &Arc<Self>,
        tenant: &OwnedTenant,
        cache: &TokenCache,
        deadline: Deadline,
    ) -> Option<Result<Arc<CachedToken>>> {
        let patience = match self.outages.since(tenant, Now::read().mono) {
            Some(since) if since < PAUSE => return None,
            Some(_) => Duration::ZERO,
            // The rest is for what the token is wanted for.
            None => {
                let left = deadline.left().unwrap_or_default();
                self.spare_patience.min(left.mul_f64(0.5))
            }
        };
        let asked = self.ask(tenant, Some(cache), Deadline::after(patience));
        if asked.is_none() && patience == self.spare_patience {
            let now = Now::read();
            // The flight may have landed meanwhile.
            if cache.fresh(tenant.names(), now).is_none() {
                self.outages.begin(tenant, &slow(), now.mono);
            }
        }
        asked.filter(|token| token.as_ref().map_or_else(is_definite, |_| true))
    }

    /// `None` if the deadline came first.
    fn ask(
        self: &Arc<Self>,
        tenant: &OwnedTenant,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Result<Arc<CachedToken>>> {
        let subject = Subject::Tenant(tenant.clone());
        let landed = self.ride(&subject, Call::Resolve, cache, deadline)?;
        Some(landed.and_then(|landed| landed.token.clone()))
    }

    /// Joins a flight or starts one, and waits for it. `None` if the deadline came first.
    fn ride(
        self: &Arc<Self>,
        subject: &Subject,
        call: Call,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Result<Arc<Landed>>> {
        let (flight, is_new) = self.table.board(subject, call, cache, deadline)?;
        if is_new {
            self.take_off(&flight);
        }
        flight.landed.wait(deadline.at)
    }

    fn take_off(self: &Arc<Self>, flight: &Arc<Flight>) {
        let (flights, flown) = (Arc::clone(self), Arc::clone(flight));
        if sync::spawn("nexus-flight", move || flights.fly(&flown)).is_err() {
            // No thread is to be had, so the caller flies and stays to the end.
            self.fly(flight);
        }
    }

    fn fly(&self, flight: &Flight) {
        let request = || self.request(flight).map(Landed::of).map(Arc::new);
        let landed = panic::catch_unwind(AssertUnwindSafe(request));
        let landed = landed.unwrap_or_else(|_| Err(panicked()));
        let mut over = false;
        self.table.land(&flight.subject, |claims| {
            over = self.settle(&flight.subject, landed.as_deref(), claims);
        });
        flight.landed.fulfil(landed);
        // Last, as a log may take its time, or call us.
        if let (true, Subject::Tenant(tenant)) = (over, &flight.subject) {
            let provider = tenant.names().provider;
            let log = self.gateway.log;
            log.warn(|| format!("the gateway responds again for {provider:?}"));
        }
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
            Subject::Tenant(tenant) => self.request_token(tenant.names(), &acquire),
            Subject::Connection(id) => {
                let id = url::encode(id);
                let request = match flight.call {
                    Call::Refresh => Request::post(format!("/v1/refresh/{id}")),
                    Call::Check => Request::get(format!("/v1/check-connection/{id}")),
                    Call::Token | Call::Resolve => Request::get(format!("/v1/token/{id}")),
                };
                self.gateway.send_patiently(&request, &acquire)
            }
        }
    }

    /// `token_expired` covers a provider that is down for a moment, and one that has refused for
    /// good: only the next resolve tells them apart.
    fn request_token(&self, tenant: Tenant<'_>, acquire: Acquire<'_>) -> Result<Success> {
        let parameters = [
            ("workspace_id", Some(tenant.workspace_id)),
            ("provider_name", Some(tenant.provider)),
        ];
        let request = Request::get(url::with_query("/v1/resolve", &parameters));
        let request = request.of_workspace(tenant.workspace_id);
        match self.gateway.send_patiently(&request, acquire) {
            Err(error) if error.code() == TOKEN_EXPIRED && !self.gateway.is_ending() => {
                self.gateway.send_patiently(&request, acquire)
            }
            first => first,
        }
    }

    /// The error of a caller whose deadline came before the end of its flight.
    fn left(&self, subject: &Subject) -> NexusError {
        let waiting = self.process_lock.as_ref();
        waiting
            .and_then(|lock| lock.caller_timed_out(subject, &self.gateway.address))
            .unwrap_or_else(left)
    }

    /// What a flight means to the caches of its callers, and for the next who asks; whether it has
    /// ended an outage that the log knows of.
    fn settle(
        &self,
        subject: &Subject,
        landed: Result<&Landed, &NexusError>,
        claims: &[Claim],
    ) -> bool {
        let token = landed.and_then(|landed| Ok((landed.token.as_ref()?, landed.at)));
        let refused = token.as_ref().is_err_and(|error| is_definite(error));
        for claim in claims {
            match &token {
                Ok((token, at)) => claim.keep(Arc::clone(token), *at),
                Err(_) if refused => claim.refuse(),
                Err(_) => {}
            }
        }
        let Subject::Tenant(tenant) = subject else {
            return false;
        };
        match token {
            Err(error) if !refused => {
                self.outages.begin(tenant, error, Now::read().mono);
                false
            }
            _ => self.outages.end(tenant),
        }
    }
}

fn left() -> NexusError {
    let message = "timed out waiting for the gateway; a call that is under way goes on, so that no refresh is lost";
    NexusError::new(ErrorKind::Timeout, message).retryable(true)
}

fn slow() -> NexusError {
    let message = format!("no response within {} s", SPARE_PATIENCE.as_secs());
    NexusError::new(ErrorKind::Timeout, message)
}

fn panicked() -> NexusError {
    let message = "the call to the gateway panicked, which is a bug of this crate; try again";
    NexusError::new(ErrorKind::RequestFailed, message).retryable(true)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
