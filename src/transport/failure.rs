//! Exchanges that fail: what the caller is told, without more of a URL than its origin, and whether
//! another attempt makes sense.

use std::io;

use ureq::http::Uri;

use crate::agent::LookUpFailed;
use crate::error::{ErrorKind, NexusError};
use crate::url;

/// An exchange that brought no response.
pub(crate) struct Failure {
    pub(crate) error: NexusError,
    /// Nothing of the request can have reached the server.
    pub(crate) unsent: bool,
    /// The connection ended before there was any response.
    pub(super) stale: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Request,
    Body,
}

impl Failure {
    pub(super) fn plain(error: NexusError) -> Self {
        Self {
            error,
            unsent: false,
            stale: false,
        }
    }

    pub(super) fn of(error: &ureq::Error, url: &Uri, phase: Phase) -> Self {
        let (kind, what) = describe(error);
        let retryable = kind != ErrorKind::InsecureUrl && !is_permanent(error);
        let message = format!("{}: {what}", url::origin(url));
        Self {
            error: NexusError::new(kind, message).retryable(retryable),
            unsent: phase == Phase::Request && is_unsent(error),
            stale: phase == Phase::Request && is_disconnect(error),
        }
    }
}

/// What a failure of ureq is to the caller. Several of ureq's texts hold the URL, so only those
/// are passed on that cannot.
fn describe(error: &ureq::Error) -> (ErrorKind, String) {
    let what = match error {
        ureq::Error::Timeout(phase) => return (ErrorKind::Timeout, timed_out(*phase)),
        ureq::Error::RequireHttpsOnly(_) => {
            return (
                ErrorKind::InsecureUrl,
                "the agent is set to https only".to_owned(),
            );
        }
        ureq::Error::Io(error) => io_problem(error),
        ureq::Error::HostNotFound => "the host name has no address; check its spelling".to_owned(),
        ureq::Error::ConnectionFailed => "no connection could be made".to_owned(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused to connect".to_owned(),
        ureq::Error::InvalidProxyUrl => "the proxy's URL is not valid".to_owned(),
        ureq::Error::TlsRequired => {
            "https needs one of this crate's features `rustls` (default) and `native-tls`"
                .to_owned()
        }
        ureq::Error::LargeResponseHeader(..) => "the response's header is too large".to_owned(),
        ureq::Error::Protocol(_) => "the answer is no valid HTTP/1.1".to_owned(),
        ureq::Error::Tls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => "the compressed body is corrupt".to_owned(),
        _ => "the request failed".to_owned(),
    };
    (ErrorKind::RequestFailed, what)
}

fn timed_out(phase: ureq::Timeout) -> String {
    match phase {
        ureq::Timeout::Resolve => "the name look-up did not end in time".to_owned(),
        ureq::Timeout::Connect => "no connection in time".to_owned(),
        _ => "no complete answer in time; raise `timeout` if the server is known to be slow"
            .to_owned(),
    }
}

fn io_problem(error: &io::Error) -> String {
    if let Some(failed) = look_up_failed(error) {
        return format!("{failed}; check the host's spelling and the network");
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused; is the server running, and the port right?".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the server closed the connection early".to_owned(),
        _ => error.to_string(),
    }
}

fn look_up_failed(error: &io::Error) -> Option<&LookUpFailed> {
    error.get_ref()?.downcast_ref()
}

/// Whether trying again cannot help: certificates and settings stay what they are.
fn is_permanent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::InvalidProxyUrl => true,
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        error => is_tls(error),
    }
}

/// Whether TLS could not be set up, in any of the ways that this build has.
fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::TlsRequired | ureq::Error::Tls(_) => true,
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(_) => true,
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(_) => true,
        _ => false,
    }
}

/// Whether the failure comes from before the first byte of the request.
fn is_unsent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::RequireHttpsOnly(_) => true,
        ureq::Error::Io(error) => {
            look_up_failed(error).is_some()
                || matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::HostUnreachable
                        | io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::AddrNotAvailable
                )
        }
        error => is_tls(error),
    }
}

/// Whether a body that says gzip ended, as its framing allows, before the gzip header did: servers
/// label bodies of no bytes so, and ureq gives them to its decoder all the same. A connection that
/// was cut has a text with its error, the decoder's end of input has none.
#[cfg(feature = "gzip")]
pub(super) fn is_empty_gzip(error: &ureq::Error) -> bool {
    let ureq::Error::Decompress(_, cause) = error else {
        return false;
    };
    cause.kind() == io::ErrorKind::UnexpectedEof && cause.get_ref().is_none()
}

#[cfg(not(feature = "gzip"))]
pub(super) fn is_empty_gzip(_: &ureq::Error) -> bool {
    false
}

/// Whether the failure is that of a connection which the server has closed.
fn is_disconnect(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}
