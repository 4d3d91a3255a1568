//! Failed exchanges: the error that the caller gets, and whether another attempt makes sense.

use std::borrow::Cow;
use std::io;
use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, InvalidData, UnexpectedEof};

use ureq::http::Method;
use ureq::{Error, Timeout};

use crate::error::{ErrorKind, NexusError};

/// The failure of an exchange without a response.
pub(crate) struct Failure {
    pub(crate) error: NexusError,
    /// Whether nothing of the request can have reached the server.
    pub(super) unsent: bool,
}

impl Failure {
    /// Builds the failure with an error that names no more of the URL than its origin.
    pub(super) fn of(error: Error, origin: &str) -> Self {
        let (error, unsent) = unmarked(error);
        let kind = match error {
            Error::Timeout(_) => ErrorKind::Timeout,
            Error::RequireHttpsOnly(_) => ErrorKind::InsecureUrl,
            _ => ErrorKind::RequestFailed,
        };
        let (is_passing, what) = judge(&error, unsent);
        let error = NexusError::new(kind, format!("{origin}: {what}"));
        Self {
            error: error.retryable(is_passing),
            unsent,
        }
    }

    /// Returns whether another attempt may help, and the server cannot act on the request twice.
    pub(crate) fn allows_another(&self, method: &Method) -> bool {
        self.error.is_retryable() && (self.unsent || is_idempotent(method))
    }
}

/// Marks an error as one from opening a connection, so before the first byte of the request.
pub(super) fn while_connecting(error: Error) -> Error {
    Error::Io(io::Error::other(unmarked(error).0))
}

/// Returns the error without its mark, and whether it had one.
pub(super) fn unmarked(error: Error) -> (Error, bool) {
    let Error::Io(error) = error else {
        return (error, false);
    };
    let inner = error.get_ref();
    let marked = inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>);
    // This conversion unwraps an error of ureq.
    (error.into(), marked)
}

/// Returns whether the kind of the error alone shows that no connection was open.
pub(super) fn precedes_request(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::ConnectProxyFailed(_) => true,
        Error::Timeout(reason) => matches!(reason, Timeout::Resolve | Timeout::Connect),
        Error::Io(error) => {
            let kind = error.kind();
            matches!(kind, ConnectionRefused | AddrNotAvailable)
        }
        _ => false,
    }
}

/// Another attempt may succeed.
const PASSING: bool = true;
/// Another attempt fails alike: certificates and settings do not change by themselves.
const PERMANENT: bool = false;

/// Describes the error. Several texts of ureq contain the URL, so only the others are used.
fn judge(error: &Error, connecting: bool) -> (bool, Cow<'static, str>) {
    let (is_passing, what) = match error {
        Error::Io(error) => return judge_io(error),
        Error::ConnectProxyFailed(why) => return judge_proxy(why),
        Error::Tls(problem) => return (PERMANENT, format!("TLS failed: {problem}").into()),
        #[cfg(feature = "rustls")]
        Error::Rustls(problem) => return (PERMANENT, format!("TLS failed: {problem}").into()),
        #[cfg(feature = "native-tls")]
        Error::NativeTls(problem) => return (PERMANENT, format!("TLS failed: {problem}").into()),
        Error::Timeout(Timeout::Resolve) => (PASSING, "timed out while looking up the host name"),
        Error::Timeout(reason) if connecting || *reason == Timeout::Connect => {
            (PASSING, "timed out while connecting")
        }
        Error::Timeout(_) => (
            PASSING,
            "timed out before the response was complete; \
             raise `timeout` if the server is known to be slow",
        ),
        Error::HostNotFound => (PASSING, "the host name has no address; check its spelling"),
        Error::ConnectionFailed => (PASSING, "no connection could be made"),
        Error::RequireHttpsOnly(_) => (PERMANENT, "the agent is set to https only"),
        Error::TlsRequired => (
            PERMANENT,
            "https needs one of this crate's features `rustls` (default) and `native-tls`",
        ),
        Error::LargeResponseHeader(..) => (PASSING, "the response's header is too large"),
        Error::Protocol(_) => (PASSING, "the response is not valid HTTP/1.1"),
        #[cfg(feature = "gzip")]
        Error::Decompress(..) => (PASSING, "the compressed body is corrupt"),
        _ => (PASSING, "the request failed"),
    };
    (is_passing, what.into())
}

fn judge_proxy(why: &str) -> (bool, Cow<'static, str>) {
    let status = why.split('/').next().unwrap_or_default();
    let what = format!("the proxy refused to connect: {status}");
    // Proxy Authentication Required (RFC 9110 section 15.5.8).
    let wants_password = status.ends_with(" 407");
    (!wants_password, what.into())
}

fn judge_io(error: &io::Error) -> (bool, Cow<'static, str>) {
    let what = match error.kind() {
        ConnectionRefused => {
            "connection refused; check that the server is running and the port is right".into()
        }
        UnexpectedEof => "the server closed the connection early".into(),
        InvalidData => return (PERMANENT, error.to_string().into()),
        _ => error.to_string().into(),
    };
    (PASSING, what)
}

/// RFC 9110 section 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}
