//! Reports each attempt to reach the gateway, to the program's `on_call` and to the log.

use std::time::{Duration, Instant};

use super::{Gateway, Request, Success};
use crate::error::meaning::RESOLVE;
use crate::error::{NexusError, Result};
use crate::options::GatewayCall;
use crate::panics;

/// The maximum number of outages that a client remembers. When there are more, it forgets all.
const MAX_OUTAGES: usize = 1000;

impl Gateway {
    /// Reports an attempt. Must be called without a lock, because the program's function may take its time.
    pub(super) fn report(
        &self,
        request: &Request,
        number: u32,
        duration: Duration,
        error: Option<&NexusError>,
    ) {
        let subject = &request.subject;
        let operation = request.operation;
        let attempts = self.options.retry_policy.attempts();
        let ms = duration.as_millis();
        match error {
            // The error names the subject.
            Some(error) => self.log.info(format_args!(
                "{operation}: attempt {number} of {attempts} failed in {ms} ms: {error}"
            )),
            None => self.log.debug(format_args!(
                "{operation}: {}attempt {number} of {attempts} succeeded in {ms} ms",
                subject.prefix()
            )),
        }
        let call = GatewayCall {
            operation,
            workspace_id: subject.workspace_id.as_deref(),
            provider: subject.provider.as_deref(),
            connection_id: subject.connection_id.as_deref(),
            attempt: number,
            duration,
            error,
        };
        // A panic must not end the call to the gateway, whose response may hold a new token.
        if let Some(on_call) = &self.options.on_call
            && panics::contained(|| on_call(&call)).is_none()
        {
            let prefix = subject.prefix();
            self.log.warn(format_args!(
                "{prefix}on_call panicked; the panic's own message is on stderr, and the call to the gateway goes on"
            ));
        }
    }

    /// Logs a warning when a tenant's token cannot be renewed, and another line when it can be renewed again.
    pub(crate) fn note_outage(&self, request: &Request, outcome: &Result<Success>) {
        if request.operation != RESOLVE {
            return;
        }
        let subject = &request.subject;
        match outcome {
            Err(error) if error.is_outage() => {
                let mut outages = self.outages.lock();
                let is_known = outages.contains_key(subject);
                if !is_known && outages.len() >= MAX_OUTAGES {
                    outages.clear();
                }
                outages.entry(subject.clone()).or_insert_with(Instant::now);
                drop(outages);
                if !is_known {
                    self.log.warn(format_args!(
                        "a token cannot be renewed: {error} (until it can be, further failures are logged at the level info)"
                    ));
                }
            }
            outcome => {
                let ended = self.outages.lock().remove(subject);
                if let (Some(start), Ok(_)) = (ended, outcome) {
                    // `Debug` of a duration needs no code for floats, which takes 25 KB.
                    let time = start.elapsed();
                    self.log.warn(format_args!(
                        "tokens of {subject} can be renewed again, after {time:.1?}"
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NexusError;
    use crate::log::{Log, LogLevel};
    use crate::options::NexusClientOptions;
    use crate::transport::Transport;
    use std::time::Duration;

    #[test]
    fn outages_are_bounded_and_each_counts_once() {
        let options = NexusClientOptions::new("http://127.0.0.1:1");
        let transport = Transport::new(None, Duration::from_secs(1)).unwrap();
        let gateway = Gateway::new(options, transport, Log::new(LogLevel::Off)).unwrap();
        let fail = |number: usize| {
            let of = Request::get(RESOLVE, "/").of_tenant(Some(&number.to_string()), Some("p"));
            gateway.note_outage(&of, &Err(NexusError::with_code("request_failed", "down")));
            gateway.outages.lock().len()
        };
        for number in 1..=MAX_OUTAGES {
            assert_eq!(fail(number), number);
        }
        assert_eq!(fail(1), MAX_OUTAGES, "known already");
        assert_eq!(fail(MAX_OUTAGES + 1), 1, "all others are forgotten");
    }
}
