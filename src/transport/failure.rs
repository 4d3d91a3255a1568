//! Describes errors of ureq to the caller, and decides whether a request may be sent again.

mod tls;

use std::io;
use std::io::ErrorKind::{
    AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
    InvalidData, UnexpectedEof,
};

use ureq::http::Uri;
use ureq::{Error, Timeout};

use super::outgoing::Outgoing;
use crate::error::{ErrorKind, NexusError, Origin};
use crate::url;

/// Describes an error of ureq, showing only the place of the request. Another attempt is safe if the request is repeatable,
/// and always if the server has received nothing.
pub(super) fn describe(error: &Error, request: &Outgoing<'_>, has_proxy: bool) -> NexusError {
    let kind = match error {
        Error::Timeout(_) => ErrorKind::Timeout,
        Error::RequireHttpsOnly(_) => ErrorKind::InsecureUrl,
        Error::BodyExceedsLimit(_) => ErrorKind::BodyTooLarge,
        _ => ErrorKind::RequestFailed,
    };
    let (is_transient, mut what) = explain(error);
    if request.redirected_from.is_some() && is_tls(error) {
        // The messages about certificates name the host.
        "TLS failed".clone_into(&mut what);
    }
    let is_unsent = precedes_request(error);
    let is_protocol = matches!(error, Error::Protocol(_));
    match error {
        _ if is_unsendable(error) => {}
        Error::ConnectProxyFailed(why) if is_refused(why) => what += no_connect(request.url),
        Error::ConnectProxyFailed(_) => {}
        _ if has_proxy && (is_unsent || is_protocol) => what += BY_PROXY,
        _ if is_protocol && !url::is_https(request.url) => what += NO_HTTP,
        _ => {}
    }
    let message = format!("{}: {what}", request.place());
    let described = NexusError::new(kind, message).with(|inner| {
        inner.origin = if is_unsendable(error) {
            Origin::Local
        } else {
            request.server
        };
        inner.may_have_been_sent = !is_unsent;
    });
    if !is_transient {
        return described.lasting();
    }
    described.with(|inner| inner.may_repeat = request.is_repeatable() || is_unsent)
}

/// The error of a request that was not begun, because its deadline had passed.
pub(super) fn too_late(request: &Outgoing<'_>) -> NexusError {
    let what =
        "timed out before the request was sent; raise `timeout` if a server is known to be slow";
    let message = format!("{}: {what}", request.place());
    NexusError::new(ErrorKind::Timeout, message).with(|inner| {
        inner.origin = request.server;
        inner.may_have_been_sent = false;
    })
}

const NO_ADDRESS: &str = "the host name could not be looked up; check its spelling and the network";

pub(super) const HTTPS_ONLY: &str = "the agent allows only https; use https";

const NO_HTTP: &str = "; check that the server expects http on this port, not https";

const BY_PROXY: &str =
    "; the connection goes through a proxy, so check the proxy's address and the proxy settings";

/// Returns how to reach a target to which a proxy allows no `CONNECT`.
fn no_connect(url: &Uri) -> &'static str {
    match (url::is_https(url), url::port(url)) {
        (false, _) => NO_CONNECT,
        (true, 443) => "",
        (true, _) => NO_PORT,
    }
}

const NO_PORT: &str = ". Many proxies allow CONNECT only to port 443: allow it to this port";

const NO_CONNECT: &str = ". An http URL needs CONNECT as well, which many proxies allow only to port 443: use an https URL, or \
    allow CONNECT to this port";

/// Returns whether a proxy does not know or allow the method `CONNECT`, or not to this port. `why` ends with the status.
fn is_refused(why: &str) -> bool {
    let status = why.rsplit_once('/').map(|(_, status)| status);
    matches!(status, Some("400" | "403" | "404" | "405" | "501"))
}

/// Returns whether the error means that the other side ended the connection.
pub(super) fn is_disconnect(error: &Error) -> bool {
    matches!(error, Error::Io(error) if is_end(error))
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

/// Returns whether std has failed to look up a host. Its error has no kind: on Unix it has this text, and on Windows one
/// of these codes (`WSAHOST_NOT_FOUND`, `WSATRY_AGAIN` and `WSANO_DATA`).
fn is_lookup(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    let is_windows = cfg!(windows) && matches!(code, Some(11001 | 11002 | 11004));
    let text = error.to_string();
    is_windows || text.starts_with("failed to lookup address information")
}

/// Returns whether the error alone shows that the request was not sent.
fn precedes_request(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::ConnectProxyFailed(_) => true,
        Error::Timeout(reason) => matches!(reason, Timeout::Resolve | Timeout::Connect),
        Error::Io(error) => {
            is_lookup(error)
                || is_handshake(error)
                || matches!(error.kind(), ConnectionRefused | AddrNotAvailable)
        }
        // ureq completes the TLS handshake while it connects, and later errors of TLS are I/O errors.
        error => is_tls(error) || is_unsendable(error),
    }
}

