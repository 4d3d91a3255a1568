//! The locks, conditions and threads under the cache and the flights: `parking_lot`'s, or the model checker's when every
//! interleaving of them is tried (`--cfg loom`).

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::Arc as Shared;

#[cfg(test)]
thread_local! {
    /// Whether this thread cannot start others.
    pub(crate) static NO_THREADS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(all(test, loom))]
pub(crate) use loom::sync::Arc as Shared;
#[cfg(all(test, loom))]
pub(crate) use modelled::{Condvar, Mutex, spawn};

/// Starts a thread that nobody joins.
#[cfg(not(all(test, loom)))]
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    #[cfg(test)]
    if NO_THREADS.get() {
        return Err(std::io::ErrorKind::OutOfMemory.into());
    }
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

/// Loom's types behind the signatures of `parking_lot` that the cache uses.
#[cfg(all(test, loom))]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::Instant;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    /// `None` only while a wait has it.
    pub(crate) struct Guard<'a, T>(&'a Mutex<T>, Option<loom::sync::MutexGuard<'a, T>>);

    pub(crate) struct Waited {
        timed_out: bool,
    }

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

        /// A model has no clock. A deadline that has passed lets the others go on for as long as
        /// they please and then times out; any other never does, so that who is not woken is a
        /// deadlock.
        pub(crate) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, deadline: Instant) -> Waited {
            let timed_out = deadline <= Instant::now();
            let held = guard.1.take().unwrap();
            guard.1 = Some(if timed_out {
                drop(held);
                guard.0.0.lock().unwrap_or_else(PoisonError::into_inner)
            } else {
                self.0.wait(held).unwrap_or_else(PoisonError::into_inner)
            });
            Waited { timed_out }
        }
    }

    impl Waited {
        pub(crate) fn timed_out(&self) -> bool {
            self.timed_out
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
