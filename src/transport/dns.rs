//! Host names and their addresses, remembered for a few seconds.
//!
//! A deadline over a whole request makes ureq's own resolver start a thread for every request, to
//! look up its host again. [`Names`] answers addresses itself, and starts a thread only for a name
//! that it does not know, as a rule one at a time for each name, and only for a new connection.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::clock::Deadline;
use crate::promise::Promise;
use crate::transport::until::deadline;
use crate::url;

/// How long the addresses of a host are used again.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The size at which old addresses are dropped.
const MAX_NAMES: usize = 256;
/// As many addresses of a host are tried as ureq has room for.
const MAX_ADDRESSES: usize = 16;
/// In place of an address that nobody needs; ureq expects one.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
/// The lookups of one host at a time, those that hang included.
const MAX_LOOKUPS: usize = 4;

#[derive(Clone)]
pub(crate) struct Names(Arc<Shared>);

struct Shared {
    known: Mutex<HashMap<Box<str>, Known>>,
    ask: Box<Ask>,
    times: Times,
}

/// The system's lookup of a name, which may hang.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

#[derive(Clone, Copy)]
pub(super) struct Times {
    /// A lookup that takes longer may hang: who comes then asks anew.
    pub(super) patience: Duration,
    /// An address that is younger need not be looked up again when it fails.
    pub(super) fresh: Duration,
}

enum Known {
    Addresses(Vec<SocketAddr>, Instant),
    Asking(Asking),
}

struct Asking {
    found: Arc<Promise<Found>>,
    since: Instant,
    /// Held by each lookup of the host that has not ended.
    running: Arc<()>,
}

type Found = Result<Vec<SocketAddr>, String>;

/// The name service has no address for the host, or did not answer.
#[derive(Debug)]
pub(super) struct LookupFailed(String);

impl fmt::Display for LookupFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LookupFailed {}

impl Default for Names {
    fn default() -> Self {
        let ask = |host: &str| (host, 0).to_socket_addrs().map(Iterator::collect);
        let times = Times {
            patience: Duration::from_secs(3),
            fresh: Duration::from_secs(1),
        };
        Self::new(ask, times)
    }
}

impl Names {
    pub(super) fn new(
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        times: Times,
    ) -> Self {
        Self(Arc::new(Shared {
            known: Mutex::default(),
            ask: Box::new(ask),
            times,
        }))
    }

    #[cfg(test)]
    pub(super) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Whether the addresses of a host may be out of date.
    pub(super) fn remembers(&self, host: &str) -> bool {
        let fresh = self.0.times.fresh;
        let known = self.0.known.lock();
        matches!(known.get(host), Some(Known::Addresses(_, since)) if since.elapsed() >= fresh)
    }

    /// Forgets a host: its address may be why it cannot be reached.
    pub(super) fn forget(&self, host: &str) {
        let mut known = self.0.known.lock();
        if matches!(known.get(host), Some(Known::Addresses(..))) {
            known.remove(host);
        }
    }

    fn look_up(&self, host: &str, deadline: Deadline) -> Result<Vec<SocketAddr>, ureq::Error> {
        loop {
            let asked = match self.known_or_asked(host) {
                Ok(addresses) => return Ok(addresses),
                Err(asked) => asked,
            };
            let patience = Deadline::after(self.0.times.patience).min(deadline);
            match asked.wait(patience.instant()) {
                Some(found) => return found.map_err(lookup_failed),
                None if deadline.left().is_none() => {
                    return Err(ureq::Error::Timeout(ureq::Timeout::Resolve));
                }
                None => {}
            }
        }
    }

