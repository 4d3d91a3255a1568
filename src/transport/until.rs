//! The deadline of an exchange, kept by the sockets of its thread.
//!
//! ureq gives every piece of a proxy's response, and every piece of a body that it sends, the whole of
//! a time limit; and a limit of a single request makes it copy all of an agent's settings. The SDK's own
//! agents do without.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::{Deadline, FOREVER};

thread_local! {
    static UNTIL: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// While this lives, whatever the thread looks up, connects, reads and writes has to be done by the
/// deadline, or by an earlier one that was set already.
pub(super) struct Until(Option<Deadline>);

impl Until {
    pub(super) fn set(deadline: Deadline) -> Self {
        let outer = UNTIL.get();
        UNTIL.set(Some(outer.map_or(deadline, |outer| outer.min(deadline))));
        Self(outer)
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// The end of a time limit of ureq's, or of the exchange if that comes first.
pub(super) fn deadline(limit: Duration) -> Deadline {
    match UNTIL.get() {
        Some(until) if limit >= FOREVER => until,
        Some(until) => until.min(Deadline::after(limit)),
        None => Deadline::after(limit),
    }
}
