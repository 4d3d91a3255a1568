//! The flights that are running: at most one for each connection, and a limited number in all.

use std::sync::Arc;

use super::operation::{Operation, Subject};
use crate::cache;
use crate::error::Result;
use crate::gateway::Success;
use crate::json::Object;
use crate::sync::{Condvar, Mutex, Promise};
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// The maximum number of flights for one provider. The limit keeps a provider that hangs from delaying calls for other
/// providers. All calls by ids that the client has not requested count as one provider.
const MAX_FLIGHTS_OF_PROVIDER: usize = 64;
/// The maximum number of flights in all.
const MAX_FLIGHTS: usize = 512;

/// An operation under way, and the outcome that its callers wait for.
pub(super) struct Flight {
    pub(super) operation: Arc<Operation>,
    /// The key of the connection. At most one flight runs for each key.
    pub(super) key: Subject,
    /// The value of [`cache::changes`] when the flight was created.
    changes: usize,
    outcome: Promise<Result<Arc<Outcome>>>,
}

/// What callers get from a response.
pub(super) enum Outcome {
    /// The token of a resolve, or the error of a credential that cannot be used, and the time of the request.
    Token(Result<Arc<CachedToken>>, Now),
    /// The response to any other operation.
    Body(Object),
}

/// The flight that a caller waits for, and whether the caller must start it.
pub(super) type Joined = (Arc<Flight>, bool);

#[derive(Default)]
pub(super) struct Table {
    pub(super) flights: Mutex<Vec<Arc<Flight>>>,
    finished: Condvar,
}

impl Outcome {
    /// # Errors
    ///
    /// `invalid_response` for a resolve that returned no credential.
    pub(super) fn of(operation: &Operation, success: Success) -> Result<Self> {
        if !operation.is_resolve() {
            return Ok(Self::Body(success.body));
        }
        let response = TokenResponse::from_json(success.body.into())?;
        let token = response.to_cached(success.clock);
        Ok(Self::Token(token.map(Arc::new), success.clock.at))
    }
}

impl Flight {
    fn new(operation: &Arc<Operation>, key: &Subject) -> Arc<Self> {
        Arc::new(Self {
            operation: Arc::clone(operation),
            key: key.clone(),
            changes: cache::changes(),
            outcome: Promise::new(),
        })
    }

    /// Blocks until the flight has ended, and puts its token into the caller's cache, unless [`finish`](Table::finish)
    /// has done so. Returns `None` if the deadline comes first.
    pub(super) fn wait(
        &self,
        operation: &Operation,
        deadline: Deadline,
    ) -> Option<Result<Arc<Outcome>>> {
        let outcome = self.outcome.wait(deadline.at)?;
        let caches = operation.cache.as_ref().zip(self.operation.cache.as_ref());
        if !caches.is_some_and(|(own, filled)| own.is_same(filled)) {
            self.update(operation, &outcome);
        }
        Some(outcome)
    }

    /// Returns whether a caller may join the flight. A caller whose cache has changed since the flight began
    /// must not join, because the flight may return a token that the caller has deleted.
    fn serves(&self, operation: &Operation) -> bool {
        let destination = operation.destination();
        self.operation.request.can_share(&operation.request)
            && destination.is_none_or(|(cache, tenant)| cache.is_unchanged(tenant, self.changes))
    }

    /// Puts the token into the caller's cache. After an error, removes the old token only if the gateway has refused
    /// for good.
    fn update(&self, operation: &Operation, outcome: &Result<Arc<Outcome>>) {
        let Some((cache, tenant)) = operation.destination() else {
            return;
        };
        let token = match outcome.as_deref() {
            Ok(Outcome::Token(Ok(token), requested)) => Some((Arc::clone(token), *requested)),
            Err(error) if error.is_final() => None,
            _ => return,
        };
        cache.update(tenant, token, Now::read(), self.changes);
    }
}

impl Table {
    /// Joins the connection's flight or registers a new flight. Blocks while there are too many flights, and while
    /// the connection has a flight that the caller may not join. Returns `None` if the deadline comes first.
    pub(super) fn join_or_register(
        &self,
        operation: &Arc<Operation>,
        key: &Subject,
        deadline: Deadline,
    ) -> Option<Joined> {
        let mut joined = None;
        let must_wait = |flights: &mut Vec<Arc<Flight>>| {
            let known = flights.iter().find(|flight| flight.key == *key);
            joined = match known {
                Some(flight) if flight.serves(operation) => Some((Arc::clone(flight), false)),
                Some(_) => None,
                None => register(flights, Flight::new(operation, key)),
            };
            joined.is_none()
        };
        let mut flights = self.flights.lock();
        self.finished
            .wait_while_until(&mut flights, must_wait, deadline.at);
        joined
    }

    /// Ends a flight. Puts the token into the cache before removing the flight from the table, so that a caller
    /// that does not find the flight finds the token. Wakes the callers last, so that none of them joins the
    /// ended flight again.
    pub(super) fn finish(&self, flight: &Arc<Flight>, outcome: Result<Arc<Outcome>>) {
        let mut flights = self.flights.lock();
        flight.update(&flight.operation, &outcome);
        flights.retain(|other| !Arc::ptr_eq(other, flight));
        drop(flights);
        self.finished.notify_all();
        flight.outcome.fulfil(outcome);
    }

    pub(super) fn wait_until_empty(&self, deadline: Deadline) -> bool {
        let mut flights = self.flights.lock();
        let is_busy = |flights: &mut Vec<Arc<Flight>>| !flights.is_empty();
        self.finished
            .wait_while_until(&mut flights, is_busy, deadline.at);
        flights.is_empty()
    }
}

/// Adds a flight to the table. If another thread has cached a fresh token in the meantime, ends the flight with this
/// token instead. Returns `None` if there are too many flights.
fn register(flights: &mut Vec<Arc<Flight>>, flight: Arc<Flight>) -> Option<Joined> {
    let now = Now::read();
    let destination = flight.operation.destination();
    let fresh = destination
        .and_then(|(cache, tenant)| cache.get_at(&tenant.workspace_id, &tenant.provider, now));
    if let Some(token) = fresh {
        let outcome = Outcome::Token(Ok(token), now);
        flight.outcome.fulfil(Ok(Arc::new(outcome)));
        return Some((flight, false));
    }
    if !has_room(flights, &flight.key) {
        return None;
    }
    if let Some((cache, tenant)) = destination {
        cache.asking(tenant, now);
    }
    flights.push(Arc::clone(&flight));
    Some((flight, true))
}

fn has_room(flights: &[Arc<Flight>], key: &Subject) -> bool {
    let provider = key.provider();
    let same = |flight: &&Arc<Flight>| flight.key.provider() == provider;
    flights.len() < MAX_FLIGHTS && flights.iter().filter(same).count() < MAX_FLIGHTS_OF_PROVIDER
}
