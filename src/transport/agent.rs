//! The agent that the SDK makes for itself: its settings, and the chain of connectors under it.

#[cfg(any(feature = "rustls", feature = "native-tls"))]
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;
#[cfg(feature = "native-tls")]
use ureq::unversioned::transport::NativeTlsConnector;
#[cfg(feature = "rustls")]
use ureq::unversioned::transport::RustlsConnector;
#[cfg(feature = "socks-proxy")]
use ureq::unversioned::transport::SocksConnector;
use ureq::unversioned::transport::{ConnectProxyConnector, ConnectionDetails, Connector};
use ureq::{Proxy, ProxyProtocol};

use crate::error::NexusError;
use crate::time::MAX_DURATION;
use crate::transport::dns::Names;
use crate::transport::socket::Exchange;
use crate::transport::wire::Dial;
use crate::url;

/// Settings for many threads that talk to a few hosts, for days. They are those of a request, too,
/// unless it goes through a proxy; its deadline is that of the [`Exchange`].
///
/// With a timeout they are those of an authenticated agent. Its requests have no deadline, as their
/// streams may be long.
pub(super) fn settings(timeout: Option<Duration>) -> ConfigBuilder<AgentScope> {
    // ureq adds it to the present moment, which overflows for the longest ones.
    let limit = timeout.map(|timeout| timeout.min(MAX_DURATION));
    let config = ureq::Agent::config_builder()
        .user_agent(crate::header::USER_AGENT)
        .max_idle_connections(64)
        .max_idle_connections_per_host(16)
        .max_idle_age(Duration::from_secs(60))
        .http_status_as_error(timeout.is_some())
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .timeout_resolve(limit)
        .timeout_connect(limit)
        .timeout_recv_response(limit)
        .timeout_per_read(limit)
        .timeout_per_write(limit);
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls());
    config
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

/// ureq's default chain of connectors, with the SDK's own sockets, and its wrapper beneath TLS.
pub(super) fn agent(names: &Names, config: Config) -> ureq::Agent {
    let chain = ();
    #[cfg(feature = "socks-proxy")]
    let chain = chain.chain(SocksConnector::default());
    let chain = chain.chain(ConnectProxyConnector::default());
    let chain = chain.chain(Dial);
    #[cfg(feature = "rustls")]
    let chain = chain.chain(RustlsConnector::default());
    #[cfg(feature = "native-tls")]
    let chain = chain.chain(NativeTlsConnector::default());
    let opener = Opener {
        tls: tls_hash(&config),
        names: names.clone(),
        chain,
    };
    ureq::Agent::with_parts(config, opener, names.clone())
}

/// An agent whose middleware sends each request another way. ureq's own connectors, which it would
/// never use, would be a hundred kilobytes of the program.
pub(crate) fn without_connections(config: Config) -> ureq::Agent {
    agent(&Names::default(), config)
}

/// Without its feature for SOCKS, ureq goes past such a proxy, or panics.
pub(super) fn check_proxy(config: &Config) -> Result<(), NexusError> {
    let is_known = |proxy: &Proxy| {
        cfg!(feature = "socks-proxy")
            || matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https)
    };
    let place = match config.proxy() {
        Some(proxy) if !is_known(proxy) && proxy.is_from_env() => "ALL_PROXY",
        Some(proxy) if !is_known(proxy) => "agent",
        _ => return Ok(()),
    };
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or name an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

/// Looks up what is connected to, or what a proxy is told in place of a name, and runs the chain within
/// its deadline.
///
/// It also makes TLS ready once for all connections of an agent, with the sessions that later ones
/// resume. ureq does so only for requests without settings of their own. Those through a proxy, those
/// sent again and those of an authenticated agent have some, but few of the latter about TLS.
#[derive(Debug)]
pub(super) struct Opener<Chain> {
    pub(super) chain: Chain,
    pub(super) names: Names,
    pub(super) tls: u64,
}

impl<Chain: Connector> Connector for Opener<Chain> {
    type Out = Chain::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let ConnectionDetails { uri, config, .. } = *details;
        check_proxy(config).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let _exchange = Exchange::opening(details.timeout.after);
        let proxy = config.proxy().filter(|proxy| !proxy.is_no_proxy(uri));
        let addrs = if proxy.is_none_or(Proxy::resolve_target) {
            let host = uri.host().unwrap_or_default();
            self.names.addresses((host, url::port(uri)), config)?
        } else {
            details.addrs.clone()
        };
        let details = ConnectionDetails {
            addrs,
            request_level: details.request_level && tls_hash(config) != self.tls,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
            ..*details
        };
        let connected = self.chain.connect(&details, chained);
        Exchange::opened(connected.is_ok());
        connected
    }
}

/// Tells settings of TLS apart, as ureq does.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_hash(config: &Config) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(config.tls_config())
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
fn tls_hash(_: &Config) -> u64 {
    0
}
