//! The error type of the whole crate.

mod kind;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use kind::ErrorKind;

/// The result of every fallible call of this crate.
///
/// ```
/// fn port() -> nexus_sdk::Result<u16> {
///     Ok(8080)
/// }
/// assert_eq!(port().unwrap(), 8080);
/// ```
pub type Result<T, E = NexusError> = std::result::Result<T, E>;

/// A failure: its code, and a message with advice. `Display` prints `code: message`. `Debug` prints the same
/// text, and then the other fields.
///
/// An error is one word in size and cheap to clone. `Display`, `Debug` and the source chain never contain a token,
/// a key, a request body or a URL's path and query.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions};
///
/// let error = NexusClient::new(NexusClientOptions::new("gateway.example.com")).unwrap_err();
/// assert_eq!(error.code(), "invalid_input");
/// assert_eq!(error.status_code(), None);
/// assert!(error.to_string().starts_with("invalid_input: gateway_url"));
/// assert!(format!("{error:?}").starts_with(&error.to_string()));
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
    needs_reconnect: bool,
    source: Option<NexusError>,
}

impl NexusError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            code: Cow::Borrowed(kind.code()),
            // A message may repeat text from a server.
            message: message.into().replace(is_unsafe_to_show, " "),
            status: None,
            retry_after: None,
            retryable: false,
            needs_reconnect: false,
            source: None,
        }))
    }

    /// An error with this code, for a mock of your own. [`kind`](Self::kind),
    /// [`is_retryable`](Self::is_retryable) and [`needs_reconnect`](Self::needs_reconnect) follow from
    /// the code. A code such as `http_503` also sets [`status_code`](Self::status_code).
    ///
    /// ```
    /// use nexus_sdk::{ErrorKind, NexusError};
    ///
    /// let error = NexusError::with_code("connection_not_found", "no such connection");
    /// assert_eq!(error.to_string(), "connection_not_found: no such connection");
    /// assert!(error.kind() == ErrorKind::Gateway && error.needs_reconnect());
    /// assert!(NexusError::with_code("timeout", "too slow").is_retryable());
    /// assert_eq!(NexusError::with_code("http_503", "down").status_code(), Some(503));
    /// ```
    #[must_use]
    pub fn with_code(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        let status = code.strip_prefix("http_");
        let status: Option<u16> = status.and_then(|status| status.parse().ok());
        let retryable = matches!(
            &*code,
            "timeout" | "request_failed" | "token_expired" | "broker_unavailable"
        ) || matches!(status, Some(429 | 502..=504));
        let reconnect = code == "connection_not_found" || asks_for_reconnect(&code);
        Self::new(ErrorKind::of_code(&code), message)
            .retryable(retryable)
            .reconnect(reconnect)
            .with(|inner| (inner.code, inner.status) = (code, status))
    }

    /// An error about an argument that cannot be used. `place` is the argument's name.
    pub(crate) fn invalid_input(place: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, format!("{place}: {problem}"))
    }

    /// An error about a field that is missing from the gateway's credentials.
    pub(crate) fn no_credential(field: &str) -> Self {
        let message = format!(
            "the gateway's credentials have no usable `{field}`; connect the provider again"
        );
        Self::new(ErrorKind::InvalidCredentials, message)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn coded(self, code: impl Into<Cow<'static, str>>) -> Self {
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

    pub(crate) fn reconnect(self, needed: bool) -> Self {
        self.with(|inner| inner.needs_reconnect = needed)
    }

    /// The error of a call whose attempts have all failed. It repeats the last failure's status and
    /// text, and has that failure as its source.
    pub(crate) fn exhausted(last: Self, attempts: u32) -> Self {
        let message = format!("gave up after {attempts} attempts; the last one failed with {last}");
        let (kind, own) = (ErrorKind::MaxRetriesExceeded, Inner::clone(&last.0));
        Self(Arc::new(Inner {
            kind,
            code: Cow::Borrowed(kind.code()),
            message,
            source: Some(last),
            ..own
        }))
    }

    /// The stable, machine-readable code, such as `timeout` or `connection_not_found`.
    ///
    /// The SDK's own codes are listed at [`ErrorKind`]. A gateway's error keeps the gateway's code. If
    /// the gateway sent none, the code is `http_<status>`.
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

    /// The problem and what to do about it, in one line of text.
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

    /// The HTTP status of the response that this error was made from, if there was one.
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

    /// The kind of the error, as an enum to `match` on.
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

    /// The time that the gateway asks to wait before the next attempt. It is read from `Retry-After`
    /// (RFC 9110 section 10.2.3), which contains seconds or a date.
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

    /// Returns whether only the user can fix this error, by connecting the provider. True if the connection
    /// does not exist (`connection_not_found` from a resolve), needs attention (`attention_required`), was
    /// revoked (`connection_revoked`, any 410), has no token (`token_not_found`), or has no refresh token
    /// (`no_refresh_token`).
    ///
    /// False for an error that may be temporary, such as `token_expired`, because the provider may be down
    /// for a moment.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// gateway.set_status(&connection, "attention");
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.get_token_by_connection_id(&connection).unwrap_err().needs_reconnect());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn needs_reconnect(&self) -> bool {
        self.0.needs_reconnect
    }

    /// Returns whether the same call may succeed later. True for most network failures, a timeout,
    /// `token_expired` and the statuses 429, 502, 503 and 504. False for a failure of TLS, and if the error
    /// shows that the broker behind the gateway has refused the request.
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
        write!(f, "{self} (kind: {:?}", self.0.kind)?;
        if let Some(status) = self.0.status {
            write!(f, ", status: {status}")?;
        }
        if let Some(wait) = self.0.retry_after {
            write!(f, ", retry after: {wait:?}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for NexusError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// Returns whether a gateway's code means, on every call, that the user has to connect again.
pub(crate) fn asks_for_reconnect(code: &str) -> bool {
    matches!(
        code,
        "attention_required" | "connection_revoked" | "no_refresh_token" | "token_not_found"
    )
}

/// Returns whether a character of a server's text could forge a line on a terminal: a control character, a line
/// separator, or an invisible character that hides text or reverses its direction.
pub(crate) fn is_unsafe_to_show(c: char) -> bool {
    let is_format = matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    is_format || c.is_control()
}

/// Refuses an argument that is empty or only white space.
pub(crate) fn not_blank(place: &str, value: &str) -> Result<()> {
    if value.chars().all(char::is_whitespace) {
        return Err(NexusError::invalid_input(place, "is empty or blank"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
