//! Calls that can make the gateway refresh a token.
//!
//! A gateway refreshes an expired token during the call that asks for the token. If the client disconnects during a
//! refresh, the new refresh token may be lost. If two calls refresh at once, both may use the same refresh token. In
//! both cases the provider may revoke the user's grant. Each of these calls is therefore a *flight*: it runs to its end
//! on a thread of its own, even if all of its callers have timed out. A client has at most one flight at a time for
//! each tenant (a workspace and a provider). A call by connection id counts as a call for the tenant if the client has
//! requested the connection. Otherwise the id has flights of its own, because the client does not know its tenant.
//!
//! Callers that want the same thing share a flight. A caller with a cache brings the ticket of its slot. When the flight
//! ends, it reports its outcome to the tickets of all who joined it, whether or not they still wait, and then wakes them.

mod confirmed;
mod key;
mod turn;

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use self::confirmed::Confirmed;
pub(crate) use self::key::Key;
use crate::cache::Ticket;
use crate::error::meaning::Asked;
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::gateway::{Gateway, Request, Success};
use crate::json::Object;
use crate::lock::ProcessLock;
use crate::providers::MAX_PROVIDERS;
use crate::slot::Outcome;
use crate::sync::{self, Condvar, Mutex};
use crate::time::{Deadline, Now};
use crate::token::{CachedToken, TokenResponse};

/// The maximum number of flights for one provider. The limit keeps a provider that hangs from delaying calls for other
/// providers. All calls by the ids of connections that this client has not requested count together as one provider.
const MAX_FLIGHTS_OF_PROVIDER: usize = 64;
/// The maximum number of flights in all.
const MAX_FLIGHTS: usize = 512;
/// The longest time for which dropping a client's last handle waits for flights.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause before the gateway is asked again about a connection that it has not found.
const CONFIRMATION_PAUSE: Duration = Duration::from_millis(500);

/// The flights of a client, and the gateway that they call.
pub(crate) struct Flights {
    gateway: Arc<Gateway>,
    table: Mutex<Vec<UnderWay>>,
    /// Notified when a flight has ended, for threads that wait for their turn or until all flights have ended.
    flight_ended: Condvar,
    /// The number of threads that wait for all flights to end. While at least one thread waits, flights neither retry nor
    /// wait for a lock, because the program may exit during the next attempt. The wait of the client's last handle stays counted
    /// after it has ended, because a flight that outlasts it must not send another request.
    ending: AtomicUsize,
    /// Notified when a thread begins to wait for all flights to end, for flights that pause.
    end_began: Condvar,
    confirmed: Confirmed,
    process_lock: Option<ProcessLock>,
    /// Responds in place of the gateway.
    #[cfg(test)]
    pub(crate) script: Option<tests::Script>,
}

/// A flight, and the tickets of the callers that have joined it.
struct UnderWay {
    flight: Arc<Flight>,
    tickets: Vec<Ticket>,
}

struct Flight {
    key: Key,
    request: Request,
    began: Instant,
    /// The refused token that the flight is about.
    refused: Option<Arc<CachedToken>>,
    /// The name of the lock that the flight waits for.
    lock_name: Mutex<Option<String>>,
    /// Set under the table's lock.
    response: OnceLock<Result<Arc<Response>>>,
    ended: Condvar,
}

/// The response to a call, which all callers of its flight share.
pub(crate) struct Response {
    success: Success,
    subject: Subject,
    token: OnceLock<Result<Arc<CachedToken>>>,
}

/// The result of a call's attempt to join or start a flight.
enum Join {
    Existing(Arc<Flight>),
    New(Arc<Flight>),
    /// The slot has changed since it handed out the ticket.
    Outdated,
    TimedOut(NexusError),
}

impl Response {
    /// Reads the token of a resolve at once, so that no caller does so later, while it holds a lock.
    fn new(success: Success, request: &Request) -> Self {
        let response = Self {
            success,
            subject: request.subject.clone(),
            token: OnceLock::new(),
        };
        if request.asked == Asked::Resolve {
            let _ = response.token();
        }
        response
    }

    pub(crate) fn body(&self) -> &Object {
        &self.success.body
    }

    /// Returns the token in the response to a resolve.
    ///
    /// # Errors
    ///
    /// `invalid_response` for a response without a credential, and the errors of a credential that cannot be used.
    pub(crate) fn token(&self) -> Result<Arc<CachedToken>> {
        let token = self.token.get_or_init(|| {
            let body = self.success.body.clone();
            let response = TokenResponse::from_json(body.into());
            let token = response.and_then(|response| response.to_cached(self.success.clock));
            token
                .map(Arc::new)
                .map_err(|error| error.about(&self.subject))
        });
        token.clone()
    }

