//! The flights that are running: at most one for each tenant or connection, and a limited number in all.

use std::sync::Arc;

use crate::cache::{self, Tenant, TokenCache};
use crate::error::{NexusError, Result};
use crate::gateway::Success;
use crate::json::Object;
use crate::sync::{Condvar, Mutex, Promise};
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// The maximum number of flights for one provider. The limit keeps a provider that hangs from delaying calls for
/// other providers. All calls by connection id together count as one provider.
const MAX_FLIGHTS_OF_PROVIDER: usize = 64;
/// The maximum number of flights in all.
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

/// The origin of a token. After a 401, a request is sent again only if its token came from the cache, because such a
/// token may have been revoked in the meantime.
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

/// The response to a call, and the token that was read from the response.
pub(super) struct Outcome {
    pub(super) body: Object,
    pub(super) token: Result<Arc<CachedToken>>,
}

/// The flight that a caller waits for, and whether the caller must start it.
pub(super) type Joined = (Arc<Flight>, bool);

#[derive(Default)]
pub(super) struct Table {
    pub(super) flights: Mutex<Vec<Arc<Flight>>>,
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
        }
    }

    fn cached(token: Arc<CachedToken>) -> Self {
        Self {
            body: Object::new(),
            token: Ok(token),
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

    /// Blocks until the flight has ended, and puts its token into the caller's cache, unless [`finish`](Table::finish)
    /// has done so. Returns `None` if the deadline comes first.
    pub(super) fn wait(
        &self,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Result<Arc<Outcome>>> {
        let outcome = self.outcome.wait(deadline.at)?;
        let is_filled = |own: &&TokenCache| self.cache.as_ref().is_some_and(|it| it.is_same(own));
        self.update(cache.filter(|own| !is_filled(own)), &outcome);
        Some(outcome)
    }

    /// Returns whether a caller may join the flight. A caller whose cache has changed since the flight began
    /// must not join, because the flight may return a token that the caller has deleted.
    fn serves(&self, call: Call, cache: Option<&TokenCache>) -> bool {
        self.call == call && cache.is_none_or(|cache| cache.is_unchanged_since(self.changes))
    }

    /// Puts the token into a cache. After an error, removes the old token only if the gateway has refused for good.
    fn update(&self, cache: Option<&TokenCache>, outcome: &Result<Arc<Outcome>>) {
        let (Some(cache), Subject::Tenant(tenant)) = (cache, &self.subject) else {
            return;
        };
        let token = match outcome.as_ref().and_then(|outcome| outcome.token.as_ref()) {
            Ok(token) => Some(Arc::clone(token)),
            Err(error) if is_definite(error) => None,
            Err(_) => return,
        };
        cache.update(tenant, token, Now::read(), self.changes);
    }
}

impl Table {
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
        flight.update(flight.cache.as_ref(), &outcome);
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
    if let (Some(cache), Subject::Tenant(tenant)) = (&flight.cache, &flight.subject)
        && let Some(token) = cache.fresh(tenant, Now::read())
    {
        flight.outcome.fulfil(Ok(Arc::new(Outcome::cached(token))));
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

/// Returns whether the gateway has refused for good. If so, the old token must not be used any more. Other errors may
/// be temporary.
pub(super) fn is_definite(error: &NexusError) -> bool {
    let status = error.status_code().unwrap_or_default();
    (400..500).contains(&status) && status != 429 && error.code() != TOKEN_EXPIRED
}
