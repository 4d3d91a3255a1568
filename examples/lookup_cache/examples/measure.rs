//! Times 200 fetches by host name, with lookups that take 1 ms, with and without the cache.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

const FETCHES: u32 = 200;

/// Stands in for the system's resolver and a name server. Counts its lookups.
#[derive(Debug, Clone)]
struct Slow(SocketAddr, Arc<AtomicU32>);

impl Resolver for Slow {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(1));
        let mut found = self.empty();
        found.push(self.0);
        Ok(found)
    }
}

fn measure(label: &str, agent: impl FnOnce(Slow) -> Agent) -> Result<(), Box<dyn Error>> {
    let gateway = DevGateway::start()?;
    gateway.connect("acme", "github")?;
    let address: SocketAddr = gateway.url().trim_start_matches("http://").parse()?;
    let count = Arc::new(AtomicU32::new(0));
    let options = NexusClientOptions::new(format!("http://localhost:{}", address.port()))
        .agent(agent(Slow(address, Arc::clone(&count))))
        .without_lock();
    let client = NexusClient::new(options)?;
    let url = format!("http://localhost:{}/user", address.port());
    let github = client.fetcher(&TokenCache::new(), "acme", "github");
    // The first fetch opens the connection and gets the token.
    github.get(&url)?;
    count.store(0, Ordering::Relaxed);
    let start = Instant::now();
    for _ in 0..FETCHES {
        github.get(&url)?;
    }
    let each = start.elapsed() / FETCHES;
    let lookups = count.load(Ordering::Relaxed);
    println!("{label}: {lookups} lookups, {each:?} for each fetch");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    measure("without the cache", |slow| {
        Agent::with_parts(Config::default(), DefaultConnector::new(), slow)
    })?;
    measure("with the cache", |slow| {
        let (lifetime, timeout) = (Duration::from_secs(10), Duration::from_secs(2));
        lookup_cache::agent_with(slow, lifetime, timeout)
    })
}
