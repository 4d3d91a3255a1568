//! Locks, condition variables and threads. In this crate's tests with `--cfg loom`, they come from the model checker
//! loom, which tries the possible orders of the threads' steps.

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

        pub(crate) fn wait_while_until<T>(
            &self,
            guard: &mut Guard<'_, T>,
            mut condition: impl FnMut(&mut T) -> bool,
            deadline: Instant,
        ) {
            while condition(guard) && !self.wait_until(guard, deadline).timed_out() {}
        }

        /// A model has no clock. If its deadline has passed, a wait times out, but loom may run other threads
        /// first. Other waits never time out, so loom reports a thread that is never woken as a deadlock.
        pub(crate) fn wait_until<T>(
            &self,
            guard: &mut Guard<'_, T>,
            deadline: Instant,
        ) -> WaitTimeoutResult {
            let timed_out = deadline <= Instant::now();
            let held = guard.1.take().unwrap();
            guard.1 = Some(if timed_out {
                drop(held);
                guard.0.0.lock().unwrap_or_else(PoisonError::into_inner)
            } else {
                self.0.wait(held).unwrap_or_else(PoisonError::into_inner)
            });
            WaitTimeoutResult(timed_out)
        }
    }

    pub(crate) struct WaitTimeoutResult(bool);

    impl WaitTimeoutResult {
        pub(crate) fn timed_out(&self) -> bool {
            self.0
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
