//! The lock that processes share, so that only one process at a time refreshes a token. By default, the lock is a
//! file.
//!
//! Lock files are empty and never removed. If a file were removed, a process that has it open and a process that
//! creates it again could both hold the lock.

use std::env;
use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::error::{NexusError, Result};
use crate::log::Log;

const VARIABLE: &str = "NEXUS_LOCK_DIR";
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(25);

/// The shortest time limit of an attempt that may refresh a token. Gateways give up after 30 s, and the refresh must not
/// be cut short before.
pub(crate) const MIN_ATTEMPT: Duration = Duration::from_secs(60);
/// A flight that waits for the lock asks for it in slices of this length, and stops in between if the client is being
/// dropped or drained.
pub(crate) const SLICE: Duration = Duration::from_secs(1);
/// A process that still holds a lock this long after its turn should have ended is assumed to be stopped or hanging.
/// An ordinary process overruns its turn by less: it may spend some seconds on the lookup of the gateway's name and on
/// connecting, and a gateway gives up after 30 s.
const OVERDUE: Duration = Duration::from_secs(10);
/// The longest time until a stopped holder is found after its turn. The lock has to look overdue for a whole slice, and
/// a slice may have begun just before.
const DETECTION: Duration = OVERDUE.saturating_add(SLICE.saturating_mul(2));

/// Returns how long a flight waits for the lock: 75 s for a turn of 60 s. A turn lasts for one attempt. A stopped holder
/// is found in that time, with 3 s to spare.
pub(crate) fn longest_wait(turn: Duration) -> Duration {
    turn.saturating_add(DETECTION)
        .saturating_add(SLICE.saturating_mul(3))
}

/// A lock that several processes share, so that only one process at a time refreshes a token.
///
/// If two processes make the gateway refresh the same token at once, a refresh token may be used twice. Providers
/// that rotate refresh tokens may treat the second use as theft and revoke the user's grant. A client therefore holds
/// a lock during each request that may refresh a token, and acquires the lock again for each retry. By default, the
/// lock is a file, shared by the processes of one user on one host. Implement this trait for processes on several
/// hosts, as `examples/redis_lock` does with Redis, and pass the lock to
/// [`NexusClientOptions::refresh_lock`](crate::NexusClientOptions::refresh_lock).
///
/// ```
/// use nexus_sdk::{LockRequest, NexusClient, NexusClientOptions, RefreshLock, testing::DevGateway};
/// use std::collections::HashSet;
/// use std::sync::{Arc, Mutex};
/// use std::time::{Duration, Instant};
/// use std::{io, thread};
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
///     fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>> {
///         while !self.0.lock().unwrap().insert(turn.key.to_owned()) {
///             if Instant::now() >= turn.deadline {
///                 return Ok(None);
///             }
///             thread::sleep(Duration::from_millis(10));
///         }
///         Ok(Some(Box::new(Held(self.clone(), turn.key.to_owned()))))
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
    /// Blocks until this process holds the lock that `turn` names, at most until its deadline. Returns a guard, or
    /// `None` if the deadline came first. Dropping the guard must release the lock.
    ///
    /// After `None`, the client calls `acquire` again until it has waited for a turn as long as its own and 15 s more, 75 s
    /// with the default options. It stops earlier if the client is dropped or drained. An early return of `None`
    /// is allowed. The client then pauses for up to 25 ms before the next call.
    ///
    /// The client calls `acquire` on a thread of its own. However long `acquire` blocks, callers of the client get the
    /// error `timeout` when their own timeout has passed. The guard is dropped on the same thread before the callers
    /// get their response, so its `drop` should be quick. If `acquire` or the `drop` panics, the callers get
    /// `request_failed`.
    ///
    /// # Errors
    ///
    /// Return an error if the lock does not work. The client then sends its request *without* the lock. Of several
    /// such failures in a row, only the first is logged as a warning. A lock that would rather fail the call than let
    /// it go on without the lock returns `None` instead of an error: the callers then get `timeout`.
    fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>>;
}

/// Clients can share one lock.
impl<L: RefreshLock + ?Sized> RefreshLock for Arc<L> {
    fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>> {
        (**self).acquire(turn)
    }
}

/// A client's request for a [`RefreshLock`].
///
/// ```
/// use nexus_sdk::LockRequest;
/// use std::time::{Duration, Instant};
///
/// let turn = LockRequest::new("k-1", Duration::from_secs(60), Instant::now());
/// assert_eq!((turn.key, turn.longest), ("k-1", Duration::from_secs(60)));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LockRequest<'a> {
    /// The name of the lock: 32 hexadecimal digits, a hash of the gateway's URL and either the workspace and provider
    /// or the connection id. The hash stays the same in every version of this crate. Processes that reach one gateway
    /// by different URLs get different keys.
    pub key: &'a str,
    /// The longest time for which the client keeps the guard, which is the time limit of one attempt: 60 s with the
    /// default options. Only an attempt that is slow in several phases, such as the lookup of the gateway's name and the
    /// response, takes longer. A lease that ends by itself should last some seconds longer than this.
    pub longest: Duration,
    /// The time at which [`acquire`](RefreshLock::acquire) must return, at most 1 s away.
    pub deadline: Instant,
}

