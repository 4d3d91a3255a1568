//! The SDK's own agent: its settings, its connections and its host lookup.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration as Limit, Instant};
use ureq::unversioned::transport::{
    self as connectors, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Proxy, ProxyProtocol, Timeout};

use crate::error::NexusError;
use crate::sync::{self, Promise};
use crate::time::{Deadline, MAX_DURATION};
use crate::transport::failure::while_connecting;
use crate::transport::wire::{Socket, Wire};
use crate::url;

/// The longest time for connecting to one address if the host has further addresses.
const MAX_CONNECT: Duration = Duration::from_secs(2);
/// The most addresses for one host that ureq can hold.
const MAX_ADDRESSES: usize = 16;
/// A placeholder for the addresses of a host, which are looked up when a connection is opened.
const UNRESOLVED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

thread_local! {
    /// True if the last request on this thread tried to open a connection. ureq runs connectors on the thread
    /// of the request.
    pub(super) static OPENED: Cell<bool> = const { Cell::new(false) };
}

/// Returns the settings of an agent with this timeout for each request. The pool is sized for many threads
/// that send requests to a few hosts.
pub(super) fn settings(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let config = ureq::Agent::config_builder()
        .user_agent(crate::header::USER_AGENT)
        .max_idle_connections(64)
        .max_idle_connections_per_host(16)
        .max_idle_age(Duration::from_secs(60))
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        // ureq adds the timeout to the current time, and panics if the sum overflows.
        .timeout_global(Some(timeout.min(MAX_DURATION)));
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls());
    config
}

/// Returns the settings of an authenticated agent. They limit each step of an exchange but not the whole
/// exchange, because a streamed body may take long.
pub(super) fn streaming_settings(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let limit = Some(timeout.min(MAX_DURATION));
    settings(timeout)
        .http_status_as_error(true)
        .timeout_global(None)
        .timeout_connect(limit)
        .timeout_recv_response(limit)
        .timeout_per_read(limit)
        .timeout_per_write(limit)
}

/// Returns TLS settings that use the features `native-tls` and `platform-verifier` if they are enabled. By default,
/// ureq uses neither.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls() -> ureq::tls::TlsConfig {
    let builder = ureq::tls::TlsConfig::builder();
    #[cfg(feature = "native-tls")]
    let builder = builder.provider(ureq::tls::TlsProvider::NativeTls);
    #[cfg(feature = "platform-verifier")]
    let builder = builder.root_certs(ureq::tls::RootCerts::PlatformVerifier);
    builder.build()
}

/// Builds an agent from ureq's connectors, with [`Wire`] beneath TLS.
pub(super) fn agent(config: Config, resolver: impl Resolver) -> ureq::Agent {
    let chain = ();
    #[cfg(feature = "socks-proxy")]
    let chain = chain.chain(connectors::SocksConnector::default());
    let chain = chain.chain(connectors::ConnectProxyConnector::default());
    let chain = chain.chain(Dial);
    #[cfg(feature = "rustls")]
    let chain = chain.chain(connectors::RustlsConnector::default());
    #[cfg(feature = "native-tls")]
    let chain = chain.chain(connectors::NativeTlsConnector::default());
    let opener = Opener {
        tls: tls_hash(&config),
        resolver,
        chain,
    };
    ureq::Agent::with_parts(config, opener, Unresolved)
}

/// Builds an agent that opens no connections, for a middleware that sends every request itself.
pub(crate) fn without_connections(config: Config) -> ureq::Agent {
    ureq::Agent::with_parts(config, (), Unresolved)
}

/// Refuses a SOCKS proxy in a build without `socks-proxy`, because ureq would bypass the proxy or panic.
pub(super) fn check_proxy(config: &Config) -> Result<(), NexusError> {
    let is_unusable = |proxy: &&Proxy| {
        !cfg!(feature = "socks-proxy")
            && !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
    };
    let Some(proxy) = config.proxy().filter(is_unusable) else {
        return Ok(());
    };
    let place = if proxy.is_from_env() {
        "ALL_PROXY"
    } else {
        "agent"
    };
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or use an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

/// Opens the connections of an agent. Marks errors that occur before the request is sent.
#[derive(Debug)]
pub(super) struct Opener<Chain, Hosts> {
    pub(super) chain: Chain,
    pub(super) resolver: Hosts,
    /// A hash of the agent's TLS settings.
    pub(super) tls: u64,
}

impl<Chain: Connector, Hosts: Resolver> Connector for Opener<Chain, Hosts> {
    type Out = Chain::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        OPENED.set(true);
        check_proxy(details.config).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut details = renewed(details, details.addrs.clone());
        if details.addrs.contains(&UNRESOLVED) {
            let found = (self.resolver).resolve(details.uri, details.config, details.timeout);
            details.addrs = found.map_err(while_connecting)?;
        }
        details.resolver = &self.resolver;
        // ureq caches TLS sessions only for requests without settings of their own. The cache can be used
        // unless the TLS settings differ.
        details.request_level = details.request_level && tls_hash(details.config) != self.tls;
        self.chain
            .connect(&details, chained)
            .map_err(while_connecting)
    }
}

