//! The addresses of hosts, looked up for each new connection.
//!
//! The system's lookup knows no deadline and may hang. So each runs on a thread of its own, as a rule
//! one at a time for a host, and whoever wants that host waits for it as long as he can.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{NextTimeout, time::Duration as Limit};

use crate::sync::{self, Promise};
use crate::time::Deadline;
use crate::transport::socket::{end_of, left, open};
use crate::url;

/// The lookups of one host at a time, those that hang included.
const MAX_LOOKUPS: usize = 4;
/// As many addresses of a host are tried as ureq has room for.
const MAX_ADDRESSES: usize = 16;
/// In place of an address that nobody needs; ureq expects one.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

#[derive(Clone)]
pub(super) struct Names(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) asking: Mutex<HashMap<Box<str>, Asking>>,
    pub(super) ask: Box<Ask>,
    /// A lookup that takes longer may hang, so the host is looked up anew.
    pub(super) patience: Duration,
}

/// The system's lookup of a name, which may hang.
pub(super) type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The lookups of a host that have not ended.
pub(super) struct Asking {
    running: usize,
    /// When the newest of them began; `None` once there was a result.
    since: Option<Instant>,
    found: Arc<Promise<Found>>,
}

type Found = Result<Vec<SocketAddr>, String>;

impl Default for Names {
    fn default() -> Self {
        Self(Arc::new(Shared {
            asking: Mutex::default(),
            ask: Box::new(|host| (host, 0).to_socket_addrs().map(Iterator::collect)),
            patience: Duration::from_secs(3),
        }))
    }
}

impl Names {
    /// The addresses of a host, at least one. Blocks until they are there, at most until the exchange
    /// has to end.
    pub(super) fn addresses(
        &self,
        (host, port): (&str, u16),
        config: &Config,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = match url::address(host) {
            Some(address) => vec![SocketAddr::new(address, 0)],
            None => self.look_up(host)?,
        };
        let mut addresses = self.empty();
        let family = config.ip_family();
        let wanted = family.keep_wanted(found.into_iter());
        for mut address in wanted.take(MAX_ADDRESSES) {
            address.set_port(port);
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }

    fn look_up(&self, host: &str) -> Result<Vec<SocketAddr>, ureq::Error> {
        let until = end_of(Limit::NotHappening);
        loop {
            let patience = Deadline::after(self.0.patience).at;
            if let Some(found) = self.asked(host).wait(patience.min(until)) {
                // Of a kind that no connection fails with.
                return Ok(found.map_err(|why| io::Error::new(io::ErrorKind::NotFound, why))?);
            }
            left(until, ureq::Timeout::Resolve)?;
        }
    }

    /// What the lookups of the host will find. Starts one unless there is one that does not hang.
    fn asked(&self, host: &str) -> Arc<Promise<Found>> {
        let mut hosts = self.0.asking.lock();
        let asking = hosts.entry(host.into()).or_insert_with(|| Asking {
            running: 0,
            since: None,
            found: Arc::new(Promise::new()),
        });
        let found = Arc::clone(&asking.found);
        let hangs = |since: Instant| since.elapsed() >= self.0.patience;
        if asking.running < MAX_LOOKUPS && asking.since.is_none_or(hangs) {
            let began = Instant::now();
            asking.since = Some(began);
            asking.running = asking.running.saturating_add(1);
            drop(hosts);
            self.start(host, began);
        }
        found
    }

    /// Looks the host up on a thread, which may outlive the patience of all who wait.
    fn start(&self, host: &str, began: Instant) {
        let (names, name) = (self.clone(), Box::<str>::from(host));
        let advise = |why| format!("{why}; check the host's spelling and the network");
        let look_up = move || {
            let found = (names.0.ask)(&name).map_err(advise);
            names.settle(&name, began, found);
        };
        if let Err(error) = sync::spawn("nexus-names", look_up) {
            let found = Err(format!("no thread to look the host up: {error}"));
            self.settle(host, began, found);
        }
    }

    /// Ends a lookup. Addresses are good whichever lookup brings them; the failure of one that hung says
    /// nothing of a newer one.
    fn settle(&self, host: &str, began: Instant, found: Found) {
        let mut hosts = self.0.asking.lock();
        let Some(asking) = hosts.get_mut(host) else {
            return;
        };
        if found.is_ok() || asking.since == Some(began) {
            asking.since = None;
            mem::replace(&mut asking.found, Arc::new(Promise::new())).fulfil(found);
        }
        asking.running = asking.running.saturating_sub(1);
        if asking.running == 0 {
            hosts.remove(host);
        }
    }
}

impl Resolver for Names {
    /// ureq asks before it looks for a pooled connection, which needs no address. So whoever opens a
    /// connection looks its host up, and this says something that nobody reads. Only the connector for
    /// SOCKS asks for its proxy's addresses while it opens a connection; it would give the first of them
    /// most of the time, so it gets one that has just taken a connection.
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut only = self.empty();
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let Some(socks) = config.proxy().filter(|_| !is_http) else {
            only.push(NOWHERE);
            return Ok(only);
        };
        let addresses = self.addresses((socks.host(), socks.port()), config)?;
        if addresses.len() == 1 {
            return Ok(addresses);
        }
        only.push(open(&addresses)?.peer_addr()?);
        Ok(only)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
