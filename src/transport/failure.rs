//! Failed exchanges: the error for the caller, and whether the request may be sent again.

use std::borrow::Cow;
use std::io;
use std::io::ErrorKind::{AddrNotAvailable, ConnectionRefused, InvalidData, UnexpectedEof};

use ureq::http::{Method, Uri};
use ureq::{Error, Timeout};

use crate::error::{ErrorKind, NexusError};
use crate::url;

/// The failure of an exchange without a response.
pub(crate) struct Failure {
    pub(crate) error: NexusError,
    /// True if it is certain that no part of the request has reached the server.
    pub(super) unsent: bool,
}

impl Failure {
    /// Builds the failure. Its error shows only the origin of the URL.
    pub(super) fn of(error: Error, url: &Uri) -> Self {
        let (error, unsent) = unmarked(error);
        let kind = match error {
            Error::Timeout(_) => ErrorKind::Timeout,
            Error::RequireHttpsOnly(_) => ErrorKind::InsecureUrl,
            _ => ErrorKind::RequestFailed,
        };
        let (is_transient, what) = judge(&error, unsent);
        let error = NexusError::new(kind, format!("{}: {what}", url::origin(url)));
        Self {
            error: error.retryable(is_transient),
            unsent,
        }
    }

    /// Returns whether another attempt may help and is safe. It is safe if the request is idempotent or was not sent.
    pub(crate) fn allows_another(&self, method: &Method) -> bool {
        self.error.is_retryable() && (self.unsent || method.is_idempotent())
    }
}

/// Marks an error as one from opening a connection, which comes before the first byte of the request.
pub(super) fn while_connecting(error: Error) -> Error {
    Error::Io(io::Error::other(unmarked(error).0))
}

/// Returns the error without its mark, and whether it was marked.
pub(super) fn unmarked(error: Error) -> (Error, bool) {
    let Error::Io(error) = error else {
        return (error, false);
    };
    let inner = error.get_ref();
    let marked = inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>);
    // This conversion unwraps the ureq error within the I/O error.
    (error.into(), marked)
}

/// Returns whether the kind of the error alone shows that no connection was open.
pub(super) fn precedes_request(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::ConnectProxyFailed(_) => true,
        Error::Timeout(reason) => matches!(reason, Timeout::Resolve | Timeout::Connect),
        Error::Io(error) => matches!(error.kind(), ConnectionRefused | AddrNotAvailable),
        _ => false,
    }
}

/// True if another attempt may succeed, and the text of the error.
type Verdict = (bool, Cow<'static, str>);

/// The verdict on an error that stays until someone changes a certificate or a setting.
fn permanent(what: impl Into<Cow<'static, str>>) -> Verdict {
    (false, what.into())
}

fn transient(what: impl Into<Cow<'static, str>>) -> Verdict {
    (true, what.into())
}

/// Describes the error. Some error texts of ureq contain the URL, so these are not used.
fn judge(error: &Error, connecting: bool) -> Verdict {
    transient(match error {
        Error::Io(error) => return judge_io(error),
        Error::ConnectProxyFailed(why) => return judge_proxy(why),
        Error::Tls(problem) => return judge_tls(format!("TLS failed: {problem}")),
        #[cfg(feature = "rustls")]
        Error::Rustls(problem) => return judge_tls(format!("TLS failed: {problem}")),
        #[cfg(feature = "native-tls")]
        Error::NativeTls(problem) => return judge_tls(format!("TLS failed: {problem}")),
        Error::TlsRequired => {
            return permanent(
                "https needs this crate's feature `rustls` (on by default) or `native-tls`; enable one of them",
            );
        }
        Error::RequireHttpsOnly(_) => return permanent("the agent allows only https; use https"),
        Error::Timeout(Timeout::Resolve) => "timed out while looking up the host name",
        Error::Timeout(reason) if connecting || *reason == Timeout::Connect => {
            "timed out while connecting"
        }
        Error::Timeout(_) => {
            "timed out before the response was complete; raise `timeout` if the server is known to be slow"
        }
        Error::HostNotFound => "the host name has no address; check its spelling",
        Error::LargeResponseHeader(..) => "the response's header is too large",
        Error::Protocol(_) => "the response is not valid HTTP/1.1",
        #[cfg(feature = "gzip")]
        Error::Decompress(..) => "the compressed body is corrupt",
        _ => "the request failed",
    })
}

fn judge_tls(mut text: String) -> Verdict {
    // The texts of rustls and OpenSSL for a response that is not TLS.
    if text.contains("InvalidContentType") || text.contains("wrong version number") {
        text += "; check that the port is one for https, not http";
    } else if text.contains("UnknownIssuer") {
        text += "; to trust other authorities, enable `platform-verifier` or set `agent`";
    }
    permanent(text)
}

fn judge_proxy(why: &str) -> Verdict {
    let status = why.split('/').next().unwrap_or_default();
    let what = format!("the proxy refused to connect: {status}");
    // Proxy Authentication Required (RFC 9110 section 15.5.8).
    let wants_password = status.ends_with(" 407");
    (!wants_password, what.into())
}

fn judge_io(error: &io::Error) -> Verdict {
    match error.kind() {
        ConnectionRefused => {
            transient("connection refused; check that the server is running and the port is right")
        }
        UnexpectedEof => transient("the server closed the connection early"),
        // Errors of rustls have this kind.
        InvalidData => judge_tls(error.to_string()),
        _ => transient(error.to_string()),
    }
}
