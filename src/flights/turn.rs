//! Waits for the lock that a client shares with other processes, on behalf of a flight.

use std::sync::atomic::Ordering;

use super::key::Key;
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::gateway::Gateway;
use crate::lock::{self, ProcessLock};

/// Blocks until this process holds the lock for a key, and returns the guard. If the lock does not work, logs a
/// warning and returns `None`. The warning is left out if the lock had already failed for the previous attempt. During
/// the wait, `waits_for` has the lock's name.
///
/// # Errors
///
/// `timeout` if the wait for the lock takes too long, or if the client is dropped or drained during the wait.
/// `request_failed` if no file descriptor or memory is free.
pub(super) fn acquire(
    lock: Option<&ProcessLock>,
    key: &Key,
    subject: &Subject,
    gateway: &Gateway,
    is_ending: impl Fn() -> bool,
    waits_for: impl Fn(Option<String>),
) -> Result<Option<Box<dyn Send>>> {
    let Some(lock) = lock else { return Ok(None) };
    let lock_name = key.lock_name(&gateway.address);
    let name = format!("the lock {}{lock_name}", lock.prefix);
    waits_for(Some(name.clone()));
    let held = lock.wait(&lock_name, gateway.longest_turn(), is_ending);
    waits_for(None);
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
                let prefix = subject.prefix();
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

/// Returns the error of a call that could not wait any longer for this lock.
pub(super) fn timed_out(name: &str) -> NexusError {
    let message = format!(
        "timed out waiting for {name}, which another process, or another client in this process, holds while \
         it refreshes the same token; try again, and look for a process that is stopped or hangs"
    );
    NexusError::new(ErrorKind::Timeout, message).local()
}

#[cfg(test)]
mod tests;
