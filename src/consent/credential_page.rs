//! The page for one credential. It shows the form and sends the credential to the gateway.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::form::{Form, Problems, Refusal};
use super::input::Entered;
use super::page::{self, Check};
use super::random::random;
use super::request::{entered, field, is_same_origin, is_visit};
use crate::browser::BrowserReturns;
use crate::capture::CapturedCredential;
use crate::client::NexusClient;
use crate::error::{ErrorKind, NexusError};
use crate::flights::Flights;
use crate::json::Object;
use crate::loopback::{Request, Response};

/// The limit on open pages of one form. A further page invalidates the oldest one, which then shows a notice.
const MAX_PROOFS: usize = 16;
/// A browser without scripts leaves the form after this time if no wait is in progress.
const TIME_WITHOUT_WAIT: Duration = Duration::from_secs(60);
/// A browser without scripts leaves the form this long before the wait's timeout.
const MARGIN: Duration = Duration::from_secs(5);

/// The page for one credential. Does not implement `Debug`, because the path and the state are secrets.
pub(super) struct CredentialPage {
    pub(super) path: String,
    form: Form,
    /// The client's shared state, which does not keep the client open.
    flights: Arc<Flights>,
    state: String,
    returns: Arc<BrowserReturns>,
    /// Pairs of a challenge and its proof, one for each page that was sent.
    proofs: Mutex<Vec<(String, String)>>,
    submission: Mutex<SubmissionState>,
}

#[derive(Default)]
enum SubmissionState {
    #[default]
    Open,
    Sending(Arc<Submission>),
    /// The gateway has accepted a credential.
    Accepted,
}

/// A credential on its way to the gateway. Equal submissions share the outcome, so a double click sends the credential
/// once.
struct Submission {
    credential: Object,
    outcome: OnceLock<Result<String, Problems>>,
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
            flights: Arc::clone(client.flights()),
            state: state.to_owned(),
            returns: Arc::clone(returns),
            proofs: Mutex::default(),
            submission: Mutex::default(),
        }
    }

    /// Responds to a request for this page. `origin` is the listener's origin.
    pub(super) fn respond(&self, request: &Request, origin: &str) -> Response {
        if matches!(*self.submission.lock(), SubmissionState::Accepted) {
            return page::not_found();
        }
        let challenge = field(request.uri().query().unwrap_or_default(), "challenge");
        match (request.method().as_str(), challenge) {
            ("GET", Some(challenge)) if is_same_origin(request, origin) => self.prove(&challenge),
            ("GET", None) if is_visit(request) => self.page(None, &Problems::default()),
            ("POST", _) if !is_same_origin(request, origin) => page::refused(403),
            ("POST", _) => match entered(request) {
                Ok(entered) => self.submit(&entered),
                Err(status) => page::refused(status),
            },
            _ => page::not_found(),
        }
    }

    fn page(&self, entered: Option<&Entered>, problems: &Problems) -> Response {
        let left = self.returns.time_left();
        let time = left.map_or(TIME_WITHOUT_WAIT, |left| left.saturating_sub(MARGIN));
        let (Ok(challenge), Ok(proof)) = (random(), random()) else {
            return page::refused(500);
        };
        let mut proofs = self.proofs.lock();
        if proofs.len() >= MAX_PROOFS {
            proofs.remove(0);
        }
        proofs.push((challenge.clone(), proof.clone()));
        let check = Check {
            challenge,
            proof,
            seconds: time.as_secs(),
        };
        self.form.page(entered, problems, &check)
    }

    /// Proves to an open page that this server made it.
    fn prove(&self, challenge: &str) -> Response {
        let proofs = self.proofs.lock();
        match proofs.iter().find(|(own, _)| own == challenge) {
            Some((_, proof)) => page::secured(Response::new(200, "text/plain", &**proof)),
            None => page::not_found(),
        }
    }

    fn submit(&self, entered: &Entered) -> Response {
        let credential = match self.form.read(entered) {
            Ok(credential) => credential,
            Err(problems) => return self.page(Some(entered), &problems),
        };
        loop {
            let Some(submission) = self.join_or_start(&credential) else {
                return page::not_used();
            };
            let outcome = submission.outcome.get_or_init(|| self.send(&submission));
            if submission.credential != credential {
                // Another credential was sent first. If the gateway refused it, this one can be sent now.
                continue;
            }
            let connection_id = match outcome {
                Ok(connection_id) => connection_id.clone(),
                Err(problems) => return self.page(Some(entered), problems),
            };
            let mut page = page::connected();
            page.on_sent = Some(self.returns.notifier(connection_id));
            return page;
        }
    }

    /// Joins the submission in progress or starts one. `None` once the gateway has accepted a credential.
    fn join_or_start(&self, credential: &Object) -> Option<Arc<Submission>> {
        let mut state = self.submission.lock();
        match &*state {
            SubmissionState::Accepted => None,
            SubmissionState::Sending(submission) => Some(Arc::clone(submission)),
            SubmissionState::Open => {
                let submission = Arc::new(Submission {
                    credential: credential.clone(),
                    outcome: OnceLock::new(),
                });
                *state = SubmissionState::Sending(Arc::clone(&submission));
                Some(submission)
            }
        }
    }

    /// Sends a credential to the gateway. Blocks for that request.
    fn send(&self, submission: &Submission) -> Result<String, Problems> {
        let credential = &submission.credential;
        let captured = CapturedCredential::capture(&self.flights.gateway, &self.state, credential);
        let (state, outcome) = match captured {
            Ok(captured) => (SubmissionState::Accepted, Ok(captured.connection_id)),
            Err(error) => {
                let problems = self.form.refused(self.refusal(&error));
                (SubmissionState::Open, Err(problems))
            }
        };
        *self.submission.lock() = state;
        outcome
    }

    fn refusal(&self, error: &NexusError) -> Refusal {
        let (code, message) = cause(error);
        Refusal {
            advice: self.advice(error.kind(), code),
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    fn advice(&self, kind: ErrorKind, code: &str) -> String {
        let (program, provider) = (&self.form.program, &self.form.provider);
        match (kind, code) {
            (ErrorKind::Gateway, "credentials_rejected") => format!(
                "These credentials were not accepted by {provider}. Check them and try again."
            ),
            (ErrorKind::Gateway, "validation_unreachable") => format!(
                "The gateway could not reach {provider} to check these credentials. If one of the fields is an \
                 address, check it; otherwise try again in a moment."
            ),
            (ErrorKind::Gateway, "invalid_state") => format!(
                "The gateway is no longer waiting for these credentials. Go back to {program} and connect again."
            ),
            (ErrorKind::Gateway, _) => format!(
                "The gateway did not accept these credentials. Check them and try again. If that does not help, go \
                 back to {program} and connect again."
            ),
            _ => "The gateway gave no usable response. Try again in a moment.".to_owned(),
        }
    }
}

/// Returns the code and message of an error. A gateway reports its broker's error as a message `code: message`.
fn cause(error: &NexusError) -> (&str, &str) {
    let inner = error.message().split_once(": ");
    let inner = inner.filter(|(code, _)| !code.contains(' ') && error.code() == "broker_error");
    inner.unwrap_or((error.code(), error.message()))
}

#[cfg(test)]
mod tests;