    fn outcome(&self) -> Outcome {
        match self.token() {
            Ok(token) => Outcome::Token(token, self.success.clock.at),
            Err(error) => Outcome::Unanswered(error),
        }
    }
}

impl Flight {
    /// Returns whether the flight's response can serve this call too.
    fn serves(&self, request: &Request, ticket: Option<&Ticket>) -> bool {
        let is_recent = |ticket: &Ticket| {
            let question = ticket.question();
            question.is_answered_by(self.began, self.refused.as_deref())
        };
        self.request.can_share(request) && ticket.is_none_or(is_recent)
    }

    /// Returns the error of a caller that leaves.
    fn timed_out(&self) -> NexusError {
        match &*self.lock_name.lock() {
            Some(name) => turn::timed_out(name),
            None => timed_out(),
        }
    }
}

impl Flights {
    pub(crate) fn new(gateway: Arc<Gateway>, process_lock: Option<ProcessLock>) -> Self {
        Self {
            gateway,
            table: Mutex::default(),
            flight_ended: Condvar::default(),
            ending: AtomicUsize::new(0),
            end_began: Condvar::default(),
            confirmed: Confirmed::default(),
            process_lock,
            #[cfg(test)]
            script: None,
        }
    }

    /// Makes a call, or joins a flight that makes the same call. Blocks at most until the deadline. Returns `None` if the
    /// ticket's slot has changed before the flight began, so that the caller has to look at the slot again.
    pub(crate) fn run(
        self: &Arc<Self>,
        key: &Key,
        request: Request,
        ticket: Option<Ticket>,
        deadline: Deadline,
    ) -> Result<Option<Arc<Response>>> {
        let subject = request.subject.clone();
        let flight = match self.join(key, request, ticket, deadline) {
            Join::Existing(existing) => existing,
            Join::New(new) => {
                self.start(&new);
                new
            }
            Join::Outdated => return Ok(None),
            Join::TimedOut(error) => return Err(error.about(&subject)),
        };
        let response = self.wait(&flight, deadline);
        response.map(Some).map_err(|error| error.about(&subject))
    }

    /// Makes a call without a ticket. Blocks at most until the deadline.
    pub(crate) fn call(
        self: &Arc<Self>,
        key: &Key,
        request: Request,
        deadline: Deadline,
    ) -> Result<Arc<Response>> {
        self.run(key, request, None, deadline)?
            .ok_or_else(timed_out)
    }

