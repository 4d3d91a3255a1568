//! Fetches through the agent, with a resolver that counts its lookups.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Resolves every host to a gateway on this machine.
#[derive(Debug)]
struct Counted(SocketAddr, Arc<AtomicUsize>);

impl Resolver for Counted {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let mut found = self.empty();
        found.push(self.0);
        Ok(found)
    }
}

fn lookups(lifetime: Duration, fetches: usize) -> usize {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("acme", "github").unwrap();
    let address = gateway.url().trim_start_matches("http://").parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Counted(address, Arc::clone(&count));
    let agent = lookup_cache::agent_with(counted, lifetime, Duration::from_secs(2));
    let options = NexusClientOptions::new(gateway.url())
        .agent(agent)
        .without_lock()
        .allow_insecure_http(true);
    let client = NexusClient::new(options).unwrap();
    let url = format!("http://localhost:{}/user", address.port());
    let cache = TokenCache::new();
    for _ in 0..fetches {
        let fetched =
            client.authenticated_fetch(&cache, "acme", "github", &url, FetchOptions::default());
        assert_eq!(fetched.unwrap().0, 200);
    }
    count.load(Ordering::Relaxed)
}

/// The gateway and the API have different host names, so each needs a lookup.
#[test]
fn each_host_is_looked_up_once_in_its_lifetime() {
    assert_eq!(lookups(Duration::from_secs(60), 20), 2);
    assert_eq!(lookups(Duration::ZERO, 20), 21);
}
