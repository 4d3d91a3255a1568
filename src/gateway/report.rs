//! Reports each attempt to reach the gateway, to the program's `on_call` and to the log.

use std::time::Instant;

use ureq::http::Method;

use super::{Attempt, Gateway, Request, Success};
use crate::error::Result;
use crate::options::GatewayCall;

/// The operations by the beginnings of their paths.
const OPERATIONS: [(&str, &str); 11] = [
    ("/v1/resolve", "resolve"),
    ("/v1/token/", "token"),
    ("/v1/refresh/", "refresh"),
    ("/v1/check-connection/", "check_connection"),
    ("/v1/request-connection", "request_connection"),
    ("/v1/connections/", "revoke"),
    ("/v1/providers", "providers"),
    ("/health", "health"),
    ("/v1/health", "health"),
    ("/v1/capture-schema", "capture_schema"),
    ("/v1/capture-credential", "capture_credential"),
];

impl Request {
    fn operation(&self) -> &'static str {
        let mut operations = OPERATIONS.iter();
        let found = operations.find(|(path, _)| self.path.starts_with(path));
        found.map_or_else(
            || match self.method {
                Method::POST => "request_agent_session",
                Method::DELETE => "close_agent_session",
                _ => "get_agent_session",
            },
            |(_, operation)| operation,
        )
    }
}

impl Gateway {
    /// Reports an attempt. Must be called without a lock, because the program's function may take its time.
    pub(super) fn report(&self, request: &Request, number: u32, attempt: &Attempt) {
        let subject = &request.subject;
        let call = GatewayCall {
            operation: request.operation(),
            workspace_id: subject.workspace_id.as_deref(),
            provider: subject.provider.as_deref(),
            connection_id: subject.connection_id.as_deref(),
            attempt: number,
            duration: attempt.duration,
            error: attempt.outcome.as_ref().err(),
        };
        self.log_call(request, &call);
        if let Some(on_call) = &self.on_call {
            on_call.call(&call, self.log);
        }
    }

    fn log_call(&self, request: &Request, call: &GatewayCall<'_>) {
        let operation = call.operation;
        let number = call.attempt;
        let attempts = self.retry_policy.attempts();
        let ms = call.duration.as_millis();
        match call.error {
            // The error names the subject.
            Some(error) => self.log.info(format_args!(
                "{operation}: attempt {number} of {attempts} failed in {ms} ms: {error}"
            )),
            None => self.log.debug(format_args!(
                "{operation}: {}attempt {number} of {attempts} succeeded in {ms} ms",
                request.subject.prefix()
            )),
        }
    }

    /// Logs a warning when a tenant's token cannot be renewed, and another line when it can be renewed again.
    pub(crate) fn note_outage(&self, request: &Request, outcome: &Result<Success>) {
        if request.operation() != "resolve" {
            return;
        }
        let subject = &request.subject;
        let now = Instant::now();
        match outcome {
            Err(error) if error.is_outage() => {
                if self.outages.lock().failed(subject, now) {
                    self.log.warn(format_args!(
                        "a token cannot be renewed: {error} (until it can be, further failures are logged at the level info)"
                    ));
                }
            }
            outcome => {
                let recovered = self.outages.lock().ended(subject, now);
                if let (Some(time), Ok(_)) = (recovered, outcome) {
                    let seconds = time.as_secs_f64();
                    self.log.warn(format_args!(
                        "tokens of {subject} can be renewed again, after {seconds:.1} s"
                    ));
                }
            }
        }
    }
}
