//! TLS sessions that later connections resume.

use std::sync::mpsc;

use rustls::HandshakeKind;

use super::tls;
use super::*;

#[test]
fn requests_with_settings_of_their_own_resume_sessions() {
    let (kinds, handshakes) = mpsc::channel();
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
