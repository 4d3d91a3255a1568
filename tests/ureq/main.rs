//! Bugs and limits of ureq, each shown on bare ureq: a few that the SDK works around, and those that it leaves.
//!
//! A test that fails here is good news: ureq no longer has that bug. Then the code in `src/transport` that the test
//! names, if any, can go.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::{CachedToken, FetchOptions, NexusClient, NexusClientOptions, TokenCache};
use ureq::Agent;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const LONG: Duration = Duration::from_secs(20);

/// Serves the first connection.
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

/// Left to ureq.
#[test]
fn a_proxy_that_drips_stretches_a_timeout() {
    // On a busy machine the proxy may drip too slowly, but not five times in a row.
    assert!((0..5).any(|_| is_stretched()), "fixed");
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

/// Left to ureq. Closing a socket that holds unread bytes resets the connection.
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
    assert!(matches!(got.as_deref(), Ok("half a bo")), "fixed: {got:?}");
}

/// Left to ureq, for uploads of about 1 MiB and more.
#[test]
fn a_response_before_the_request_was_read_is_lost() {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    });
    let agent = settings().http_status_as_error(false).build().new_agent();
    let url = format!("http://127.0.0.1:{port}/");
    let sent = agent.post(&url).send(vec![0; 16 << 20]);
    assert!(matches!(sent, Err(ureq::Error::Io(_))), "fixed: {sent:?}");
}

/// Returns the same addresses for every host, and counts the lookups.
#[derive(Clone, Debug)]
struct Hosts(Vec<SocketAddr>, Arc<AtomicUsize>);

impl Hosts {
    fn new(addresses: &[SocketAddr]) -> (Self, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        (Self(addresses.to_vec(), Arc::clone(&asked)), asked)
    }
}

impl Resolver for Hosts {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let mut found = self.empty();
        self.0.iter().for_each(|address| found.push(*address));
        Ok(found)
    }
}

/// Left to ureq: `examples/lookup_cache` is for slow name servers.
#[test]
fn a_pooled_connection_costs_a_lookup() {
    let port = once(|mut socket| {
        for _ in 0..2 {
            read_head(&mut socket)?;
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
        Ok(())
    });
    let (hosts, asked) = Hosts::new(&[SocketAddr::from(([127, 0, 0, 1], port))]);
    let agent = Agent::with_parts(settings().build(), DefaultConnector::new(), hosts);
    for _ in 0..2 {
        assert_eq!(get(&agent, "http://example.test/").unwrap(), "ok");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2, "fixed");
}

/// Returns an address at which nobody accepts, and what keeps its queue full.
#[cfg(target_os = "linux")]
fn dead() -> (SocketAddr, (TcpListener, Vec<TcpStream>)) {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&dead, 0).unwrap();
    let address = dead.local_addr().unwrap();
    let brief = Duration::from_millis(300);
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, brief) {
        queue.push(stream);
    }
    (address, (dead, queue))
}

