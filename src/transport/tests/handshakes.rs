//! TLS handshakes: sessions that are resumed, and servers that the client cannot talk to.

use super::tls;
use super::*;

#[test]
fn a_handshake_that_fails_says_what_to_do() {
    for provider in tls::providers() {
        let plain = serve(|mut socket| {
            let _ = socket.read(&mut [0; 4_096])?;
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        });
        let transport = transport(Hosts::local(), tls::trusting(provider));
        let error = get(format!("https://example.test:{plain}/")).of(&transport);
        let error = error.err().unwrap();
        let message = error.message();
        assert!(
            message.ends_with("; check that the port is one for https, not http"),
            "{provider:?}: {message}"
        );
        assert!(!error.is_retryable(), "{provider:?}");
    }
}

#[cfg(all(feature = "rustls", not(feature = "platform-verifier")))]
#[test]
fn a_server_that_is_not_trusted_is_an_error_with_advice() {
    let port = serve(|socket| head(&mut tls::accept(socket)).map(drop));
    let transport = transport(Hosts::local(), |config| config);
    let error = get(format!("https://example.test:{port}/")).of(&transport);
    assert_eq!(
        error.err().unwrap().message(),
        format!(
            "https://example.test:{port}: invalid peer certificate: UnknownIssuer; \
             to trust other authorities, enable `platform-verifier` or set `agent`"
        )
    );
}

#[cfg(feature = "rustls")]
#[test]
fn requests_with_settings_of_their_own_resume_sessions() {
    use rustls::HandshakeKind;

    let (kinds, handshakes) = std::sync::mpsc::channel();
    let port = serve(move |socket| {
        let mut stream = tls::accept(socket);
        head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
        kinds
            .send(stream.conn.handshake_kind())
            .map_err(io::Error::other)
    });
    let trusting = tls::trusting(ureq::tls::TlsProvider::Rustls);
    let transport = transport(Hosts::local(), trusting);
    for resumed in [false, true] {
        let url = format!("https://example.test:{port}/");
        assert_eq!(get(url).within(LONG / 2).body_of(&transport), "ok");
        let kind = handshakes.recv().unwrap();
        assert_eq!(kind == Some(HandshakeKind::Resumed), resumed, "{kind:?}");
    }
}
