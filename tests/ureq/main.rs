//! Faults of ureq that the SDK mends beneath or around it, or has to live with, each on bare ureq.
//!
//! A test that fails here is good news: the pinned ureq no longer has that fault, and what is named
//! with it in `src/transport` can go.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

const LONG: Duration = Duration::from_secs(20);

/// Gives the first connection to this.
fn once(on: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || on(listener.accept().unwrap().0));
    port
}

fn read_head(stream: &mut impl Read) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(LONG))
}

fn through(port: u16, settings: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    let proxy = ureq::Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap();
    settings.proxy(Some(proxy))
}

fn get(agent: &Agent, url: &str) -> Result<String, ureq::Error> {
    agent.get(url).call()?.body_mut().read_to_string()
}

const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf a bo";

/// `socket.rs` (`Opening`): the deadline of a connection that is being opened.
#[test]
fn a_proxy_that_drips_stretches_a_timeout() {
    // A proxy that is not scheduled in time drips too slowly, hardly every time.
    assert!((0..5).any(|_| is_stretched()), "mended");
}

fn is_stretched() -> bool {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
        for _ in 0..30 {
            socket.write_all(b"x")?;
            thread::sleep(Duration::from_millis(20));
        }
        socket.write_all(b"\r\n\r\n")
    });
    let timeout = Duration::from_millis(200);
    let settings = through(port, settings()).timeout_global(Some(timeout));
    let start = Instant::now();
    get(&settings.build().new_agent(), "http://example.test/").unwrap_err();
    start.elapsed() > timeout * 2
}

/// `wire.rs` (`Cut`): an end that is none. A socket that is closed with something unread in it
/// resets its connection.
#[test]
fn a_reset_passes_for_the_end_of_a_body() {
    let port = once(|mut socket| {
        socket.read_exact(&mut [0])?;
        socket.write_all(HALF)
    });
    let got = get(
        &settings().build().new_agent(),
        &format!("http://127.0.0.1:{port}/"),
    );
    assert!(matches!(got.as_deref(), Ok("half a bo")), "mended: {got:?}");
}

/// `wire.rs` (`refused`): what a server says and closes before it has read the request.
#[test]
fn a_response_before_the_request_was_read_is_lost() {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    });
    let agent = settings().http_status_as_error(false).build().new_agent();
    let url = format!("http://127.0.0.1:{port}/");
    let sent = agent.post(&url).send(vec![0; 16 << 20]);
    assert!(matches!(sent, Err(ureq::Error::Io(_))), "mended: {sent:?}");
}

fn read_once(response: impl Into<Vec<u8>>) -> Result<String, ureq::Error> {
    let response = response.into();
    let port = once(move |mut socket| {
        read_head(&mut socket)?;
        socket.write_all(&response)
    });
    get(
        &settings().build().new_agent(),
        &format!("http://127.0.0.1:{port}/"),
    )
}

/// `coding.rs` (`is_framed`): RFC 9112 section 6.1.
#[test]
fn a_body_that_is_not_taken_apart_is_returned() {
    let got =
        read_once("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    assert!(
        matches!(got.as_deref(), Ok("2\r\nok\r\n0\r\n\r\n")),
        "mended: {got:?}"
    );
}

/// Not mended: valid HTTP that is refused (RFC 9110 section 15.2, RFC 9112 section 7.1.1).
#[test]
fn fields_of_an_interim_response_and_long_chunk_extensions_are_errors() {
    for response in [
        "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=0123456789012345\r\nok\r\n0\r\n\r\n",
    ] {
        let got = read_once(response);
        assert!(
            matches!(got, Err(ureq::Error::Protocol(_))),
            "mended: {got:?}"
        );
    }
}

#[cfg(feature = "rustls")]
mod over_tls {
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use ureq::tls::{Certificate, RootCerts, TlsConfig};

    use super::*;

    type Stream = StreamOwned<ServerConnection, TcpStream>;

    /// A server's side, and the settings that trust it.
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
        assert!(forged, "mended: {next:?}");
    }

    /// `wire.rs` (`Records`): what has been read beneath TLS is not asked about.
    #[test]
    fn a_response_that_nobody_asked_for_becomes_the_next_one() {
        let (config, settings) = identity();
        let port = once(move |socket| burst(accept(config, socket)));
        is_forged(
            &settings.build().new_agent(),
            &format!("https://localhost:{port}/"),
        );
    }

    /// The same, through a proxy.
    #[test]
    fn a_response_through_a_proxy_that_nobody_asked_for_becomes_the_next_one() {
        let (config, settings) = identity();
        let port = once(move |mut socket| {
            read_head(&mut socket)?;
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            burst(accept(config, socket))
        });
        is_forged(
            &through(port, settings).build().new_agent(),
            "https://localhost/",
        );
    }

    /// `wire.rs` (`Cut`): TLS says when it ends (RFC 8446 section 6.1).
    #[test]
    fn tls_that_is_cut_passes_for_the_end_of_a_body() {
        let (config, settings) = identity();
        let port = once(move |socket| {
            let mut stream = accept(config, socket);
            read_head(&mut stream)?;
            stream.write_all(HALF)?;
            stream.flush()
        });
        let got = get(
            &settings.build().new_agent(),
            &format!("https://localhost:{port}/"),
        );
        assert!(matches!(got.as_deref(), Ok("half a bo")), "mended: {got:?}");
    }
}
