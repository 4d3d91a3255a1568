//! The one error type, its codes and what they tell a caller to do.

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

/// What went wrong, and what to do about it. Prints as `code: message`.
///
/// One word in size, and cheap to clone. Neither [`Display`](fmt::Display), [`Debug`] nor the source
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
    needs_reconnect: bool,
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
            needs_reconnect: false,
            source: None,
        }))
    }

    /// An argument that cannot be used: `place` names it, `problem` says why.
    pub(crate) fn invalid_input(place: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, format!("{place}: {problem}"))
    }

    /// Credentials of the gateway that lack a field.
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

    pub(crate) fn reconnect(self, needed: bool) -> Self {
        self.with(|inner| inner.needs_reconnect = needed)
    }

    /// Every attempt failed: keeps the last failure's status and text, and itself as the source.
    pub(crate) fn exhausted(last: Self, attempts: u32) -> Self {
        let message = format!("gave up after {attempts} attempts; the last one: {last}");
        Self::new(ErrorKind::MaxRetriesExceeded, message).with(|inner| {
            inner.status = last.0.status;
            inner.retry_after = last.0.retry_after;
            inner.retryable = last.0.retryable;
            inner.needs_reconnect = last.0.needs_reconnect;
            inner.source = Some(last);
        })
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

    /// Whether only the user can help, by connecting the provider: there is no active connection
    /// (`connection_not_found` of a resolve), it needs attention (`attention_required`), was revoked
    /// (`connection_revoked`, any 410), has no token (`token_not_found`) or no way to renew it
    /// (`no_refresh_token`).
    ///
    /// `false` for what may pass by itself, such as `token_expired`: the provider may just be down.
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

    /// Whether the same call may succeed later: a failing network, a timeout, `token_expired`, and the
    /// statuses 429, 502, 503 and 504, unless the error shows that the broker behind the gateway has
    /// refused the request itself.
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
