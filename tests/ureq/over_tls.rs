//! Bodies and responses over TLS.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::*;

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server's TLS settings, and client settings that trust it.
fn identity() -> (Arc<ServerConfig>, ConfigBuilder<AgentScope>) {
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../support/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../support/key.pem")).unwrap();
    let trusted = Certificate::from_der(&certificate).to_owned();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let roots = RootCerts::Specific(Arc::new(vec![trusted]));
    let tls = TlsConfig::builder().root_certs(roots).build();
    (Arc::new(config), settings().tls_config(tls))
}

fn accept(config: Arc<ServerConfig>, socket: TcpStream) -> Stream {
    StreamOwned::new(ServerConnection::new(config).unwrap(), socket)
}

/// Two responses to one request, in one burst.
fn burst(mut stream: Stream) -> io::Result<()> {
    read_head(&mut stream)?;
    for body in ["first".to_owned(), "forged".repeat(1_500)] {
        let length = body.len();
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.conn.writer().write_all(response.as_bytes())?;
    }
    let mut sealed = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut sealed)?;
    }
    stream.sock.write_all(&sealed)?;
    stream.sock.read_to_end(&mut Vec::new()).map(drop)
}

fn is_forged(agent: &Agent, url: &str) {
    assert_eq!(get(agent, url).unwrap(), "first");
    let next = get(agent, url);
    let forged = matches!(&next, Ok(body) if body.starts_with("forged"));
    assert!(forged, "fixed: {next:?}");
}

/// Left to ureq: bytes that ureq has read from the socket, but TLS has not.
#[test]
fn a_response_that_nobody_asked_for_becomes_the_next_one() {
    let (config, settings) = identity();
    let port = once(move |socket| burst(accept(config, socket)));
    is_forged(&settings.build().new_agent(), &format!("https://localhost:{port}/"));
}

/// Left to ureq: part of a record, which TLS has read and holds until the rest arrives.
#[test]
fn half_a_response_that_nobody_asked_for_becomes_the_next_one() {
    let (config, settings) = identity();
    let port = once(move |socket| {
        let mut stream = accept(config, socket);
        read_head(&mut stream)?;
        let mut both = Vec::new();
        for body in ["first", "forged"] {
            let length = body.len();
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.conn.writer().write_all(response.as_bytes())?;
            while stream.conn.wants_write() {
                stream.conn.write_tls(&mut both)?;
            }
        }
        let late = both.split_off(both.len() - 9);
        stream.sock.write_all(&both)?;
        // The next request has begun to arrive.
        stream.sock.read_exact(&mut [0])?;
        stream.sock.write_all(&late)?;
        stream.sock.read_to_end(&mut Vec::new()).map(drop)
    });
    is_forged(&settings.build().new_agent(), &format!("https://localhost:{port}/"));
}

/// The same as with a whole response, through a proxy.
#[test]
fn a_response_through_a_proxy_that_nobody_asked_for_becomes_the_next_one() {
    let (config, settings) = identity();
    let port = once(move |mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        burst(accept(config, socket))
    });
    is_forged(&through(port, settings).build().new_agent(), "https://localhost/");
}

/// Left to ureq: its connectors keep sessions once a request without settings of its own has opened a connection.
#[test]
fn requests_with_settings_of_their_own_resume_no_session() {
    let (config, settings) = identity();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        [(); 2].map(|()| {
            let (socket, _) = listener.accept().unwrap();
            let mut stream = accept(Arc::clone(&config), socket);
            read_head(&mut stream).unwrap();
            let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(response).unwrap();
            stream.conn.handshake_kind().unwrap()
        })
    });
    let agent = settings.build().new_agent();
    for _ in 0..2 {
        let request = agent.get(format!("https://localhost:{port}/")).config();
        let request = request.timeout_global(Some(LONG)).build();
        assert_eq!(request.call().unwrap().body_mut().read_to_string().unwrap(), "ok");
    }
    let second = server.join().unwrap()[1];
    assert_eq!(second, rustls::HandshakeKind::Full, "fixed");
}

/// Left to ureq: TLS announces its end (RFC 8446 section 6.1).
#[test]
fn tls_that_is_cut_passes_for_the_end_of_a_body() {
    let (config, settings) = identity();
    let port = once(move |socket| {
        let mut stream = accept(config, socket);
        read_head(&mut stream)?;
        stream.write_all(HALF)?;
        stream.flush()
    });
    let got = get(&settings.build().new_agent(), &format!("https://localhost:{port}/"));
    assert!(matches!(got.as_deref(), Ok("half a bo")), "fixed: {got:?}");
}
