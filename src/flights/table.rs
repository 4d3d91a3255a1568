//! The flights that are running: at most one for each key (a workspace and provider, or a connection id), and a limited
//! number for each provider and in all.

use std::sync::{Arc, OnceLock};

use super::call::{Call, Key};
use crate::error::Result;
use crate::gateway::Success;
use crate::json::Object;
use crate::sync::{Condvar, Mutex};
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// The maximum number of flights for one provider. The limit keeps a provider that hangs from delaying calls for other
/// providers. All calls by the ids of connections that this client has not requested count together as one provider.
const MAX_FLIGHTS_OF_PROVIDER: usize = 64;
/// The maximum number of flights in all.
const MAX_FLIGHTS: usize = 512;

/// A call under way, and its outcome.
pub(super) struct Flight {
    pub(super) call: Arc<Call>,
    created: Now,
    /// Set under the table's lock.
    outcome: OnceLock<Outcome>,
    ended: Condvar,
}

pub(super) type Outcome = Result<Arc<Response>>;

/// The part of a response that callers get.
pub(super) enum Response {
    /// The token of a resolve, or the error of a credential that cannot be used, and the time of the request.
    Token(Result<Arc<CachedToken>>, Now),
    /// The response to any other call.
    Body(Object),
}

/// The flight that a caller waits for, and whether the caller must start it.
pub(super) type Joined = (Arc<Flight>, bool);

#[derive(Default)]
pub(super) struct Table {
    pub(super) flights: Mutex<Vec<Arc<Flight>>>,
    /// Notified when a flight has ended, for threads that wait for their turn or until all flights have ended.
    changed: Condvar,
}

impl Response {
    /// # Errors
    ///
    /// `invalid_response` for a resolve that returned no credential.
    pub(super) fn of(call: &Call, success: Success) -> Result<Self> {
        if !call.is_resolve() {
            return Ok(Self::Body(success.body));
        }
        let response = TokenResponse::from_json(success.body.into())?;
        let token = response.to_cached(success.clock);
        Ok(Self::Token(token.map(Arc::new), success.clock.at))
    }
}

impl Flight {
    /// Returns whether a caller may join the flight. A caller whose cached token was set or deleted since the flight
    /// began must not join, because the flight may return the token that was replaced or deleted.
    fn serves(&self, call: &Call) -> bool {
        let changed = call
            .destination()
            .is_some_and(|(cache, tenant)| !cache.is_unchanged(tenant, self.created.mono));
        !changed && self.call.serves(call)
    }

    /// Puts the token into the cache of a caller. After an error, removes the old token only if the gateway has refused
    /// for good.
    pub(super) fn update(&self, call: &Call, outcome: &Outcome) {
        let Some((cache, tenant)) = call.destination() else {
            return;
        };
        let (token, requested) = match outcome.as_deref() {
            Ok(Response::Token(Ok(token), requested)) => (Some(Arc::clone(token)), *requested),
            Err(error) if error.is_final() => (None, self.created),
            _ => return,
        };
        cache.update(tenant, token, requested, Now::read(), self.created.mono);
    }
}

impl Table {
    /// Joins the connection's flight or registers a new flight. Blocks while there are too many flights, and while
    /// the connection has a flight that the caller may not join. Returns `None` if the deadline comes first.
    pub(super) fn join(&self, call: &Arc<Call>, deadline: Deadline) -> Option<Joined> {
        let mut flights = self.flights.lock();
        loop {
            match flights.iter().find(|flight| flight.call.key == call.key) {
                Some(flight) if flight.serves(call) => return Some((Arc::clone(flight), false)),
                None if has_room(&flights, &call.key) => return Some(register(&mut flights, call)),
                _ => {}
            }
            let waited = self.changed.wait_until(&mut flights, deadline.at);
            if waited.timed_out() {
                return None;
            }
        }
    }

    /// Blocks until the flight has ended, and puts its token into the caller's cache. Returns `None` if the deadline comes
    /// first.
    pub(super) fn wait(
        &self,
        flight: &Flight,
        call: &Arc<Call>,
        deadline: Deadline,
    ) -> Option<Outcome> {
        let mut flights = self.flights.lock();
        let is_running = |_: &mut Vec<_>| flight.outcome.get().is_none();
        flight
            .ended
            .wait_while_until(&mut flights, is_running, deadline.at);
        drop(flights);
        let outcome = flight.outcome.get()?;
        if !Arc::ptr_eq(call, &flight.call) {
            flight.update(call, outcome);
        }
        Some(outcome.clone())
    }

    /// Ends a flight. Puts the token into the cache before removing the flight from the table, so that a caller
    /// that does not find the flight finds the token.
    pub(super) fn finish(&self, flight: &Arc<Flight>, outcome: Outcome) {
        let mut flights = self.flights.lock();
        flight.update(&flight.call, &outcome);
        flights.retain(|other| !Arc::ptr_eq(other, flight));
        let _ = flight.outcome.set(outcome);
        drop(flights);
        flight.ended.notify_all();
        self.changed.notify_all();
    }

    pub(super) fn wait_until_empty(&self, deadline: Deadline) -> bool {
        let mut flights = self.flights.lock();
        let is_busy = |flights: &mut Vec<_>| !flights.is_empty();
        self.changed
            .wait_while_until(&mut flights, is_busy, deadline.at);
        flights.is_empty()
    }
}

/// Adds a flight for the call to the table. If a token in the caller's cache makes the flight unnecessary, returns instead
/// a flight that has ended with that token.
fn register(flights: &mut Vec<Arc<Flight>>, call: &Arc<Call>) -> Joined {
    let flight = Arc::new(Flight {
        call: Arc::clone(call),
        created: Now::read(),
        outcome: OnceLock::new(),
        ended: Condvar::new(),
    });
    if let Some(token) = flight.call.cached_token(flight.created) {
        let response = Response::Token(Ok(token), flight.created);
        let _ = flight.outcome.set(Ok(Arc::new(response)));
        return (flight, false);
    }
    flights.push(Arc::clone(&flight));
    (flight, true)
}

fn has_room(flights: &[Arc<Flight>], key: &Key) -> bool {
    let provider = key.provider();
    let same = |flight: &&Arc<Flight>| flight.call.key.provider() == provider;
    flights.len() < MAX_FLIGHTS && flights.iter().filter(same).count() < MAX_FLIGHTS_OF_PROVIDER
}
