use super::*;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

const LONGEST: Duration = Duration::from_secs(60);

/// A separate directory for each test, removed when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nexus-locks-{}-{number}", std::process::id());
        let dir = env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    /// Returns a new lock in a subdirectory of the scratch directory. A second lock in the same subdirectory stands
    /// for another process.
    fn lock(&self, below: &str) -> LockDirectory {
        LockDirectory(self.0.join(below))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn try_lock(lock: &LockDirectory, key: &str) -> io::Result<Option<Box<dyn Send>>> {
    lock.try_lock(key, LONGEST)
}

#[test]
fn a_key_has_one_holder_at_a_time() {
    let scratch = Scratch::new();
    let (lock, other) = (scratch.lock("a/b"), scratch.lock("a/b"));
    let held = try_lock(&lock, "key").unwrap();
    assert!(held.is_some());
    for same in [&lock, &other] {
        assert!(try_lock(same, "key").unwrap().is_none());
    }
    let elsewhere = scratch.lock("c");
    assert!(try_lock(&elsewhere, "key").unwrap().is_some());
    assert!(try_lock(&other, "another").unwrap().is_some());
    drop(held);
    assert!(try_lock(&other, "key").unwrap().is_some());
}

/// A process that is forked while the lock is held has the same open file, as this copy has.
#[test]
fn a_released_lock_is_free_even_if_a_forked_process_has_its_file_open() {
    let scratch = Scratch::new();
    let file = open(&scratch.0.join("key")).unwrap();
    let forked = file.try_clone().unwrap();
    file.try_lock().unwrap();
    drop(Held(file));
    assert!(try_lock(&scratch.lock(""), "key").unwrap().is_some());
    drop(forked);
}

/// A lock that gives these results, one for each call, and `Ok(None)` after the last of them.
struct Scripted(Mutex<Vec<io::Result<Option<()>>>>);

impl RefreshLock for Scripted {
    fn try_lock(&self, _: &str, _: Duration) -> io::Result<Option<Box<dyn Send>>> {
        let next = self.0.lock().pop().unwrap_or(Ok(None))?;
        Ok(next.map(|()| Box::new(()) as Box<dyn Send>))
    }
}

#[test]
fn a_lock_is_asked_until_it_is_held_or_fails_or_the_program_ends() {
    let error = |kind: ErrorKind| Err(io::Error::from(kind));
    let held = || Ok(Some(()));
    let table = [
        (vec![held(), Ok(None), Ok(None)], "held"),
        (vec![held(), error(ErrorKind::NotFound)], "entity not found"),
        (vec![held(), error(ErrorKind::TimedOut)], "timed out"),
        (vec![], "given up"),
    ];
    for (results, expected) in table {
        let calls_left = AtomicU32::new(5);
        let is_ending = || calls_left.fetch_sub(1, Ordering::Relaxed) == 0;
        let lock = ProcessLock::new(Arc::new(Scripted(Mutex::new(results))), "");
        let outcome = match lock.wait("key", LONGEST, is_ending) {
            Ok(Some(_)) => "held".to_owned(),
            Ok(None) => "given up".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(outcome, expected);
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_created_is_for_this_user_alone() {
        let scratch = Scratch::new();
        drop(try_lock(&scratch.lock("a/b"), "key").unwrap());
        let modes = ["a", "a/b", "a/b/key"].map(|below| mode(&scratch.0.join(below)));
        assert_eq!(modes, [0o700, 0o700, 0o600]);
    }

    #[test]
    fn a_directory_of_any_mode_is_used_as_it_is() {
        let scratch = Scratch::new();
        for bits in [0o755, 0o777, 0o1777] {
            let lock = scratch.lock(&format!("{bits:o}"));
            fs::create_dir(&lock.0).unwrap();
            fs::set_permissions(&lock.0, fs::Permissions::from_mode(bits)).unwrap();
            assert!(try_lock(&lock, "key").unwrap().is_some(), "{bits:o}");
            assert_eq!(mode(&lock.0), bits & 0o777);
        }
    }

    /// Root may write to any file, so only other users run this test in full.
    #[test]
    fn a_file_that_cannot_be_written_is_locked_all_the_same() {
        let scratch = Scratch::new();
        let lock = scratch.lock("locks");
        drop(try_lock(&lock, "key").unwrap());
        let file = lock.0.join("key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let held = try_lock(&lock, "key").unwrap();
        assert!(held.is_some());
        // The other process may write to the file.
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(!matches!(try_lock(&lock, "key"), Ok(Some(_))));
        drop(held);
        assert!(try_lock(&lock, "key").unwrap().is_some());

        fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
        let refused = try_lock(&lock, "key").map(|held| held.is_some());
        let is_root = File::open(&file).is_ok();
        let refused = refused.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        assert!(is_root || refused);
    }

    /// Another user may have put such files into a shared directory. Opening the FIFO only for writing would block.
    #[test]
    fn only_a_regular_file_is_opened() {
        let scratch = Scratch::new();
        let lock = scratch.lock("locks");
        fs::create_dir(&lock.0).unwrap();
        let outside = scratch.0.join("outside");
        let fifo = Command::new("mkfifo").arg(lock.0.join("fifo")).status();
        assert!(fifo.unwrap().success());
        symlink(&outside, lock.0.join("dangling")).unwrap();
        symlink(env::current_exe().unwrap(), lock.0.join("link")).unwrap();
        fs::create_dir(lock.0.join("directory")).unwrap();
        for key in ["fifo", "dangling", "link", "directory"] {
            let error = try_lock(&lock, key).map(|held| held.is_some());
            let error = error.unwrap_err().to_string();
            assert_eq!(error, "the lock file is not a regular file", "{key}");
        }
        assert!(!outside.exists());
    }
}
