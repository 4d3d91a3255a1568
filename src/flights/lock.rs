//! One refresh at a time among the processes of a host: an exclusive lock on a file that each flight
//! opens itself.
//!
//! The files are empty, and never removed: whoever had opened one before would then hold a lock that
//! nobody else sees.
#![allow(
    clippy::incompatible_msrv,
    reason = "std's file locks need Rust 1.89, which this feature says"
)]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::table::Subject;
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway::Gateway;
use crate::log::Log;
use crate::time::Deadline;

/// How long a flight waits for those of other processes.
const MAX_WAIT: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(25);

pub(super) struct HostLock {
    dir: PathBuf,
    warned: AtomicBool,
    /// The user whose directory and files these are, once that has been checked.
    #[cfg(unix)]
    owner: OnceLock<u32>,
}

/// A locked file: the turn lasts until it is dropped, or its process ends.
pub(super) type Turn = File;

impl HostLock {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            warned: AtomicBool::new(false),
            #[cfg(unix)]
            owner: OnceLock::new(),
        }
    }

    /// Waits until no other process asks for the same. `None` where locks do not work, with one
    /// warning for all calls.
    ///
    /// # Errors
    ///
    /// `timeout` after a minute.
    pub(super) fn take(&self, subject: &Subject, gateway: &Gateway) -> Result<Option<Turn>> {
        self.take_within(subject, gateway, Deadline::after(MAX_WAIT))
    }

    fn take_within(
        &self,
        subject: &Subject,
        gateway: &Gateway,
        deadline: Deadline,
    ) -> Result<Option<Turn>> {
        let path = self.dir.join(file_name(&gateway.address, subject));
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_take(&path) {
                Ok(None) => {}
                Ok(turn) => return Ok(turn),
                Err(problem) => return Ok(self.go_without(&problem, gateway.log)),
            }
            let left = deadline.left().filter(|_| !gateway.is_ending());
            thread::sleep(left.ok_or_else(waited_too_long)?.min(pause));
            pause = pause.saturating_mul(2).min(MAX_PAUSE);
        }
    }

    /// `None` while it is another's turn, or no file is to be had that could tell.
    fn try_take(&self, path: &Path) -> io::Result<Option<Turn>> {
        let file = match self.open(path) {
            Err(error) if has_too_many_files(&error) => return Ok(None),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn go_without(&self, problem: &io::Error, log: Log) -> Option<Turn> {
        if !self.warned.swap(true, Ordering::Relaxed) {
            log.warn(|| {
                format!(
                    "{}: no lock ({problem}): other processes on this host may refresh a token at \
                     the same time, which can cost its connection",
                    self.dir.display()
                )
            });
        }
        None
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let file = match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == Io::NotFound => return self.make(path),
            opened => opened?,
        };
        self.check_owner(&file)?;
        Ok(file)
    }

    /// In the directory of another user, the file must not stay: he could not open it.
    fn make(&self, path: &Path) -> io::Result<File> {
        create_private(&self.dir)?;
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        let checked = self.check_owner(&file);
        if checked.is_err() {
            let _ = fs::remove_file(path);
        }
        checked.map(|()| file)
    }

    /// Another user could hold a lock for as long as he likes. Once the directory is known to be this
    /// user's own, a file of the same user's tells that it still is.
    #[cfg(unix)]
    fn check_owner(&self, file: &File) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt as _;

        let owner = file.metadata()?.uid();
        if self.owner.get() == Some(&owner) {
            return Ok(());
        }
        let dir = self.dir.metadata()?;
        if dir.mode() & 0o077 != 0 {
            let problem = "the directory is open to other users; make its mode 0700";
            return Err(io::Error::other(problem));
        }
        if dir.uid() != owner {
            return Err(io::Error::other("the directory belongs to another user"));
        }
        self.owner.get_or_init(|| owner);
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_owner(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// `address` is the gateway's.
fn file_name(address: &str, subject: &Subject) -> String {
    let hash = match subject {
        Subject::Tenant(tenant) => {
            let (workspace_id, provider) = (&*tenant.workspace_id, &*tenant.provider);
            stable_hash(&[address, "tenant", workspace_id, provider])
        }
        Subject::Connection(id) => stable_hash(&[address, "connection", id]),
    };
    format!("{hash:016x}.lock")
}

/// FNV-1a: the same in every version of this crate and of Rust, as processes have to agree on it.
fn stable_hash(parts: &[&str]) -> u64 {
    // No part of a name is this byte, because none is in UTF-8.
    let ends = parts.iter().map(|part| part.bytes().chain([0xFF]));
    ends.flatten().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Of the process or the system: not to be able to look is no proof that nobody holds the lock.
fn has_too_many_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

fn create_private(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn waited_too_long() -> NexusError {
    let message = "timed out waiting for another process on this host that asks the gateway for the \
                   same; nothing was sent";
    NexusError::new(ErrorKind::Timeout, message).retryable(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogLevel;
    use crate::options::NexusClientOptions;
    use crate::tenant::Tenant;
    use std::sync::atomic::AtomicU32;

    /// A directory of its own for each test, removed with it.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("nexus-locks-{}-{number}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            fs::create_dir(&dir).unwrap();
            Self(dir)
        }

        fn lock(&self, below: &str) -> HostLock {
            HostLock::new(self.0.join(below))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tenant(workspace_id: &str, provider: &str) -> Subject {
        Subject::Tenant(Tenant::new(workspace_id, provider))
    }

    fn take(lock: &HostLock, subject: &Subject) -> Result<Option<Turn>> {
        take_of(lock, subject, &gateway("https://gateway"))
    }

    fn take_of(lock: &HostLock, subject: &Subject, gateway: &Gateway) -> Result<Option<Turn>> {
        lock.take_within(subject, gateway, Deadline::after(Duration::ZERO))
    }

    fn gateway(address: &str) -> Gateway {
        let options = NexusClientOptions::new(address).log_level(LogLevel::Off);
        Gateway::new(options).unwrap()
    }

    #[test]
    fn one_turn_at_a_time_for_a_subject() {
        let scratch = Scratch::new();
        // Another handle, as another process would have.
        let (lock, other) = (scratch.lock("a/b"), scratch.lock("a/b"));
        let table = [
            (tenant("ws", "p"), false),
            (tenant("ws", "q"), true),
            (tenant("wsp", ""), true),
            (Subject::Connection("ws".into()), true),
        ];
        let turn = take(&lock, &tenant("ws", "p")).unwrap();
        assert!(turn.is_some());
        for (number, (subject, free)) in table.iter().enumerate() {
            match take(&other, subject) {
                Ok(turn) => assert!(*free && turn.is_some(), "{number}"),
                Err(error) => assert_eq!((error.code(), *free), ("timeout", false), "{number}"),
            }
        }
        drop(turn);
        assert!(take(&other, &tenant("ws", "p")).unwrap().is_some());
    }

    #[test]
    fn nobody_waits_in_a_program_that_ends() {
        let scratch = Scratch::new();
        let (lock, tenant) = (scratch.lock("locks"), tenant("ws", "p"));
        let gateway = gateway("https://gateway");
        gateway.set_ending(true);
        let turn = lock.take(&tenant, &gateway).unwrap();
        let error = lock.take(&tenant, &gateway).unwrap_err();
        assert_eq!((turn.is_some(), error.code()), (true, "timeout"));
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_cannot_be_opened_for_want_of_another_is_waited_for() {
        let table = [(24, true), (23, true), (13, false), (30, false)];
        for (number, waits) in table {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(has_too_many_files(&error), waits, "{error}");
        }
    }

    #[test]
    fn gateways_have_locks_of_their_own() {
        let scratch = Scratch::new();
        let (lock, tenant) = (scratch.lock("locks"), tenant("ws", "p"));
        let _turn = take(&lock, &tenant).unwrap();
        let other = take_of(&lock, &tenant, &gateway("https://other"));
        assert!(other.unwrap().is_some());
    }

    #[test]
    fn names_of_files_never_change_and_tell_nothing() {
        let table = [
            (tenant("acme", "github"), "ec35b1c7f7be2397.lock"),
            (Subject::Connection("c-1".into()), "a506d1ca8f7eac72.lock"),
        ];
        for (subject, name) in table {
            assert_eq!(file_name("https://gateway", &subject), name);
        }
    }

    #[cfg(unix)]
    #[test]
    fn where_locks_do_not_work_it_goes_on_without() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = Scratch::new();
        fs::write(scratch.0.join("file"), "").unwrap();
        let open = scratch.0.join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        for below in ["file", "file/below", "open"] {
            let lock = scratch.lock(below);
            for _ in 0..2 {
                assert!(
                    take(&lock, &tenant("ws", "p")).unwrap().is_none(),
                    "{below}"
                );
            }
            assert!(lock.warned.load(Ordering::Relaxed), "{below}");
        }
        assert_eq!(
            fs::read_dir(&open).unwrap().count(),
            0,
            "nothing is left there"
        );
    }

    /// Only root can make one, and so run into one.
    #[cfg(unix)]
    #[test]
    fn the_directory_of_another_user_is_left_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = Scratch::new();
        let lock = scratch.lock("theirs");
        fs::create_dir(&lock.dir).unwrap();
        fs::set_permissions(&lock.dir, fs::Permissions::from_mode(0o700)).unwrap();
        if std::os::unix::fs::chown(&lock.dir, Some(65534), None).is_err() {
            return;
        }
        assert!(take(&lock, &tenant("ws", "p")).unwrap().is_none());
        assert_eq!(fs::read_dir(&lock.dir).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_directory_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = Scratch::new();
        let lock = scratch.lock("a/b");
        drop(take(&lock, &tenant("ws", "p")).unwrap());
        let mode = fs::metadata(&lock.dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let files: Vec<_> = fs::read_dir(&lock.dir).unwrap().collect();
        assert_eq!(files.len(), 1, "an empty file is left");
        assert_eq!(files[0].as_ref().unwrap().metadata().unwrap().len(), 0);
    }
}
