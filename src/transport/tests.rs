//! Servers and proxies that fail in ways seen in the field.

mod ends;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod handshakes;
mod leftovers;
mod names;
mod places;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;
mod uploads;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::*;

type Builder = ConfigBuilder<AgentScope>;

/// A timeout that no call in these tests reaches.
const LONG: Duration = Duration::from_secs(20);
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// A resolver that calls a function for the addresses of a host.
#[derive(Clone)]
struct Hosts(Arc<LookUp>);

type LookUp = dyn Fn(&str) -> Vec<IpAddr> + Send + Sync;

impl Hosts {
    fn new(look_up: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look_up))
    }

    /// Resolves every host to this machine.
    fn local() -> Self {
        Self::new(|_| vec![HERE])
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosts")
    }
}

impl Resolver for Hosts {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        for address in (self.0)(uri.host().unwrap()) {
            found.push(SocketAddr::new(address, uri.port_u16().unwrap_or(80)));
        }
        Ok(found)
    }
}

fn transport(hosts: Hosts, edit: impl FnOnce(Builder) -> Builder) -> Transport {
    let config = edit(agent::settings(LONG).proxy(None)).build();
    Transport {
        agent: agent::agent(config, hosts),
        has_callers_agent: false,
        idle: None,
    }
}

/// Adds a CONNECT proxy on this port to the settings.
fn through(port: u16) -> impl FnOnce(Builder) -> Builder {
    let proxy = ureq::Proxy::new(&format!("http://proxy.test:{port}")).unwrap();
    move |config| config.proxy(Some(proxy))
}

struct Asked {
    method: Method,
    url: String,
    body: Option<Vec<u8>>,
    timeout: Duration,
}

fn get(url: impl Into<String>) -> Asked {
    Asked {
        method: Method::GET,
        url: url.into(),
        body: None,
        timeout: LONG,
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
    fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn of(self, transport: &Transport) -> Result<Response, NexusError> {
        self.sent(transport).map_err(|failure| failure.error)
    }

    fn sent(self, transport: &Transport) -> Result<Response, Failure> {
        let outgoing = Outgoing {
            method: &self.method,
            url: &self.url.parse().unwrap(),
            headers: &HeaderMap::new(),
            body: self.body.as_deref(),
            ignores_agent_timeouts: false,
        };
        let deadline = Deadline::after(self.timeout);
        transport.send(&outgoing, deadline, 64 << 20)
    }

    fn body_of(self, transport: &Transport) -> String {
        String::from_utf8(self.of(transport).unwrap().body).unwrap()
    }
}

/// Serves each connection on a thread of its own until the process ends.
fn serve(on: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static) -> u16 {
    serve_at(TcpListener::bind((HERE, 0)).unwrap(), on)
}

fn serve_at(
    listener: TcpListener,
    on: impl Fn(TcpStream) -> io::Result<()> + Clone + Send + 'static,
) -> u16 {
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
