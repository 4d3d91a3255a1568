//! The agent that the SDK makes for itself, and all that it uses of ureq's `unversioned` module.
//!
//! A deadline over a whole request makes ureq's own resolver start a thread for every request, to
//! look up its host again. [`Names`] answers addresses itself, remembers names for a few seconds,
//! and starts a thread only for a name that it does not know: one at a time for each name.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use crate::clock::FOREVER;
use crate::single_flight::{Flight, Outcome};
use crate::url;

/// How long an answer of the name service is used again.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The size at which old answers are dropped.
const MOST_NAMES: usize = 256;
/// As many addresses of a host are tried as ureq has room for.
const MOST_ADDRESSES: usize = 16;

/// An agent for many threads that talk to a few hosts, for days. The timeout is for requests that
/// are sent on it without a deadline: those of an authenticated agent, whose streams may be long.
pub(crate) fn default_agent(names: &Names, timeout: Duration) -> ureq::Agent {
    // ureq adds it to the present moment, which overflows for the longest ones.
    let timeout = timeout.min(FOREVER);
    let config = ureq::Agent::config_builder()
        .user_agent(concat!(
            "nexus-gateway-sdk/",
            env!("CARGO_PKG_VERSION"),
            " (rust)"
        ))
        .max_idle_connections(64)
        .max_idle_connections_per_host(16)
        .max_idle_age(Duration::from_secs(60))
        .timeout_resolve(Some(timeout))
        .timeout_connect(Some(timeout))
        .timeout_recv_response(Some(timeout))
        .timeout_per_read(Some(timeout))
        .timeout_per_write(Some(timeout));
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls());
    let config = config.build();
    let connector = OneTlsSetup {
        of: tls_hash(&config),
        connector: DefaultConnector::default(),
    };
    ureq::Agent::with_parts(config, connector.chain(CountConnections), names.clone())
}

/// A feature that is off by default was asked for, so it decides.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls() -> ureq::tls::TlsConfig {
    let builder = ureq::tls::TlsConfig::builder();
    #[cfg(feature = "native-tls")]
    let builder = builder.provider(ureq::tls::TlsProvider::NativeTls);
    #[cfg(feature = "platform-verifier")]
    let builder = builder.root_certs(ureq::tls::RootCerts::PlatformVerifier);
    builder.build()
}

/// Makes TLS ready once for all connections of an agent, with the sessions that later ones resume.
/// ureq does so only for requests without settings of their own; all of the SDK's have some, but
/// none about TLS. Of an authenticated agent there may be requests that do.
#[derive(Debug)]
struct OneTlsSetup {
    of: u64,
    connector: DefaultConnector,
}

impl Connector<()> for OneTlsSetup {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level && tls_hash(details.config) != self.of,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        self.connector.connect(&details, chained)
    }
}

/// Tells settings of TLS apart, as ureq does.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_hash(config: &Config) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    let mut hasher = DefaultHasher::new();
    config.tls_config().hash(&mut hasher);
    hasher.finish()
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn tls_hash(_: &Config) -> u64 {
    0
}

thread_local! {
    static CONNECTIONS: Cell<u64> = const { Cell::new(0) };
}

/// How many connections default agents have opened on this thread. ureq connects on the thread of
/// the request, so a request that left the number alone ran on a pooled connection.
pub(crate) fn connections_opened() -> u64 {
    CONNECTIONS.get()
}

#[derive(Debug)]
struct CountConnections;

impl<In: Transport> Connector<In> for CountConnections {
    type Out = Probed<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        CONNECTIONS.set(CONNECTIONS.get().wrapping_add(1));
        Ok(chained.map(|inner| Probed { inner, used: true }))
    }
}

/// A connection that is probed as it comes out of the pool, for an end or bytes that nobody asked
/// for. ureq probes it, with three system calls, as it goes in, too; the probe that follows finds
/// the same.
#[derive(Debug)]
struct Probed<In> {
    inner: In,
    /// Since the last probe, so that this is the one on the way in.
    used: bool,
}

impl<In: Transport> Transport for Probed<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.used = true;
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        mem::take(&mut self.used) || self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// What the name service said, kept for a short while.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<Box<str>, Known>>>);

