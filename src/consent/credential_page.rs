//! The page for one credential. It shows the form and sends the credential to the gateway.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use ureq::http::header::ORIGIN;

use super::form::{Attempt, Form, Problem};
use super::input::Entered;
use super::page::{self, Check};
use super::random::random;
use crate::client::NexusClient;
use crate::client::credentials::capture;
use crate::error::{ErrorKind, NexusError};
use crate::gateway::Gateway;
use crate::inner::connections::Connections;
use crate::json::Object;
use crate::loopback::{Request, Response, field, fields};
use crate::wait::browser::BrowserReturns;

/// The page for one credential. Does not implement `Debug`, because the path and the state are secrets.
pub(super) struct CredentialPage {
    pub(super) path: String,
    form: Form,
    /// The client's gateway. A page does not keep the client open.
    gateway: Arc<Gateway>,
    connections: Arc<Connections>,
    state: String,
    returns: Arc<BrowserReturns>,
    /// One entry for each response that contains the form.
    checks: Mutex<Vec<Check>>,
    /// True once the gateway has accepted a credential. Locked while a credential is being sent: if the user clicks twice,
    /// the second submission waits for the result of the first.
    is_used: RwLock<bool>,
}

impl CredentialPage {
    pub(super) fn new(
        path: String,
        form: Form,
        client: &NexusClient,
        state: &str,
        returns: &Arc<BrowserReturns>,
    ) -> Self {
        Self {
            path,
            form,
            gateway: Arc::clone(&client.0.gateway),
            connections: Arc::clone(&client.0.connections),
            state: state.to_owned(),
            returns: Arc::clone(returns),
            checks: Mutex::default(),
            is_used: RwLock::default(),
        }
    }

    /// Responds to a request for this page. `origin` is the listener's origin.
    pub(super) fn respond(&self, request: &Request, origin: &str) -> Response {
        if self.is_used.try_read().is_some_and(|is_used| *is_used) {
            return page::used();
        }
        let challenge = field(request.uri().query().unwrap_or_default(), "challenge");
        // Browsers send `Origin` with every POST, so a request without it is not from a browser.
        let stated_origin = request.headers().get(ORIGIN);
        let is_foreign = stated_origin.is_some_and(|stated| stated != origin);
        match (request.method().as_str(), challenge) {
            ("GET", Some(challenge)) => self.prove(&challenge),
            ("GET", None) => self.page(None),
            ("POST", _) if is_foreign => page::refused(403),
            ("POST", _) => {
                let text = str::from_utf8(request.body()).ok();
                let entered: Option<Entered> = text.and_then(|text| fields(text).collect());
                entered.map_or_else(|| page::refused(400), |entered| self.submit(&entered))
            }
            _ => page::not_found(),
        }
    }

    fn page(&self, attempt: Option<&Attempt<'_>>) -> Response {
        let (Ok(challenge), Ok(proof)) = (random(), random()) else {
            return page::refused(500);
        };
        let check = Check { challenge, proof };
        let response = self.form.page(attempt, &check);
        self.checks.lock().push(check);
        response
    }

    /// Returns the proof for a challenge. An open page requests the proof to check its server. Returns 404 if this page
    /// did not issue the challenge.
    fn prove(&self, challenge: &str) -> Response {
        let checks = self.checks.lock();
        match checks.iter().find(|check| check.challenge == challenge) {
            Some(check) => page::secured(Response::new(200, "text/plain", &*check.proof)),
            None => page::not_found(),
        }
    }

    fn submit(&self, entered: &Entered) -> Response {
        let result = self.form.read(entered);
        match result.and_then(|credential| self.send(&credential)) {
            Ok(page) => page,
            Err(problem) => self.page(Some(&Attempt { entered, problem })),
        }
    }

    /// Sends a credential to the gateway. Blocks until earlier submissions have ended, and then for one
    /// request.
    ///
    /// # Errors
    ///
    /// Returns the reason why the gateway has not accepted the credential.
    fn send(&self, credential: &Object) -> Result<Response, Problem> {
        let mut is_used = self.is_used.write();
        if *is_used {
            // The form was sent twice at the same time, and a browser shows the response to the second request.
            return Ok(self.connected());
        }
        let outcome = capture(&self.gateway, &self.connections, &self.state, credential);
        let captured = outcome.map_err(|error| self.problem(&error))?;
        *is_used = true;
        let mut page = self.connected();
        page.on_sent = Some(self.returns.notifier(captured.connection_id));
        Ok(page)
    }

    fn connected(&self) -> Response {
        page::connected(Some(&self.form.provider))
    }

    fn problem(&self, error: &NexusError) -> Problem {
        let (code, message) = cause(error);
        let advice = self.advice(error, code);
        Problem {
            texts: vec![advice, format!("Details: {message} ({code})")],
            is_final: matches!(code, "credentials_rejected" | "invalid_state"),
            ..Problem::default()
        }
    }

    fn advice(&self, error: &NexusError, code: &str) -> String {
        if error.kind() != ErrorKind::Gateway {
            return "The gateway gave no usable response. Try again in a moment.".to_owned();
        }
        let program = &self.form.program;
        let provider = &self.form.provider;
        match (code, error.status_code()) {
            ("credentials_rejected", _) => {
                format!("{provider} did not accept these credentials. Check them and try again.")
            }
            ("validation_unreachable", _) => format!(
                "The gateway could not reach {provider} to check these credentials. If one of the fields is an \
                 address, check it; otherwise try again in a moment."
            ),
            ("invalid_state", _) => format!(
                "The gateway is no longer waiting for these credentials. Go back to {program} and connect again."
            ),
            ("missing_credential" | "invalid_base_url", _) | (_, Some(400 | 422)) => format!(
                "The gateway did not accept these credentials. Check them and try again. If that does not help, go \
                 back to {program} and connect again."
            ),
            _ => format!(
                "The gateway could not store these credentials. Try again later. If that does not help, ask whoever \
                 set up {program}."
            ),
        }
    }
}

/// Returns the code and message of an error. Gateway 0.4 wraps most of its broker's errors in `broker_error`. If the
/// message of such an error has the form `code: message`, returns that code and message instead.
fn cause(error: &NexusError) -> (&str, &str) {
    let parts = error.message().split_once(": ");
    let inner = parts.filter(|(code, _)| !code.contains(' ') && error.code() == "broker_error");
    inner.unwrap_or((error.code(), error.message()))
}

#[cfg(all(test, feature = "testing"))]
mod tests;
