//! Waiting for a connection's consent.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::connection::ConnectionStatus;
use crate::error::{ErrorKind, NexusError, Result};
use crate::time::Deadline;

/// How long a browser has to come back after its user has consented.
#[cfg(feature = "consent")]
const BROWSER_TIME: Duration = Duration::from_secs(1);

/// The shortest pause between two polls: `interval` must not make a busy loop.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

type OnPoll<'a> = Box<dyn FnMut(&ConnectionStatus) -> ControlFlow<()> + 'a>;

/// How [`NexusClient::wait_for_active`](crate::NexusClient::wait_for_active) polls.
///
/// ```
/// use nexus_sdk::WaitOptions;
/// use std::time::Duration;
///
/// let options = WaitOptions::default();
/// assert_eq!(options.interval, Duration::from_millis(1500));
/// assert_eq!(options.timeout, Duration::from_secs(300));
/// ```
#[non_exhaustive]
pub struct WaitOptions<'a> {
    /// The pause between two polls. Default 1.5 s.
    pub interval: Duration,
    /// How long to wait in all. Default 300 s.
    pub timeout: Duration,
    pub(crate) on_poll: Option<OnPoll<'a>>,
    #[cfg(feature = "consent")]
    pub(crate) browser: Option<crate::browser::BrowserWait>,
}

impl Default for WaitOptions<'_> {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(1500),
            timeout: Duration::from_secs(300),
            on_poll: None,
            #[cfg(feature = "consent")]
            browser: None,
        }
    }
}

impl<'a> WaitOptions<'a> {
    /// The pause between two polls. Default 1.5 s; less than 10 ms counts as 10 ms.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::WaitOptions::default().interval(Duration::from_millis(100));
    /// assert_eq!(options.interval, Duration::from_millis(100));
    /// ```
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long to wait in all. Default 300 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::WaitOptions::default().timeout(Duration::from_secs(60));
    /// assert_eq!(options.timeout, Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Called with the status after every poll that brought one, for a progress line or to end the
    /// wait: [`ControlFlow::Break`] makes it the error `aborted`. A `failed` that may still become
    /// active is shown as what it is, `pending`. Default: nothing is called.
    ///
    /// ```
    /// use nexus_sdk::WaitOptions;
    /// use std::ops::ControlFlow;
    ///
    /// let mut polls = 0;
    /// let options = WaitOptions::default().on_poll(|_status| {
    ///     polls += 1;
    ///     if polls < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    /// });
    /// ```
    #[must_use]
    pub fn on_poll(
        mut self,
        on_poll: impl FnMut(&ConnectionStatus) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.on_poll = Some(Box::new(on_poll));
        self
    }
}

impl fmt::Debug for WaitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOptions")
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl WaitOptions<'_> {
    /// Tells the listener, if there is one, which connection this wait is for.
    #[cfg(feature = "consent")]
    pub(crate) fn awaiting(mut self, connection_id: &str) -> Self {
        if let Some(browser) = &mut self.browser {
            browser.start(connection_id, Deadline::after(self.timeout));
        }
        self
    }

    /// Waits for a browser that has not returned yet. A poll can see the consent first, and a caller that then drops
    /// its listener would send the user to an error page.
    #[cfg(feature = "consent")]
    fn wait_for_browser(&mut self, status: &ConnectionStatus, deadline: Deadline) {
        if let (Some(browser), ConnectionStatus::Active) = (&mut self.browser, status) {
            browser.wait_for_browser(deadline.left().unwrap_or_default().min(BROWSER_TIME));
        }
    }

    /// The pause between two polls; never past the deadline, nor past the browser's return to a listener.
    fn pause(&mut self, deadline: Deadline) {
        let pause = self.interval.max(MIN_INTERVAL);
        let pause = deadline.left().unwrap_or_default().min(pause);
        #[cfg(feature = "consent")]
        if let Some(browser) = &mut self.browser {
            browser.sleep(pause);
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Polls until the status is final or the time is up. `token` asks for the connection's token, which
/// tells what a `failed` stands for.
pub(crate) fn until_final(
    mut options: WaitOptions<'_>,
    status: impl Fn(Deadline) -> Result<ConnectionStatus>,
    token: impl Fn(Deadline) -> Result<()>,
) -> Result<ConnectionStatus> {
    let deadline = Deadline::after(options.timeout);
    let mut seen = "no poll had a response".to_owned();
    while deadline.left().is_some() {
        let polled = match status(deadline) {
            Ok(ConnectionStatus::Failed) => behind_failed(token(deadline)),
            polled => polled,
        };
        match polled {
            Ok(status) => {
                let on_poll = options.on_poll.as_mut();
                if on_poll.is_some_and(|call| call(&status).is_break()) {
                    return Err(aborted(&status));
                }
                if status.is_terminal() {
                    #[cfg(feature = "consent")]
                    options.wait_for_browser(&status, deadline);
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
        options.pause(deadline);
    }
    Err(timed_out(options.timeout, &seen))
}

/// What a connection is that the gateway calls `failed`. It says so whenever the broker refuses the
/// connection's token, also while the user has yet to consent; the refusal itself tells more. A
/// gateway before 0.3 refuses with a bare status. What tells nothing leaves it at `failed`.
fn behind_failed(token: Result<()>) -> Result<ConnectionStatus> {
    let Err(error) = token else {
        return Ok(ConnectionStatus::Active);
    };
    match (error.status_code(), error.code()) {
        (Some(400), "connection_not_active") | (Some(403), "http_403") => {
            Ok(ConnectionStatus::Pending)
        }
        // Active, but the provider is out of reach just now.
        (Some(409), "token_expired") => Ok(ConnectionStatus::Pending),
        (Some(409), "attention_required" | "http_409") => Ok(ConnectionStatus::Attention),
        (Some(410), _) => Ok(ConnectionStatus::Revoked),
        (Some(401 | 403), _) | (Some(500), "http_500") => Err(error),
        _ if error.is_retryable() => Err(error),
        _ => Ok(ConnectionStatus::Failed),
    }
}

/// What may pass by itself: the network, a deadline, and the gateway's own failures.
fn is_transient(error: &NexusError) -> bool {
    let status = error.status_code().unwrap_or_default();
    error.is_retryable() || status == 429 || status >= 500
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

#[cfg(test)]
mod tests;
