//! Describes errors of ureq to the caller, and decides whether a request may be sent again.

use std::io::ErrorKind::{
    AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset,
    InvalidData, UnexpectedEof,
};
use std::io::Read as _;
use std::{env, fs, io};

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
        // The errors of rustls have this kind, and those of OpenSSL this text.
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
            return explain_tls(text.trim_start_matches("io: "));
        }
        Error::Io(error) if is_lookup(error) => NO_ADDRESS,
        Error::Io(error) => return (true, error.to_string()),
        Error::ConnectProxyFailed(why) => {
            // Proxy Authentication Required (RFC 9110 section 15.5.8).
            let wants_password = why.ends_with("/407");
            let advice = if wants_password {
                "put a user name and password into the proxy's URL"
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
            let what = "the body is not gzip, although its Content-Encoding says so; it may be a part of a gzip body, or have \
                        other data after its gzip data, or the server has to correct the label";
            return (false, what.to_owned());
        }
        #[cfg(feature = "gzip")]
        Error::Decompress(_, cause) if is_end(cause) => {
            "the compressed body ends early; the connection was lost, or the body is a part of a gzip body"
        }
        #[cfg(feature = "gzip")]
        Error::Decompress(..) => "the compressed body is corrupt",
        _ => "the request failed",
    };
    (!is_unsendable(error), what.to_owned())
}

/// Parts of the messages of rustls and OpenSSL, and what to do.
const TLS_ADVICE: [(&[&str], &str); 13] = [
    (
        &[
            "fatal alert: Certificate",
            "fatal alert: BadCertificate",
            "fatal alert: UnsupportedCertificate",
            "fatal alert: UnknownCA",
            "fatal alert: AccessDenied",
            "alert certificate",
            "certificate required",
        ],
        "the server wants a client certificate that it accepts; set `agent` to an agent with one",
    ),
    (
        &["HandshakeFailure", "handshake failure"],
        "the server and the TLS library share no cipher or curve, or the server wants a client certificate (set `agent`)",
    ),
    (
        &["InvalidContentType", "wrong version number"],
        "check that the server expects https on this port, not http",
    ),
    (
        &["CaUsedAsEndEntity"],
        "the server has the certificate of an authority, which `openssl req -x509` makes by default; make one for a server, \
         with `-addext basicConstraints=critical,CA:FALSE`",
    ),
    (
        &["UnsupportedCertVersion"],
        "the server's certificate has no extensions; make one of X.509 version 3, with a subjectAltName",
    ),
    (
        &[
            "extended key usage",
            "InvalidPurpose",
            "EkuError",
            "ExtendedKeyUsage",
            "unsuitable certificate purpose",
        ],
        "the server's certificate is for another purpose; make one with `extendedKeyUsage=serverAuth`",
    ),
    (
        &[
            "UnsupportedCriticalExtension",
            "unhandled critical extension",
        ],
        "a certificate has a critical extension that the TLS library does not know; make one without it",
    ),
    (
        &["UnsupportedSignatureAlgorithm", "too weak"],
        "a certificate has a key or signature that the TLS library does not accept; make one with ECDSA P-256 or RSA (2048 \
         bits or more), and SHA-256",
    ),
    (
        &[
            "ProtocolVersion",
            "protocol version",
            "unsupported protocol",
            "Tls12NotOfferedOrEnabled",
        ],
        "the server has to support TLS 1.2 or 1.3",
    ),
    (
        &[
            "not valid for",
            "NotValidForName",
            "ostname mismatch",
            "address mismatch",
            "UnrecognisedName",
            "unrecognized name",
        ],
        "check the host in the URL, which the server's certificate has to name in its subjectAltName",
    ),
    (
        &[
            "xpired",
            "not valid after",
            "NotValidYet",
            "not yet valid",
            "not valid before",
        ],
        "check this machine's clock, and let the server's operator renew the certificate",
    ),
    (
        &["EndEntityUsedAsCa", "invalid CA certificate"],
        "the authority's certificate is not one of an authority; make it with `basicConstraints=critical,CA:TRUE`",
    ),
    (
        &["NameConstraintViolation", "subtree violation"],
        "the authority may not make certificates for this host; have one made by another authority",
    ),
];

