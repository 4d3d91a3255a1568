//! The open connections of a server, and how they end.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::service::Limits;
use crate::time::Deadline;

/// A connection younger than this is not closed to make room, because its first request may still arrive.
const MIN_AGE: Duration = Duration::from_secs(1);
/// A new connection waits at most this long for room.
const MAX_QUEUED: Duration = Duration::from_secs(3);
/// The longest wait for threads to end after their connections have been closed.
const END_TIME: Duration = Duration::from_millis(100);

struct Connection {
    stream: TcpStream,
    /// The time from which the connection may be closed to make room.
    closable_at: Instant,
    /// True while a request has arrived and its response has not been sent.
    busy: AtomicBool,
}

impl Connection {
    fn is_idle(&self) -> bool {
        !self.busy.load(Ordering::SeqCst)
    }

    fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The open connections, oldest first.
pub(super) struct Connections {
    limits: Limits,
    stopped: AtomicBool,
    open: Mutex<Vec<Arc<Connection>>>,
    changed: Condvar,
}

impl Connections {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            stopped: AtomicBool::new(false),
            open: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Adds a connection, if necessary in place of the oldest idle one. Blocks for up to 3 s while there is no room,
    /// then returns `None`. Also returns `None` once the server has stopped.
    pub(super) fn add(self: &Arc<Self>, stream: TcpStream) -> Option<Entry> {
        let end = Deadline::after(MAX_QUEUED).at;
        let mut open = self.open.lock();
        while open.len() >= self.limits.connections {
            let idle = open.iter().find(|connection| connection.is_idle());
            let now = Instant::now();
            if end <= now || self.is_stopped() {
                return None;
            }
            let mut next_try = end;
            match idle {
                Some(oldest) if oldest.closable_at <= now => oldest.close(),
                Some(oldest) => next_try = end.min(oldest.closable_at),
                None => {}
            }
            self.changed.wait_until(&mut open, next_try);
        }
        // Checked under the lock, because `stop` closes only the connections that it finds in the list.
        if self.is_stopped() {
            return None;
        }
        let connection = Arc::new(Connection {
            stream,
            closable_at: Deadline::after(MIN_AGE).at,
            busy: AtomicBool::new(false),
        });
        open.push(Arc::clone(&connection));
        Some(Entry {
            connections: Arc::clone(self),
            connection,
        })
    }

    /// Closes idle connections at once. Closes the others once they have sent their response, or after the grace
    /// period.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.wait_until_empty(self.limits.grace, Connection::is_idle);
        self.wait_until_empty(END_TIME, |_| true);
    }

    fn wait_until_empty(&self, time: Duration, may_close: fn(&Connection) -> bool) {
        let end = Deadline::after(time).at;
        let mut open = self.open.lock();
        self.changed.notify_all();
        while !open.is_empty() {
            let closable = open.iter().filter(|connection| may_close(connection));
            closable.for_each(|connection| connection.close());
            if self.changed.wait_until(&mut open, end).timed_out() {
                return;
            }
        }
    }
}

/// An open connection in the list. Dropping the entry makes room for another connection.
pub(super) struct Entry {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
}

impl Entry {
    pub(super) fn stream(&self) -> &TcpStream {
        &self.connection.stream
    }

    pub(super) fn set_busy(&self, busy: bool) {
        let _open = self.connections.open.lock();
        self.connection.busy.store(busy, Ordering::SeqCst);
        self.connections.changed.notify_all();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.retain(|other| !Arc::ptr_eq(other, &self.connection));
        self.connections.changed.notify_all();
    }
}
