//! Exchanges that fail: what the caller is told, without more of a URL than its origin, and whether
//! another attempt makes sense.

use std::borrow::Cow;
use std::io;

use ureq::{Error, Timeout};

use crate::error::{ErrorKind, NexusError};
use crate::transport::socket::Exchange;

/// An exchange that brought no response.
pub(crate) struct Failure {
    pub(crate) error: NexusError,
    /// Nothing of the request can have reached the server.
    pub(super) unsent: bool,
}

/// What a failure says of another attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It comes from before the first byte of the request.
    Unsent,
    /// The server may have acted on the request.
    Unclear,
    /// It cannot help: certificates and settings stay what they are.
    Permanent,
}

use Verdict::{Permanent, Unclear, Unsent};

impl Failure {
    pub(super) fn of(error: &Error, origin: &str) -> Self {
        let kind = match error {
            Error::Timeout(_) => ErrorKind::Timeout,
            Error::RequireHttpsOnly(_) => ErrorKind::InsecureUrl,
            _ => ErrorKind::RequestFailed,
        };
        let (verdict, what) = judge(error);
        let error = NexusError::new(kind, format!("{origin}: {what}"));
        Self {
            error: error.retryable(verdict != Permanent),
            unsent: verdict == Unsent,
        }
    }
}

/// Several of ureq's texts hold the URL, so only those are passed on that cannot.
fn judge(error: &Error) -> (Verdict, Cow<'static, str>) {
    let (verdict, what) = match error {
        Error::Io(error) => return judge_io(error),
        Error::ConnectProxyFailed(why) => return judge_refusal(why),
        Error::Tls(problem) => return (Permanent, format!("TLS failed: {problem}").into()),
        #[cfg(feature = "rustls")]
        Error::Rustls(problem) => return (Permanent, format!("TLS failed: {problem}").into()),
        #[cfg(feature = "native-tls")]
        Error::NativeTls(problem) => return (Permanent, format!("TLS failed: {problem}").into()),
        Error::Timeout(Timeout::Resolve) => (Unsent, "timed out while looking up the host name"),
        Error::Timeout(Timeout::Connect) => (Unsent, "timed out while connecting"),
        Error::Timeout(_) => (
            Unclear,
            "timed out before the response was complete; \
             raise `timeout` if the server is known to be slow",
        ),
        Error::HostNotFound => (Unsent, "the host name has no address; check its spelling"),
        Error::ConnectionFailed => (Unsent, "no connection could be made"),
        Error::InvalidProxyUrl => (Permanent, "the proxy's URL is not valid"),
        Error::RequireHttpsOnly(_) => (Permanent, "the agent is set to https only"),
        Error::TlsRequired => (
            Permanent,
            "https needs one of this crate's features `rustls` (default) and `native-tls`",
        ),
        Error::LargeResponseHeader(..) => (Unclear, "the response's header is too large"),
        Error::Protocol(_) => (Unclear, "the response is not valid HTTP/1.1"),
        #[cfg(feature = "gzip")]
        Error::Decompress(..) => (Unclear, "the compressed body is corrupt"),
        _ => (Unclear, "the request failed"),
    };
    (verdict, what.into())
}

fn judge_refusal(why: &str) -> (Verdict, Cow<'static, str>) {
    let told = why.split('/').next().unwrap_or_default();
    // Proxy Authentication Required (RFC 9110 section 15.5.8).
    let wants_password = told.ends_with(" 407");
    let verdict = if wants_password { Permanent } else { Unsent };
    let what = format!("the proxy refused to connect: {told}");
    (verdict, what.into())
}

fn judge_io(error: &io::Error) -> (Verdict, Cow<'static, str>) {
    let refused = "connection refused; is the server running, and the port right?";
    match error.kind() {
        io::ErrorKind::ConnectionRefused => (Unsent, refused.into()),
        io::ErrorKind::UnexpectedEof => (Unclear, "the server closed the connection early".into()),
        // The first is that of a lookup.
        io::ErrorKind::NotFound | io::ErrorKind::AddrNotAvailable => {
            (Unsent, error.to_string().into())
        }
        // A connection that was there for long may end so, too.
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable
            if Exchange::was_opening() =>
        {
            (Unsent, error.to_string().into())
        }
        io::ErrorKind::InvalidData => (Permanent, error.to_string().into()),
        _ => (Unclear, error.to_string().into()),
    }
}
