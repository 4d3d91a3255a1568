//! The error type of the whole crate.

mod kind;
pub(crate) mod meaning;
mod subject;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use self::meaning::Next::{self, Final, Reconnect, Retry, Unclear};

use crate::log::is_unsafe_to_show;

pub use kind::{ErrorKind, Origin};
pub(crate) use subject::Subject;

/// A `Result` whose error is a [`NexusError`] by default.
///
/// # Example
///
/// ```
/// fn port() -> nexus_sdk::Result<u16> {
///     Ok(8080)
/// }
/// assert_eq!(port().unwrap(), 8080);
/// ```
pub type Result<T, E = NexusError> = std::result::Result<T, E>;

/// An error of the SDK: a code, and a message, usually with advice. `Display` prints `code: message`. `Debug` adds the
/// kind and, if they are known, the status and the `Retry-After` time.
///
/// # Example
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
///
/// # What to do
///
/// | question | method |
/// |---|---|
/// | Does the user have to connect? | [`needs_reconnect`](Self::needs_reconnect) |
/// | May the same call succeed later, and when? | [`is_retryable`](Self::is_retryable), [`retry_after`](Self::retry_after) |
/// | Is it safe to repeat a `POST`? | [`origin`](Self::origin), [`may_have_been_sent`](Self::may_have_been_sent) |
/// | Which failure is it? | [`kind`](Self::kind), [`code`](Self::code), [`status_code`](Self::status_code) |
///
/// The [front page](crate#errors) has a `match` that decides. This table shows the answers for each failure. A failure of
/// the network has the same answers for the gateway and for an API, and for every method.
///
/// | failure | code | `origin` | `may_have_been_sent` | `is_retryable` | `needs_reconnect` |
/// |---|---|---|---|---|---|
/// | an argument or option is unusable | `invalid_input` and others | `Local` | no | no | no |
/// | the name lookup fails, the connection is refused, a proxy does not connect | `request_failed` | `Gateway` or `Api` | no | yes | no |
/// | TLS: the certificate is not trusted | `request_failed` | `Gateway` or `Api` | no | no | no |
/// | the connection is cut, before or after the response's head | `request_failed` | `Gateway` or `Api` | yes | yes | no |
/// | no response in time | `timeout` | `Gateway` or `Api` | yes | yes | no |
/// | the gateway says 401, 403 or 404 without a code | `http_401` and so on | `Gateway` | yes | no | no |
/// | the gateway says that there is no connection | `connection_not_found` and others | `Gateway` | yes | no | yes |
/// | the gateway says 408, 425, 429, 502, 503 or 504 | `http_429` and so on | `Gateway` | yes | yes | no |
/// | the gateway says 500 | `http_500` | `Gateway` | yes | no | no |
/// | an API's status, if it is an error | `http_404` and so on | `Api` | yes | 408, 425, 429, 5xx | no |
/// | a redirect of an API that cannot be followed | `insecure_url` and others | `Api` | yes | no | no |
///
/// By default, an API's status is no error, but part of the response of a fetch.
///
/// # Contents
///
/// The error of a call for a workspace and provider names both in its message, and the error of a call by id names the id.
/// Names are quoted, and cut after 100 characters. An error about a request after a redirect names the first origin and not
/// the host, because a server has chosen the host.
///
/// An error is as small as a pointer, and cheap to clone. The SDK puts no token, key, request body, or path or query
/// of a URL into an error. A message may repeat the gateway's own error text, with the API key and other secrets of
/// the request replaced.
#[derive(Clone)]
pub struct NexusError(Arc<Inner>);

#[derive(Clone)]
pub(crate) struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<NexusError>,
    pub(crate) code: Cow<'static, str>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) next: Next,
    pub(crate) may_repeat: bool,
    pub(crate) origin: Origin,
    pub(crate) may_have_been_sent: bool,
    /// True once the message names the subject of the call.
    is_named: bool,
    /// The status of the connection whose token was requested, if this error shows that status. Otherwise an empty
    /// string.
    pub(crate) connection: &'static str,
}

