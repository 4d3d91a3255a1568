//! Servers and proxies that fail in ways seen in the field.

mod attempts;
mod ends;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod handshakes;
mod pool;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use super::*;
use crate::error::Origin;

type Builder = ConfigBuilder<AgentScope>;

/// A timeout that no call in these tests reaches.
const LONG: Duration = Duration::from_secs(20);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn transport(edit: impl FnOnce(Builder) -> Builder) -> Transport {
    let config = edit(settings::of_agent(LONG).proxy(None)).build();
    with(config.new_agent(), None)
}

/// The SDK's own agent with this timeout, in an environment without proxies.
fn own(timeout: Duration) -> Transport {
    let proxies = Some(Proxies::read(|_| None));
    let agent = settings::of_agent(timeout).proxy(None).build().new_agent();
    with(agent, proxies)
}

fn with(agent: ureq::Agent, proxies: Option<Proxies>) -> Transport {
    Transport {
        agents: Agents::new(agent, true),
        has_callers_agent: false,
        proxies,
        has_responded: AtomicBool::new(false),
        suspensions: Suspensions::after(Now::read()),
    }
}

fn unchanged() -> Transport {
    transport(|config| config)
}

/// Adds a CONNECT proxy on this port to the settings.
fn through(port: u16) -> impl FnOnce(Builder) -> Builder {
    let proxy = Proxy::new(&format!("http://127.0.0.1:{port}")).unwrap();
    move |config| config.proxy(Some(proxy))
}

struct Asked {
    method: Method,
    url: String,
    body: Option<Vec<u8>>,
    timeout: Duration,
    may_refresh: bool,
}

fn get(url: impl Into<String>) -> Asked {
    Asked {
        method: Method::GET,
        url: url.into(),
        body: None,
        timeout: LONG,
        may_refresh: false,
    }
}

fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Asked {
    Asked {
        method: Method::POST,
        body: Some(body.into()),
        ..get(url)
    }
}

impl Asked {
    fn refreshing(mut self) -> Self {
        self.may_refresh = true;
        self
    }

    fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn sent(self, transport: &Transport) -> Result<Response, NexusError> {
        let outgoing = Outgoing {
            redirected_from: None,
            method: &self.method,
            url: &self.url.parse().unwrap(),
            headers: &mut || Ok(HeaderMap::new()),
            body: self.body.as_deref(),
            may_refresh: self.may_refresh,
            server: Origin::Api,
            error_from: u16::MAX,
            has_reconnected: &AtomicBool::new(false),
            writer: None,
        };
        let deadline = Deadline::after(self.timeout);
        transport.send(outgoing, deadline, 64 << 20)
    }

    fn body_of(self, transport: &Transport) -> String {
        String::from_utf8(self.sent(transport).unwrap().into_body()).unwrap()
    }
}

/// Serves each connection on a thread of its own until the process ends.
fn serve(on: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, on) = (socket.unwrap(), on.clone());
            socket.set_nodelay(true).unwrap();
            thread::spawn(move || drop(on(socket)));
        }
    });
    port
}

/// Serves connections and counts them. `on` gets the number of earlier connections.
fn counted(
    on: impl Fn(usize, TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> (u16, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let port = serve(move |socket| on(count.fetch_add(1, Ordering::SeqCst), socket));
    (port, connections)
}

/// Reads the head of the next request.
fn head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// Accepts a CONNECT. The requests to the target follow on the same connection.
fn tunnel(stream: &mut (impl Read + Write)) -> io::Result<()> {
    assert!(head(stream)?.starts_with("CONNECT "));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into()
}