impl<'a> LockRequest<'a> {
    /// Creates a request, for the tests of a lock.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let turn = nexus_sdk::LockRequest::new("k-1", Duration::from_secs(60), now);
    /// assert_eq!(turn.deadline, now);
    /// ```
    #[must_use]
    pub fn new(key: &'a str, longest: Duration, deadline: Instant) -> Self {
        Self {
            key,
            longest,
            deadline,
        }
    }
}

impl fmt::Debug for dyn RefreshLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshLock")
    }
}

/// The choice of a lock in the options of a client.
#[derive(Clone, Debug, Default)]
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
    /// Returns the lock of a client with this option, and the prefix of its keys in messages. Returns `None` if the
    /// client uses no lock. Reads the environment.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a relative path, because its meaning would depend on the working directory.
    pub(crate) fn choose(self, log: Log) -> Result<Option<(Arc<dyn RefreshLock>, String)>> {
        let (name, dir) = match self {
            Self::Off => return Ok(None),
            Self::Own(lock) => return Ok(Some((lock, "refresh_lock ".to_owned()))),
            Self::Directory(dir) => ("lock_dir", Some(dir)),
            Self::Default => match env::var_os(VARIABLE) {
                Some(empty) if empty.is_empty() => return Ok(None),
                Some(dir) => (VARIABLE, Some(dir.into())),
                None => ("", default_dir()),
            },
        };
        let Some(dir) = dir else {
            let line = format_args!("no home directory, so no lock is shared with other processes");
            log.debug(line);
            return Ok(None);
        };
        if !dir.is_absolute() {
            let problem = "is a relative path; give an absolute path (`~` is not expanded)";
            return Err(NexusError::invalid_input(name, problem));
        }
        let prefix = dir.join("").display().to_string();
        Ok(Some((Arc::new(LockDirectory(dir)), prefix)))
    }
}

/// Returns the directory for this user's lock files, which depends on the platform. Relative paths in the environment
/// are ignored, as the XDG Base Directory Specification requires.
fn default_dir() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(absolute);
    let home = |below| env::home_dir().map(|home| home.join(below));
    let state = match env::consts::OS {
        "windows" => variable("LOCALAPPDATA"),
        "macos" => home("Library/Application Support"),
        _ => variable("XDG_STATE_HOME").or_else(|| home(".local/state")),
    };
    let dir = state?.join("nexus").join("locks");
    Some(dir).filter(absolute)
}

/// A directory with a lock file for each key. The modification time of a file is the time by which the holder's turn
/// must have ended.
struct LockDirectory(PathBuf);

impl RefreshLock for LockDirectory {
    fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>> {
        let file = open(&self.0.join(turn.key)).map_err(|error| {
            let advice =
                "check the permissions of the lock directory, or set another directory with lock_dir or";
            io::Error::new(error.kind(), format!("{error}; {advice} {VARIABLE}"))
        })?;
        let (mut pause, mut is_stopped) = (FIRST_PAUSE, true);
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let end = SystemTime::now().checked_add(turn.longest);
                    file.set_modified(end.ok_or(ErrorKind::InvalidInput)?)?;
                    return Ok(Some(Box::new(file)));
                }
                Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Interrupted => {
                    return Err(error);
                }
                Err(_) => {}
            }
            // A new holder sets the end of its turn a moment after it gets the lock. The holder is therefore assumed
            // to be stopped only if the file was overdue at every check.
            is_stopped = is_stopped && is_overdue(&file, SystemTime::now())?;
            let left = turn.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let stopped = io::Error::other("the process that holds it is stopped or hangs");
                return if is_stopped { Err(stopped) } else { Ok(None) };
            }
            thread::sleep(left.min(pause));
            pause = pause.saturating_mul(2).min(MAX_PAUSE);
        }
    }
}

fn is_overdue(file: &File, now: SystemTime) -> io::Result<bool> {
    let past = now.duration_since(file.metadata()?.modified()?);
    Ok(past.is_ok_and(|past| past > OVERDUE))
}

/// Opens a lock file, or creates it. Refuses anything but a regular file, because other users may be able to write to
/// the directory: a link could lead to a device or to a file of another program. `create_new` follows no link.
fn open(path: &Path) -> io::Result<File> {
    if let Ok(found) = fs::symlink_metadata(path) {
        return open_found(path, &found);
    }
    let (mut dirs, mut file) = (DirBuilder::new(), OpenOptions::new());
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut dirs, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    }
    if let Some(dir) = path.parent() {
        dirs.recursive(true).create(dir)?;
    }
    match file.write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            open_found(path, &fs::symlink_metadata(path)?)
        }
        created => created,
    }
}

/// Opens an existing lock file, unless it is not a regular file or has been replaced since it was `found`. Opening a
/// FIFO for reading and writing does not block, so a FIFO that has just replaced the file is refused too. A link to a
/// device may still block if it replaces the file at that moment, because std has no name for `O_NOFOLLOW`.
fn open_found(path: &Path, found: &Metadata) -> io::Result<File> {
    if found.is_file() {
        let file = File::options().read(true).write(true).open(path)?;
        let opened = file.metadata()?;
        if opened.is_file() && is_same(found, &opened) {
            return Ok(file);
        }
    }
    Err(io::Error::other("the lock file is not a regular file"))
}

#[cfg(unix)]
fn is_same(found: &Metadata, opened: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (found.dev(), found.ino()) == (opened.dev(), opened.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests;
