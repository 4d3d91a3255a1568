//! Waiting for a connection's consent.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::connection::{ConnectionStatus, WaitOptions};
use crate::error::{ErrorKind, NexusError, Result};

/// The shortest pause between two polls: `interval` must not make a busy loop.
const SHORTEST: Duration = Duration::from_millis(10);

/// Polls until the status is final or the time is up; sleeps in between, never past the deadline.
pub(crate) fn until_final(
    mut options: WaitOptions<'_>,
    poll: impl Fn(Deadline) -> Result<ConnectionStatus>,
) -> Result<ConnectionStatus> {
    let start = Instant::now();
    let deadline = Deadline::after(options.timeout);
    let mut seen = "no poll had an answer".to_owned();
    while deadline.left().is_some() {
        match poll(deadline) {
            Ok(status) => {
                if let Some(ControlFlow::Break(())) =
                    options.on_poll.as_mut().map(|call| call(&status))
                {
                    return Err(aborted(&status));
                }
                let early =
                    status == ConnectionStatus::Failed && start.elapsed() < options.failed_grace;
                if status.is_terminal() && !early {
                    return Ok(status);
                }
                seen = format!("the last status was `{status}`");
            }
            // A poll that only our own deadline has cut short says nothing new.
            Err(_) if deadline.left().is_none() => {}
            Err(error) if is_transient(&error) => {
                seen = format!("the last poll failed with {error}");
            }
            Err(error) => return Err(error),
        }
        let pause = options.interval.max(SHORTEST);
        std::thread::sleep(deadline.left().unwrap_or_default().min(pause));
    }
    Err(timed_out(options.timeout, &seen))
}

/// What may pass by itself: the network, a deadline, and the gateway's own failures.
fn is_transient(error: &NexusError) -> bool {
    error.is_retryable()
        || error
            .status_code()
            .is_some_and(|status| status == 429 || status >= 500)
}

fn timed_out(timeout: Duration, seen: &str) -> NexusError {
    let message = format!(
        "the connection was not active after {} s: {seen}; let the user consent, or wait longer",
        timeout.as_secs_f64()
    );
    NexusError::new(ErrorKind::Timeout, message).retryable(true)
}

fn aborted(status: &ConnectionStatus) -> NexusError {
    let message = format!("on_poll ended the wait; the last status was `{status}`");
    NexusError::new(ErrorKind::Aborted, message)
}
