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

mod key;
mod turn;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use self::key::Key;
use crate::cache::Ticket;
use crate::error::meaning::{self, RESOLVE};
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::gateway::{Gateway, Request, Success};
use crate::json::Object;
use crate::lock::ProcessLock;
use crate::panics;
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
/// The time for which the list of providers is not requested again about a connection that was confirmed to be missing.
const CONFIRMED_TIME: Duration = Duration::from_secs(5);

/// The flights of a client, and the gateway that they call.
pub(crate) struct Flights {
    gateway: Arc<Gateway>,
    table: Mutex<Vec<Arc<Flight>>>,
    /// Notified when a flight has ended, for threads that wait for their turn or until all flights have ended.
    flight_ended: Condvar,
    /// The number of threads that wait for all flights to end. While at least one thread waits, flights neither retry nor
    /// wait for a lock, because the program may exit during the next attempt. The client's last handle is counted once more and
    /// stays counted, because a flight that outlasts it must not send another request.
    ending: AtomicUsize,
    /// Notified when a thread begins to wait for all flights to end, for flights that pause.
    end_began: Condvar,
    /// The connections that were confirmed to be missing a short time ago, with the times at which the list was there.
    confirmed: Mutex<HashMap<Subject, Instant>>,
    process_lock: Option<ProcessLock>,
    /// Responds in place of the gateway.
    #[cfg(test)]
    pub(crate) script: Option<tests::Script>,
}

struct Flight {
    key: Key,
    /// The tickets of the callers that have joined. If the flight is about a refused token, the first ticket tells which.
    tickets: Mutex<Vec<Ticket>>,
    request: Request,
    began: Instant,
    /// The name of the lock that the flight waits for.
    lock_name: Mutex<Option<String>>,
    /// Set under the table's lock.
    response: OnceLock<Result<Arc<Response>>>,
    ended: Condvar,
}

/// The response to a call, which all callers of its flight share.
pub(crate) struct Response {
    pub(crate) body: Object,
    /// The token in the response to a resolve, or the error of a credential that is missing or cannot be used.
    pub(crate) token: Result<Arc<CachedToken>>,
    requested: Now,
}

impl Response {
    fn new(success: Success, subject: &Subject) -> Self {
        let parsed = TokenResponse::from_json(success.body.clone().into());
        let token = parsed.and_then(|response| response.to_cached(success.clock));
        Self {
            body: success.body,
            token: token.map(Arc::new).map_err(|error| error.about(subject)),
            requested: success.clock.at,
        }
    }
}

