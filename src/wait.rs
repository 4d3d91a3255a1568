//! Waiting for a user's consent to a connection.

#[cfg(feature = "consent")]
pub(crate) mod browser;

use std::ops::ControlFlow;
use std::time::Duration;

use crate::connection::ConnectionStatus;
use crate::error::{ErrorKind, NexusError, Result};
use crate::log::debug_only;
use crate::time::Deadline;

/// The longest wait for the browser to return after the connection has become active.
#[cfg(feature = "consent")]
const BROWSER_TIME: Duration = Duration::from_secs(1);

/// The longest pause that a `Retry-After` can cause. A longer `Retry-After` is shortened to it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(15);

/// The shortest interval that `WaitOptions::interval` can set.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

type OnPoll<'a> = Box<dyn FnMut(&ConnectionStatus) -> ControlFlow<()> + Send + 'a>;

/// Options of [`NexusClient::wait_for_active`](crate::NexusClient::wait_for_active).
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, WaitOptions, testing::DevGateway};
/// use std::time::Duration;
///
/// let gateway = DevGateway::start()?;
/// let id = gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// // Polls every half second, for at most a minute.
/// let options = WaitOptions::default()
///     .interval(Duration::from_millis(500))
///     .timeout(Duration::from_secs(60));
/// assert!(client.wait_for_active(&id, options)? == "active");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[must_use]
pub struct WaitOptions<'a> {
    /// The pause between two polls: see [`interval`](Self::interval()).
    pub interval: Duration,
    /// The time limit of the whole wait: see [`timeout`](Self::timeout()).
    pub timeout: Duration,
    on_poll: Option<OnPoll<'a>>,
    #[cfg(feature = "consent")]
    pub(crate) browser: Option<browser::BrowserWait>,
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
    /// Sets the pause between two polls. Default 1.5 s, at least 10 ms. After an error, the pause is at least the gateway's
    /// `Retry-After`, up to 15 s.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, WaitOptions, testing::DevGateway};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// // A test does not have to wait for 1.5 s after a poll that fails.
    /// gateway.fail_next(1, nexus_sdk::testing::Fault::Status(503));
    /// let options = WaitOptions::default().interval(Duration::from_millis(10));
    /// assert!(client.wait_for_active(&id, options)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets the time limit of the whole wait. Default 300 s. With zero, the wait polls once, with the time
    /// limit of [`check_connection`](crate::NexusClient::check_connection).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, WaitOptions, testing::DevGateway};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// gateway.set_status(&id, "pending");
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = WaitOptions::default().timeout(Duration::ZERO);
    /// assert_eq!(client.wait_for_active(&id, options).unwrap_err().code(), "timeout");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets a function that is called with the status after each successful poll, for example to show
    /// progress. If the function returns [`ControlFlow::Break`], the wait ends with the error `aborted`. If
    /// the gateway reports `failed` for a connection that may still become active, the function gets
    /// `pending`. Default: none.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NO_SCOPES, NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let input = RequestConnectionInput::new("acme", "weather", NO_SCOPES, "http://localhost:3000/");
    /// # let id = client.request_connection(&input)?.connection_id;
    /// use nexus_sdk::WaitOptions;
    /// use std::ops::ControlFlow;
    ///
    /// let mut polls = 0;
    /// let options = WaitOptions::default().on_poll(|_status| {
    ///     polls += 1;
    ///     if polls < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    /// });
    /// # let options = options.interval(std::time::Duration::ZERO);
    /// let error = client.wait_for_active(&id, options).unwrap_err();
    /// assert_eq!((polls, error.code()), (2, "aborted"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_poll(
        mut self,
        on_poll: impl FnMut(&ConnectionStatus) -> ControlFlow<()> + Send + 'a,
    ) -> Self {
        self.on_poll = Some(Box::new(on_poll));
        self
    }
}

