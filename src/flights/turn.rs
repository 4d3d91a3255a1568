//! Waits for the lock that a client shares with other processes, on behalf of a flight.

use std::sync::atomic::Ordering;

use super::call::Key;
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::Gateway;
use crate::lock::{self, ProcessLock};

/// Blocks until this process holds the lock for a key, and returns the guard. If the lock does not work, logs a
/// warning and returns `None`. The warning is left out if the lock had already failed for the previous attempt.
///
/// # Errors
///
/// `timeout` if the wait for the lock takes too long, or if the client is dropped or drained during the wait.
/// `request_failed` if no file descriptor or memory is free.
pub(super) fn acquire(
    lock: Option<&ProcessLock>,
    key: &Key,
    gateway: &Gateway,
    is_ending: impl Fn() -> bool,
) -> Result<Option<Box<dyn Send>>> {
    let Some(lock) = lock else { return Ok(None) };
    let key = lock_name(&gateway.address, key);
    let name = format!("the lock {}{key}", lock.prefix);
    match lock.wait(&key, gateway.longest_turn(), is_ending) {
        Ok(None) => {
            let message = format!(
                "timed out waiting for {name}, which another process, or another client in this process, holds while \
                 it refreshes the same token; try again, and look for a process that is stopped or hangs"
            );
            Err(NexusError::new(ErrorKind::Timeout, message))
        }
        Err(problem) if lock::is_exhausted(&problem) => {
            let message = format!(
                "cannot take {name}: {problem}; close files or free memory, then try again"
            );
            Err(NexusError::new(ErrorKind::RequestFailed, message))
        }
        Err(problem) => {
            if !lock.has_failed.swap(true, Ordering::Relaxed) {
                gateway.log.warn(format_args!(
                    "continuing without {name}: {problem}; check it, or set lock_dir, NEXUS_LOCK_DIR or refresh_lock, \
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

/// Returns the 128-bit FNV-1a hash of the gateway's URL and the key. All versions of this crate must compute the
/// same hash, and the hashers of the standard library may change.
fn lock_name(address: &str, key: &Key) -> String {
    let parts: &[&str] = match key {
        Key::Tenant(workspace_id, provider) => &[address, "tenant", workspace_id, provider],
        Key::Connection(id) => &[address, "connection", id],
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
