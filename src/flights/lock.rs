//! Waiting for the lock that a client shares with other processes, on behalf of a flight.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::table::Subject;
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::{Gateway, Guard};
use crate::lock::{LockOption, RefreshLock};
use crate::log::Log;
use crate::time::Deadline;

/// A flight may wait for the lock this much longer than it may hold the lock. Of this time, a lock file takes 10.5 s
/// to detect a holder that is stopped.
const GRACE: Duration = Duration::from_secs(15);
/// The interval at which a waiting flight checks whether the client is being dropped or drained.
const SLICE: Duration = Duration::from_secs(1);
/// The longest pause after `acquire` has returned before its deadline.
const PAUSE: Duration = Duration::from_millis(25);

pub(crate) struct ProcessLock {
    lock: Arc<dyn RefreshLock>,
    /// The text before the key in messages, such as the lock directory.
    prefix: String,
    /// True if the last attempt went on without the lock. The next attempt then logs no second warning.
    failed: AtomicBool,
    /// The keys that flights wait for, and the start of each wait.
    waiting: Mutex<HashMap<String, Instant>>,
}

impl ProcessLock {
    /// Returns `None` if the client uses no lock.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a relative directory.
    pub(crate) fn new(option: LockOption, log: Log) -> Result<Option<Self>> {
        let chosen = option.choose(log)?;
        Ok(chosen.map(|(lock, prefix)| Self {
            lock,
            prefix,
            failed: AtomicBool::new(false),
            waiting: Mutex::default(),
        }))
    }

    /// Blocks until this process holds the lock for a subject, and returns the guard. Returns `None` if the lock does
    /// not work, and logs a warning unless the lock had already failed for the attempt before.
    ///
    /// # Errors
    ///
    /// `timeout` if another process holds the lock for longer than `longest` plus 15 s, or if the client is dropped or
    /// drained during the wait.
    pub(super) fn acquire(
        &self,
        subject: &Subject,
        longest: Duration,
        gateway: &Gateway,
    ) -> Result<Option<Guard>> {
        let key = key(&gateway.address, subject);
        let start = Instant::now();
        self.waiting.lock().insert(key.clone(), start);
        let acquired = self.wait(&key, longest, gateway);
        self.waiting.lock().remove(&key);
        match acquired {
            Ok(Some(guard)) => {
                self.failed.store(false, Ordering::Relaxed);
                Ok(Some(guard))
            }
            Ok(None) => Err(self.timed_out(&key, start)),
            Err(problem) => {
                self.go_without(&key, &problem, gateway.log);
                Ok(None)
            }
        }
    }

    fn wait(&self, key: &str, longest: Duration, gateway: &Gateway) -> io::Result<Option<Guard>> {
        let end = Deadline::after(longest.saturating_add(GRACE));
        loop {
            let slice = end.min(Deadline::after(SLICE));
            let acquired = self.lock.acquire(key, longest, slice.at)?;
            if acquired.is_some() || end.left().is_none() || gateway.is_ending() {
                return Ok(acquired);
            }
            thread::sleep(slice.left().unwrap_or_default().min(PAUSE));
        }
    }

    fn go_without(&self, key: &str, problem: &io::Error, log: Log) {
        if !self.failed.swap(true, Ordering::Relaxed) {
            log.warn(|| {
                format!(
                    "going on without the lock {}{key}: {problem}; if another process refreshes the same token at \
                     the same time, the provider may revoke the user's grant",
                    self.prefix
                )
            });
        }
    }

    /// Returns the error for a caller that times out while its flight waits for the lock. Returns `None` if the flight
    /// does not wait for the lock.
    pub(super) fn caller_timed_out(&self, subject: &Subject, address: &str) -> Option<NexusError> {
        let key = key(address, subject);
        let start = *self.waiting.lock().get(&key)?;
        Some(self.timed_out(&key, start))
    }

    fn timed_out(&self, key: &str, start: Instant) -> NexusError {
        let message = format!(
            "timed out after waiting {} s for the lock {}{key}, which another process, or another client in this process, \
             holds while it refreshes the same token; try again, and look for a process that is stopped or hangs",
            start.elapsed().as_secs(),
            self.prefix
        );
        NexusError::new(ErrorKind::Timeout, message).retryable(true)
    }
}

/// Returns the 128-bit FNV-1a hash of the gateway's URL and the subject. All versions of this crate must compute the
/// same hash, and the hashers of the standard library may change.
fn key(address: &str, subject: &Subject) -> String {
    let parts: &[&str] = match subject {
        Subject::Tenant(tenant) => &[address, "tenant", &tenant.workspace_id, &tenant.provider],
        Subject::Connection(id) => &[address, "connection", id],
    };
    // Ends each part with a byte that UTF-8 never contains, so that `["ab", "c"]` and `["a", "bc"]` differ.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xFF]));
    let hash = bytes.fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
        |hash: u128, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    );
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests;
