//! TLS handshakes with servers that the client cannot talk to.

use super::tls;
use super::*;

#[test]
fn a_handshake_that_fails_says_what_to_do() {
    for provider in tls::providers() {
        let plain = serve(|mut socket| {
            let _ = socket.read(&mut [0; 4_096])?;
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        });
        let transport = transport(tls::trusting(provider));
        let error = get(format!("https://127.0.0.1:{plain}/")).sent(&transport);
        let error = error.err().unwrap();
        let advice = "; check that the server expects https on this port, not http";
        assert!(error.message().ends_with(advice), "{provider:?}: {error}");
        assert!(!error.is_retryable(), "{provider:?}");
    }
}

#[test]
fn a_server_that_is_not_trusted_is_an_error_with_advice() {
    let port = serve(|socket| head(&mut tls::accept(socket)).map(drop));
    let transport = unchanged();
    let error = get(format!("https://127.0.0.1:{port}/")).sent(&transport);
    let error = error.err().unwrap();
    // `tests/sdk/tls_roots.rs` has the advice with `platform-verifier`, and other systems have other words.
    if cfg!(feature = "platform-verifier")
        || cfg!(feature = "native-tls") && cfg!(not(target_os = "linux"))
    {
        return;
    }
    let advice = "; enable the feature `platform-verifier`, which reads the system's certificates (and SSL_CERT_FILE), and \
                  add its authority to them, or set `agent`. If the authority is trusted already, the server has to send its \
                  intermediate certificates, and RSA keys need 2048 bits";
    assert!(error.message().ends_with(advice), "{error}");
    assert!(!error.is_retryable(), "{error}");
    assert!(
        cfg!(feature = "native-tls") || error.message().contains("UnknownIssuer"),
        "{error}"
    );
}

/// Certificates that people make with openssl's defaults.
#[cfg(feature = "rustls")]
#[test]
fn a_certificate_that_is_none_for_a_server_is_an_error_with_advice() {
    let authority = include_bytes!("../../../tests/support/authority_certificate.pem");
    let version_1 = include_bytes!("../../../tests/support/version_1_certificate.pem");
    let table: [(&[u8], _, _); 2] = [
        (authority, "CaUsedAsEndEntity", "CA:FALSE`"),
        (
            version_1,
            "UnsupportedCertVersion",
            "version 3, with a subjectAltName",
        ),
    ];
    for (certificate, problem, advice) in table {
        let server = tls::server_with(certificate);
        let port = serve(move |socket| {
            let connection = rustls::ServerConnection::new(Arc::clone(&server)).unwrap();
            head(&mut rustls::StreamOwned::new(connection, socket)).map(drop)
        });
        let transport = transport(tls::with_roots(certificate));
        let error = get(format!("https://127.0.0.1:{port}/")).sent(&transport);
        let error = error.err().unwrap();
        assert!(error.message().contains(problem), "{error}");
        assert!(error.message().ends_with(advice), "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
}