type Answer = Result<Vec<IpAddr>, String>;

enum Known {
    Addresses(Vec<IpAddr>, Instant),
    Asking(Arc<Flight<Answer>>),
}

/// The name service has no address for the host, or did not answer.
#[derive(Debug)]
pub(crate) struct LookUpFailed(String);

impl fmt::Display for LookUpFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LookUpFailed {}

impl Names {
    /// Forgets a host: its address may be why it cannot be reached.
    pub(crate) fn forget(&self, host: &str) {
        let mut known = self.0.lock();
        if matches!(known.get(host), Some(Known::Addresses(..))) {
            known.remove(host);
        }
    }

    fn look_up(&self, host: &str, timeout: &NextTimeout) -> Result<Vec<IpAddr>, ureq::Error> {
        let flight = match self.known_or_asked(host) {
            Ok(addresses) => return Ok(addresses),
            Err(flight) => flight,
        };
        let deadline = Instant::now().checked_add((*timeout.after).min(Duration::from_secs(3600)));
        match flight.wait(deadline.unwrap_or_else(Instant::now)) {
            Some(Outcome::Landed(Ok(addresses))) => Ok(addresses),
            Some(Outcome::Landed(Err(problem))) => Err(look_up_failed(problem)),
            Some(Outcome::Abandoned) => Err(look_up_failed("the look-up ended early".to_owned())),
            None => Err(ureq::Error::Timeout(ureq::Timeout::Resolve)),
        }
    }

    /// The addresses, or the look-up to wait for.
    fn known_or_asked(&self, host: &str) -> Result<Vec<IpAddr>, Arc<Flight<Answer>>> {
        let mut known = self.0.lock();
        match known.get(host) {
            Some(Known::Addresses(addresses, until)) if Instant::now() < *until => {
                return Ok(addresses.clone());
            }
            Some(Known::Asking(flight)) => return Err(Arc::clone(flight)),
            _ => {}
        }
        if known.len() >= MOST_NAMES {
            known.retain(|_, entry| entry.is_current());
        }
        let flight = Arc::new(Flight::new());
        known.insert(host.into(), Known::Asking(Arc::clone(&flight)));
        drop(known);
        self.ask(host, &flight);
        Err(flight)
    }

    /// Looks the host up on a thread of its own, which may outlive the caller's patience.
    fn ask(&self, host: &str, flight: &Arc<Flight<Answer>>) {
        let (names, host, asked) = (self.clone(), Box::<str>::from(host), Arc::clone(flight));
        let name = host.clone();
        let ask = move || {
            let answer = (&*host, 0)
                .to_socket_addrs()
                .map_err(|error| error.to_string());
            let answer = answer.map(|found| found.map(|address| address.ip()).collect());
            names.settle(&host, &answer);
            asked.end(Outcome::Landed(answer));
        };
        if let Err(error) = thread::Builder::new()
            .name("nexus-names".to_owned())
            .spawn(ask)
        {
            let answer = Err(format!("no thread to look the host up: {error}"));
            self.settle(&name, &answer);
            flight.end(Outcome::Landed(answer));
        }
    }

    fn settle(&self, host: &str, answer: &Answer) {
        let mut known = self.0.lock();
        match (answer, Instant::now().checked_add(REMEMBERED)) {
            (Ok(addresses), Some(until)) => {
                known.insert(host.into(), Known::Addresses(addresses.clone(), until));
            }
            _ => drop(known.remove(host)),
        }
    }
}

impl Known {
    fn is_current(&self) -> bool {
        match self {
            Self::Addresses(_, until) => Instant::now() < *until,
            Self::Asking(_) => true,
        }
    }
}

fn look_up_failed(problem: String) -> ureq::Error {
    ureq::Error::Io(io::Error::other(LookUpFailed(problem)))
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let addresses = match url::address(host) {
            Some(address) => vec![address],
            None => self.look_up(host, &timeout)?,
        };
        let port = url::port(uri);
        let addresses = addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port));
        let mut resolved = self.empty();
        for address in config
            .ip_family()
            .keep_wanted(addresses)
            .take(MOST_ADDRESSES)
        {
            resolved.push(address);
        }
        if resolved.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(resolved)
        }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