    /// Blocks until all flights have ended, at most until the deadline. Returns whether all have ended. While this
    /// method blocks, flights do not retry, and a flight that pauses or waits for a lock gives up.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        self.begin_end();
        let is_empty = self.wait_until_empty(deadline);
        self.ending.fetch_sub(1, Ordering::Relaxed);
        is_empty
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.table.lock().is_empty()
    }

    /// Waits for the flights under way, for at most 5 s. Called when the last handle to the client is dropped.
    pub(crate) fn end(&self) {
        let table = self.table.lock();
        let count = table.len();
        let first = table.first();
        let prefix = first.map(|first| first.flight.request.subject.prefix());
        drop(table);
        if let Some(prefix) = prefix {
            self.gateway.log.warn(format_args!(
                "{prefix}waiting up to {} s for gateway calls to end (this is one of {count}); if a call is cut short, the \
                 provider may revoke the user's grant",
                DROP_TIMEOUT.as_secs()
            ));
            self.begin_end();
            self.wait_until_empty(Deadline::after(DROP_TIMEOUT));
        }
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) > 0
    }

    /// Wakes the flights that pause. The lock makes sure that none of them begins its pause unnoticed in between.
    fn begin_end(&self) {
        let table = self.table.lock();
        self.ending.fetch_add(1, Ordering::Relaxed);
        drop(table);
        self.end_began.notify_all();
    }

    fn wait_until_empty(&self, deadline: Deadline) -> bool {
        let mut table = self.table.lock();
        let is_busy = |table: &mut Vec<_>| !table.is_empty();
        self.flight_ended
            .wait_while_until(&mut table, is_busy, deadline.at);
        table.is_empty()
    }

    /// Joins the connection's flight or registers a new flight. Blocks while there are too many flights, and while
    /// the connection has a flight that the caller may not join.
    fn join(
        &self,
        key: &Key,
        request: Request,
        ticket: Option<Ticket>,
        deadline: Deadline,
    ) -> Join {
        let mut table = self.table.lock();
        loop {
            if ticket.as_ref().is_some_and(|ticket| !ticket.is_open()) {
                return Join::Outdated;
            }
            let has_room = has_room(&table, key);
            match flight_for(&mut table, key) {
                Some(found) if found.flight.serves(&request, ticket.as_ref()) => {
                    found.tickets.extend(ticket);
                    return Join::Existing(Arc::clone(&found.flight));
                }
                None if has_room => {
                    return Join::New(register(&mut table, key, request, ticket));
                }
                _ => {}
            }
            let waited = self.flight_ended.wait_until(&mut table, deadline.at);
            if waited.timed_out() {
                let other = flight_for(&mut table, key);
                let error = other.map_or_else(timed_out, |other| other.flight.timed_out());
                return Join::TimedOut(error);
            }
        }
    }

    /// Blocks until the flight has ended, at most until the deadline.
    fn wait(&self, flight: &Flight, deadline: Deadline) -> Result<Arc<Response>> {
        let mut table = self.table.lock();
        let is_running = |_: &mut Vec<_>| flight.response.get().is_none();
        flight
            .ended
            .wait_while_until(&mut table, is_running, deadline.at);
        drop(table);
        match flight.response.get() {
            Some(response) => response.clone(),
            None => Err(flight.timed_out()),
        }
    }

    fn start(self: &Arc<Self>, flight: &Arc<Flight>) {
        let flights = Arc::clone(self);
        let started = Arc::clone(flight);
        let run = move || {
            let ask = AssertUnwindSafe(|| {
                let success = flights.ask(&started)?;
                Ok(Response::new(success, &started.request))
            });
            let answer = panic::catch_unwind(ask).unwrap_or_else(|_| {
                let message = "the call to the gateway, or the lock around it, panicked; the panic's own message is \
                               on stderr; try again";
                Err(NexusError::new(ErrorKind::RequestFailed, message))
            });
            flights.finish(&started, answer);
        };
        if let Err(error) = sync::spawn("nexus-flight", run) {
            let message = format!("cannot start a thread to call the gateway: {error}; try again");
            let error = NexusError::new(ErrorKind::RequestFailed, message).local();
            self.finish(flight, Err(error));
        }
    }

    /// Ends a flight. Reports its outcome to the tickets before it leaves the table, so that a caller that does not find
    /// the flight finds the token.
    fn finish(&self, flight: &Arc<Flight>, answer: Result<Response>) {
        let response = answer.map(Arc::new);
        let outcome = outcome_of(flight, &response);
        let mut table = self.table.lock();
        let at = table
            .iter()
            .position(|under_way| Arc::ptr_eq(&under_way.flight, flight));
        let tickets = at.map(|at| table.swap_remove(at).tickets);
        let now = Now::read();
        for ticket in tickets.unwrap_or_default() {
            ticket.done(outcome.clone(), now);
        }
        let _ = flight.response.set(response);
        drop(table);
        flight.ended.notify_all();
        self.flight_ended.notify_all();
    }

    /// Asks the gateway, and asks again where the first answer does not tell. After `token_expired`, only the second
    /// response tells whether the provider was down for a moment or has refused for good.
    fn ask(&self, flight: &Flight) -> Result<Success> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script(&flight.request);
        }
        let is_resolve = flight.request.asked == Asked::Resolve;
        let first = self.send(flight);
        let is_expired = |error: &NexusError| is_resolve && error.code() == "token_expired";
        let last = match first {
            Err(error) if is_expired(&error) && !self.is_ending() => self.send(flight),
            first => first,
        };
        let answer = self.confirm(&flight.key, &flight.request, last, || self.send(flight));
        self.gateway.note_outage(&flight.request, &answer);
        answer
    }

    /// Makes sure that a connection that the gateway has not found is missing. A broker also says so while its database is
    /// away or out of connections. So the list of providers must answer, which needs the database too, and the same
    /// question must have the same answer a moment later. Any other answer is returned as it is.
    ///
    /// # Errors
    ///
    /// The error of the list of providers if it fails for the moment.
    pub(crate) fn confirm(
        &self,
        key: &Key,
        request: &Request,
        answer: Result<Success>,
        again: impl Fn() -> Result<Success>,
    ) -> Result<Success> {
        let is_missing = answer.as_ref().is_err_and(NexusError::is_missing);
        if !is_missing || !request.is_repeatable() {
            self.confirmed.forget(key);
            return answer;
        }
        let was_confirmed = self.confirmed.has(key, request.path());
        if !was_confirmed {
            self.ask_for_providers()?;
        }
        self.pause(CONFIRMATION_PAUSE);
        self.check_goes_on()?;
        let second = again();
        match second {
            Err(error) if error.is_missing() => {
                if !was_confirmed {
                    self.confirmed.add(key, request.path());
                }
                Err(error.confirmed(request.asked))
            }
            another => {
                self.confirmed.clear();
                another
            }
        }
    }

    /// Requests the list of providers. A gateway that refuses it for good, for example because it has no list, cannot tell
    /// more than the second answer.
    fn ask_for_providers(&self) -> Result<()> {
        self.check_goes_on()?;
        let providers = Request::get("/v1/providers").max_response(MAX_PROVIDERS);
        let has_reconnected = Cell::new(false);
        let attempt = || Ok(self.gateway.attempt(&providers, false, &has_reconnected));
        let is_ending = || self.is_ending();
        let pause = |wait| self.pause(wait);
        match self.gateway.retry(&providers, attempt, is_ending, pause) {
            Err(error) if error.is_retryable() && !error.is_missing() => {
                self.confirmed.clear();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn check_goes_on(&self) -> Result<()> {
        if !self.is_ending() {
            return Ok(());
        }
        let message = "the client was dropped or drained before the gateway's answer was confirmed; try again";
        Err(NexusError::new(ErrorKind::Timeout, message).local())
    }

    /// Sends a flight's request, and retries it. During each attempt, holds the lock that processes share.
    fn send(&self, flight: &Flight) -> Result<Success> {
        let is_ending = || self.is_ending();
        let attempt = || {
            let lock = self.process_lock.as_ref();
            let waits_for = |name| *flight.lock_name.lock() = name;
            let subject = &flight.request.subject;
            let gateway = &self.gateway;
            let _guard = turn::acquire(lock, &flight.key, subject, gateway, is_ending, waits_for)?;
            Ok(self
                .gateway
                .attempt(&flight.request, true, &Cell::new(false)))
        };
        let pause = |wait| self.pause(wait);
        self.gateway
            .retry(&flight.request, attempt, is_ending, pause)
    }

    /// Blocks for this time, or until the program may be ending.
    fn pause(&self, time: Duration) {
        let mut table = self.table.lock();
        let goes_on = |_: &mut Vec<_>| !self.is_ending();
        let end = Deadline::after(time);
        self.end_began.wait_while_until(&mut table, goes_on, end.at);
    }
}

fn flight_for<'a>(table: &'a mut [UnderWay], key: &Key) -> Option<&'a mut UnderWay> {
    table
        .iter_mut()
        .find(|under_way| under_way.flight.key == *key)
}

