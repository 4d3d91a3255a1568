//! The one error type, its codes and what they tell a caller to do.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of every fallible call of this crate.
///
/// ```
/// fn port() -> nexus_sdk::Result<u16> {
///     Ok(8080)
/// }
/// assert_eq!(port().unwrap(), 8080);
/// ```
pub type Result<T, E = NexusError> = std::result::Result<T, E>;

/// What failed, as a value to `match` on; [`NexusError::code`] is the same as text.
///
/// ```
/// use nexus_sdk::{ErrorKind, NexusClient, NexusClientOptions};
///
/// let error = NexusClient::new(NexusClientOptions::new("no scheme")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `invalid_input`: an argument is unusable; nothing was sent.
    InvalidInput,
    /// `invalid_response`: the gateway's reply is not what the contract says.
    InvalidResponse,
    /// `invalid_credentials`: the gateway's reply holds no usable credential.
    InvalidCredentials,
    /// `max_retries_exceeded`: every attempt failed; `source()` is the last failure.
    MaxRetriesExceeded,
    /// `request_failed`: the network failed before there was a response.
    RequestFailed,
    /// `timeout`: the deadline passed.
    Timeout,
    /// `unsupported_strategy`: the credential cannot be put on a request by this build.
    UnsupportedStrategy,
    /// `host_not_allowed`: the URL's host is not on the fetcher's list.
    HostNotAllowed,
    /// `insecure_url`: a credential would have travelled in clear, or to a URL of another kind.
    InsecureUrl,
    /// `body_too_large`: a body exceeds `max_body_bytes`.
    BodyTooLarge,
    /// `too_many_redirects`: more than ten redirects in a row.
    TooManyRedirects,
    /// `aborted`: the caller's own callback ended the wait.
    Aborted,
    /// The gateway answered with an error of its own: its code, or `http_<status>`.
    Gateway,
}

impl ErrorKind {
    /// The code of the errors of this kind that the SDK itself makes.
    const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::InvalidResponse => "invalid_response",
            Self::InvalidCredentials => "invalid_credentials",
            Self::MaxRetriesExceeded => "max_retries_exceeded",
            Self::RequestFailed => "request_failed",
            Self::Timeout => "timeout",
            Self::UnsupportedStrategy => "unsupported_strategy",
            Self::HostNotAllowed => "host_not_allowed",
            Self::InsecureUrl => "insecure_url",
            Self::BodyTooLarge => "body_too_large",
            Self::TooManyRedirects => "too_many_redirects",
            Self::Aborted => "aborted",
            Self::Gateway => "http_error",
        }
    }
}

/// What went wrong, and what to do about it. Prints as `code: message`.
///
/// One word wide and cheap to clone. Neither [`Display`](fmt::Display), [`Debug`] nor the source
/// chain ever holds a token, a key, a request body or a URL's path and query.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions};
///
/// let error = NexusClient::new(NexusClientOptions::new("gateway.example.com")).unwrap_err();
/// assert_eq!(error.code(), "invalid_input");
/// assert_eq!(error.status_code(), None);
/// assert!(error.to_string().starts_with("invalid_input: gateway_url"));
/// assert_eq!(size_of_val(&error), size_of::<usize>());
/// ```
#[derive(Clone)]
pub struct NexusError(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    code: Cow<'static, str>,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
    retryable: bool,
    /// The wait that the next attempt needed and the caller's own deadline did not leave.
    wait_too_long: Option<Duration>,
    source: Option<NexusError>,
}

