//! The sockets, threads and memory that a process holds.

use std::thread;
use std::time::{Duration, Instant};

use super::LONG;

/// Open files and running threads of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    files: usize,
    threads: usize,
}

impl Open {
    /// Without `/proc`, both are 0, and only memory is compared.
    pub(crate) fn now() -> Self {
        let count = |folder| std::fs::read_dir(folder).map_or(0, Iterator::count);
        let (files, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
        assert!(cfg!(not(target_os = "linux")) || (files > 2 && threads > 1));
        Self { files, threads }
    }

    pub(crate) fn is_within(self, other: Self) -> bool {
        self.files <= other.files && self.threads <= other.threads
    }

    /// Waits, because a server takes a moment to notice that a client has hung up.
    pub(crate) fn check_nothing_is_left(self, what: &str) {
        let end = Instant::now() + LONG;
        while !Self::now().is_within(self) {
            assert!(
                Instant::now() < end,
                "{what} left {:?}, before: {self:?}",
                Self::now()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns the resident memory of this process, in bytes, or 0 without `/proc`.
pub(crate) fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
