//! A request that the gateway is handling.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::received::ReceivedRequest;
use super::service::Service;

const CHECK_INTERVAL: Duration = Duration::from_millis(10);

pub(super) struct Call<'a> {
    pub(super) service: &'a Service,
    pub(super) request: &'a ReceivedRequest,
    pub(super) client: &'a TcpStream,
    /// The fault that a test has scheduled for this request.
    pub(super) fault: Option<Fault>,
}

impl Call<'_> {
    pub(super) fn has_fault(&self, fault: &Fault) -> bool {
        self.fault.as_ref() == Some(fault)
    }

    /// Returns whether the broker's queries of its database fail during this call.
    pub(super) fn has_database_error(&self) -> bool {
        let is_away = self.service.database_away.load(Ordering::SeqCst);
        is_away || self.has_fault(&Fault::DatabaseError)
    }

    /// Waits this long, or until the connection closes. Returns whether it has closed, because the client
    /// has hung up or the gateway was dropped.
    pub(super) fn hangs_up_within(&self, time: Duration) -> bool {
        let start = Instant::now();
        loop {
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            if is_closed_after(self.client, left.min(CHECK_INTERVAL)) {
                return true;
            }
        }
    }
}

/// Waits this long for the connection to close. Returns whether it has closed.
fn is_closed_after(socket: &TcpStream, time: Duration) -> bool {
    if socket.set_read_timeout(Some(time)).is_err() {
        return true;
    }
    match socket.peek(&mut [0]) {
        Ok(0) => true,
        Ok(_) => {
            // The client has already sent its next request, which hides the end of the connection.
            thread::sleep(time);
            false
        }
        Err(error) => !matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ),
    }
}