/// Returns whether the TLS library has failed.
fn is_tls(error: &Error) -> bool {
    match error {
        // All errors of rustls have this kind, and all errors of OpenSSL contain this text.
        Error::Io(error) => {
            error.kind() == InvalidData || error.to_string().contains("SSL routines")
        }
        Error::Tls(_) => true,
        #[cfg(feature = "rustls")]
        Error::Rustls(_) => true,
        #[cfg(feature = "native-tls")]
        Error::NativeTls(_) => true,
        _ => false,
    }
}

/// Returns whether the SDK's own agent or ureq has refused to send the request.
fn is_unsendable(error: &Error) -> bool {
    match error {
        Error::TlsRequired | Error::RequireHttpsOnly(_) => true,
        // The error of ureq's HTTP parser has no public type, so only its text tells that the request is too long.
        Error::Protocol(problem) => problem.to_string().starts_with("output too small"),
        _ => false,
    }
}

/// Returns whether this is an error of rustls that occurs only during the handshake. ureq gives such an error and an error
/// about a later record the same type, so only the text tells them apart.
fn is_handshake(error: &io::Error) -> bool {
    const PARTS: [&str; 4] = [
        "invalid peer certificate",
        "peer is incompatible",
        "fatal alert: HandshakeFailure",
        "fatal alert: ProtocolVersion",
    ];
    let text = error.to_string();
    error.kind() == InvalidData && PARTS.iter().any(|part| text.contains(part))
}

/// Returns whether another attempt may succeed, and the message for the caller. Some of ureq's own messages contain
/// the URL, so an error that the match does not list gets a fixed message.
fn explain(error: &Error) -> (bool, String) {
    let what = match error {
        error if is_disconnect(error) => "the server closed the connection early",
        Error::Io(error) if error.kind() == ConnectionRefused => {
            "connection refused; check that the server is running and the port is right"
        }
        error if is_tls(error) => {
            let text = error.to_string();
            return (false, tls::advised(text.trim_start_matches("io: ")));
        }
        Error::Io(error) if is_lookup(error) => NO_ADDRESS,
        Error::Io(error) => return (true, error.to_string()),
        Error::ConnectProxyFailed(why) => {
            // Proxy Authentication Required (RFC 9110 section 15.5.8).
            let wants_password = why.ends_with("/407");
            let advice = if wants_password {
                "put the right user name and password into the proxy's URL"
            } else {
                "check the proxy settings"
            };
            let reason = why.split('/').next().unwrap_or_default();
            let what = format!("no connection through the proxy: {reason}; {advice}");
            return (!wants_password, what);
        }
        Error::TlsRequired => {
            "https needs this crate's feature `rustls` (on by default) or `native-tls`; enable one of them"
        }
        Error::RequireHttpsOnly(_) => HTTPS_ONLY,
        Error::BodyExceedsLimit(max) => {
            let advice = "check the URL or, for a large download, raise max_body_bytes (the limit for the \
                          gateway's own responses is fixed)";
            let what = format!("the response body is larger than {max} bytes; {advice}");
            return (false, what);
        }
        Error::Timeout(Timeout::Resolve) => "timed out while looking up the host name",
        Error::Timeout(Timeout::Connect) => "timed out while connecting; check host and port",
        Error::Timeout(_) => {
            "timed out before the response was complete; raise `timeout` if the server is known to be slow"
        }
        Error::HostNotFound => NO_ADDRESS,
        Error::LargeResponseHeader(..) => "the response's header is too large",
        Error::Protocol(_) if is_unsendable(error) => {
            "the request's URL and headers are too long; shorten them to 64 KiB in all"
        }
        Error::Protocol(_) => "the response is not valid HTTP/1.1",
        #[cfg(feature = "gzip")]
        Error::Decompress(_, cause) if cause.to_string() == "invalid gzip header" => {
            let what = "the body is not gzip, although its Content-Encoding says so; it may be a part of a gzip body, or \
                        other data may follow its gzip data, or the server has to correct the label";
            return (false, what.to_owned());
        }
        #[cfg(feature = "gzip")]
        Error::Decompress(_, cause) if is_end(cause) => {
            "the compressed body ends early; the connection was lost, the body is a part of a gzip body, or other data follows its gzip data"
        }
        #[cfg(feature = "gzip")]
        Error::Decompress(..) => "the compressed body is corrupt",
        Error::BodyStalled => {
            "the chunks of the body are damaged, or it has none although its Transfer-Encoding says so; the connection was lost, \
             or the server or a proxy has to correct the body"
        }
        _ => "the request failed",
    };
    (!is_unsendable(error), what.to_owned())
}
