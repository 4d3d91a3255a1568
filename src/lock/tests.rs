use super::*;
use crate::log::LogLevel;
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

/// Tries once to acquire the lock.
fn try_acquire(lock: &LockDirectory, key: &str) -> io::Result<Option<Box<dyn Send>>> {
    lock.acquire(&LockRequest::new(key, LONGEST, Instant::now()))
}

#[test]
fn a_key_has_one_holder_at_a_time() {
    let scratch = Scratch::new();
    let (lock, other) = (scratch.lock("a/b"), scratch.lock("a/b"));
    let held = try_acquire(&lock, "key").unwrap();
    assert!(held.is_some());
    for same in [&lock, &other] {
        assert!(try_acquire(same, "key").unwrap().is_none());
    }
    assert!(try_acquire(&other, "another").unwrap().is_some());
    assert!(
        try_acquire(&scratch.lock("c"), "key").unwrap().is_some(),
        "another directory"
    );
    drop(held);
    assert!(try_acquire(&other, "key").unwrap().is_some());
}

#[test]
fn a_waiting_process_gets_the_lock_when_it_is_released() {
    let scratch = Scratch::new();
    let (lock, other) = (scratch.lock("locks"), scratch.lock("locks"));
    let held = try_acquire(&lock, "key").unwrap();
    thread::scope(|scope| {
        let far = Instant::now() + LONGEST;
        let waiting = scope.spawn(move || {
            other
                .acquire(&LockRequest::new("key", LONGEST, far))
                .unwrap()
                .is_some()
        });
        drop(held);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn the_modification_time_is_the_end_of_the_turn() {
    let scratch = Scratch::new();
    let lock = scratch.lock("locks");
    for _ in ["a new file", "an old file"] {
        let before = SystemTime::now();
        let held = try_acquire(&lock, "key").unwrap();
        let after = SystemTime::now();
        let file = fs::metadata(lock.0.join("key")).unwrap();
        let end = file.modified().unwrap();
        assert!(before + LONGEST <= end && end <= after + LONGEST);
        assert_eq!((held.is_some(), file.len()), (true, 0));
    }
}

#[test]
fn a_holder_is_stopped_if_its_turn_ended_ten_seconds_ago() {
    let scratch = Scratch::new();
    let file = File::create(scratch.0.join("key")).unwrap();
    let now = SystemTime::now();
    file.set_modified(now).unwrap();
    for (seconds, overdue) in [(0, false), (9, false), (11, true), (3600, true)] {
        let later = now + Duration::from_secs(seconds);
        assert_eq!(is_overdue(&file, later).unwrap(), overdue, "{seconds} s");
        let earlier = now - Duration::from_secs(seconds);
        assert!(!is_overdue(&file, earlier).unwrap(), "{seconds} s to go");
    }
}

/// Locks `key` and sets the end of the turn to eleven seconds ago.
fn overdue(lock: &LockDirectory) -> (Box<dyn Send>, File) {
    let held = try_acquire(lock, "key").unwrap().unwrap();
    let file = File::options()
        .write(true)
        .open(lock.0.join("key"))
        .unwrap();
    let past = SystemTime::now() - OVERDUE - Duration::from_secs(1);
    file.set_modified(past).unwrap();
    (held, file)
}

#[test]
fn a_stopped_holder_is_an_error() {
    let scratch = Scratch::new();
    let lock = scratch.lock("locks");
    let _held = overdue(&lock);
    let error = try_acquire(&lock, "key").map(|held| held.is_some());
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the process that holds it is stopped or hangs");
}

#[test]
fn a_new_holder_has_time_to_write_the_end_of_its_turn() {
    let scratch = Scratch::new();
    let (lock, other) = (scratch.lock("locks"), scratch.lock("locks"));
    let (_held, file) = overdue(&lock);
    thread::scope(|scope| {
        let deadline = Instant::now() + Duration::from_secs(2);
        let waiting = scope.spawn(move || {
            other
                .acquire(&LockRequest::new("key", LONGEST, deadline))
                .map(|_| ())
        });
        file.set_modified(SystemTime::now() + LONGEST).unwrap();
        assert!(waiting.join().unwrap().is_ok());
    });
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
        let lock = scratch.lock("a/b");
        drop(try_acquire(&lock, "key").unwrap());
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
            assert!(try_acquire(&lock, "key").unwrap().is_some(), "{bits:o}");
            assert_eq!(mode(&lock.0), bits & 0o777);
        }
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
            let error = try_acquire(&lock, key).map(|held| held.is_some());
            let error = error.unwrap_err().to_string();
            assert!(
                error.starts_with("the lock file is not a regular file; "),
                "{key}: {error}"
            );
        }
        assert!(!outside.exists());
    }

    /// Another user may replace the file between the check and the opening.
    #[test]
    fn a_file_that_was_replaced_since_it_was_found_is_refused() {
        type Replace = fn(&Path, &Path);
        let table: [(&str, bool, Replace); 3] = [
            ("by nothing", true, |_, _| {}),
            ("by a FIFO", false, |path, _| {
                fs::remove_file(path).unwrap();
                let made = Command::new("mkfifo").arg(path).status();
                assert!(made.unwrap().success());
            }),
            ("by a link", false, |path, other| {
                fs::remove_file(path).unwrap();
                symlink(other, path).unwrap();
            }),
        ];
        let scratch = Scratch::new();
        for (case, is_opened, replace) in table {
            let (path, other) = (scratch.0.join(case), scratch.0.join("other"));
            for file in [&path, &other] {
                File::create(file).unwrap();
            }
            let found = fs::symlink_metadata(&path).unwrap();
            replace(&path, &other);
            assert_eq!(open_found(&path, &found).is_ok(), is_opened, "{case}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_with_advice() {
        let scratch = Scratch::new();
        fs::write(scratch.0.join("file"), "").unwrap();
        for below in ["file", "file/below"] {
            let error = try_acquire(&scratch.lock(below), "key").map(|held| held.is_some());
            let error = error.unwrap_err().to_string();
            assert!(error.contains("NEXUS_LOCK_DIR"), "{below}: {error}");
        }
    }
}

#[test]
fn an_option_says_which_lock_is_used() {
    struct Own;
    impl RefreshLock for Own {
        fn acquire(&self, _: &LockRequest<'_>) -> io::Result<Option<Box<dyn Send>>> {
            Ok(None)
        }
    }
    let dir = env::temp_dir().join("locks");
    let file = dir.join("").display().to_string();
    let table = [
        (LockOption::Off, None),
        (LockOption::Directory(dir), Some(file.as_str())),
        (LockOption::Own(Arc::new(Own)), Some("refresh_lock ")),
    ];
    for (option, prefix) in table {
        let case = format!("{option:?}");
        let chosen = option
            .choose(Log::new(LogLevel::Off))
            .unwrap()
            .map(|(_, prefix)| prefix);
        assert_eq!(chosen.as_deref(), prefix, "{case}");
    }
    for relative in ["", "locks", "./locks", "~/locks"] {
        let chosen = LockOption::Directory(relative.into()).choose(Log::new(LogLevel::Off));
        let error = chosen.map(|_| ()).unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{relative}");
        assert!(error.message().contains("lock_dir"), "{error}");
    }
}
