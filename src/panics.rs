//! Calls of the program's own functions, in which a panic must not end a call to the gateway.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Runs a function, and returns its value, or `None` if it panics. The value of a panic is leaked, because dropping it may
/// panic as well.
pub(crate) fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    let ended = panic::catch_unwind(AssertUnwindSafe(run));
    ended.map_err(mem::forget).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics again when it is dropped.
    struct Twice;

    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("the second panic");
        }
    }

    #[test]
    fn a_panic_ends_here_whatever_its_value_does() {
        assert_eq!(contained(|| 1), Some(1));
        assert_eq!(contained(|| panic!("a text")), None::<()>);
        assert_eq!(contained(|| panic::panic_any(Twice)), None::<()>);
    }
}
