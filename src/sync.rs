//! The lock and the condition under the cache: `parking_lot`'s, or the model checker's when every
//! interleaving of them is tried (`--cfg loom`).

#[cfg(not(all(test, loom)))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(all(test, loom))]
pub(crate) use modelled::{AtomicU64, Condvar, Guard as MutexGuard, Mutex, count_in_model};

/// Loom's types behind the signatures of `parking_lot` that the cache uses.
#[cfg(all(test, loom))]
mod modelled {
    use std::cell::Cell;
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::sync::atomic::{self, Ordering};
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

    /// A count that is part of the model only where it is asked for. It changes under a lock; if
    /// threads changed places there while one panics, loom's lock would count as poisoned.
    #[derive(Debug)]
    pub(crate) enum AtomicU64 {
        Modelled(loom::sync::atomic::AtomicU64),
        Plain(atomic::AtomicU64),
    }

    thread_local! {
        static COUNT_IN_MODEL: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether the counts that this test makes from now on are part of its models.
    pub(crate) fn count_in_model(modelled: bool) {
        COUNT_IN_MODEL.set(modelled);
    }

    impl AtomicU64 {
        pub(crate) fn new(value: u64) -> Self {
            if COUNT_IN_MODEL.get() {
                Self::Modelled(loom::sync::atomic::AtomicU64::new(value))
            } else {
                Self::Plain(atomic::AtomicU64::new(value))
            }
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            match self {
                Self::Modelled(count) => count.load(order),
                Self::Plain(count) => count.load(order),
            }
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            match self {
                Self::Modelled(count) => count.fetch_add(value, order),
                Self::Plain(count) => count.fetch_add(value, order),
            }
        }
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
