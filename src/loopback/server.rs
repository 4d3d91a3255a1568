//! The thread that accepts connections, and one thread for each connection.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::connections::{Connections, Entry};
use super::service::{Limits, Service};
use super::wire::{Failure, Wire};

const THREAD_NAME: &str = "nexus-loopback";
const PAUSE: Duration = Duration::from_millis(1);
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const WAKE_TIMEOUT: Duration = Duration::from_millis(200);
/// The longest wait for the accepting thread.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running server. Dropping it closes the port and all connections.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<Connections>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(
        listener: TcpListener,
        limits: Limits,
        service: Arc<dyn Service>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let connections = Arc::new(Connections::new(limits));
        let shared = Arc::clone(&connections);
        let acceptor = Builder::new()
            .name(THREAD_NAME.into())
            .spawn(move || accept(&listener, limits, &shared, &service))?;
        Ok(Self {
            address,
            connections,
            acceptor: Some(acceptor),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.connections.stop();
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        let start = Instant::now();
        while !acceptor.is_finished() && start.elapsed() < DROP_TIMEOUT {
            // Only a connection wakes a blocked `accept`.
            let _ = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT);
            thread::sleep(PAUSE);
        }
        if acceptor.is_finished() {
            let _ = acceptor.join();
        }
    }
}

fn accept(
    listener: &TcpListener,
    limits: Limits,
    connections: &Arc<Connections>,
    service: &Arc<dyn Service>,
) {
    while !connections.is_stopped() {
        // Running out of file descriptors is temporary, so retry.
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        if let Some(entry) = connections.add(stream) {
            let service = Arc::clone(service);
            let thread = Builder::new().name(THREAD_NAME.into());
            // Without a thread the entry is dropped, which closes the connection.
            drop(thread.spawn(move || serve(&entry, limits, service.as_ref())));
        }
    }
}

/// Serves requests until either side closes the connection.
fn serve(entry: &Entry, limits: Limits, service: &dyn Service) {
    let _ = entry.stream().set_nodelay(true);
    let _ = entry.stream().set_write_timeout(Some(WRITE_TIMEOUT));
    let mut wire = Wire::new(entry.stream(), limits);
    let mut keeps_open = true;
    while keeps_open {
        let received = wire.read_request();
        entry.set_busy(true);
        let sent = match received {
            Ok((reply, request)) => match service.respond(request, entry.stream()) {
                Some(response) => wire.send(reply, response),
                None => return,
            },
            Err(Failure::Refused(status)) => wire.refuse(service.refuse(status)),
            Err(Failure::Closed) => return,
        };
        entry.set_busy(false);
        let Ok(open) = sent else { return };
        keeps_open = open;
    }
    wire.drain();
}
