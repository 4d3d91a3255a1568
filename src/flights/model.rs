//! Every interleaving of threads that want a token, of the flights that bring it, and of what happens
//! to the cache and the client meanwhile. Locks and threads are loom's; all else is the code as it is.
//!
//! A thread that nobody wakes is a deadlock, and one that asks in a circle never ends: loom reports
//! both. `tests/model.sh` runs them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::model::Builder;
use loom::thread;

use super::tests::{handle, token};
use super::*;
use crate::sync;

const HOUR: Duration = Duration::from_secs(3600);

/// How the first flight ends. The later ones land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Lands,
    Fails,
    Panics,
}

/// What happens to the tenant's entry meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Delete,
    Set,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    /// The token of the nth flight.
    Flown(usize),
    Set,
    Spare,
    Failed,
    TimeUp,
}

/// A flight as the gateway saw it.
struct Flown {
    ended: bool,
    /// Whether the cache had been changed when it began.
    changed: bool,
}

#[derive(Default)]
struct Book {
    flown: Vec<Flown>,
    changed: bool,
}

struct World {
    handle: Handle,
    cache: TokenCache,
    book: Arc<Mutex<Book>>,
}

struct Bug;

impl World {
    fn new(first: End) -> Arc<Self> {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = Arc::clone(&book);
        // The gateway's response takes a while: others may go on meanwhile.
        let responding = sync::Mutex::new(());
        let script = move |_| {
            let number = take_off(&kept);
            drop(responding.lock());
            kept.lock().unwrap().flown[number].ended = true;
            match first {
                End::Fails if number == 0 => Err(slow()),
                End::Panics if number == 0 => panic::resume_unwind(Box::new(Bug)),
                _ => token(&number.to_string(), 3600),
            }
        };
        Arc::new(Self {
            handle: handle(Box::new(script)),
            cache: TokenCache::new(),
            book,
        })
    }

    fn call(&self, deadline: Deadline) -> Got {
        let cached = self.handle.cached(&self.cache, tenant(), &|| deadline);
        match cached {
            Ok((token, _)) => got(&token),
            Err(error) if error.message() == left().message() => Got::TimeUp,
            Err(_) => Got::Failed,
        }
    }

    fn change(&self, change: Change) {
        match change {
            Change::Nothing => return,
            Change::Delete => self.cache.delete("ws", "p"),
            Change::Set => self.cache.set("ws", "p", named("set", HOUR)),
        }
        self.book.lock().unwrap().changed = true;
    }

    /// What holds when everyone is done: for all calls, and for the one that began after the change.
    fn check(&self, first: End, change: Change, calls: &[Got], after: Option<Got>) {
        assert!(self.handle.drain(far()), "nothing is left flying");
        let book = self.book.lock().unwrap();
        let calls = || calls.iter().copied().chain(after);
        let failures = usize::from(first != End::Lands);
        let deletes = usize::from(change == Change::Delete);
        assert!(
            book.flown.len() <= 1 + failures + deletes,
            "asked too often"
        );
        if first == End::Lands {
            assert!(calls().all(|got| got != Got::Failed));
        }
        let kept = self.cache.get("ws", "p").map(|token| got(&token));
        let old = |got| matches!(got, Got::Flown(number) if !book.flown[number].changed);
        match change {
            Change::Set => {
                assert_eq!(kept, Some(Got::Set));
                assert!(after.is_none_or(|got| got == Got::Set));
            }
            Change::Delete => {
                assert!(!kept.is_some_and(old), "a deleted token came back");
                assert!(!after.is_some_and(old), "a deleted token was handed out");
            }
            Change::Nothing => {
                let flown = calls().find(|got| matches!(got, Got::Flown(_)));
                assert!(flown.is_none_or(|flown| kept == Some(flown)));
            }
        }
    }
}

/// One flight at a time, whatever happened to the cache.
fn take_off(book: &Mutex<Book>) -> usize {
    let mut book = book.lock().unwrap();
    assert!(book.flown.iter().all(|other| other.ended), "two at once");
    let changed = book.changed;
    book.flown.push(Flown {
        ended: false,
        changed,
    });
    book.flown.len() - 1
}

fn named(name: &str, lifetime: Duration) -> CachedToken {
    CachedToken::new(name, "Bearer", Now::read().after(lifetime).wall)
}

fn got(token: &CachedToken) -> Got {
    match &*token.access_token {
        "set" => Got::Set,
        "spare" => Got::Spare,
        number => Got::Flown(number.parse().unwrap()),
    }
}

