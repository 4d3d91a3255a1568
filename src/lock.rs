//! The lock that processes share, so that only one process at a time refreshes a token. By default, the lock is a
//! file.
//!
//! Lock files are empty and never removed. If a file were removed, a process that has it open and a process that
//! creates it again could both hold the lock.

use std::env::{self, VarError};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{NexusError, Result};
use crate::log::Log;

const VARIABLE: &str = "NEXUS_LOCK_DIR";
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(25);

/// A lock that several processes share, so that only one process at a time refreshes a token.
///
/// [`refreshes`](crate::refreshes) says why processes must not refresh the same token at once. A client holds the lock
/// during each request that may refresh a token, and takes the lock again for each retry. By default, the
/// lock is a file, shared by the processes of one user on one host. Implement this trait for processes on several
/// hosts, as `examples/redis_lock` does with Redis, and pass the lock to
/// [`NexusClientOptions::refresh_lock`](crate::NexusClientOptions::refresh_lock).
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RefreshLock, testing::DevGateway};
/// use std::collections::HashSet;
/// use std::io;
/// use std::sync::{Arc, Mutex};
/// use std::time::Duration;
///
/// /// Shared by the clients of one process.
/// #[derive(Clone, Default)]
/// struct InMemory(Arc<Mutex<HashSet<String>>>);
///
/// struct Held(InMemory, String);
///
/// impl Drop for Held {
///     fn drop(&mut self) {
///         self.0.0.lock().unwrap().remove(&self.1);
///     }
/// }
///
/// impl RefreshLock for InMemory {
///     fn try_lock(&self, key: &str, _lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
///         if !self.0.lock().unwrap().insert(key.to_owned()) {
///             return Ok(None);
///         }
///         Ok(Some(Box::new(Held(self.clone(), key.to_owned()))))
///     }
/// }
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let lock = InMemory::default();
/// let options = NexusClientOptions::new(gateway.url()).refresh_lock(lock.clone());
/// assert!(NexusClient::new(options)?.resolve_token("acme", "github").is_ok());
/// assert!(lock.0.lock().unwrap().is_empty(), "the lock was released");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RefreshLock: Send + Sync {
    /// Takes the lock if it is free, without waiting for another holder. Returns a guard, or `None` if somebody else
    /// holds the lock. Dropping the guard must release the lock.
    ///
    /// `key` names the lock: 32 hexadecimal digits, a hash of the gateway's URL and either the workspace and provider
    /// or the connection id. The hash stays the same in every version of this crate. Processes that reach one gateway
    /// by different URLs get different keys.
    ///
    /// `lease` is the time limit of the attempt during which the client keeps the guard: 40 s with the default options.
    /// Only an attempt that is slow in several phases, such as the lookup of the gateway's name and the response, takes
    /// longer. A lock that expires by itself should outlast `lease` by a few seconds.
    ///
    /// After `None`, the client asks again, with pauses of 1 to 25 ms, until it has waited for `lease`. Its callers then get
    /// `timeout`. If the client is dropped or drained, they get it at once.
    ///
    /// The client calls this method on a thread of its own, so callers of the client get the error `timeout` when
    /// their own timeout has passed, even if this method blocks. The guard is dropped on the same thread before the
    /// callers get their response, so its `drop` should be quick. If this method or the `drop` panics, the callers
    /// get `request_failed`.
    ///
    /// # Errors
    ///
    /// Return an error if the lock does not work. The client then sends its request *without* the lock. Of several
    /// such failures in a row, only the first is logged as a warning. After an error that means that no file descriptor or
    /// memory is free, the callers get `request_failed`, which is retryable. If a call must fail rather than go on without the
    /// lock, return `None` instead of an error. The callers then get `timeout`.
    fn try_lock(&self, key: &str, lease: Duration) -> io::Result<Option<Box<dyn Send>>>;
}

/// Clients can share one lock.
impl<L: RefreshLock + ?Sized> RefreshLock for Arc<L> {
    fn try_lock(&self, key: &str, lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
        (**self).try_lock(key, lease)
    }
}

/// The choice of a lock in the options of a client.
#[derive(Clone, Default)]
pub(crate) enum LockOption {
    /// The directory in `NEXUS_LOCK_DIR`, or the default directory. If `NEXUS_LOCK_DIR` is empty, the client uses no
    /// lock.
    #[default]
    Default,
    Off,
    Directory(PathBuf),
    Own(Arc<dyn RefreshLock>),
}

