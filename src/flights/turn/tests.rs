use super::*;
use crate::cache::Tenant;
use crate::inner::Inner;
use crate::log::LogLevel;
use crate::options::NexusClientOptions;
use parking_lot::Mutex;
use std::time::Instant;

const LONGEST: Duration = Duration::from_secs(60);

/// A lock that is a function.
struct Scripted<F>(F);

impl<F> RefreshLock for Scripted<F>
where
    F: Fn(&str, Duration, Instant) -> io::Result<Option<Guard>> + Send + Sync,
{
    fn acquire(&self, turn: &LockRequest<'_>) -> io::Result<Option<Guard>> {
        (self.0)(turn.key, turn.longest, turn.deadline)
    }
}

fn process_lock(
    script: impl Fn(&str, Duration, Instant) -> io::Result<Option<Guard>> + Send + Sync + 'static,
) -> ProcessLock {
    let option = LockOption::Own(Arc::new(Scripted(script)));
    ProcessLock::new(option, Log::new(LogLevel::Off))
        .unwrap()
        .unwrap()
}

fn gateway() -> Arc<Gateway> {
    let options = NexusClientOptions::new("https://gateway").log_level(LogLevel::Off);
    Arc::clone(&Inner::new(options).unwrap().gateway)
}

fn tenant(workspace_id: &str, provider: &str) -> Subject {
    Subject::Tenant(Tenant::new(workspace_id, provider))
}

fn guard() -> Guard {
    Box::new(())
}

#[test]
fn keys_never_change_and_tell_nothing() {
    let table = [
        (tenant("acme", "github"), "78076186090d0aa8a64d13d1c4a33ebf"),
        (
            Subject::Connection("c-1".into()),
            "366f538831840efe426fc407c037fcaa",
        ),
    ];
    for (subject, expected) in table {
        assert_eq!(lock_name("https://gateway", &subject), expected);
    }
}

#[test]
fn gateways_tenants_and_connections_have_keys_of_their_own() {
    let mut keys = vec![
        lock_name("https://gateway", &tenant("ws", "p")),
        lock_name("https://other", &tenant("ws", "p")),
        lock_name("https://gateway", &tenant("ws", "q")),
        lock_name("https://gateway", &tenant("wsp", "")),
        lock_name("https://gateway", &Subject::Connection("ws".into())),
        lock_name("https://gateway", &Subject::Connection("wsp".into())),
    ];
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
}

#[test]
fn a_lock_is_asked_again_until_it_is_held() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let lock = process_lock(move |key, longest, deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut asked = noted.lock();
        asked.push((key.to_owned(), longest, left <= SLICE));
        if asked.len() < 3 {
            Ok(None)
        } else {
            Ok(Some(guard()))
        }
    });
    let (gateway, subject) = (gateway(), tenant("ws", "p"));
    let guard = lock.acquire(&subject, &gateway).unwrap();
    assert!(guard.is_some());
    let asked_for = (lock_name(&gateway.address, &subject), LONGEST, true);
    assert_eq!(*asked.lock(), vec![asked_for; 3]);
}

#[test]
fn nobody_waits_in_a_program_that_ends() {
    let (gateway, subject) = (gateway(), tenant("ws", "p"));
    gateway.set_ending(true);
    let lock = process_lock(|_, _, _| Ok(None));
    let error = lock.acquire(&subject, &gateway).map(|_| ());
    let error = error.unwrap_err();
    let name = format!("refresh_lock {}", lock_name(&gateway.address, &subject));
    assert_eq!((error.code(), error.is_retryable()), ("timeout", true));
    assert!(
        error.message().contains(&name) && error.message().contains("another process"),
        "{error}"
    );
    // The lock is free.
    let lock = process_lock(|_, _, _| Ok(Some(guard())));
    assert!(lock.acquire(&subject, &gateway).unwrap().is_some());
}

#[test]
fn a_lock_that_does_not_work_is_said_once_until_it_works_again() {
    let works = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&works);
    let lock = process_lock(move |_, _, _| {
        if script.load(Ordering::SeqCst) {
            Ok(Some(guard()))
        } else {
            Err(io::Error::other("no connection"))
        }
    });
    for works_now in [false, false, true, false] {
        works.store(works_now, Ordering::SeqCst);
        let guard = lock.acquire(&tenant("ws", "p"), &gateway());
        assert_eq!(guard.unwrap().is_some(), works_now);
        assert_eq!(lock.failed.load(Ordering::SeqCst), !works_now);
    }
}
