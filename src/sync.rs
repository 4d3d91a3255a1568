//! Locks, condition variables and threads. In this crate's tests with `--cfg loom`, they come from the model checker
//! loom, which tries the possible orders of the threads' steps.

use std::time::Instant;

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::Arc as Shared;

#[cfg(test)]
thread_local! {
    /// Makes this thread fail to start other threads.
    pub(crate) static NO_THREADS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(all(test, loom))]
pub(crate) use loom::sync::Arc as Shared;
#[cfg(all(test, loom))]
pub(crate) use modelled::{Condvar, Mutex, spawn};

/// A value that one thread provides and other threads wait for.
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

    /// Provides the value and wakes all waiting threads. Later values are ignored.
    pub(crate) fn fulfil(&self, value: T) {
        self.value.lock().get_or_insert(value);
        self.fulfilled.notify_all();
    }

    /// Blocks until there is a value. Returns `None` if the deadline comes first.
    pub(crate) fn wait(&self, deadline: Instant) -> Option<T> {
        let mut value = self.value.lock();
        let is_missing = |value: &mut Option<T>| value.is_none();
        self.fulfilled
            .wait_while_until(&mut value, is_missing, deadline);
        value.clone()
    }
}

/// Starts a detached thread.
#[cfg(not(all(test, loom)))]
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    #[cfg(test)]
    if NO_THREADS.get() {
        return Err(std::io::ErrorKind::OutOfMemory.into());
    }
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

/// Loom's types with the signatures of `parking_lot`.
#[cfg(all(test, loom))]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Instant;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    #[derive(Debug, Default)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    /// The inner guard is `None` only during a wait.
    pub(crate) struct Guard<'a, T>(&'a Mutex<T>, Option<loom::sync::MutexGuard<'a, T>>);

    pub(crate) fn spawn(_: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        drop(loom::thread::spawn(run));
        Ok(())
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> Guard<'_, T> {
            Guard(
                self,
                Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)),
            )
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        /// A model has no clock. If its deadline has passed, a wait times out, but loom may run other threads
        /// first. Other waits never time out, so loom reports a thread that is never woken as a deadlock.
        pub(crate) fn wait_while_until<T>(
            &self,
            guard: &mut Guard<'_, T>,
            mut condition: impl FnMut(&mut T) -> bool,
            deadline: Instant,
        ) {
            let mut timed_out = false;
            while !timed_out && condition(guard) {
                timed_out = deadline <= Instant::now();
                let held = guard.1.take().unwrap();
                guard.1 = Some(if timed_out {
                    drop(held);
                    guard.0.0.lock().unwrap_or_else(PoisonError::into_inner)
                } else {
                    self.0.wait(held).unwrap_or_else(PoisonError::into_inner)
                });
            }
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.1.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.1.as_mut().unwrap()
        }
    }
}

#[cfg(all(test, not(loom)))]
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
        assert_eq!(promise.wait(far()), Some(7), "a late caller");
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
