//! The listener, one thread per connection, and their end.

use std::io;
use std::mem::take;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use super::service::Service;
use super::wire;

const PAUSE: Duration = Duration::from_millis(1);
const WAKE_TIMEOUT: Duration = Duration::from_millis(200);

/// The running threads; dropping it ends and joins them all.
pub(super) struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    peers: Arc<Peers>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(listener: TcpListener, service: Arc<Service>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let peers = Arc::new(Peers::default());
        let (seen, shared) = (Arc::clone(&peers), Arc::clone(&service));
        let acceptor = Builder::new()
            .name("nexus-dev-gw".into())
            .spawn(move || accept(&listener, &seen, &shared))?;
        Ok(Self {
            address,
            service,
            peers,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.service.stop.set();
        self.peers.cut();
        if let Some(acceptor) = self.acceptor.take() {
            // Only a connection wakes a blocked accept. Should none come through, the next may.
            while !acceptor.is_finished() {
                let _ = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT);
                thread::sleep(PAUSE);
            }
            let _ = acceptor.join();
        }
        self.peers.join();
    }
}

fn accept(listener: &TcpListener, peers: &Peers, service: &Arc<Service>) {
    while !service.stop.is_set() {
        match listener.accept() {
            Ok((stream, _)) => peers.admit(stream, service),
            // Such as no free file descriptor: it may pass.
            Err(_) => {
                service.stop.wait(PAUSE);
            }
        }
    }
}

struct Peer {
    // Weak, so that the socket closes with its thread.
    socket: Weak<TcpStream>,
    thread: JoinHandle<()>,
}

/// The connections that are open.
#[derive(Default)]
struct Peers(Mutex<Vec<Peer>>);

impl Peers {
    fn admit(&self, stream: TcpStream, service: &Arc<Service>) {
        let mut peers = self.0.lock();
        let finished = |peer: &Peer| peer.thread.is_finished();
        let (done, open) = take(&mut *peers).into_iter().partition(finished);
        *peers = open;
        join(done);
        // Looked at under the lock: after `cut` has passed nobody is admitted.
        if !service.stop.is_set() {
            peers.extend(Peer::start(stream, Arc::clone(service)).ok());
        }
    }

    fn cut(&self) {
        for peer in self.0.lock().iter() {
            if let Some(socket) = peer.socket.upgrade() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    fn join(&self) {
        join(take(&mut *self.0.lock()));
    }
}

fn join(peers: Vec<Peer>) {
    for peer in peers {
        let _ = peer.thread.join();
    }
}

impl Peer {
    fn start(stream: TcpStream, service: Arc<Service>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        let socket = Arc::downgrade(&stream);
        let thread = Builder::new()
            .name("nexus-dev-conn".into())
            .spawn(move || wire::serve(&stream, &service))?;
        Ok(Self { socket, thread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DevGateway, Fault};
    use std::io::Write;

    #[test]
    fn dropping_ends_every_thread_that_shares_the_gateway() -> io::Result<()> {
        let gateway = DevGateway::start()?;
        gateway.fail_next(1, Fault::Delay(Duration::MAX));
        let address = gateway.url().trim_start_matches("http://").to_owned();
        let mut delayed = TcpStream::connect(&address)?;
        delayed.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let idle = TcpStream::connect(&address)?;
        while gateway.count("/health") == 0 {
            thread::yield_now();
        }
        let service = Arc::clone(&gateway.service);
        drop(gateway);
        assert_eq!(Arc::strong_count(&service), 1);
        drop((delayed, idle));
        Ok(())
    }
}
