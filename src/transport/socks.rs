//! SOCKS proxies, which ureq knows only with a feature of its own.

use ureq::ProxyProtocol;
use ureq::config::Config;

use crate::error::NexusError;

#[cfg(feature = "socks-proxy")]
pub(super) use connector::Socks;

/// Without its feature for SOCKS, ureq goes past such a proxy, or panics.
pub(super) fn check(config: &Config) -> Result<(), NexusError> {
    let Some(proxy) = config.proxy() else {
        return Ok(());
    };
    if cfg!(feature = "socks-proxy") || !is_socks(proxy.protocol()) {
        return Ok(());
    }
    let place = if proxy.is_from_env() {
        "ALL_PROXY"
    } else {
        "agent"
    };
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or name an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

fn is_socks(protocol: ProxyProtocol) -> bool {
    matches!(
        protocol,
        ProxyProtocol::Socks4
            | ProxyProtocol::Socks4A
            | ProxyProtocol::Socks5
            | ProxyProtocol::Socks5h
    )
}

#[cfg(feature = "socks-proxy")]
mod connector {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use ureq::config::Config;
    use ureq::http::Uri;
    use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
    use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, SocksConnector};

    use super::is_socks;
    use crate::transport::dns::Names;
    use crate::transport::socket::Dial;

    /// ureq's connector, which gives the first address of a proxy most of the time. So of several the
    /// first that answers is found beforehand.
    #[derive(Debug)]
    pub(crate) struct Socks {
        connector: SocksConnector,
        names: Names,
    }

    impl Socks {
        pub(crate) fn new(names: &Names) -> Self {
            Self {
                connector: SocksConnector::default(),
                names: names.clone(),
            }
        }
    }

    impl Connector for Socks {
        type Out = <SocksConnector as Connector>::Out;

        fn connect(
            &self,
            details: &ConnectionDetails<'_>,
            chained: Option<()>,
        ) -> Result<Option<Self::Out>, ureq::Error> {
            let proxy = details.config.proxy();
            let proxy =
                proxy.filter(|proxy| is_socks(proxy.protocol()) && !proxy.is_no_proxy(details.uri));
            let Some(proxy) = proxy else {
                return Ok(None);
            };
            let addrs = self
                .names
                .resolve(proxy.uri(), details.config, details.timeout)?;
            let of_proxy = ConnectionDetails {
                uri: proxy.uri(),
                addrs,
                current_time: Arc::clone(&details.current_time),
                run_connector: Arc::clone(&details.run_connector),
                register_shutdown: Arc::clone(&details.register_shutdown),
                ..*details
            };
            let host = proxy.uri().host().unwrap_or_default();
            let certain = of_proxy.addrs.len() == 1 && !self.names.remembers(host);
            if certain {
                return self.connector.connect(details, chained);
            }
            let answering = Dial(self.names.clone()).open(&of_proxy)?.peer_addr()?;
            let details = ConnectionDetails {
                uri: details.uri,
                addrs: details.addrs.clone(),
                resolver: &Only(answering),
                ..of_proxy
            };
            self.connector.connect(&details, chained)
        }
    }

    /// The one address to connect to.
    #[derive(Debug)]
    struct Only(SocketAddr);

    impl Resolver for Only {
        fn resolve(
            &self,
            _: &Uri,
            _: &Config,
            _: NextTimeout,
        ) -> Result<ResolvedSocketAddrs, ureq::Error> {
            let mut only = self.empty();
            only.push(self.0);
            Ok(only)
        }
    }
}