/// Hashes TLS settings. ureq compares TLS settings by this hash, too.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_hash(config: &Config) -> u64 {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(config.tls_config())
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn tls_hash(_: &Config) -> u64 {
    0
}

/// Returns the same details with other addresses and with the remaining time as the timeout.
fn renewed<'a>(
    details: &ConnectionDetails<'a>,
    addrs: ResolvedSocketAddrs,
) -> ConnectionDetails<'a> {
    let mut timeout = details.timeout;
    if let (Instant::Exact(start), Limit::Exact(limit)) = (details.now, timeout.after) {
        timeout.after = limit.saturating_sub(start.elapsed()).into();
    }
    ConnectionDetails {
        addrs,
        now: Instant::now(),
        timeout,
        current_time: Arc::clone(&details.current_time),
        run_connector: Arc::clone(&details.run_connector),
        register_shutdown: Arc::clone(&details.register_shutdown),
        ..*details
    }
}

/// Opens a TCP connection, unless a proxy's connector has already opened it.
#[derive(Debug)]
struct Dial;

impl<In: Transport> Connector<In> for Dial {
    type Out = Wire<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let socket = if chained.is_some() {
            TcpConnector::default().connect(details, chained)
        } else {
            dial(details)
        };
        let carries_tls = url::is_https(details.uri);
        Ok(socket?.map(|socket| Wire::new(socket, carries_tls)))
    }
}

/// Connects to the first address that accepts a connection. ureq alone would spend most of the timeout on a
/// first address that does not respond.
fn dial<In: Transport>(details: &ConnectionDetails<'_>) -> Result<Option<Socket<In>>, ureq::Error> {
    let mut outcome = Err(ureq::Error::HostNotFound);
    let mut addresses = details.addrs.iter().peekable();
    while let Some(address) = addresses.next() {
        let mut details = renewed(details, only(*address));
        let after = &mut details.timeout.after;
        if after.is_zero() {
            return Err(ureq::Error::Timeout(Timeout::Connect));
        }
        if addresses.peek().is_some() {
            *after = after.div_f32(2.0).min(MAX_CONNECT).into();
        }
        outcome = TcpConnector::default().connect(&details, None);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn only(address: SocketAddr) -> ResolvedSocketAddrs {
    let mut addresses = ResolvedSocketAddrs::from_fn(|_| address);
    addresses.push(address);
    addresses
}

type Found = Result<ResolvedSocketAddrs, ureq::Error>;

/// Returns [`UNRESOLVED`] for every host. ureq calls its resolver before it checks its pool, but a pooled
/// connection needs no address. So [`Opener`] does the lookup.
#[derive(Debug)]
pub(super) struct Unresolved;

impl Resolver for Unresolved {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Found {
        Ok(only(UNRESOLVED))
    }
}

/// Looks up hosts as ureq does, but returns an error instead of a panic if no thread can be started.
#[derive(Debug)]
pub(super) struct HostResolver;

impl Resolver for HostResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Found {
        let host = uri.scheme().zip(uri.authority());
        let host = host.and_then(|(scheme, host)| DefaultResolver::host_and_port(scheme, host));
        let host = host.ok_or(ureq::Error::HostNotFound)?;
        let look_up = move || host.to_socket_addrs().map(Vec::from_iter);
        let addresses = if url::address(uri.host().unwrap_or_default()).is_some() {
            look_up()?
        } else {
            look_up_within(*timeout.after, look_up)?
        };
        let mut found = self.empty();
        let family = config.ip_family();
        for address in family
            .keep_wanted(addresses.into_iter())
            .take(MAX_ADDRESSES)
        {
            found.push(address);
        }
        if found.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(found)
    }
}

/// Looks up a host on a separate thread, because the system's lookup has no timeout. Blocks for at most `timeout`.
pub(super) fn look_up_within(
    timeout: Duration,
    look_up: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, ureq::Error> {
    let found = Arc::new(Promise::new());
    let promised = Arc::clone(&found);
    let run = move || promised.fulfil(look_up().map_err(|error| error.to_string()));
    let no_thread = |error| format!("no thread can be started to look up the host: {error}");
    sync::spawn("nexus-lookup", run).map_err(|error| io::Error::other(no_thread(error)))?;
    match found.wait(Deadline::after(timeout).at) {
        Some(Err(error)) => {
            let advice = format!("{error}; check the host's spelling and the network");
            Err(io::Error::other(advice).into())
        }
        Some(Ok(addresses)) => Ok(addresses),
        None => Err(ureq::Error::Timeout(Timeout::Resolve)),
    }
}
