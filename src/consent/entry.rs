//! A form at its address: who may send it, and what the gateway makes of it.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::form::{Form, Problems, Refusal};
use super::http::{self, Request, Response};
use super::input::Entered;
use super::page;
use crate::capture::CapturedCredential;
use crate::client::NexusClient;
use crate::error::{ErrorKind, NexusError};
use crate::flights::Flights;
use crate::json::Object;

/// One credential's way to the gateway. No `Debug`: whoever has the path or the state can use it up.
pub(super) struct Entry {
    pub(super) path: String,
    form: Form,
    /// Of the client, and no handle of it: a form may outlive the last one.
    flights: Arc<Flights>,
    state: String,
    turn: Mutex<Turn>,
}

/// One attempt at a time: who clicks twice sees the result of the first.
#[derive(Default)]
enum Turn {
    #[default]
    Free,
    Taken(Arc<Attempt>),
    /// The gateway has a credential.
    Over,
}

/// What the gateway makes of a credential, for all who send it meanwhile: the connection, or what to mend.
struct Attempt {
    credential: Object,
    outcome: OnceLock<Result<String, Problems>>,
}

impl Entry {
    pub(super) fn new(path: String, form: Form, client: &NexusClient, state: &str) -> Self {
        Self {
            path,
            form,
            flights: Arc::clone(client.flights()),
            state: state.to_owned(),
            turn: Mutex::default(),
        }
    }

    /// The response, and the connection that was made. `origin` is the listener's own.
    pub(super) fn respond(&self, request: &Request, origin: &str) -> (Response, Option<String>) {
        if matches!(*self.turn.lock(), Turn::Over) {
            return (page::not_found(), None);
        }
        match request.method.as_str() {
            "GET" if is_visit(request) => (self.form.page(None, &Problems::default()), None),
            "POST" if !is_own(request, origin) => (page::refused(403), None),
            "POST" => match entered(request) {
                Ok(entered) => self.submit(&entered),
                Err(status) => (page::refused(status), None),
            },
            _ => (page::not_found(), None),
        }
    }

    fn submit(&self, entered: &Entered) -> (Response, Option<String>) {
        let credential = match self.form.read(entered) {
            Ok(credential) => credential,
            Err(problems) => return (self.form.page(Some(entered), &problems), None),
        };
        while let Some(attempt) = self.attempt(&credential) {
            match attempt.outcome.get_or_init(|| self.capture(&attempt)) {
                Ok(connection_id) => return (page::connected(), Some(connection_id.clone())),
                Err(problems) if attempt.credential == credential => {
                    return (self.form.page(Some(entered), problems), None);
                }
                // Another credential's turn has ended.
                Err(_) => {}
            }
        }
        (page::connected(), None)
    }

    /// The attempt under way, or a new one; `None` when all is over.
    fn attempt(&self, credential: &Object) -> Option<Arc<Attempt>> {
        let mut turn = self.turn.lock();
        match &*turn {
            Turn::Over => None,
            Turn::Taken(attempt) => Some(Arc::clone(attempt)),
            Turn::Free => {
                let attempt = Arc::new(Attempt {
                    credential: credential.clone(),
                    outcome: OnceLock::new(),
                });
                *turn = Turn::Taken(Arc::clone(&attempt));
                Some(attempt)
            }
        }
    }

    fn capture(&self, attempt: &Attempt) -> Result<String, Problems> {
        let gateway = &self.flights.gateway;
        let captured = CapturedCredential::capture(gateway, &self.state, &attempt.credential);
        let (turn, outcome) = match captured {
            Ok(captured) => (Turn::Over, Ok(captured.connection_id)),
            Err(error) => (Turn::Free, Err(self.form.refused(self.refusal(&error)))),
        };
        *self.turn.lock() = turn;
        outcome
    }

    fn refusal(&self, error: &NexusError) -> Refusal {
        let (code, message) = said(error);
        Refusal {
            advice: self.advice(error.kind(), code),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    fn advice(&self, kind: ErrorKind, code: &str) -> String {
        let (program, provider) = (&self.form.program, &self.form.provider);
        match (kind, code) {
            (ErrorKind::Gateway, "credentials_rejected") => {
                format!(
                    "These credentials were not accepted by {provider}. Check them and try again."
                )
            }
            (ErrorKind::Gateway, "validation_unreachable") => format!(
                "The gateway could not reach {provider} to try these credentials. If one of the fields is an \
                 address, check it; otherwise try again in a moment."
            ),
            (ErrorKind::Gateway, "invalid_state") => format!(
                "The gateway is no longer waiting for these credentials. Go back to {program} and connect again."
            ),
            (ErrorKind::Gateway, _) => format!(
                "The gateway did not take these credentials. Check them and try again; if that does not help, go \
                 back to {program} and connect again."
            ),
            _ => "The gateway could not be asked. Try again in a moment.".to_owned(),
        }
    }
}

/// Code and message; those of the broker where the gateway only passes them on, as `code: message`.
fn said(error: &NexusError) -> (&str, &str) {
    let inner = error.message().split_once(": ");
    let inner = inner.filter(|(code, _)| !code.contains(' ') && error.code() == "broker_error");
    inner.unwrap_or((error.code(), error.message()))
}

/// Whether a person opens the page: a browser says what a request is for (Fetch Metadata).
fn is_visit(request: &Request) -> bool {
    request
        .header("sec-fetch-dest")
        .is_none_or(|dest| dest == "document")
}

/// Whether the form was sent from its own page: `null` and other origins are not ours, and a browser
/// that names none is old.
fn is_own(request: &Request, origin: &str) -> bool {
    let is = |name: &str, own: &str| !request.has(name) || request.header(name) == Some(own);
    is("origin", origin) && is("sec-fetch-site", "same-origin")
}

/// The fields of a request, or the status that refuses it.
fn entered(request: &Request) -> Result<Entered, u16> {
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(415);
    }
    let text = std::str::from_utf8(&request.body).map_err(|_| 400_u16)?;
    http::fields(text).ok_or(400)
}

#[cfg(test)]
mod tests;