/// `settings.rs` (`FIRST_CONNECT`).
#[cfg(target_os = "linux")]
#[test]
fn a_dead_first_address_takes_most_of_the_time() {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let (dead, _queue) = dead();
    let (hosts, _) = Hosts::new(&[dead, SocketAddr::from(([127, 0, 0, 1], port))]);
    let timeout = Duration::from_secs(3);
    let settings = settings().timeout_connect(Some(timeout));
    let agent = Agent::with_parts(settings.build(), DefaultConnector::new(), hosts);
    let start = Instant::now();
    assert_eq!(get(&agent, "http://example.test/").unwrap(), "ok");
    let spent = start.elapsed();
    assert!(spent > timeout / 2, "fixed: {spent:?}");
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

/// `transport.rs` (`is_framed`): RFC 9112 section 6.1.
#[test]
fn a_body_in_another_transfer_coding_is_returned_as_it_arrived() {
    let got =
        read_once("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    assert!(
        matches!(got.as_deref(), Ok("2\r\nok\r\n0\r\n\r\n")),
        "fixed: {got:?}"
    );
}

/// `settings.rs` (`FIRST_CONNECT`): the SDK tries to connect for 4 s first, and so leaves time for the next address.
#[cfg(target_os = "linux")]
#[test]
fn a_dead_first_address_takes_little_of_the_sdks_time() {
    let port = once(|mut socket| {
        read_head(&mut socket)?;
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let (dead, _queue) = dead();
    let (hosts, _) = Hosts::new(&[dead, SocketAddr::from(([127, 0, 0, 1], port))]);
    let config = Agent::config_builder().proxy(None).build();
    let agent = Agent::with_parts(config, DefaultConnector::new(), hosts);
    let options = NexusClientOptions::new("http://127.0.0.1:1").agent(agent);
    let client = NexusClient::new(options.allow_insecure_http(true)).unwrap();
    let cache = TokenCache::new();
    let expires = std::time::SystemTime::now() + LONG * 60;
    cache.set("ws", "p", CachedToken::new("t", "Bearer", expires));
    let start = Instant::now();
    let options = FetchOptions::default().timeout(LONG * 5);
    let fetched = client.authenticated_fetch(&cache, "ws", "p", "http://example.test/", options);
    assert_eq!(fetched.unwrap().2, b"ok");
    // Bare ureq would spend two thirds of the timeout on the first address.
    assert!(start.elapsed() < LONG * 2, "{:?}", start.elapsed());
}

/// Left to ureq: whether the body was empty or damaged is not told. The SDK takes both for an empty body, because servers
/// send an empty body with this label more often than a damaged one.
#[test]
fn a_body_too_short_for_gzip_looks_like_an_empty_one() {
    let label = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length:";
    let errors = [
        format!("{label} 0\r\n\r\n"),
        format!("{label} 3\r\n\r\n\u{1f}.\u{8}"),
    ];
    let errors = errors.map(|response| read_once(response).unwrap_err().to_string());
    assert_eq!(errors[0], errors[1], "fixed");
}

/// `transport.rs` (`is_empty_gzip`).
#[cfg(feature = "gzip")]
#[test]
fn an_empty_body_with_the_label_gzip_is_an_error() {
    let got = read_once("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
    assert!(
        matches!(got, Err(ureq::Error::Decompress(..))),
        "fixed: {got:?}"
    );
}

/// Left to ureq: valid HTTP that is refused (RFC 9110 section 15.2, RFC 9112 section 7.1.1).
#[test]
fn fields_of_an_interim_response_and_long_chunk_extensions_are_errors() {
    for response in [
        "HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=0123456789012345\r\nok\r\n0\r\n\r\n",
    ] {
        let got = read_once(response);
        assert!(
            matches!(got, Err(ureq::Error::Protocol(_))),
            "fixed: {got:?}"
        );
    }
}

#[cfg(feature = "rustls")]
mod over_tls {
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
        is_forged(
            &settings.build().new_agent(),
            &format!("https://localhost:{port}/"),
        );
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
        is_forged(
            &settings.build().new_agent(),
            &format!("https://localhost:{port}/"),
        );
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
        is_forged(
            &through(port, settings).build().new_agent(),
            "https://localhost/",
        );
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
                let response =
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
                stream.write_all(response).unwrap();
                stream.conn.handshake_kind().unwrap()
            })
        });
        let agent = settings.build().new_agent();
        for _ in 0..2 {
            let request = agent.get(format!("https://localhost:{port}/")).config();
            let request = request.timeout_global(Some(LONG)).build();
            assert_eq!(
                request.call().unwrap().body_mut().read_to_string().unwrap(),
                "ok"
            );
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
        let got = get(
            &settings.build().new_agent(),
            &format!("https://localhost:{port}/"),
        );
        assert!(matches!(got.as_deref(), Ok("half a bo")), "fixed: {got:?}");
    }
}
