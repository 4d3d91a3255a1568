//! Every interleaving of threads that want a token, of what becomes of its resolve, and of what
//! happens to the key meanwhile. The locks are loom's; all else is the code as it is.
//!
//! A thread that nobody wakes is a deadlock, and one that asks in a circle never ends: loom reports
//! both. `tests/model.sh` runs them.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use loom::model::Builder;
use loom::thread;

use super::*;
use crate::sync;

const HOUR: Duration = Duration::from_secs(3600);
const TENANT: Tenant<'_> = Tenant {
    workspace_id: "ws",
    provider: "p",
};

/// How a resolve ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Lands,
    Fails,
    /// Fails because its caller had no time to try again, as the others have.
    FailsInHaste,
    Panics,
    /// Its caller's own time was up.
    TimeUp,
}

/// What happens to the key meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Delete,
    Clear,
    Set,
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    /// The token of the nth resolve.
    Resolved(usize),
    Set,
    Refused,
    TimeUp,
    Panicked,
}

struct Bug;

/// A resolve as the gateway saw it.
struct Resolve {
    end: End,
    flying: bool,
    /// Whether the key had been changed when it began.
    changed: bool,
}

/// What happened so far. Threads of a model change places only where they take a lock, so what is
/// written here right after one was given back is true to its order.
#[derive(Default)]
struct Book {
    resolves: Vec<Resolve>,
    changed: bool,
}

struct World {
    cache: TokenCache,
    book: Mutex<Book>,
    /// The gateway's answer takes a while: others may go on meanwhile.
    answering: sync::Mutex<()>,
    /// How the first resolve ends. The later ones land.
    first: End,
}

impl World {
    fn new(first: End) -> Arc<Self> {
        Arc::new(Self {
            cache: TokenCache::new(),
            book: Mutex::default(),
            answering: sync::Mutex::new(()),
            first,
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn call(&self, deadline: Deadline) -> Got {
        let resolve = || self.resolve(deadline);
        let call = || cached_or(&self.cache, TENANT, deadline, resolve);
        match panic::catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok((token, _))) => got(&token),
            Ok(Err(error)) if error.kind() == ErrorKind::Timeout => Got::TimeUp,
            Ok(Err(_)) => Got::Refused,
            Err(panicked) if panicked.is::<Bug>() => Got::Panicked,
            Err(panicked) => panic::resume_unwind(panicked),
        }
    }

    fn resolve(&self, deadline: Deadline) -> Result<(CachedToken, Received)> {
        let number = self.take_off(deadline);
        drop(self.answering.lock());
        let end = self.touch_down(number);
        let refused = NexusError::invalid_input("here", "refused");
        match end {
            End::Lands => Ok((token(&number.to_string()), received())),
            End::Fails => Err(refused),
            End::FailsInHaste => Err(refused.with_wait_too_long(HOUR / 2)),
            End::Panics => panic::resume_unwind(Box::new(Bug)),
            End::TimeUp => Err(waited_too_long()),
        }
    }

    fn take_off(&self, deadline: Deadline) -> usize {
        let mut book = self.book();
        let (number, changed) = (book.resolves.len(), book.changed);
        let mut others = book.resolves.iter().filter(|other| other.flying);
        assert!(
            others.all(|other| changed && !other.changed),
            "two flights of one generation"
        );
        let end = match deadline.left() {
            None => End::TimeUp,
            Some(_) if number == 0 => self.first,
            Some(_) => End::Lands,
        };
        book.resolves.push(Resolve {
            end,
            flying: true,
            changed,
        });
        number
    }

    fn touch_down(&self, number: usize) -> End {
        let mut book = self.book();
        book.resolves[number].flying = false;
        book.resolves[number].end
    }

    fn change(&self, change: Change) {
        match change {
            Change::Nothing => {}
            Change::Delete => self.cache.delete("ws", "p"),
            Change::Clear => self.cache.clear(),
            Change::Set => self.cache.set("ws", "p", token("set")),
        }
        self.book().changed = change != Change::Nothing;
    }

    /// What holds when everyone is done: for all calls, and for the one that began after the change.
    fn check(&self, change: Change, calls: &[Got], after: Option<Got>) {
        let book = self.book();
        let calls = || calls.iter().copied().chain(after);
        let count = |wanted| calls().filter(|got| *got == wanted).count();
        let ended = |end| {
            book.resolves
                .iter()
                .filter(|flown| flown.end == end)
                .count()
        };

        // A resolve that lands ends the asking, unless a delete begins it anew.
        let unlanded = book.resolves.len() - ended(End::Lands);
        let deletes = matches!(change, Change::Delete | Change::Clear);
        assert!(book.resolves.len() <= 1 + unlanded + usize::from(deletes));
        assert_eq!(count(Got::Panicked), ended(End::Panics));
        match (ended(End::Fails), ended(End::FailsInHaste)) {
            (0, haste) => assert_eq!(count(Got::Refused), haste, "the others go on"),
            _ => assert!(count(Got::Refused) > 0),
        }

        let kept = self.cache.get("ws", "p").map(|token| got(&token));
        assert_eq!(self.cache.len(), usize::from(kept.is_some()));
        assert_eq!(self.cache.on_board("ws", "p"), 0, "no flight is left");
        let old = |got| matches!(got, Got::Resolved(number) if !book.resolves[number].changed);
        match change {
            Change::Set => {
                assert_eq!(kept, Some(Got::Set));
                assert!(after.is_none_or(|got| got == Got::Set));
            }
            Change::Delete | Change::Clear => {
                assert!(!kept.is_some_and(old), "a deleted token came back");
                assert!(!after.is_some_and(old), "a deleted token was handed out");
            }
            Change::Nothing => {
                let landed = calls().find(|got| matches!(got, Got::Resolved(_)));
                assert_eq!(kept, landed, "what landed is kept");
            }
        }
    }
}

fn token(name: &str) -> CachedToken {
    let expires_at = SystemTime::now() + HOUR;
    CachedToken::new(name, "Bearer", expires_at, "Authorization", "Bearer ")
}

fn received() -> Received {
    Received {
        at: Now::read(),
        date: None,
    }
}

fn got(token: &CachedToken) -> Got {
    let number = token.access_token.parse();
    number.map_or(Got::Set, Got::Resolved)
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
    builder.max_branches = 150;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs > 10, "{name}: only {runs} interleavings");
    eprintln!("{name}: {runs} interleavings");
}