impl Flight {
    /// Returns whether the flight's response can serve this call too.
    fn serves(&self, request: &Request, ticket: Option<&Ticket>) -> bool {
        let tickets = self.tickets.lock();
        let first = tickets.first().map(|first| &first.question);
        let is_recent = |ticket: &Ticket| ticket.question.is_answered_by(self.began, first);
        self.request.can_share(request) && ticket.is_none_or(is_recent)
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
            confirmed: Mutex::default(),
            process_lock,
            #[cfg(test)]
            script: None,
        }
    }

    /// Makes a call, or joins a flight that makes the same call. Blocks at most until the deadline: while there are too many
    /// flights, while the connection has a flight that the caller may not join, and until the flight has ended. Returns `None`
    /// if the ticket's slot has changed before the flight began, so that the caller has to look at the slot again.
    pub(crate) fn run(
        self: &Arc<Self>,
        request: Request,
        ticket: Option<Ticket>,
        deadline: Deadline,
    ) -> Result<Option<Arc<Response>>> {
        let key = Key::of(&request.subject);
        let mut table = self.table.lock();
        let flight = loop {
            if ticket.as_ref().is_some_and(|ticket| !ticket.is_open()) {
                return Ok(None);
            }
            match flight_for(&table, &key) {
                Some(found) if found.serves(&request, ticket.as_ref()) => {
                    found.tickets.lock().extend(ticket);
                    break Arc::clone(found);
                }
                None if has_room(&table, &key) => {
                    let new = register(&mut table, request, ticket);
                    drop(table);
                    self.start(&new);
                    table = self.table.lock();
                    break new;
                }
                _ => {}
            }
            let waited = self.flight_ended.wait_until(&mut table, deadline.at);
            if waited.timed_out() {
                let other = flight_for(&table, &key);
                return Err(other.map_or_else(timed_out, |other| other.timed_out()));
            }
        };
        let is_running = |_: &mut Vec<_>| flight.response.get().is_none();
        flight
            .ended
            .wait_while_until(&mut table, is_running, deadline.at);
        let response = flight.response.get().cloned();
        response
            .unwrap_or_else(|| Err(flight.timed_out()))
            .map(Some)
    }

    /// Blocks until all flights have ended, at most until the deadline. Returns whether all have ended. While this
    /// method blocks, flights do not retry, and a flight that pauses or waits for a lock gives up. The lock makes sure that no
    /// flight begins its pause between the count and the notification.
    pub(crate) fn drain(&self, deadline: Deadline) -> bool {
        let mut table = self.table.lock();
        self.ending.fetch_add(1, Ordering::Relaxed);
        self.end_began.notify_all();
        let is_busy = |table: &mut Vec<_>| !table.is_empty();
        self.flight_ended
            .wait_while_until(&mut table, is_busy, deadline.at);
        self.ending.fetch_sub(1, Ordering::Relaxed);
        table.is_empty()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.table.lock().is_empty()
    }

    /// Waits for the flights under way, for at most 5 s. Called when the last handle to the client is dropped.
    pub(crate) fn end(&self) {
        let under_way = self.table.lock().clone();
        if let Some(first) = under_way.first() {
            let prefix = first.request.subject.prefix();
            let count = under_way.len();
            self.gateway.log.warn(format_args!(
                "{prefix}waiting up to {} s for gateway calls to end (this is one of {count}); if a call is cut short, the \
                 provider may revoke the user's grant",
                DROP_TIMEOUT.as_secs()
            ));
            self.ending.fetch_add(1, Ordering::Relaxed);
            self.drain(Deadline::after(DROP_TIMEOUT));
        }
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) > 0
    }

    fn start(self: &Arc<Self>, flight: &Arc<Flight>) {
        let flights = Arc::clone(self);
        let started = Arc::clone(flight);
        let run = move || {
            let request = &started.request;
            let ask = || {
                let answer = flights.ask(request, || flights.send(&started));
                flights.gateway.note_outage(request, &answer);
                Ok(Response::new(answer?, &request.subject))
            };
            let answer = panics::contained(ask).unwrap_or_else(|| {
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
        let resolved = response.clone();
        let outcome = resolved.and_then(|it| Ok((it.token.clone()?, it.requested)));
        let mut table = self.table.lock();
        table.retain(|other| !Arc::ptr_eq(other, flight));
        let now = Now::read();
        for ticket in flight.tickets.lock().drain(..) {
            ticket.done(outcome.clone(), now);
        }
        let _ = flight.response.set(response);
        drop(table);
        flight.ended.notify_all();
        self.flight_ended.notify_all();
    }

    /// Asks the gateway with `send`, and asks again where the first answer does not tell. After `token_expired`, only the
    /// second response tells whether the provider was down for a moment or has refused for good. If the gateway has not found
    /// a connection, makes sure that the connection is missing. A broker also says so while its database is away or out of
    /// connections. So the list of providers must answer, which needs the database too, and the same question must have the
    /// same answer a moment later. Any other answer is returned as it is.
    ///
    /// # Errors
    ///
    /// The error of the list of providers if it fails for the moment. `timeout` if the program may be ending.
    pub(crate) fn ask(
        &self,
        request: &Request,
        send: impl Fn() -> Result<Success>,
    ) -> Result<Success> {
        let is_resolve = request.operation == RESOLVE;
        let is_expired = |error: &NexusError| is_resolve && error.code() == "token_expired";
        let answer = match send() {
            Err(error) if is_expired(&error) && !self.is_ending() => send(),
            first => first,
        };
        let mut confirmed = self.confirmed.lock();
        confirmed.retain(|_, at| at.elapsed() < CONFIRMED_TIME);
        let last = confirmed.remove(&request.subject);
        drop(confirmed);
        let is_missing = answer.as_ref().is_err_and(NexusError::is_missing);
        if !is_missing || !request.is_repeatable() {
            return answer;
        }
        let listed = match last {
            Some(listed) => listed,
            None if self.is_ending() => return Err(unconfirmed()),
            None => self.ask_for_providers()?,
        };
        if !self.pause(CONFIRMATION_PAUSE) {
            return Err(unconfirmed());
        }
        match send() {
            Err(error) if error.is_missing() => {
                let subject = request.subject.clone();
                self.confirmed.lock().insert(subject, listed);
                let (next, ..) = meaning::of(request.operation, 404, error.code(), None);
                Err(error.with(|inner| inner.next = next))
            }
            another => {
                self.confirmed.lock().clear();
                another
            }
        }
    }

    /// Requests the list of providers. A gateway that refuses it for good, for example because it has no list, cannot tell
    /// more than the second answer. Returns the time of the answer.
    fn ask_for_providers(&self) -> Result<Instant> {
        let providers = Request::get("providers", "/v1/providers");
        let pause = |wait| self.pause(wait);
        match self.gateway.retry(&providers, None, pause) {
            Err(error) if error.is_retryable() && !error.is_missing() => {
                self.confirmed.lock().clear();
                Err(error)
            }
            _ => Ok(Instant::now()),
        }
    }

    /// Sends a flight's request, and retries it. During each attempt, holds the lock that processes share.
    fn send(&self, flight: &Flight) -> Result<Success> {
        #[cfg(test)]
        if let Some(script) = &self.script {
            return script(&flight.request);
        }
        let turn = || self.turn(flight);
        let pause = |wait| self.pause(wait);
        self.gateway.retry(&flight.request, Some(&turn), pause)
    }

    /// Blocks for this time, or until the program may be ending. Returns whether it goes on.
    fn pause(&self, time: Duration) -> bool {
        let mut table = self.table.lock();
        let goes_on = |_: &mut Vec<_>| !self.is_ending();
        let end = Deadline::after(time);
        self.end_began.wait_while_until(&mut table, goes_on, end.at);
        !self.is_ending()
    }
}

fn flight_for<'a>(table: &'a [Arc<Flight>], key: &Key) -> Option<&'a Arc<Flight>> {
    table.iter().find(|flight| flight.key == *key)
}

/// Adds a flight to the table.
fn register(table: &mut Vec<Arc<Flight>>, request: Request, ticket: Option<Ticket>) -> Arc<Flight> {
    let flight = Arc::new(Flight {
        key: Key::of(&request.subject),
        tickets: Mutex::new(Vec::from_iter(ticket)),
        request,
        began: Instant::now(),
        lock_name: Mutex::default(),
        response: OnceLock::new(),
        ended: Condvar::default(),
    });
    table.push(Arc::clone(&flight));
    flight
}

fn has_room(table: &[Arc<Flight>], key: &Key) -> bool {
    let provider = key.provider();
    let same = |flight: &&Arc<Flight>| flight.key.provider() == provider;
    table.len() < MAX_FLIGHTS && table.iter().filter(same).count() < MAX_FLIGHTS_OF_PROVIDER
}

fn unconfirmed() -> NexusError {
    let message =
        "the client was dropped or drained before the gateway's answer was confirmed; try again";
    NexusError::new(ErrorKind::Timeout, message).local()
}

pub(crate) fn timed_out() -> NexusError {
    let message = "timed out waiting for the gateway; try again (a call that has begun continues in the background, \
                   so that no refresh is lost)";
    NexusError::new(ErrorKind::Timeout, message)
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