impl NexusError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            code: Cow::Borrowed(kind.code()),
            message: one_line(message.into()),
            status: None,
            retry_after: None,
            retryable: false,
            wait_too_long: None,
            source: None,
        }))
    }

    /// An argument that cannot be used: `place` names it, `problem` says why.
    pub(crate) fn invalid_input(place: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, format!("{place}: {problem}"))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn with_code(self, code: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.code = code.into())
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    pub(crate) fn with_retry_after(self, wait: Option<Duration>) -> Self {
        self.with(|inner| inner.retry_after = wait)
    }

    pub(crate) fn retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = retryable)
    }

    /// Every attempt failed: keeps the last failure's status and text, and itself as the source.
    pub(crate) fn exhausted(last: Self, attempts: u32) -> Self {
        let message = format!("gave up after {attempts} attempts; the last: {last}");
        Self::new(ErrorKind::MaxRetriesExceeded, message).with(|inner| {
            inner.status = last.0.status;
            inner.retry_after = last.0.retry_after;
            inner.retryable = last.0.retryable;
            inner.source = Some(last);
        })
    }

    pub(crate) fn with_wait_too_long(self, wait: Duration) -> Self {
        self.with(|inner| inner.wait_too_long = Some(wait))
    }

    /// Whether a caller with this much time left would have tried again.
    pub(crate) fn is_only_short_of_time(&self, left: Option<Duration>) -> bool {
        let wait = self.0.wait_too_long;
        wait.zip(left).is_some_and(|(wait, left)| left > wait)
    }

    /// The stable, machine-readable code, such as `timeout` or `connection_not_found`.
    ///
    /// The SDK's own codes are those of [`ErrorKind`]; a gateway's error keeps the gateway's code,
    /// or is `http_<status>` when its body has none.
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert_eq!(error.code(), "invalid_input");
    /// ```
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What happened and what to do, in one line of text.
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert!(error.message().contains("gateway_url"));
    /// ```
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status of the reply that this error was made from, if there was one.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let error = client.resolve_token("nobody", "github").unwrap_err();
    /// assert_eq!((error.code(), error.status_code()), ("connection_not_found", Some(404)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        self.0.status
    }

    /// The code as a value to `match` on.
    ///
    /// ```
    /// use nexus_sdk::{ErrorKind, NexusClientOptions};
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// How long the gateway asked to wait before the next try (`Retry-After`, RFC 9110 section
    /// 10.2.3), whether it said so in seconds or as a date.
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert_eq!(error.retry_after(), None);
    /// ```
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether only the user can help, by connecting the provider again: the grant was revoked
    /// (`connection_revoked`, any 410), needs attention (`attention_required`), or ran out with no
    /// way to renew it (`token_expired`, `no_refresh_token`).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// gateway.set_status(&connection, "attention");
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.resolve_token("acme", "github").unwrap_err().needs_reconnect());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn needs_reconnect(&self) -> bool {
        if let Some(source) = &self.0.source {
            return source.needs_reconnect();
        }
        let codes = [
            "attention_required",
            "connection_revoked",
            "token_expired",
            "no_refresh_token",
        ];
        self.kind() == ErrorKind::Gateway
            && (codes.contains(&self.code()) || self.status_code() == Some(410))
    }

    /// Whether the same call may succeed later: a failing network, a timeout, and the statuses 429,
    /// 502, 503 and 504, unless the error embeds a 4xx status of the broker behind the gateway.
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert!(!error.is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for NexusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for NexusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("NexusError");
        debug
            .field("code", &self.0.code)
            .field("message", &self.0.message);
        debug.field("status_code", &self.0.status);
        if let Some(wait) = self.0.retry_after {
            debug.field("retry_after", &wait);
        }
        debug.finish()
    }
}

impl std::error::Error for NexusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// A message may repeat what someone else wrote: a status, a name, a rule.
fn one_line(text: String) -> String {
    if text.contains(char::is_control) {
        return text.replace(char::is_control, " ");
    }
    text
}

/// Refuses an argument that is empty or only white space.
pub(crate) fn not_blank(place: &str, value: &str) -> Result<()> {
    if value.chars().all(char::is_whitespace) {
        return Err(NexusError::invalid_input(place, "empty or blank"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_repeats() {
        let table = [
            ("as it is", "as it is"),
            ("a\r\nb", "a  b"),
            ("\u{1B}[2J \0 \u{85} \u{7F}", " [2J      "),
        ];
        for (text, expected) in table {
            let error = NexusError::new(ErrorKind::Timeout, text);
            assert_eq!(error.message(), expected);
            let given_up = NexusError::exhausted(NexusError::invalid_input("url", text), 2);
            assert!(given_up.to_string().ends_with(expected), "{given_up}");
        }
    }
}