const ENDS: [End; 4] = [End::Lands, End::Fails, End::FailsInHaste, End::Panics];
const CHANGES: [Change; 4] = [Change::Nothing, Change::Delete, Change::Clear, Change::Set];

fn pairs() -> impl Iterator<Item = (End, Change)> {
    let pairs = |end| CHANGES.map(|change| (end, change));
    ENDS.into_iter().flat_map(pairs)
}

#[test]
fn two_callers_and_a_change_after_which_a_third_calls() {
    for (first, change) in pairs() {
        explore(&format!("{first:?}, {change:?}"), Some(3), move || {
            let world = World::new(first);
            let (theirs, changed) = (Arc::clone(&world), Arc::clone(&world));
            let theirs = thread::spawn(move || theirs.call(far()));
            let after = thread::spawn(move || {
                changed.change(change);
                changed.call(far())
            });
            let mine = world.call(far());
            let (theirs, after) = (theirs.join().unwrap(), after.join().unwrap());
            world.check(change, &[mine, theirs], Some(after));
        });
    }
}

#[test]
fn two_callers_and_a_change_in_all_interleavings() {
    // To one key, a clear is a delete.
    let pairs = pairs().filter(|(_, change)| *change != Change::Clear);
    for (first, change) in pairs {
        explore(&format!("{first:?}, {change:?}, all"), None, move || {
            let world = World::new(first);
            let (theirs, changed) = (Arc::clone(&world), Arc::clone(&world));
            let theirs = thread::spawn(move || theirs.call(far()));
            let changed = thread::spawn(move || changed.change(change));
            let mine = world.call(far());
            let theirs = theirs.join().unwrap();
            changed.join().unwrap();
            world.check(change, &[mine, theirs], None);
        });
    }
}

#[test]
fn three_callers() {
    for first in ENDS {
        explore(&format!("{first:?}, three callers"), Some(3), move || {
            let world = World::new(first);
            let others = [Arc::clone(&world), Arc::clone(&world)];
            let others = others.map(|world| thread::spawn(move || world.call(far())));
            let mine = world.call(far());
            let [second, third] = others.map(|other| other.join().unwrap());
            world.check(Change::Nothing, &[mine, second, third], None);
        });
    }
}

/// The hasty one leads and gives up, follows and gives up, or gets what there is.
#[test]
fn a_caller_whose_time_is_up_takes_nobody_along() {
    for change in CHANGES {
        explore(&format!("TimeUp, {change:?}"), None, move || {
            let world = World::new(End::Lands);
            let (hasty, changed) = (Arc::clone(&world), Arc::clone(&world));
            let hasty = thread::spawn(move || hasty.call(past()));
            let changed = thread::spawn(move || changed.change(change));
            let patient = world.call(far());
            assert!(matches!(patient, Got::Resolved(_) | Got::Set));
            let hasty = hasty.join().unwrap();
            changed.join().unwrap();
            world.check(change, &[patient, hasty], None);
        });
    }
}

/// As when an upstream answers 401: the token that was refused is not handed out again.
#[test]
fn a_discarded_token_does_not_come_back() {
    let twice = |world: &World| {
        let token = || cached_or(&world.cache, TENANT, far(), || world.resolve(far()));
        let (refused, _) = token().unwrap();
        world.cache.discard("ws", "p", &refused);
        let (next, _) = token().unwrap();
        assert!(!Arc::ptr_eq(&refused, &next), "it was discarded");
    };
    explore("discard", None, move || {
        let world = World::new(End::Lands);
        let theirs = Arc::clone(&world);
        let theirs = thread::spawn(move || twice(&theirs));
        twice(&world);
        theirs.join().unwrap();
        assert_eq!(world.cache.on_board("ws", "p"), 0);
    });
}

/// A handle that remembers what it saw asks the cache again once that has changed.
#[test]
fn what_was_seen_is_forgotten_with_a_change() {
    sync::count_in_model(true);
    for change in CHANGES {
        explore(&format!("seen, {change:?}"), None, move || {
            let world = World::new(End::Lands);
            world.cache.set("ws", "p", token("0"));
            let over = Arc::new(sync::Mutex::new(false));
            let (changed, told) = (Arc::clone(&world), Arc::clone(&over));
            let changer = thread::spawn(move || {
                changed.change(change);
                *told.lock() = true;
            });
            let mut seen = None;
            for _ in 0..3 {
                let over = *over.lock() && change != Change::Nothing;
                let token = world.cache.get_again("ws", "p", &mut seen, Now::read());
                let got = token.map(|token| got(&token));
                let new = (change == Change::Set).then_some(Got::Set);
                assert!(got == new || !over && got == Some(Got::Resolved(0)));
            }
            changer.join().unwrap();
        });
    }
}
