//! The flights that are running: at most one for each tenant or connection, and a limited number in all.

use std::sync::Arc;

use crate::cache::{self, Tenant, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::Success;
use crate::json::Object;
use crate::sync::{Condvar, Mutex, Promise};
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// The most flights for one provider, so that a provider that hangs does not delay calls for the others. All
/// calls by connection id together count as one provider.
const MAX_FLIGHTS_OF_PROVIDER: usize = 64;
/// The most flights in all.
const MAX_FLIGHTS: usize = 512;
/// The gateway's error code for a failed refresh. The cause may be temporary or permanent.
pub(super) const TOKEN_EXPIRED: &str = "token_expired";

/// The tenant or connection whose token a call can refresh.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Tenant(Tenant),
    Connection(Box<str>),
}

/// The gateway operation that a flight performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Resolve,
    Check,
    Token,
    Refresh,
}

/// The origin of a token. A 401 to a token from the cache is worth a replay, because the token may have been
/// revoked since it was cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Cache,
    Gateway,
}

/// A call to the gateway that may refresh a token, and the outcome that its callers wait for.
pub(super) struct Flight {
    pub(super) subject: Subject,
    pub(super) call: Call,
    /// The cache of the caller that started the flight.
    cache: Option<TokenCache>,
    /// The value of [`cache::changes`] when the flight was created.
    changes: usize,
    outcome: Promise<Result<Arc<Outcome>>>,
}

/// The response to a call, and the token in it.
pub(super) struct Outcome {
    pub(super) body: Object,
    pub(super) token: Result<Arc<CachedToken>>,
    asked_at: Now,
}

/// A flight to wait for, and whether it is new. The caller must start a new flight.
pub(super) type Joined = (Arc<Flight>, bool);

#[derive(Default)]
pub(super) struct Table {
    flights: Mutex<Vec<Arc<Flight>>>,
    finished: Condvar,
}

impl Subject {
    fn provider(&self) -> Option<&str> {
        match self {
            Self::Tenant(tenant) => Some(&tenant.provider),
            Self::Connection(_) => None,
        }
    }
}

impl Outcome {
    pub(super) fn of(success: Success) -> Self {
        let response = TokenResponse::from_json(success.body.clone().into());
        let token = response.and_then(|response| response.to_cached(success.received));
        Self {
            body: success.body,
            token: token.map(Arc::new),
            asked_at: success.received.at,
        }
    }

    fn cached(token: Arc<CachedToken>, now: Now) -> Self {
        Self {
            body: Object::new(),
            token: Ok(token),
            asked_at: now,
        }
    }
}

impl Flight {
    fn new(subject: &Subject, call: Call, cache: Option<&TokenCache>) -> Arc<Self> {
        Arc::new(Self {
            subject: subject.clone(),
            call,
            cache: cache.cloned(),
            changes: cache::changes(),
            outcome: Promise::new(),
        })
    }

    /// Blocks until the flight has ended. Returns `None` if the deadline comes first. If the flight was not
    /// started for the caller's cache, also puts the token into the caller's cache.
    pub(super) fn wait(
        &self,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Result<Arc<Outcome>>> {
        let outcome = self.outcome.wait(deadline.at)?;
        let is_served = |own| self.cache.as_ref().is_some_and(|cache| cache.is_same(own));
        if let Some(other) = cache.filter(|own| !is_served(own)) {
            self.update(other, &outcome);
        }
        Some(outcome)
    }

    /// Returns whether a caller may join the flight. A caller whose cache has changed since the flight began
    /// must not join, because the flight may return the token that was deleted.
    fn serves(&self, call: Call, cache: Option<&TokenCache>) -> bool {
        self.call == call && cache.is_none_or(|cache| cache.is_unchanged_since(self.changes))
    }

    /// Returns the token that another flight has cached in the meantime.
    fn cached(&self, now: Now) -> Option<Arc<CachedToken>> {
        match (&self.cache, &self.subject) {
            (Some(cache), Subject::Tenant(tenant)) => cache.newest(tenant, now),
            _ => None,
        }
    }

    /// Puts the token into a cache. After an error, removes the old token only if the error is definite.
    fn update(&self, cache: &TokenCache, outcome: &Result<Arc<Outcome>>) {
        let Subject::Tenant(tenant) = &self.subject else {
            return;
        };
        let token = outcome
            .as_ref()
            .and_then(|outcome| Ok((outcome.token.as_ref()?, outcome.asked_at)));
        match token {
            Ok((token, at)) => cache.update(tenant, Some(Arc::clone(token)), at, self.changes),
            Err(error) if is_definite(error) => {
                cache.update(tenant, None, Now::read(), self.changes);
            }
            Err(_) => {}
        }
    }
}

impl Table {
    /// The number of callers that wait for a flight.
    #[cfg(test)]
    pub(super) fn waiting_for(&self, subject: &Subject) -> usize {
        let flights = self.flights.lock();
        let flight = flights.iter().find(|flight| flight.subject == *subject);
        // The table and the flight's thread hold the other two references.
        flight.map_or(0, |flight| Arc::strong_count(flight).saturating_sub(2))
    }

    pub(super) fn len(&self) -> usize {
        self.flights.lock().len()
    }

    /// Joins the subject's flight or registers a new flight. Blocks while there are too many flights, and while
    /// the subject has a flight that the caller may not join. Returns `None` if the deadline comes first.
    pub(super) fn join_or_register(
        &self,
        subject: &Subject,
        call: Call,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Joined> {
        let mut joined = None;
        let must_wait = |flights: &mut Vec<Arc<Flight>>| {
            let known = flights.iter().find(|flight| flight.subject == *subject);
            joined = match known {
                Some(flight) if flight.serves(call, cache) => Some((Arc::clone(flight), false)),
                Some(_) => None,
                None => register(flights, Flight::new(subject, call, cache)),
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
        if let Some(cache) = &flight.cache {
            flight.update(cache, &outcome);
        }
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

/// Adds a flight to the table, or ends it at once if its token is already in the cache. Returns `None` if there
/// are too many flights.
fn register(flights: &mut Vec<Arc<Flight>>, flight: Arc<Flight>) -> Option<Joined> {
    let now = Now::read();
    if let Some(token) = flight.cached(now) {
        let outcome = Outcome::cached(token, now);
        flight.outcome.fulfil(Ok(Arc::new(outcome)));
        return Some((flight, false));
    }
    has_room(flights, &flight.subject).then(|| {
        flights.push(Arc::clone(&flight));
        (flight, true)
    })
}

fn has_room(flights: &[Arc<Flight>], subject: &Subject) -> bool {
    let provider = subject.provider();
    let same = |flight: &&Arc<Flight>| flight.subject.provider() == provider;
    flights.len() < MAX_FLIGHTS && flights.iter().filter(same).count() < MAX_FLIGHTS_OF_PROVIDER
}

/// Returns whether an error is final, so that the old token must not be used any more. Other errors may be
/// temporary.
pub(super) fn is_definite(error: &NexusError) -> bool {
    match error.kind() {
        ErrorKind::Gateway => {
            let status = error.status_code().unwrap_or_default();
            (400..500).contains(&status) && status != 429 && error.code() != TOKEN_EXPIRED
        }
        ErrorKind::InvalidInput
        | ErrorKind::InvalidCredentials
        | ErrorKind::UnsupportedStrategy => true,
        _ => false,
    }
}
