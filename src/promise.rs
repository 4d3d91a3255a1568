//! A value that one thread brings and any number of threads wait for.

use std::time::Instant;

use crate::sync::{Condvar, Mutex};

#[derive(Debug)]
pub(crate) struct Promise<T> {
    value: Mutex<Option<T>>,
    fulfilled: Condvar,
}

impl<T: Clone> Promise<T> {
    pub(crate) fn new() -> Self {
        Self {
            value: Mutex::new(None),
            fulfilled: Condvar::new(),
        }
    }

    /// Brings the value and wakes everyone; only the first one counts.
    pub(crate) fn fulfil(&self, value: T) {
        self.value.lock().get_or_insert(value);
        self.fulfilled.notify_all();
    }

    /// Blocks until there is a value, at most until `deadline`; `None` when that came first.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<T> {
        let mut value = self.value.lock();
        while value.is_none() {
            if self.fulfilled.wait_until(&mut value, deadline).timed_out() {
                break;
            }
        }
        value.clone()
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
    fn everyone_who_waits_gets_the_value() {
        let promise = Arc::new(Promise::new());
        let waiting: Vec<_> = (0..16)
            .map(|_| {
                let promise = Arc::clone(&promise);
                thread::spawn(move || promise.wait(far()))
            })
            .collect();
        promise.fulfil(7);
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Some(7));
        }
        assert_eq!(promise.wait(far()), Some(7), "also those who come late");
    }

    #[test]
    fn the_first_value_counts() {
        let promise = Promise::new();
        promise.fulfil(1);
        promise.fulfil(2);
        assert_eq!(promise.wait(far()), Some(1));
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let promise = Promise::<()>::new();
        assert_eq!(promise.wait(Instant::now()), None);
    }
}