impl LockOption {
    /// Returns the lock of a client with this option, or `None` if the client uses no lock. Reads the environment.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a relative path, because its meaning would depend on the working directory.
    pub(crate) fn choose(self, log: Log) -> Result<Option<ProcessLock>> {
        let (name, dir) = match self {
            Self::Off => return Ok(None),
            Self::Own(lock) => return Ok(Some(ProcessLock::new(lock, "refresh_lock "))),
            Self::Directory(dir) => ("lock_dir", Some(dir)),
            Self::Default => match env::var(VARIABLE).as_deref().map(str::trim) {
                Ok("") => return Ok(None),
                Ok(dir) => (VARIABLE, Some(dir.into())),
                Err(VarError::NotUnicode(dir)) => (VARIABLE, Some(dir.into())),
                Err(VarError::NotPresent) => ("", default_dir()),
            },
        };
        let Some(dir) = dir else {
            log.warn(format_args!(
                "no home directory, so no lock is shared with other processes, and the provider may revoke the user's \
                 grant if two processes refresh the same token at once; set NEXUS_LOCK_DIR or lock_dir"
            ));
            return Ok(None);
        };
        if !dir.is_absolute() {
            let problem = "is a relative path; give an absolute path (`~` is not expanded)";
            return Err(NexusError::invalid_input(name, problem));
        }
        let prefix = dir.join("").display().to_string();
        Ok(Some(ProcessLock::new(Arc::new(LockDirectory(dir)), prefix)))
    }
}

/// The lock of a client.
pub(crate) struct ProcessLock {
    lock: Arc<dyn RefreshLock>,
    /// The prefix of the key in messages, such as the lock directory.
    pub(crate) prefix: String,
    /// True if the last attempt was sent without the lock. The next attempt then logs no second warning.
    pub(crate) has_failed: AtomicBool,
}

impl ProcessLock {
    fn new(lock: Arc<dyn RefreshLock>, prefix: impl Into<String>) -> Self {
        Self {
            lock,
            prefix: prefix.into(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Asks for the lock until this process holds it. Returns `None` once `is_ending` returns true, or if the wait takes
    /// longer than `turn`.
    pub(crate) fn wait(
        &self,
        key: &str,
        turn: Duration,
        is_ending: impl Fn() -> bool,
    ) -> io::Result<Option<Box<dyn Send>>> {
        let start = Instant::now();
        let mut pause = MIN_PAUSE;
        loop {
            let held = self.lock.try_lock(key, turn)?;
            if held.is_some() || start.elapsed() > turn || is_ending() {
                return Ok(held);
            }
            thread::sleep(pause);
            pause = pause.saturating_mul(2).min(MAX_PAUSE);
        }
    }
}

/// Returns the directory for this user's lock files. It depends only on the home directory, so that all programs of the
/// user find it: desktop programs start MCP servers without the variables of the user's shell.
fn default_dir() -> Option<PathBuf> {
    let dir = env::home_dir()?.join(".local/state/nexus/locks");
    dir.is_absolute().then_some(dir)
}

/// A directory with a lock file for each key. A process holds a lock until it releases the lock or ends.
struct LockDirectory(PathBuf);

impl RefreshLock for LockDirectory {
    fn try_lock(&self, key: &str, _lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
        let file = open(&self.0.join(key))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(Held(file)))),
            Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Interrupted => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// A locked file. Closing the file would not release the lock if this process was forked in the meantime, because the
/// child still has the file open.
struct Held(File);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Opens a lock file, or creates it. Refuses anything but a regular file, because other users may be able to write to
/// the directory: a link could lead to a device or to a file of another program.
fn open(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("the lock file is not a regular file"));
    }
    let mut dirs = DirBuilder::new();
    let mut file = OpenOptions::new();
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut dirs, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    }
    // If a FIFO has just replaced the file, opening it only for writing would block, so it is opened for reading, too.
    file.read(true).write(true).create(true).truncate(false);
    file.open(path)
        .or_else(|error| match (error.kind(), path.parent()) {
            (ErrorKind::NotFound, Some(dir)) => {
                dirs.recursive(true).create(dir)?;
                file.open(path)
            }
            // In a sandbox, the user's files may be read-only. Such a file can still be locked.
            _ => File::open(path).map_err(|_| error),
        })
}

/// Returns whether the process or the system has no free file descriptors or memory.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    // ENFILE and EMFILE on Unix, ERROR_TOO_MANY_OPEN_FILES on Windows. They have no `ErrorKind`.
    let codes = if cfg!(windows) { [4, 4] } else { [23, 24] };
    error.kind() == ErrorKind::OutOfMemory
        || error
            .raw_os_error()
            .is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
