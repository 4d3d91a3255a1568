//! One caller works, the rest wait for what comes of it.

use std::time::Instant;

use crate::sync::{Condvar, Mutex};

/// How a flight ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The leader finished, with this.
    Landed(T),
    /// The leader went away without a result: it panicked, or its own time was up.
    Abandoned,
}

/// A piece of work in progress that any number of threads wait for.
#[derive(Debug)]
pub(crate) struct Flight<T> {
    outcome: Mutex<Option<Outcome<T>>>,
    ended: Condvar,
}

impl<T: Clone> Flight<T> {
    pub(crate) fn new() -> Self {
        Self {
            outcome: Mutex::new(None),
            ended: Condvar::new(),
        }
    }

    /// Ends the flight and wakes everyone; only the first end counts.
    pub(crate) fn end(&self, outcome: Outcome<T>) {
        self.outcome.lock().get_or_insert(outcome);
        self.ended.notify_all();
    }

    /// Blocks until the flight has ended, at most until `deadline`; `None` when that came first.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<Outcome<T>> {
        let mut outcome = self.outcome.lock();
        while outcome.is_none() {
            if self.ended.wait_until(&mut outcome, deadline).timed_out() {
                break;
            }
        }
        outcome.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn all_who_wait_get_the_result() {
        let flight = Arc::new(Flight::new());
        let followers: Vec<_> = (0..16)
            .map(|_| {
                let flight = Arc::clone(&flight);
                thread::spawn(move || flight.wait(far()))
            })
            .collect();
        flight.end(Outcome::Landed(7));
        for follower in followers {
            assert_eq!(follower.join().unwrap(), Some(Outcome::Landed(7)));
        }
        assert_eq!(
            flight.wait(far()),
            Some(Outcome::Landed(7)),
            "also those who come late"
        );
    }

    #[test]
    fn the_first_end_counts() {
        let flight = Flight::new();
        flight.end(Outcome::Landed(1));
        flight.end(Outcome::Abandoned);
        assert_eq!(flight.wait(far()), Some(Outcome::Landed(1)));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let flight = Flight::<()>::new();
        assert_eq!(flight.wait(Instant::now()), None);
    }
}