/// The messages of rustls and OpenSSL about an authority that they do not trust, and about a lack of any authority. An
/// authority that was made anew under its old name leads to `BadSignature` or, with a key of another kind, to
/// `UnsupportedSignatureAlgorithmForPublicKey`.
const UNTRUSTED: [&str; 6] = [
    "UnknownIssuer",
    "BadSignature",
    "ForPublicKey",
    "self-signed",
    "issuer certificate",
    "No CA certificates",
];

fn explain_tls(text: &str) -> (bool, String) {
    // After this word, rustls lists a page of object identifiers.
    let text = text.split("Context {").next().unwrap_or_default();
    let has = |part: &&str| text.contains(*part);
    let advice = if UNTRUSTED.iter().any(has) {
        Some([&trust_advice(), IF_TRUSTED].concat())
    } else {
        let known = TLS_ADVICE.iter().find(|(parts, _)| parts.iter().any(has));
        known.map(|(_, advice)| (*advice).to_owned())
    };
    match advice {
        Some(advice) => (false, [text, "; ", &advice].concat()),
        None => (false, text.to_owned()),
    }
}

/// What else may be wrong if the authority is trusted.
const IF_TRUSTED: &str = ". If that is done, the server has to send its intermediate certificates, and RSA keys need 2048 bits";

/// Returns how to trust a server's authority. On Unix, variables can replace the system's authorities.
fn trust_advice() -> String {
    if cfg!(not(feature = "platform-verifier")) {
        let advice = "enable the feature `platform-verifier`, which reads the system's certificates (and SSL_CERT_FILE), and \
                      add its authority to them, or set `agent`";
        return advice.to_owned();
    }
    let value = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
    let file = value("SSL_CERT_FILE");
    let folder = value("SSL_CERT_DIR").filter(|folder| !folder.is_empty());
    if !cfg!(all(unix, not(target_vendor = "apple"))) || file.is_none() && folder.is_none() {
        return "add its authority to the system's certificates, or set `agent`".to_owned();
    }
    if file.as_deref() == Some("") {
        return "SSL_CERT_FILE is empty, so it has no certificate; unset it, or set it to a file in PEM form".to_owned();
    }
    let of_file = file.as_deref().and_then(problem_of_file);
    let of_folder = folder.as_deref().and_then(problem_of_folder);
    let problem = of_file.or(of_folder).unwrap_or_default();
    let named_file = file.map(|file| format!("SSL_CERT_FILE ({file})"));
    let named_folder = folder.map(|folder| format!("SSL_CERT_DIR ({folder})"));
    let named: Vec<_> = named_file.into_iter().chain(named_folder).collect();
    let places = named.join(" or ");
    format!("{problem}add the server's authority to {places} in PEM form, or set `agent`")
}

/// Returns why a file that `SSL_CERT_FILE` names holds no certificates.
fn problem_of_file(file: &str) -> Option<String> {
    let mut text = Vec::new();
    let read = fs::File::open(file).and_then(|file| file.take(1 << 20).read_to_end(&mut text));
    let what = match read {
        Err(error) => format!("cannot be read ({error})"),
        Ok(_) if !has_certificate(&text) => "has no complete certificate in PEM form".to_owned(),
        Ok(_) => return None,
    };
    Some(format!("the file {file} that SSL_CERT_FILE names {what}; "))
}

/// Returns why a folder that `SSL_CERT_DIR` names holds no certificates.
fn problem_of_folder(folder: &str) -> Option<String> {
    env::split_paths(folder).find_map(|one| {
        let error = fs::read_dir(&one).err()?;
        let name = one.display();
        Some(format!(
            "the folder {name} that SSL_CERT_DIR names cannot be read ({error}); "
        ))
    })
}

