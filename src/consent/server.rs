//! The port on loopback: a thread that accepts, and one for each of a few connections.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::http::{self, Refusal};
use super::page;
use super::site::Site;

/// Browsers open a few at once, some of them to no purpose. When another comes, the oldest of those
/// that have sent no request is cut off.
const MAX_CONNECTIONS: usize = 64;
/// But not before its request had the time to be read.
const MIN_AGE: Duration = Duration::from_secs(1);
/// How long another waits for room.
const MAX_QUEUED: Duration = Duration::from_secs(3);
/// How long the end waits for responses that are under way, so that the browser shows the page.
const GRACE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);
const WAKE_TIMEOUT: Duration = Duration::from_millis(200);

/// Serves until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    site: Arc<Site>,
    stopped: AtomicBool,
    connections: Mutex<Vec<Connection>>,
    changed: Condvar,
}

struct Connection {
    number: u64,
    stream: Arc<TcpStream>,
    since: Instant,
    /// Its request is there, and its response under way.
    busy: bool,
}

pub(super) fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

impl Server {
    pub(super) fn start(listener: TcpListener, site: Arc<Site>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            site,
            stopped: AtomicBool::new(false),
            connections: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let acceptor = Builder::new()
            .name("nexus-consent".into())
            .spawn(move || accept(&listener, &own))?;
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.finish();
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        // Only a connection wakes a blocked accept. Should none come through, the next one will.
        let start = Instant::now();
        while !acceptor.is_finished() && start.elapsed() < GRACE {
            let _ = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT);
            thread::sleep(PAUSE);
        }
        if acceptor.is_finished() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut number: u64 = 0;
    while !shared.stopped.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((stream, _)) => {
                number = number.wrapping_add(1);
                shared.admit(stream, number);
            }
            // Such as no free file descriptor: it may pass.
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

impl Shared {
    /// Starts a thread for the connection, or closes it.
    fn admit(self: &Arc<Self>, stream: TcpStream, number: u64) {
        let stream = Arc::new(stream);
        if !self.find_room(number, &stream) {
            return;
        }
        let slot = Slot {
            shared: Arc::clone(self),
            number,
        };
        // Without a thread the slot is dropped, and the stream with it.
        let _ = Builder::new()
            .name("nexus-consent".into())
            .spawn(move || serve(&slot, &stream));
    }

    fn find_room(&self, number: u64, stream: &Arc<TcpStream>) -> bool {
        let mut connections = self.connections.lock();
        let since = Instant::now();
        let end = after(since, MAX_QUEUED);
        while connections.len() >= MAX_CONNECTIONS {
            // They stand in the order of their age.
            let silent = connections.iter().find(|connection| !connection.busy);
            let ripe = silent.map_or(end, |oldest| after(oldest.since, MIN_AGE));
            if let Some(oldest) = silent.filter(|_| ripe <= Instant::now()) {
                let _ = oldest.stream.shutdown(Shutdown::Both);
                self.changed.wait_until(&mut connections, end);
            } else {
                self.changed.wait_until(&mut connections, ripe.min(end));
            }
            if end <= Instant::now() {
                return false;
            }
        }
        if self.stopped.load(Ordering::SeqCst) {
            return false;
        }
        connections.push(Connection {
            number,
            stream: Arc::clone(stream),
            since,
            busy: false,
        });
        true
    }

    /// Cuts off who has not sent a request, and gives the others a moment.
    fn finish(&self) {
        let end = after(Instant::now(), GRACE);
        let mut connections = self.connections.lock();
        while !connections.is_empty() {
            let silent = connections.iter().filter(|connection| !connection.busy);
            for connection in silent {
                let _ = connection.stream.shutdown(Shutdown::Both);
            }
            if self.changed.wait_until(&mut connections, end).timed_out() {
                break;
            }
        }
        for connection in connections.iter() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }
}

fn after(moment: Instant, time: Duration) -> Instant {
    moment.checked_add(time).unwrap_or(moment)
}

/// A place in the table, given up when its thread ends, however it does.
struct Slot {
    shared: Arc<Shared>,
    number: u64,
}

impl Slot {
    fn set_busy(&self, busy: bool) {
        let mut connections = self.shared.connections.lock();
        let own = connections
            .iter_mut()
            .find(|connection| connection.number == self.number);
        if let Some(own) = own {
            own.busy = busy;
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut connections = self.shared.connections.lock();
        connections.retain(|connection| connection.number != self.number);
        self.shared.changed.notify_all();
    }
}

fn serve(slot: &Slot, stream: &TcpStream) {
    let site = &slot.shared.site;
    let request = http::read(stream, http::MAX_REQUEST_TIME);
    slot.set_busy(true);
    match request {
        Ok(request) => {
            let (response, arrived) = site.respond(&request);
            let _ = response.write(stream, request.method != "HEAD");
            // Only now: whoever is woken may end the program.
            if let Some(connection_id) = arrived {
                site.announce(connection_id);
            }
        }
        Err(Refusal::Status(status)) => drop(page::refused(status).write(stream, true)),
        Err(Refusal::Closed) => return,
    }
    slot.set_busy(false);
    http::drain(stream);
}