debug_only!(WaitOptions<'_>: interval, timeout);

impl WaitOptions<'_> {
    /// Tells the listener, if there is one, which connection is awaited.
    #[cfg(feature = "consent")]
    pub(crate) fn awaiting(mut self, connection_id: &str) -> Self {
        if let Some(browser) = &mut self.browser {
            browser.start(connection_id);
        }
        self
    }

    /// Waits up to 1 s for the browser to return. A poll can report `active` before the browser returns. If
    /// the caller then dropped its listener, the browser would show a connection error.
    #[cfg(feature = "consent")]
    fn wait_for_browser(&mut self, status: &ConnectionStatus, deadline: Deadline) {
        if let (Some(browser), ConnectionStatus::Active) = (&mut self.browser, status) {
            browser.wait_for_browser(deadline.left().unwrap_or_default().min(BROWSER_TIME));
        }
    }

    /// Sleeps for the interval, or for `at_least` if that is longer. The deadline and the browser's return to a listener
    /// end the pause early.
    fn pause(&mut self, at_least: Duration, deadline: Deadline) {
        let interval = self.interval.max(MIN_INTERVAL).max(at_least);
        let pause = deadline.left().unwrap_or_default().min(interval);
        #[cfg(feature = "consent")]
        if let Some(browser) = &mut self.browser {
            browser.sleep(pause);
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Polls until the status is final or the time is up. Only the gateway's own word ends the wait: a response from somebody
/// else, such as a captive portal, does not. A TLS failure ends the wait if there was no response before it. `token` requests the connection's token. The error of
/// that request shows what `failed` means. `only_poll` is the deadline of the poll if the timeout is zero.
pub(crate) fn until_final(
    mut options: WaitOptions<'_>,
    only_poll: Deadline,
    status: impl Fn(Deadline) -> Result<ConnectionStatus>,
    token: impl Fn(Deadline) -> Result<()>,
) -> Result<ConnectionStatus> {
    let end = Deadline::after(options.timeout);
    let poll_end = if options.timeout.is_zero() {
        only_poll
    } else {
        end
    };
    let mut has_responded = false;
    loop {
        let mut at_least = Duration::ZERO;
        let polled = status(poll_end);
        let has_status = |error: &NexusError| error.status_code().is_some();
        has_responded |= polled.as_ref().map_or_else(has_status, |_| true);
        let answer = match polled {
            Ok(ConnectionStatus::Failed) => behind_failed(token(poll_end)),
            polled => polled,
        };
        let seen = match answer {
            Ok(status) => {
                let on_poll = options.on_poll.as_mut();
                if on_poll.is_some_and(|call| call(&status).is_break()) {
                    let message = format!("on_poll ended the wait; the last status was `{status}`");
                    return Err(NexusError::new(ErrorKind::Aborted, message));
                }
                if status.is_terminal() {
                    #[cfg(feature = "consent")]
                    options.wait_for_browser(&status, end);
                    return Ok(status);
                }
                format!("the last status was `{status}`; let the user consent, or wait longer")
            }
            Err(error) if !error.ends_wait(has_responded) => {
                at_least = error.retry_after().unwrap_or_default().min(MAX_RETRY_AFTER);
                format!("the last poll failed with {error}")
            }
            Err(error) => return Err(error),
        };
        options.pause(at_least, end);
        if end.left().is_none() {
            let timeout = options.timeout;
            let message = format!("the connection was not active after {timeout:?}: {seen}");
            return Err(NexusError::new(ErrorKind::Timeout, message));
        }
    }
}

/// Returns the actual status of a connection that the gateway calls `failed`. Gateways report `failed`
/// whenever their broker rejects the token request with a 4xx status, for example because the user has not
/// consented yet. The error of the token request tells most of the reasons apart.
fn behind_failed(token: Result<()>) -> Result<ConnectionStatus> {
    let Err(error) = token else {
        return Ok(ConnectionStatus::Active);
    };
    error.connection().map(ConnectionStatus::from).ok_or(error)
}

#[cfg(test)]
mod tests;
