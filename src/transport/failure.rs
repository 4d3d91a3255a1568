//! Exchanges that fail: what the caller is told, without more of a URL than its origin, and whether
//! another attempt makes sense.

use std::io;

use ureq::http::Uri;

use crate::error::{ErrorKind, NexusError};
use crate::transport::dns::LookupFailed;
use crate::transport::wire;
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
            stale: phase == Phase::Request
                && matches!(error, ureq::Error::Io(error) if wire::is_disconnect(error)),
        }
    }
}

/// An error of ureq's that may be shown: this one repeats the URL, and the credential may be in it.
pub(super) fn without_url(error: ureq::Error, origin: &str) -> ureq::Error {
    let ureq::Error::RequireHttpsOnly(_) = error else {
        return error;
    };
    let (kind, what) = describe(&error);
    let shown = NexusError::new(kind, format!("{origin}: {what}"));
    ureq::Error::Other(Box::new(shown))
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
        ureq::Error::ConnectProxyFailed(why) => {
            let why = why.split('/').next().unwrap_or_default();
            format!("the proxy refused to connect: {why}")
        }
        ureq::Error::InvalidProxyUrl => "the proxy's URL is not valid".to_owned(),
        ureq::Error::TlsRequired => {
            "https needs one of this crate's features `rustls` (default) and `native-tls`"
                .to_owned()
        }
        ureq::Error::LargeResponseHeader(..) => "the response's header is too large".to_owned(),
        ureq::Error::Protocol(_) => "the response is not valid HTTP/1.1".to_owned(),
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
        ureq::Timeout::Resolve => "timed out while looking up the host name".to_owned(),
        ureq::Timeout::Connect => "timed out while connecting".to_owned(),
        _ => {
            "timed out before the response was complete; raise `timeout` if the server is known to be slow"
                .to_owned()
        },
    }
}

fn io_problem(error: &io::Error) -> String {
    if let Some(failed) = lookup_failed(error) {
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

fn lookup_failed(error: &io::Error) -> Option<&LookupFailed> {
    error.get_ref()?.downcast_ref()
}

/// Whether trying again cannot help: certificates and settings stay what they are.
fn is_permanent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::InvalidProxyUrl => true,
        // Proxy Authentication Required (RFC 9110 section 15.5.8).
        ureq::Error::ConnectProxyFailed(why) => why.contains(" 407/"),
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
            lookup_failed(error).is_some()
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
