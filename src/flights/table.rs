//! Which flights are under way: at most one for a tenant or connection, and a bounded number.

use std::sync::Arc;
use std::time::Instant;

use crate::cache::{Claim, TokenCache};
use crate::error::Result;
use crate::gateway::Success;
use crate::json::Object;
use crate::promise::Promise;
use crate::sync::{Condvar, Mutex};
use crate::tenant::OwnedTenant;
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// As many calls as a client has under way at a time.
const MAX_FLIGHTS: usize = 256;

/// Whom a flight is for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Tenant(OwnedTenant),
    Connection(Box<str>),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Resolve,
    Check,
    Token,
    Refresh,
}

/// One call to the gateway, from its start until it has landed.
pub(super) struct Flight {
    pub(super) subject: Subject,
    pub(super) call: Call,
    pub(super) landed: Promise<Result<Arc<Landed>>>,
}

/// What a flight brings.
pub(super) struct Landed {
    pub(super) body: Object,
    pub(super) token: Result<Arc<CachedToken>>,
    pub(super) at: Now,
}

impl Landed {
    pub(super) fn of(success: Success) -> Self {
        let response = TokenResponse::from_json(success.body.clone().into());
        let token = response.and_then(|response| response.to_cached(success.received));
        Self {
            body: success.body,
            token: token.map(Arc::new),
            at: success.received.at,
        }
    }
}

/// A flight to wait for, and whether it is a new one that the caller has to get off the ground.
pub(super) type Boarded = (Arc<Flight>, bool);

pub(super) struct Table {
    flying: Mutex<Vec<Airborne>>,
    landed: Condvar,
}

/// A flight, and where its token goes.
struct Airborne {
    flight: Arc<Flight>,
    claims: Vec<Claim>,
    began: Instant,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            flying: Mutex::new(Vec::new()),
            landed: Condvar::new(),
        }
    }

    /// How many callers wait for a flight.
    #[cfg(test)]
    pub(super) fn aboard(&self, subject: &Subject) -> usize {
        let flying = self.flying.lock();
        let airborne = flying.iter().find(|airborne| airborne.is_for(subject));
        // The table and the flight's own thread have it, too.
        airborne.map_or(0, |airborne| {
            Arc::strong_count(&airborne.flight).saturating_sub(2)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.flying.lock().len()
    }

    /// Joins a flight or enters a new one; blocks while another call for the connection, or too many
    /// for the client, are under way. `None` if the deadline came first.
    pub(super) fn board(
        &self,
        subject: &Subject,
        call: Call,
        cache: Option<&TokenCache>,
        deadline: Deadline,
    ) -> Option<Boarded> {
        let mut flying = self.flying.lock();
        loop {
            let claim = match (subject, cache) {
                (Subject::Tenant(tenant), Some(cache)) => Some(cache.claim(tenant)),
                _ => None,
            };
            let airborne = flying.iter_mut().find(|airborne| airborne.is_for(subject));
            let boarded = match airborne {
                Some(airborne) => airborne.join(call, claim),
                None => enter(&mut flying, subject, call, claim),
            };
            if boarded.is_some() {
                return boarded;
            }
            if self.landed.wait_until(&mut flying, deadline.at).timed_out() {
                return None;
            }
        }
    }

    /// Ends a flight. Its token is in the caches before it leaves the table, so that whoever does not
    /// find the flight finds the token.
    pub(super) fn land(&self, subject: &Subject, settle: impl FnOnce(&[Claim])) {
        let mut flying = self.flying.lock();
        let place = flying.iter().position(|airborne| airborne.is_for(subject));
        if let Some(airborne) = place.map(|place| flying.swap_remove(place)) {
            settle(&airborne.claims);
        }
        drop(flying);
        self.landed.notify_all();
    }

    pub(super) fn wait_until_empty(&self, deadline: Deadline) -> bool {
        let mut flying = self.flying.lock();
        while !flying.is_empty() {
            if self.landed.wait_until(&mut flying, deadline.at).timed_out() {
                return flying.is_empty();
            }
        }
        true
    }
}

impl Airborne {
    fn is_for(&self, subject: &Subject) -> bool {
        self.flight.subject == *subject
    }

    /// `None` for a flight of another call, and for one that was asked for before a delete.
    fn join(&mut self, call: Call, claim: Option<Claim>) -> Option<Boarded> {
        if self.flight.call != call {
            return None;
        }
        if let Some(claim) = claim {
            match self.claims.iter().find(|own| own.is_of_cache(&claim)) {
                Some(own) if own.is_like(&claim) => {}
                None if !claim.may_be_deleted_since(self.began) => self.claims.push(claim),
                _ => return None,
            }
        }
        Some((Arc::clone(&self.flight), false))
    }
}

/// A new flight, or one that has landed with the token that another has brought meanwhile.
fn enter(
    flying: &mut Vec<Airborne>,
    subject: &Subject,
    call: Call,
    claim: Option<Claim>,
) -> Option<Boarded> {
    let flight = Arc::new(Flight {
        subject: subject.clone(),
        call,
        landed: Promise::new(),
    });
    let now = Now::read();
    if let Some(token) = claim.as_ref().and_then(|claim| claim.fresh(now)) {
        let landed = Landed {
            body: Object::new(),
            token: Ok(token),
            at: now,
        };
        flight.landed.fulfil(Ok(Arc::new(landed)));
        return Some((flight, false));
    }
    if flying.len() >= MAX_FLIGHTS {
        return None;
    }
    let airborne = Airborne {
        flight: Arc::clone(&flight),
        claims: claim.into_iter().collect(),
        began: now.mono,
    };
    flying.push(airborne);
    Some((flight, true))
}
