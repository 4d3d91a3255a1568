//! Says what to do about an error of TLS.

use std::io::Read as _;
use std::{env, fs};

/// Parts of the messages of rustls and OpenSSL, and what to do.
const ADVICE: [(&[&str], &str); 13] = [
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

/// The advice for an authority that is trusted already.
const IF_TRUSTED: &str = ". If the authority is trusted already, the server has to send its intermediate certificates, and RSA keys need \
    2048 bits";

/// Returns an error's message with the advice, if there is any.
pub(super) fn advised(text: &str) -> String {
    // After this word, rustls lists a page of object identifiers.
    let text = text.split("Context {").next().unwrap_or_default();
    let has = |part: &&str| text.contains(*part);
    let advice = if UNTRUSTED.iter().any(has) {
        Some([&trust_advice(), IF_TRUSTED].concat())
    } else {
        let known = ADVICE.iter().find(|(parts, _)| parts.iter().any(has));
        known.map(|(_, advice)| (*advice).to_owned())
    };
    match advice {
        Some(advice) => [text, "; ", &advice].concat(),
        None => text.to_owned(),
    }
}

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
            let said = advised(text);
            assert!(said.starts_with(text) && said.ends_with(end), "{said}");
        }
    }

    #[test]
    fn the_object_identifiers_of_an_algorithm_are_left_out() {
        let ids = "UnsupportedSignatureAlgorithmContext { signature_algorithm_id: [42, 134], supported_algorithms: [..] }";
        let said = advised(&format!("invalid peer certificate: {ids}"));
        let start =
            "invalid peer certificate: UnsupportedSignatureAlgorithm; a certificate has a key";
        assert!(said.starts_with(start) && !said.contains("134"), "{said}");
    }

    #[test]
    fn which_files_have_a_certificate() {
        let pem = include_str!("../../../tests/support/certificate.pem");
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