/// Returns whether a text has a certificate in PEM form (RFC 7468 section 5.1): a line that begins with its label, which a
/// byte order mark prevents, a line with the base64 of a long DER sequence, and a line that ends it.
fn has_certificate(text: &[u8]) -> bool {
    let all = text.split(|byte| matches!(byte, b'\r' | b'\n'));
    let mut lines = all.filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        let is_begun = line.starts_with(b"-----BEGIN CERTIFICATE-----");
        if is_begun && lines.next().is_some_and(|line| line.starts_with(b"MI")) {
            return lines.any(|line| line.starts_with(b"-----END CERTIFICATE-----"));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of rustls 0.23 and OpenSSL 3. `src/transport/tests/handshakes.rs` has some from real handshakes.
    #[test]
    fn advice_about_tls() {
        let table = [
            (
                "received corrupt message of type InvalidContentType",
                "not http",
            ),
            ("Other(OtherError(CaUsedAsEndEntity))", "CA:FALSE`"),
            (
                "Other(OtherError(UnsupportedCertVersion))",
                "with a subjectAltName",
            ),
            (
                "certificate not valid for name \"a\"",
                "in its subjectAltName",
            ),
            (
                "certificate verify failed (hostname mismatch)",
                "in its subjectAltName",
            ),
            (
                "invalid peer certificate: BadSignature",
                "RSA keys need 2048 bits",
            ),
            (
                "invalid peer certificate: UnsupportedSignatureAlgorithmForPublicKey",
                "RSA keys need 2048 bits",
            ),
            (
                "certificate verify failed (unable to get issuer certificate)",
                "RSA keys need 2048 bits",
            ),
            (
                "certificate verify failed (IP address mismatch)",
                "in its subjectAltName",
            ),
            (
                "certificate verify failed (EE certificate key too weak)",
                "and SHA-256",
            ),
            (
                "certificate verify failed (invalid CA certificate)",
                "CA:TRUE`",
            ),
            (
                "invalid peer certificate: NameConstraintViolation",
                "by another authority",
            ),
            (
                "tlsv13 alert certificate required:SSL alert number 116",
                "to an agent with one",
            ),
            ("invalid peer certificate: Expired", "renew the certificate"),
            (
                "certificate verify failed (certificate has expired)",
                "renew the certificate",
            ),
            (
                "received fatal alert: CertificateRequired",
                "to an agent with one",
            ),
            (
                "received fatal alert: CertificateExpired",
                "to an agent with one",
            ),
            ("received fatal alert: UnknownCA", "to an agent with one"),
            (
                "received fatal alert: HandshakeFailure",
                "wants a client certificate (set `agent`)",
            ),
            (
                "received fatal alert: UnrecognisedName",
                "in its subjectAltName",
            ),
            ("Other(OtherError(EndEntityUsedAsCa))", "CA:TRUE`"),
            ("received fatal alert: BadRecordMac", "BadRecordMac"),
            (
                "certificate does not allow extended key usage for server authentication, allows client authentication",
                "`extendedKeyUsage=serverAuth`",
            ),
            (
                "Other(OtherError(UnsupportedCriticalExtension))",
                "without it",
            ),
            (
                "invalid peer certificate: UnsupportedSignatureAlgorithm",
                "and SHA-256",
            ),
            ("received fatal alert: ProtocolVersion", "TLS 1.2 or 1.3"),
            (
                "peer is incompatible: ServerTlsVersionIsDisabled: unsupported protocol",
                "TLS 1.2 or 1.3",
            ),
        ];
        for (text, end) in table {
            let (is_transient, said) = explain_tls(text);
            assert!(said.starts_with(text) && said.ends_with(end), "{said}");
            assert!(!is_transient, "{said}");
        }
    }

    #[test]
    fn the_object_identifiers_of_an_algorithm_are_left_out() {
        let ids = "UnsupportedSignatureAlgorithmContext { signature_algorithm_id: [42, 134], supported_algorithms: [..] }";
        let (_, said) = explain_tls(&format!("invalid peer certificate: {ids}"));
        let start =
            "invalid peer certificate: UnsupportedSignatureAlgorithm; a certificate has a key";
        assert!(said.starts_with(start) && !said.contains("134"), "{said}");
    }

    #[test]
    fn which_files_have_a_certificate() {
        let pem = include_str!("../../tests/support/certificate.pem");
        let table = [
            (pem.to_owned(), true),
            (pem.replace('\n', "\r\n"), true),
            (format!("a comment\n{pem}"), true),
            (format!("\u{feff}{pem}"), false),
            (format!("\u{feff}{pem}{pem}"), true),
            (pem.replace("MI", "!!"), false),
            (pem.replace("END", "???"), false),
            ("-----BEGIN CERTIFICATE-----\n".to_owned(), false),
            (String::new(), false),
        ];
        for (text, expected) in table {
            assert_eq!(has_certificate(text.as_bytes()), expected, "{text:?}");
        }
    }
}
