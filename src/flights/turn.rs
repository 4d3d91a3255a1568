//! Waits for the lock that a client shares with other processes, on behalf of a flight.

use std::sync::atomic::Ordering;

use super::{Flight, Flights};
use crate::error::{ErrorKind, NexusError, Result};
use crate::lock;

impl Flights {
    /// Blocks until this process holds the lock for a flight's key, and returns the guard. If the lock does not work, logs a
    /// warning and returns `None`. The warning is left out if the lock had already failed for the previous attempt. During
    /// the wait, the flight has the lock's name.
    ///
    /// # Errors
    ///
    /// `timeout` if the wait for the lock takes too long, or if the client is dropped or drained during the wait.
    /// `request_failed` if no file descriptor or memory is free.
    pub(super) fn turn(&self, flight: &Flight) -> Result<Option<Box<dyn Send>>> {
        let Some(lock) = &self.process_lock else {
            return Ok(None);
        };
        let gateway = &self.gateway;
        let lock_name = flight.key.lock_name(&gateway.address);
        let name = format!("the lock {}{lock_name}", lock.prefix);
        *flight.lock_name.lock() = Some(name.clone());
        let held = lock.wait(&lock_name, gateway.longest_turn(), || self.is_ending());
        *flight.lock_name.lock() = None;
        match held {
            Ok(None) => Err(timed_out(&name)),
            Err(problem) if lock::is_exhausted(&problem) => {
                let message = format!(
                    "cannot take {name}: {problem}; close files or free memory, then try again"
                );
                Err(NexusError::new(ErrorKind::RequestFailed, message).local())
            }
            Err(problem) => {
                if !lock.has_failed.swap(true, Ordering::Relaxed) {
                    let prefix = flight.request.subject.prefix();
                    gateway.log.warn(format_args!(
                        "{prefix}continuing without {name}: {problem}; check it, or set lock_dir, NEXUS_LOCK_DIR or refresh_lock, \
                         because the provider may revoke the user's grant if two processes refresh the same token at once"
                    ));
                }
                Ok(None)
            }
            Ok(guard) => {
                lock.has_failed.store(false, Ordering::Relaxed);
                Ok(guard)
            }
        }
    }
}

impl Flight {
    /// Returns the error of a caller that leaves.
    pub(super) fn timed_out(&self) -> NexusError {
        let name = self.lock_name.lock();
        name.as_deref().map_or_else(super::timed_out, timed_out)
    }
}

/// Returns the error of a call that could not wait any longer for this lock.
fn timed_out(name: &str) -> NexusError {
    let message = format!(
        "timed out waiting for {name}, which another process, or another client in this process, holds while \
         it refreshes the same token; try again, and look for a process that is stopped or hangs"
    );
    NexusError::new(ErrorKind::Timeout, message).local()
}

#[cfg(test)]
mod tests;
