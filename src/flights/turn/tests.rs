use super::super::register;
use super::*;
use crate::gateway::Request;
use crate::inner::Inner;
use crate::lock::{LockOption, ProcessLock, RefreshLock};
use crate::log::{Log, LogLevel};
use crate::options::NexusClientOptions;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A lock that is a function.
struct Scripted<F>(F);

impl<F: Fn() -> io::Result<Option<Box<dyn Send>>> + Send + Sync> RefreshLock for Scripted<F> {
    fn try_lock(&self, _: &str, _: Duration) -> io::Result<Option<Box<dyn Send>>> {
        (self.0)()
    }
}

fn process_lock(
    script: impl Fn() -> io::Result<Option<Box<dyn Send>>> + Send + Sync + 'static,
) -> ProcessLock {
    let option = LockOption::Own(Arc::new(Scripted(script)));
    option.choose(Log::new(LogLevel::Off)).unwrap().unwrap()
}

fn flights(lock: ProcessLock) -> Flights {
    let options = NexusClientOptions::new("https://gateway").log_level(LogLevel::Off);
    let gateway = Arc::clone(&Inner::new(options).unwrap().gateway);
    Flights::new(gateway, Some(lock))
}

fn flight() -> Arc<Flight> {
    let request = Request::get("get", "/r").of_tenant(Some("ws"), Some("p"));
    register(&mut Vec::new(), request, None)
}

fn guard() -> Box<dyn Send> {
    Box::new(())
}

#[test]
fn nobody_waits_in_a_program_that_ends() {
    let flight = flight();
    let ending = |lock| {
        let flights = flights(lock);
        flights.ending.store(1, Ordering::SeqCst);
        flights
    };
    let error = ending(process_lock(|| Ok(None))).turn(&flight).map(drop);
    let error = error.unwrap_err();
    let name = format!("refresh_lock {}", flight.key.lock_name("https://gateway"));
    assert_eq!((error.code(), error.is_retryable()), ("timeout", true));
    assert!(error.message().contains(&name), "{error}");
    assert!(error.message().contains("another process"), "{error}");
    // The lock is free.
    let lock = process_lock(|| Ok(Some(guard())));
    assert!(ending(lock).turn(&flight).unwrap().is_some());
}

#[test]
fn a_lock_that_does_not_work_is_said_once_until_it_works_again() {
    let works = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&works);
    let lock = process_lock(move || {
        let works = script.load(Ordering::SeqCst).then(guard);
        works
            .map(Some)
            .ok_or_else(|| io::Error::other("no connection"))
    });
    let flights = flights(lock);
    for works_now in [false, false, true, false] {
        works.store(works_now, Ordering::SeqCst);
        let guard = flights.turn(&flight());
        assert_eq!(guard.unwrap().is_some(), works_now);
        let lock = flights.process_lock.as_ref().unwrap();
        assert_eq!(lock.has_failed.load(Ordering::SeqCst), !works_now);
    }
}

/// Nothing is wrong with the lock, so two refreshes must not meet.
#[test]
fn without_file_descriptors_or_memory_the_call_fails() {
    let errors: [fn() -> io::Error; 3] = [
        || io::ErrorKind::OutOfMemory.into(),
        || io::Error::from_raw_os_error(if cfg!(windows) { 4 } else { 23 }),
        || io::Error::from_raw_os_error(if cfg!(windows) { 4 } else { 24 }),
    ];
    for error in errors {
        let lock = process_lock(move || Err(error()));
        let outcome = flights(lock).turn(&flight()).map(drop);
        let failed = outcome.unwrap_err();
        let got = (failed.code(), failed.is_retryable());
        assert_eq!(got, ("request_failed", true), "{failed}");
        let begin = "cannot take the lock refresh_lock ";
        assert!(failed.message().starts_with(begin), "{failed}");
    }
}
