//! Lookups, addresses that do not respond, and proxies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::support::text;
use super::*;

/// Returns the same addresses for every host, after a pause, and counts the lookups.
#[derive(Clone, Debug)]
struct Hosts {
    addresses: Vec<SocketAddr>,
    pause: Duration,
    asked: Arc<AtomicUsize>,
}

impl Hosts {
    fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            pause: Duration::ZERO,
            asked: Arc::default(),
        }
    }

    fn agent(&self, settings: ConfigBuilder<AgentScope>) -> Agent {
        Agent::with_parts(settings.build(), DefaultConnector::new(), self.clone())
    }
}

impl Resolver for Hosts {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        thread::sleep(self.pause.min(*timeout.after));
        let mut found = self.empty();
        self.addresses
            .iter()
            .for_each(|address| found.push(*address));
        Ok(found)
    }
}

/// Starts a server whose responses are `ok`, and returns its address as well.
fn living() -> (Server, SocketAddr) {
    let server = Server::play(vec![text(200, "ok")]);
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    (server, address)
}

/// Left to ureq: `examples/lookup_cache` is for slow name servers.
#[test]
fn a_pooled_connection_costs_a_lookup() {
    let (_server, address) = living();
    let hosts = Hosts::new(vec![address]);
    let agent = hosts.agent(settings());
    for _ in 0..2 {
        assert_eq!(get(&agent, "http://example.test/").unwrap(), "ok");
    }
    assert_eq!(hosts.asked.load(Ordering::Relaxed), 2, "fixed");
}

/// Left to ureq: a name server that does not respond. Only `timeout_resolve`, `timeout_per_call` and `timeout_global` limit
/// a lookup, and with any of these, ureq starts a thread for each request.
#[test]
fn the_time_limits_of_the_phases_do_not_limit_a_lookup() {
    let (_server, address) = living();
    let (brief, pause) = (Duration::from_millis(20), Duration::from_millis(200));
    let settings = settings()
        .timeout_global(None)
        .timeout_connect(Some(brief))
        .timeout_send_request(Some(brief))
        .timeout_per_write(Some(brief));
    let agent = Hosts {
        pause,
        ..Hosts::new(vec![address])
    }
    .agent(settings);
    let start = Instant::now();
    let got = get(&agent, "http://example.test/");
    assert!(start.elapsed() >= pause, "fixed: {got:?}");
}

/// Left to ureq: curl sends a request for an http URL to the proxy itself (RFC 9112 section 3.2.2).
#[test]
fn http_through_a_proxy_needs_connect() {
    let proxy = Server::play(vec![text(403, "")]);
    let agent = through(proxy.port(), settings()).build().new_agent();
    get(&agent, "http://example.test/").unwrap_err();
    let asked = &proxy.requests()[0].head;
    assert!(
        asked.starts_with("CONNECT example.test:80 "),
        "fixed: {asked}"
    );
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

/// `settings.rs` (`MAX_CONNECT`): the SDK connects for at most 8 s, so that little time is lost at a dead address.
#[cfg(target_os = "linux")]
#[test]
fn a_dead_first_address_takes_most_of_the_time() {
    let ((_server, living), (dead, _queue)) = (living(), dead());
    let hosts = Hosts::new(vec![dead, living]);
    let timeout = Duration::from_millis(900);
    let agent = hosts.agent(settings().timeout_connect(Some(timeout)));
    let start = Instant::now();
    assert_eq!(get(&agent, "http://example.test/").unwrap(), "ok");
    let spent = start.elapsed();
    assert!(spent > timeout / 2, "fixed: {spent:?}");
}

/// Left to ureq.
#[test]
fn a_proxy_that_drips_stretches_a_timeout() {
    // On a busy machine the proxy may drip too slowly, but not five times in a row.
    assert!((0..5).any(|_| is_stretched()), "fixed");
}

fn is_stretched() -> bool {
    let drips = bytes("HTTP/1.1 200 OK\r\nX: ").then(End::Drip(b"x"));
    let proxy = Server::play(vec![drips.at_most(Duration::from_millis(600))]);
    let timeout = Duration::from_millis(200);
    let settings = through(proxy.port(), settings()).timeout_global(Some(timeout));
    let start = Instant::now();
    get(&settings.build().new_agent(), "http://example.test/").unwrap_err();
    start.elapsed() > timeout * 2
}

/// Left to ureq, whose middleware does not see the settings of a single request. `NexusClient::new` refuses such an agent.
#[cfg(not(feature = "socks-proxy"))]
#[test]
#[should_panic(expected = "Enable feature socks-proxy")]
fn a_socks_proxy_in_a_build_without_socks_is_a_panic() {
    let proxy = ureq::Proxy::new("socks5://127.0.0.1:1").unwrap();
    let agent = settings().proxy(Some(proxy)).build().new_agent();
    let _ = get(&agent, "http://127.0.0.1:1/");
}

/// `proxies.rs` splits the list and adds entries, so that it works as in curl. Ranges and ports are left to ureq.
#[test]
fn ureq_takes_some_entries_of_no_proxy_literally() {
    // (entry, host, whether ureq bypasses the proxy, whether curl does)
    let table = [
        (".internal", "a.internal", true, true),
        ("*.internal", "a.internal", true, false),
        ("[::1]", "[::1]", true, true),
        ("internal", "a.internal", false, true),
        (".internal", "internal", false, true),
        (" internal", "internal", false, true),
        ("::1", "[::1]", false, true),
        ("10.0.0.0/8", "10.0.0.1", false, true),
        ("internal:8443", "internal:8443", false, false),
    ];
    for (entry, host, bypasses, _) in table {
        let builder = ureq::Proxy::builder(ureq::ProxyProtocol::Http).no_proxy(entry);
        let url = format!("https://{host}/").parse().unwrap();
        let found = builder.build().unwrap().is_no_proxy(&url);
        assert_eq!(found, bypasses, "fixed: {entry} and {host}");
    }
}
