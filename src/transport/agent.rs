//! The SDK's own agent: its settings and its host lookup.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use ureq::Timeout;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{self as connectors, Connector, NextTimeout};

use crate::sync::{self, Promise};
use crate::time::Deadline;
use crate::transport::wire::Dial;
use crate::url;

/// The maximum number of addresses that ureq can hold for one host.
const MAX_ADDRESSES: usize = 16;

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
        .timeout_global(Some(timeout));
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    let config = config.tls_config(tls());
    config
}

/// Returns the settings of an authenticated agent. They limit the time to connect, the time to receive the response's
/// head, and each read and write. They do not limit the whole exchange, because a streamed body may take a long time.
pub(super) fn streaming_settings(timeout: Duration) -> ConfigBuilder<AgentScope> {
    let limit = Some(timeout);
    settings(timeout)
        .http_status_as_error(true)
        .timeout_global(None)
        .timeout_resolve(limit)
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

/// Builds an agent from ureq's connectors, with [`Dial`] beneath TLS.
pub(super) fn agent(config: Config, resolver: impl Resolver + Clone) -> ureq::Agent {
    let chain = ();
    #[cfg(feature = "socks-proxy")]
    let chain = chain.chain(connectors::SocksConnector::default());
    let chain = chain.chain(connectors::ConnectProxyConnector::default());
    let chain = chain.chain(Dial(resolver.clone()));
    #[cfg(feature = "rustls")]
    let chain = chain.chain(connectors::RustlsConnector::default());
    #[cfg(feature = "native-tls")]
    let chain = chain.chain(connectors::NativeTlsConnector::default());
    ureq::Agent::with_parts(config, chain, OnConnect(resolver))
}

/// Builds an agent that opens no connections, for a middleware that sends every request itself.
pub(crate) fn without_connections(config: Config) -> ureq::Agent {
    ureq::Agent::with_parts(config, (), OnConnect(HostResolver))
}

type Resolved = Result<ResolvedSocketAddrs, ureq::Error>;

/// Leaves the lookup of a host to [`Dial`], unless a proxy is set. ureq calls its resolver before it checks its
/// pool, but a pooled connection needs no address.
#[derive(Debug)]
struct OnConnect<Hosts>(Hosts);

impl<Hosts: Resolver> Resolver for OnConnect<Hosts> {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Resolved {
        if config.proxy().is_none() {
            return Ok(self.empty());
        }
        self.0.resolve(uri, config, timeout)
    }
}

/// Looks up hosts as ureq does, but returns an error if no thread can be started. ureq would panic. The channels of
/// ureq's own resolver would also add 20 KB to a program.
#[derive(Debug, Clone)]
pub(super) struct HostResolver;

impl Resolver for HostResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Resolved {
        let host = uri.scheme().zip(uri.authority());
        let host = host.and_then(|(scheme, host)| DefaultResolver::host_and_port(scheme, host));
        let host = host.ok_or(ureq::Error::HostNotFound)?;
        let look_up = move || Some(host.to_socket_addrs().ok()?.collect());
        let found = if url::address(uri.host().unwrap_or_default()).is_some() {
            look_up().unwrap_or_default()
        } else {
            look_up_within(*timeout.after, look_up)?
        };
        let mut addresses = self.empty();
        let family = config.ip_family();
        let wanted = family.keep_wanted(found.into_iter());
        for address in wanted.take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}

/// Looks up a host on a separate thread, because the system's lookup has no timeout. Blocks for at most `timeout`.
pub(super) fn look_up_within(
    timeout: Duration,
    look_up: impl FnOnce() -> Option<Vec<SocketAddr>> + Send + 'static,
) -> Result<Vec<SocketAddr>, ureq::Error> {
    let found = Arc::new(Promise::new());
    let promised = Arc::clone(&found);
    let no_thread = |error| format!("cannot start a thread to look up the host: {error}");
    sync::spawn("nexus-lookup", move || promised.fulfil(look_up()))
        .map_err(|error| io::Error::other(no_thread(error)))?;
    match found.wait(Deadline::after(timeout).at) {
        Some(addresses) => addresses.ok_or(ureq::Error::HostNotFound),
        None => Err(ureq::Error::Timeout(Timeout::Resolve)),
    }
}