impl NexusError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::with_code(kind.as_str(), message)
    }

    /// Creates an error with this code, for your own mocks. The code determines [`kind`](Self::kind),
    /// [`origin`](Self::origin), [`is_retryable`](Self::is_retryable) and [`needs_reconnect`](Self::needs_reconnect). A code
    /// such as `http_503` is a gateway's, and also sets [`status_code`](Self::status_code).
    ///
    /// # Example
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
        let mut code = code.into();
        if code.contains(is_unsafe_to_show) {
            code = code.replace(is_unsafe_to_show, " ").into();
        }
        let digits = code.strip_prefix("http_");
        let status = digits.and_then(|digits| digits.parse().ok());
        let kind = match &*code {
            "credential_refused" => ErrorKind::Api,
            own => ErrorKind::from_name(own).unwrap_or(ErrorKind::Gateway),
        };
        let origin = kind.usual_origin();
        Self(Arc::new(Inner {
            kind,
            // A message may repeat text from a server.
            message: message.into().replace(is_unsafe_to_show, " "),
            source: None,
            status,
            retry_after: None,
            next: meaning::of(meaning::RESOLVE, status.unwrap_or_default(), &code, None).0,
            may_repeat: false,
            origin,
            may_have_been_sent: origin != Origin::Local,
            is_named: false,
            connection: "",
            code,
        }))
    }

    /// Creates an error about an argument that cannot be used. `place` names the argument, option, header or
    /// environment variable.
    pub(crate) fn invalid_input(place: &str, problem: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, format!("{place}: {problem}"))
    }

    /// Creates an error about a field that is missing from the credential that the gateway returned.
    pub(crate) fn no_credential(field: &str) -> Self {
        let message = format!(
            "the credential from the gateway has no usable field `{field}`; let the user connect the provider again, or ask the operator to correct the strategy"
        );
        Self::new(ErrorKind::InvalidCredentials, message)
    }

    /// Creates the error of a status with which an API has refused a request. `retry_after` is from the API's header.
    pub(crate) fn api(
        status: u16,
        message: impl Into<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        let may_pass = matches!(status, 408 | 425 | 429 | 500..=599);
        Self::new(ErrorKind::Api, message).with(|inner| {
            inner.code = format!("http_{status}").into();
            inner.status = Some(status);
            inner.retry_after = retry_after;
            inner.next = if may_pass { Retry } else { Unclear };
        })
    }

    /// Creates the error of an API that refuses a credential with 401, although the gateway has confirmed the credential.
    pub(crate) fn credential_refused(message: impl Into<String>) -> Self {
        Self::with_code("credential_refused", message).with(|inner| inner.status = Some(401))
    }

    /// Marks the error as a failure of this program or machine, before the request was sent.
    pub(crate) fn local(self) -> Self {
        self.with(|inner| {
            inner.origin = Origin::Local;
            inner.may_have_been_sent = false;
        })
    }

    /// Marks the error as one about a response of the API.
    pub(crate) fn of_api(self) -> Self {
        self.with(|inner| {
            inner.origin = Origin::Api;
            inner.may_have_been_sent = true;
        })
    }

    /// Names the subject of the call in the message, unless the message names one already.
    pub(crate) fn about(self, subject: &Subject) -> Self {
        if self.0.is_named {
            return self;
        }
        let prefix = subject.prefix();
        self.with(|inner| {
            inner.message.insert_str(0, &prefix);
            inner.is_named = !prefix.is_empty();
        })
    }

    /// Names the connection of the call in the message.
    pub(crate) fn of_connection(self, id: &str) -> Self {
        self.about(&Subject::connection(id))
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns whether another attempt may help and is safe.
    pub(crate) fn may_repeat(&self) -> bool {
        self.0.may_repeat
    }

    /// Marks the error as not retryable, whatever its code is.
    pub(crate) fn lasting(self) -> Self {
        self.with(|inner| inner.next = Unclear)
    }

    /// Returns whether the refusal is final. An unexpired token is then no longer used.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.0.next, Reconnect | Final)
    }

    /// Returns whether this error ends a wait for a connection. Only the gateway's own final word does, a lasting problem of
    /// this program, and a lasting failure of the network or TLS if the gateway has not responded to any poll.
    pub(crate) fn ends_wait(&self, has_responded: bool) -> bool {
        let has_failed = !has_responded && self.0.kind == ErrorKind::RequestFailed;
        let is_here = self.0.origin == Origin::Local;
        self.is_final() || (is_here || has_failed) && !self.is_retryable()
    }

    /// Returns whether the gateway cannot be used at the moment, so that this error says nothing about a connection.
    pub(crate) fn is_outage(&self) -> bool {
        self.is_retryable() || self.0.kind == ErrorKind::RequestFailed
    }

    /// Returns whether the gateway may have done what it was asked for: the request may have arrived, and was not refused.
    pub(crate) fn may_have_taken_effect(&self) -> bool {
        let is_refused = self.0.status.is_some_and(|status| status >= 300);
        self.0.may_have_been_sent && !is_refused
    }

    /// Returns whether a gateway says that there is no such connection or token. Its broker also says so while its database
    /// is away or out of connections.
    pub(crate) fn is_missing(&self) -> bool {
        let is_code = matches!(self.code(), "connection_not_found" | "token_not_found");
        is_code && self.0.status == Some(404)
    }

    /// Returns the status of a connection, if this is the error of a request for the connection's token and shows the
    /// status.
    pub(crate) fn connection(&self) -> Option<&'static str> {
        Some(self.0.connection).filter(|status| !status.is_empty())
    }

    /// Creates the error of a call whose attempts have all failed. The error has the kind and status of the last failure,
    /// repeats its text, and has it as its source.
    pub(crate) fn exhausted(last: Self, attempts: u32) -> Self {
        if attempts == 1 {
            return last;
        }
        let message = format!("gave up after {attempts} attempts; the last one failed with {last}");
        last.clone().with(|inner| {
            inner.code = "max_retries_exceeded".into();
            inner.message = message;
            inner.source = Some(last);
        })
    }

    /// The stable, machine-readable code, such as `timeout` or `connection_not_found`.
    ///
    /// [`ErrorKind`] lists the SDK's own codes and the known codes of gateways. An error from the gateway has the
    /// code that the gateway sent, or a code that the SDK derives from the status, such as `http_503`.
    ///
    /// # Example
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

    /// The problem and, usually, what to do about it, in one line of text.
    ///
    /// # Example
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

    /// The HTTP status of the response that this error is about. `None` if there was no response, and if the body of a
    /// success could not be read, for example with `body_too_large`.
    ///
    /// # Example
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
    /// # Example
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

    /// The time to wait before the next attempt, from the gateway's `Retry-After` (RFC 9110 section 10.2.3).
    ///
    /// # Example
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

    /// The place of the failure: this program, the gateway, or the API that a fetch is for.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, Origin, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let error = client.resolve_token("nobody", "github").unwrap_err();
    /// assert_eq!(error.origin(), Origin::Gateway);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Returns whether the server at the error's [`origin`](Self::origin) may have received the failed request, or an
    /// earlier request of the same call to that server. False if no connection was established (the name lookup, the
    /// connection, the certificate or the proxy failed), and if the error came before the request was sent. If in doubt,
    /// true.
    ///
    /// A fetch sends requests to two servers. If the gateway failed, this method is about the gateway.
    /// [`is_retryable`](Self::is_retryable) shows how to find out whether a `POST` may have reached the API.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// // Nothing listens at this port.
    /// let client = NexusClient::new(NexusClientOptions::new("http://127.0.0.1:1"))?;
    /// assert!(!client.providers().unwrap_err().may_have_been_sent());
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        self.0.may_have_been_sent
    }

    /// Returns whether only the user can fix this error, by connecting the provider. True if the connection
    /// does not exist (`connection_not_found` from a resolve), needs attention (`attention_required`),
    /// was revoked (`connection_revoked`, `http_410`), has no token (`token_not_found`)
    /// or has no refresh token (`no_refresh_token`), if the API refuses the credential (`credential_refused`), or if the
    /// credential has a line break (`invalid_credentials`).
    ///
    /// False for an error that may be temporary, such as `token_expired`, because the provider may be down
    /// for a moment.
    ///
    /// # Example
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
        self.0.next == Reconnect
    }

    /// Returns whether the same call may succeed later. True for most network failures, a timeout, `token_expired` and the
    /// statuses 408, 425, 429, 502, 503, 504, 520 to 527 and 530 (for the status of an API, 408, 425, 429 and 5xx). False
    /// for a TLS failure, for `upstream_error` from a refresh, if the error shows that the broker behind the gateway has
    /// refused the request with a 4xx status other than 429, and if a redirect has turned a `POST` into a `GET`, because the
    /// API has then acted on the `POST`.
    ///
    /// A `GET` can always be repeated. A fetch with another method may have been acted on if [`origin`](Self::origin) is
    /// [`Origin::Api`] and [`may_have_been_sent`](Self::may_have_been_sent) is true. If the origin is [`Origin::Gateway`]
    /// and the error is retryable, the fetch has got no token, and the API has not acted on the request.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let error = nexus_sdk::NexusClient::new(NexusClientOptions::new("")).unwrap_err();
    /// assert!(!error.is_retryable());
    ///
    /// /// Returns whether a `POST` may be sent again.
    /// fn may_repeat(error: &nexus_sdk::NexusError) -> bool {
    ///     let has_arrived = error.origin() == nexus_sdk::Origin::Api && error.may_have_been_sent();
    ///     error.is_retryable() && !has_arrived
    /// }
    /// assert!(!may_repeat(&error));
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.next == Retry
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

/// Parses the name of a kind, as [`ErrorKind::as_str`] returns it. Fails with `invalid_input` for any other text.
///
/// # Example
///
/// ```
/// use nexus_sdk::ErrorKind;
///
/// assert_eq!("timeout".parse::<ErrorKind>()?, ErrorKind::Timeout);
/// assert!("http_404".parse::<ErrorKind>().is_err(), "a code");
/// # Ok::<(), nexus_sdk::NexusError>(())
/// ```
impl FromStr for ErrorKind {
    type Err = NexusError;

    fn from_str(name: &str) -> Result<Self> {
        let problem = "is not the name of a kind; use a name that as_str returns";
        Self::from_name(name).ok_or_else(|| NexusError::invalid_input("kind", problem))
    }
}

/// Refuses an argument that is blank (empty or only white space).
pub(crate) fn not_blank(place: &str, value: &str) -> Result<()> {
    if value.chars().all(char::is_whitespace) {
        return Err(NexusError::invalid_input(place, "is blank; pass a value"));
    }
    Ok(())
}

pub(crate) fn not_zero(place: &str, time: Duration) -> Result<()> {
    if time.is_zero() {
        let problem = "is zero; set a longer timeout";
        return Err(NexusError::invalid_input(place, problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
