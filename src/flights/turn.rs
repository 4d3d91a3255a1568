//! Waits for the lock that a client shares with other processes, on behalf of a flight.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::operation::Subject;
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Gateway, Guard};
use crate::lock::{LockOption, LockRequest, RefreshLock, SLICE, longest_wait};
use crate::log::Log;
use crate::time::Deadline;

/// The longest pause between two calls of `acquire`. A pause is needed only if `acquire` has returned before its
/// deadline.
const PAUSE: Duration = Duration::from_millis(25);

pub(crate) struct ProcessLock {
    lock: Arc<dyn RefreshLock>,
    /// The prefix of the key in messages, such as the lock directory.
    prefix: String,
    /// True if the last attempt was sent without the lock. The next attempt then logs no second warning.
    failed: AtomicBool,
}

impl ProcessLock {
    /// Returns `None` if the client uses no lock.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a relative directory.
    pub(crate) fn new(option: LockOption, log: Log) -> Result<Option<Self>> {
        Ok(option.choose(log)?.map(|(lock, prefix)| Self {
            lock,
            prefix,
            failed: AtomicBool::new(false),
        }))
    }

    /// Blocks until this process holds the lock for a subject, and returns the guard. If the lock does not work, logs a
    /// warning and returns `None`. The warning is left out if the lock had already failed for the previous attempt.
    ///
    /// # Errors
    ///
    /// `timeout` if the lock cannot be acquired in the [`longest_wait`] for this turn, or if the client is dropped or
    /// drained during the wait.
    pub(super) fn acquire(&self, subject: &Subject, gateway: &Gateway) -> Result<Option<Guard>> {
        let key = lock_name(&gateway.address, subject);
        let acquired = self.wait(&key, gateway);
        let had_failed = self.failed.swap(acquired.is_err(), Ordering::Relaxed);
        match acquired {
            Ok(Some(guard)) => Ok(Some(guard)),
            Ok(None) => {
                let message = format!(
                    "timed out waiting for the lock {}{key}, which another process, or another client in this \
                     process, holds while it refreshes the same token; try again, and look for a process that is \
                     stopped or hangs",
                    self.prefix
                );
                Err(NexusError::new(ErrorKind::Timeout, message).retryable(true))
            }
            Err(problem) => {
                if !had_failed {
                    gateway.log.warn(format_args!(
                        "continuing without the lock {}{key}: {problem}; if another process refreshes the same \
                         token at the same time, the provider may revoke the user's grant",
                        self.prefix
                    ));
                }
                Ok(None)
            }
        }
    }

    fn wait(&self, key: &str, gateway: &Gateway) -> io::Result<Option<Guard>> {
        let longest = gateway.longest_turn();
        let end = Deadline::after(longest_wait(longest));
        loop {
            let slice = end.min(Deadline::after(SLICE));
            let turn = LockRequest::new(key, longest, slice.at);
            let acquired = self.lock.acquire(&turn)?;
            if acquired.is_some() || end.left().is_none() || gateway.is_ending() {
                return Ok(acquired);
            }
            let line = format_args!("waiting for the lock {}{key}", self.prefix);
            gateway.log.debug(line);
            thread::sleep(slice.left().unwrap_or_default().min(PAUSE));
        }
    }
}

/// Returns the 128-bit FNV-1a hash of the gateway's URL and the subject. All versions of this crate must compute the
/// same hash, and the hashers of the standard library may change.
fn lock_name(address: &str, subject: &Subject) -> String {
    let parts: &[&str] = match subject {
        Subject::Tenant(tenant) => &[address, "tenant", &tenant.workspace_id, &tenant.provider],
        Subject::Connection(id) => &[address, "connection", id],
    };
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for part in parts {
        // Ends each part with a byte that UTF-8 never contains, so that `["ab", "c"]` and `["a", "bc"]` differ.
        for byte in part.bytes().chain([0xFF]) {
            hash ^= u128::from(byte);
            hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests;
