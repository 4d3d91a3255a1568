//! A small keep-alive server for http and https on one port. The first process of a benchmark is the server. It starts
//! the benchmark again in a second process, which takes the measurements. The server exits when the second process has ended.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The self-signed certificate of the tests.
const CERTIFICATE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/support/certificate.pem"
);
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/support/key.pem");

/// The environment variable with the server's port, for the process that measures.
const PORT: &str = "NEXUS_BENCH_PORT";

/// The provider whose tokens the gateway returns only after a delay.
pub const SLOW: &str = "slow-provider";

/// The response to requests that are not for the gateway.
const BODY: &str = r#"{"login":"octocat","id":583231,"name":"The Octocat","company":"@github","public_repos":8,"followers":20000}"#;
const TOKEN: &str = r#"{"access_token":"bench-token-0123456789","token_type":"Bearer","expires_in":3600,"strategy":{"type":"oauth2"}}"#;

/// A handle to the server, in the process that measures.
pub struct Server {
    port: u16,
}

impl Server {
    /// Serves in the first process, and exits when the process that measures has ended. In the process that measures,
    /// returns the server. Its gateway waits for `delay` before it returns a token of [`SLOW`].
    pub fn start(delay: Duration) -> Self {
        match std::env::var(PORT) {
            Ok(port) => Self {
                port: port.parse().unwrap(),
            },
            Err(_) => exit(serve(delay)),
        }
    }

    /// Returns an origin of the server, such as `http://127.0.0.1:8080`.
    pub fn origin(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.port)
    }

    /// Returns the number of tokens that were requested.
    pub fn resolves(&self) -> usize {
        let url = format!("{}/resolves", self.origin("http", "127.0.0.1"));
        let mut response = ureq::get(url).call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        text.parse().unwrap()
    }
}

/// Serves until the process that measures has ended, and returns its status.
///
/// Sets `SSL_CERT_FILE` for that process, so that the feature `platform-verifier` trusts the server's certificate.
fn serve(delay: Duration) -> i32 {
    let tls = identity();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || accept(&listener, &tls, delay));
    let status = Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(PORT, port.to_string())
        .env("SSL_CERT_FILE", CERTIFICATE)
        .env_remove("SSL_CERT_DIR")
        .status();
    status.unwrap().code().unwrap_or(1)
}

fn identity() -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

fn accept(listener: &TcpListener, tls: &Arc<ServerConfig>, delay: Duration) {
    let resolves = Arc::new(AtomicUsize::new(0));
    for socket in listener.incoming() {
        let (tls, resolves) = (Arc::clone(tls), Arc::clone(&resolves));
        thread::spawn(move || {
            let _ = connection(&socket?, tls, &Routes { resolves, delay });
            io::Result::Ok(())
        });
    }
}

/// Speaks https if the first byte starts a TLS handshake.
fn connection(socket: &TcpStream, tls: Arc<ServerConfig>, routes: &Routes) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut first = [0];
    socket.peek(&mut first)?;
    if first == [0x16] {
        let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
        exchange(StreamOwned::new(tls, socket), routes)
    } else {
        exchange(socket, routes)
    }
}

/// Responds to requests without a body, one after the other.
fn exchange(mut stream: impl Read + Write, routes: &Routes) -> io::Result<()> {
    let mut head = Vec::with_capacity(4096);
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..read]);
        if head.ends_with(b"\r\n\r\n") {
            stream.write_all(routes.answer(&head).as_bytes())?;
            stream.flush()?;
            head.clear();
        }
    }
}

struct Routes {
    resolves: Arc<AtomicUsize>,
    delay: Duration,
}

impl Routes {
    fn answer(&self, head: &[u8]) -> String {
        if head.starts_with(b"GET /v1/resolve?") {
            self.resolves.fetch_add(1, Ordering::SeqCst);
            if head.windows(SLOW.len()).any(|part| part == SLOW.as_bytes()) {
                thread::sleep(self.delay);
            }
            return response(TOKEN);
        }
        if head.starts_with(b"GET /resolves ") {
            return response(&self.resolves.load(Ordering::SeqCst).to_string());
        }
        response(BODY)
    }
}

fn response(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