    /// The addresses, or the lookup to wait for.
    fn known_or_asked(&self, host: &str) -> Result<Vec<SocketAddr>, Arc<Promise<Found>>> {
        let mut known = self.0.known.lock();
        let running = match known.get(host) {
            Some(Known::Addresses(addresses, since)) if since.elapsed() < REMEMBERED => {
                return Ok(addresses.clone());
            }
            Some(Known::Asking(asking)) if self.is_joined(asking) => {
                return Err(Arc::clone(&asking.found));
            }
            Some(Known::Asking(asking)) => Arc::clone(&asking.running),
            _ => Arc::default(),
        };
        if known.len() >= MAX_NAMES {
            known.retain(|_, entry| entry.is_current());
        }
        let asking = Asking {
            found: Arc::new(Promise::new()),
            since: Instant::now(),
            running: Arc::clone(&running),
        };
        let found = Arc::clone(&asking.found);
        known.insert(host.into(), Known::Asking(asking));
        drop(known);
        self.ask(host, &found, running);
        Err(found)
    }

    fn is_joined(&self, asking: &Asking) -> bool {
        asking.since.elapsed() < self.0.times.patience
            || Arc::strong_count(&asking.running) > MAX_LOOKUPS
    }

    /// Looks the host up on a thread of its own, which may outlive the caller's patience.
    fn ask(&self, host: &str, asked: &Arc<Promise<Found>>, running: Arc<()>) {
        let (names, name, own) = (self.clone(), Box::<str>::from(host), Arc::clone(asked));
        let ask = move || {
            let found = (names.0.ask)(&name).map_err(|error| error.to_string());
            drop(running);
            names.settle(&name, &own, found);
        };
        let thread = thread::Builder::new().name("nexus-names".to_owned());
        if let Err(error) = thread.spawn(ask) {
            let found = Err(format!("no thread to look the host up: {error}"));
            self.settle(host, asked, found);
        }
    }

    /// Ends a lookup; one that comes late replaces no newer one.
    fn settle(&self, host: &str, asked: &Arc<Promise<Found>>, found: Found) {
        let mut known = self.0.known.lock();
        let own = |entry: &Known| matches!(entry, Known::Asking(asking) if Arc::ptr_eq(&asking.found, asked));
        if known.get(host).is_some_and(own) {
            match &found {
                Ok(addresses) => {
                    let entry = Known::Addresses(addresses.clone(), Instant::now());
                    known.insert(host.into(), entry);
                }
                Err(_) => drop(known.remove(host)),
            }
        }
        drop(known);
        asked.fulfil(found);
    }
}

impl Known {
    fn is_current(&self) -> bool {
        match self {
            Self::Addresses(_, since) => since.elapsed() < REMEMBERED,
            Self::Asking(_) => true,
        }
    }
}

fn lookup_failed(problem: String) -> ureq::Error {
    ureq::Error::Io(io::Error::other(LookupFailed(problem)))
}

impl Names {
    /// The addresses of a URL's host. Blocks until they are there, at most until the deadline.
    pub(super) fn addresses(
        &self,
        uri: &Uri,
        config: &Config,
        deadline: Deadline,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let known = match url::address(host) {
            Some(address) => vec![SocketAddr::new(address, 0)],
            None => self.look_up(host, deadline)?,
        };
        let port = port(uri);
        let mut addresses = self.empty();
        let family = config.ip_family();
        let wanted = family.keep_wanted(known.into_iter());
        for mut address in wanted.take(MAX_ADDRESSES) {
            address.set_port(port);
            addresses.push(address);
        }
        if addresses.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(addresses)
        }
    }
}

impl Resolver for Names {
    /// ureq asks before it looks for a pooled connection, which needs no address. So whoever opens a
    /// connection asks, and this says something that nobody reads; but some proxies are told an address.
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if config.proxy().is_some() {
            return self.addresses(uri, config, deadline(*timeout.after));
        }
        let mut none = self.empty();
        none.push(NOWHERE);
        Ok(none)
    }
}

/// The port, the scheme's own if none is written; the schemes of proxies are more than a URL's.
fn port(uri: &Uri) -> u16 {
    match uri.scheme_str() {
        Some("http" | "https") => url::port(uri),
        _ => uri.port_u16().unwrap_or(1080),
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
