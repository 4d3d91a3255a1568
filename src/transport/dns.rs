//! The addresses of hosts, looked up for each new connection.
//!
//! The system's lookup knows no deadline and may hang. So each runs on a thread of its own, as a rule
//! one at a time for a host, and whoever wants that host waits for it as long as he can.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ureq::config::IpFamily;
use ureq::http::Uri;

use crate::promise::Promise;
use crate::sync;
use crate::url;

/// The lookups of one host at a time, those that hang included.
const MAX_LOOKUPS: usize = 4;

#[derive(Clone)]
pub(super) struct Names(Arc<Shared>);

struct Shared {
    asking: Mutex<HashMap<Box<str>, Asking>>,
    ask: Box<Ask>,
    /// A lookup that takes longer may hang, so the host is looked up anew.
    patience: Duration,
}

/// The system's lookup of a name, which may hang.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The lookups of a host that have not ended.
struct Asking {
    running: usize,
    /// When the newest of them began; `None` once there was a result.
    since: Option<Instant>,
    found: Arc<Promise<Found>>,
}

type Found = Result<Vec<SocketAddr>, String>;

impl Default for Names {
    fn default() -> Self {
        let ask = |host: &str| (host, 0).to_socket_addrs().map(Iterator::collect);
        Self::new(ask, Duration::from_secs(3))
    }
}

impl Names {
    pub(super) fn new(
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Shared {
            asking: Mutex::default(),
            ask: Box::new(ask),
            patience,
        }))
    }

    /// The addresses of a URL's host, at least one. Blocks until they are there, at most until then.
    pub(super) fn addresses(
        &self,
        uri: &Uri,
        family: IpFamily,
        until: Instant,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        let found = match url::address(host) {
            Some(address) => vec![SocketAddr::new(address, 0)],
            None => self.look_up(host, until)?,
        };
        let mut wanted: Vec<_> = family.keep_wanted(found.into_iter()).collect();
        for address in &mut wanted {
            address.set_port(port(uri));
        }
        if wanted.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(wanted)
    }

    fn look_up(&self, host: &str, until: Instant) -> Result<Vec<SocketAddr>, ureq::Error> {
        loop {
            let asked = self.asked(host);
            let now = Instant::now();
            let patience = now.checked_add(self.0.patience).unwrap_or(now);
            match asked.wait(patience.min(until)) {
                Some(found) => return found.map_err(failed),
                None if Instant::now() >= until => {
                    return Err(ureq::Error::Timeout(ureq::Timeout::Resolve));
                }
                None => {}
            }
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
        let look_up = move || {
            let found = (names.0.ask)(&name).map_err(|error| error.to_string());
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

    #[cfg(test)]
    pub(super) fn running(&self, host: &str) -> usize {
        let hosts = self.0.asking.lock();
        hosts.get(host).map_or(0, |asking| asking.running)
    }
}

/// Of a kind that no connection fails with.
fn failed(problem: String) -> ureq::Error {
    let advice = format!("{problem}; check the host's spelling and the network");
    ureq::Error::Io(io::Error::new(io::ErrorKind::NotFound, advice))
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
