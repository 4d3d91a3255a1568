//! A `ureq::Agent` that remembers the addresses of hosts for a given time, and gives up on a silent name server.
//!
//! Unless a request goes through an http proxy, ureq looks up the host's name each time, even if the connection comes from
//! the pool. With a slow name server and no cache, each request waits for the lookup.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// The maximum number of hosts to remember. If there are more, the cache is emptied.
const MAX_HOSTS: usize = 256;

/// Returns an agent for the option `agent` of a client. It remembers a lookup of a scheme, host and port for
/// `lifetime`, and waits for a name server for at most `timeout`.
pub fn agent(lifetime: Duration, timeout: Duration) -> Agent {
    agent_with(DefaultResolver::default(), lifetime, timeout)
}

/// Does the same as [`agent`], with the given resolver behind the cache.
pub fn agent_with(resolver: impl Resolver, lifetime: Duration, timeout: Duration) -> Agent {
    let cache = LookupCache {
        resolver,
        lifetime,
        timeout,
        found: Mutex::default(),
    };
    let config = Agent::config_builder()
        .max_idle_connections(64)
        .max_idle_connections_per_host(16)
        .build();
    Agent::with_parts(config, DefaultConnector::new(), cache)
}

type Host = (Scheme, Authority);

#[derive(Debug)]
struct LookupCache<R> {
    resolver: R,
    lifetime: Duration,
    timeout: Duration,
    found: Mutex<HashMap<Host, (Instant, ResolvedSocketAddrs)>>,
}

impl<R: Resolver> LookupCache<R> {
    fn remembered(&self, host: &Host) -> Option<ResolvedSocketAddrs> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, addresses) = found.get(host)?;
        (at.elapsed() < self.lifetime).then(|| addresses.clone())
    }

    fn remember(&self, host: Host, addresses: &ResolvedSocketAddrs) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MAX_HOSTS {
            found.clear();
        }
        found.insert(host, (Instant::now(), addresses.clone()));
    }
}

impl<R: Resolver> Resolver for LookupCache<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.scheme().cloned().zip(uri.authority().cloned());
        let host = host.ok_or(ureq::Error::HostNotFound)?;
        if let Some(addresses) = self.remembered(&host) {
            return Ok(addresses);
        }
        // A lookup with a time limit runs on a thread of its own. The cache makes such lookups rare.
        let limit = (*timeout.after).min(self.timeout);
        let limited = NextTimeout {
            after: limit.into(),
            reason: ureq::Timeout::Resolve,
            ..timeout
        };
        let addresses = self.resolver.resolve(uri, config, limited)?;
        self.remember(host, &addresses);
        Ok(addresses)
    }
}