fn tenant() -> Tenant<'static> {
    Tenant::new("ws", "p")
}

fn far() -> Deadline {
    Deadline::after(HOUR)
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

/// Runs a model in every interleaving of at most so many preemptions, and tells how many there were.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    // Far more steps than any call takes; a thread that asks in a circle comes to an end here.
    builder.max_branches = 400;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs > 10, "{name}: only {runs} interleavings");
    eprintln!("{name}: {runs} interleavings");
}

const ENDS: [End; 3] = [End::Lands, End::Fails, End::Panics];
const CHANGES: [Change; 3] = [Change::Nothing, Change::Delete, Change::Set];

fn pairs() -> impl Iterator<Item = (End, Change)> {
    let pairs = |end| CHANGES.map(|change| (end, change));
    ENDS.into_iter().flat_map(pairs)
}

#[test]
fn a_caller_and_a_change_after_which_another_calls() {
    for (first, change) in pairs() {
        explore(&format!("{first:?}, {change:?}"), Some(3), move || {
            let world = World::new(first);
            let changed = Arc::clone(&world);
            let after = thread::spawn(move || {
                changed.change(change);
                changed.call(far())
            });
            let mine = world.call(far());
            let after = after.join().unwrap();
            world.check(first, change, &[mine], Some(after));
        });
    }
}

#[test]
fn two_callers_share_what_flies() {
    for first in ENDS {
        explore(&format!("{first:?}, two callers"), Some(3), move || {
            let world = World::new(first);
            let theirs = Arc::clone(&world);
            let theirs = thread::spawn(move || theirs.call(far()));
            let mine = world.call(far());
            let theirs = theirs.join().unwrap();
            world.check(first, Change::Nothing, &[mine, theirs], None);
        });
    }
}

/// What it has started lands all the same.
#[test]
fn a_caller_whose_time_is_up_takes_nobody_along() {
    for change in CHANGES {
        explore(&format!("time up, {change:?}"), Some(2), move || {
            let world = World::new(End::Lands);
            let hasty = Arc::clone(&world);
            let hasty = thread::spawn(move || {
                let got = hasty.call(past());
                hasty.change(change);
                got
            });
            let patient = world.call(far());
            assert!(matches!(patient, Got::Flown(_) | Got::Set));
            let hasty = hasty.join().unwrap();
            world.check(End::Lands, change, &[patient, hasty], None);
        });
    }
}

/// A client that is dropped by its last caller waits for what that one has left.
#[test]
fn the_last_handle_outlasts_the_flights() {
    explore("the last handle", None, || {
        let world = World::new(End::Lands);
        let (clone, book) = (world.handle.clone(), Arc::clone(&world.book));
        assert!(matches!(world.call(past()), Got::TimeUp | Got::Flown(_)));
        let cache = world.cache.clone();
        let other = thread::spawn(move || drop(clone));
        drop(world);
        other.join().unwrap();
        assert!(book.lock().unwrap().flown.iter().all(|flown| flown.ended));
        assert!(cache.get("ws", "p").is_some(), "it has landed in the cache");
    });
}

/// As when an upstream responds with 401: the token that was refused is not handed out again.
#[test]
fn a_discarded_token_does_not_come_back() {
    explore("discard", Some(2), move || {
        let world = World::new(End::Lands);
        let token = |world: &World| world.handle.cached(&world.cache, tenant(), &far).unwrap().0;
        let theirs = Arc::clone(&world);
        let theirs = thread::spawn(move || {
            let refused = token(&theirs);
            theirs.cache.discard(tenant(), &refused);
        });
        let refused = token(&world);
        world.cache.discard(tenant(), &refused);
        assert!(!Arc::ptr_eq(&refused, &token(&world)), "it was discarded");
        theirs.join().unwrap();
    });
}

/// A token within its buffer stands in for one that cannot be had, until it is deleted.
#[test]
fn a_deleted_token_does_not_stand_in() {
    explore("spare", Some(3), move || {
        let world = World::new(End::Fails);
        let spare = named("spare", Duration::from_secs(20));
        world.cache.set("ws", "p", spare);
        let changed = Arc::clone(&world);
        let after = thread::spawn(move || {
            changed.change(Change::Delete);
            changed.call(far())
        });
        assert!(matches!(
            world.call(far()),
            Got::Spare | Got::Flown(_) | Got::Failed
        ));
        assert!(matches!(after.join().unwrap(), Got::Flown(_) | Got::Failed));
    });
}