/// Adds a flight to the table.
fn register(
    table: &mut Vec<UnderWay>,
    key: &Key,
    request: Request,
    ticket: Option<Ticket>,
) -> Arc<Flight> {
    let refused = ticket
        .as_ref()
        .and_then(|ticket| ticket.question().refused());
    let flight = Arc::new(Flight {
        key: key.clone(),
        request,
        began: Instant::now(),
        refused: refused.cloned(),
        lock_name: Mutex::default(),
        response: OnceLock::new(),
        ended: Condvar::default(),
    });
    table.push(UnderWay {
        flight: Arc::clone(&flight),
        tickets: Vec::from_iter(ticket),
    });
    flight
}

fn has_room(table: &[UnderWay], key: &Key) -> bool {
    let provider = key.provider();
    let same = |under_way: &&UnderWay| under_way.flight.key.provider() == provider;
    table.len() < MAX_FLIGHTS && table.iter().filter(same).count() < MAX_FLIGHTS_OF_PROVIDER
}

/// Returns the outcome for the tickets of a flight.
fn outcome_of(flight: &Flight, response: &Result<Arc<Response>>) -> Outcome {
    match response {
        Ok(response) if flight.request.asked == Asked::Resolve => response.outcome(),
        Ok(_) => Outcome::Unanswered(timed_out()),
        Err(error) if error.is_final() => Outcome::Refused,
        Err(error) => Outcome::Unanswered(error.clone()),
    }
}

fn timed_out() -> NexusError {
    let message = "timed out waiting for the gateway; try again (a call that has begun continues in the background, \
                   so that no refresh is lost)";
    NexusError::new(ErrorKind::Timeout, message)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
