//! Calls of the program's own functions, in which a panic must not end a call to the gateway.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

/// Runs a function, and returns whether it ran to its end. The value of a panic is leaked, because dropping it may panic as
/// well.
pub(crate) fn contained(run: impl FnOnce()) -> bool {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(payload) => {
            mem::forget(payload);
            false
        }
    }
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
        assert!(contained(|| {}));
        assert!(!contained(|| panic!("a text")));
        assert!(!contained(|| panic::panic_any(Twice)));
    }
}
