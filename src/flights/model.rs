//! Runs a few threads that resolve a token while another thread changes a cache or drops the client. Most models
//! run in every interleaving with at most 2 or 3 preemptions, and one model runs in every interleaving. Locks and
//! threads come from loom, and a function stands in for the gateway. All other code is the crate's own.
//!
//! Loom reports a thread that is never woken as a deadlock, and a thread that retries forever as too many
//! branches. `tests/model.sh` runs these tests.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::model::Builder;
use loom::thread;

use super::tests::{LONG, error, handle, tenant, token};
use super::*;
use crate::cache::TokenCache;
use crate::inner::Handle;
use crate::sync::Mutex;

const HOUR: Duration = Duration::from_secs(3600);

/// The outcome of the first resolve. Later resolves succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Succeeds,
    Fails,
    Panics,
}

/// A change to the tenant's entry during a resolve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Delete,
    Set,
}

/// The result of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    /// The token of the nth resolve.
    Resolved(usize),
    Set,
    Old,
    Failed,
    TimedOut,
}

/// A resolve, recorded by the gateway.
struct Resolve {
    ended: bool,
    /// True if `note_change` had been called when the resolve began.
    changed: bool,
}

#[derive(Default)]
struct Book {
    resolves: Vec<Resolve>,
    changed: bool,
}

struct World {
    handle: Handle,
    cache: TokenCache,
    other: TokenCache,
    book: Arc<Mutex<Book>>,
}

struct Bug;

impl World {
    fn new(first: End) -> Arc<Self> {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = Arc::clone(&book);
        let script = move |_: &Request| {
            let number = begin_resolve(&kept);
            kept.lock().resolves[number].ended = true;
            match first {
                End::Fails if number == 0 => {
                    Err(error(ErrorKind::RequestFailed, "request_failed", 0))
                }
                End::Panics if number == 0 => panic::resume_unwind(Box::new(Bug)),
                _ => token(&number.to_string(), 3600),
            }
        };
        Arc::new(Self {
            handle: handle(LONG, Box::new(script)),
            cache: TokenCache::new(),
            other: TokenCache::new(),
            book,
        })
    }

    fn call(&self, deadline: Deadline) -> Got {
        self.call_with(&self.cache, deadline)
    }

    fn call_with(&self, cache: &TokenCache, deadline: Deadline) -> Got {
        match self.cached(cache, deadline) {
            Ok(token) => got(&token),
            Err(error) if error.code() == "timeout" => Got::TimedOut,
            Err(_) => Got::Failed,
        }
    }

    fn cached(&self, cache: &TokenCache, deadline: Deadline) -> Result<Arc<CachedToken>> {
        let cached = self.handle.token(cache, &tenant(), deadline);
        cached.map(|(token, _)| token)
    }

    /// Asks for another token after a 401 to this one.
    fn replacement(&self, refused: &Arc<CachedToken>) -> Got {
        let asked = self
            .handle
            .replacement(&self.cache, &tenant(), refused, 401, far());
        got(&asked.unwrap().unwrap())
    }

    fn change(&self, cache: &TokenCache, change: Change) {
        self.note_change();
        match change {
            Change::Nothing => {}
            Change::Delete => cache.delete("ws", "p"),
            Change::Set => cache.set("ws", "p", named("set", HOUR)),
        }
    }

    /// Must be called before the change. A resolve that began before this call then also began before the change.
    fn note_change(&self) {
        self.book.lock().changed = true;
    }

    /// Returns whether the token was requested before the call of `note_change`, and therefore before the change.
    fn is_old(&self, got: Got) -> bool {
        let book = self.book.lock();
        matches!(got, Got::Resolved(number) if !book.resolves[number].changed)
    }

    fn resolves(&self) -> usize {
        self.book.lock().resolves.len()
    }

    /// Checks what must hold when all threads have ended. `calls` may have begun before the change, and
    /// `after` began after the change.
    fn check(&self, first: End, change: Change, calls: &[Got], after: Option<Got>) {
        assert!(self.handle.flights.drain(far()), "a flight never ended");
        let calls = || calls.iter().copied().chain(after);
        let failures = usize::from(first != End::Succeeds);
        let deletes = usize::from(change == Change::Delete);
        assert!(
            self.resolves() <= 1 + failures + deletes,
            "too many resolves"
        );
        if first == End::Succeeds {
            assert!(calls().all(|got| got != Got::Failed));
        }
        let kept = kept(&self.cache);
        match change {
            Change::Set => {
                assert_eq!(kept, Some(Got::Set));
                assert!(after.is_none_or(|got| got == Got::Set));
            }
            Change::Delete => {
                assert!(!kept.is_some_and(|got| self.is_old(got)), "kept");
                assert!(!after.is_some_and(|got| self.is_old(got)), "returned");
            }
            Change::Nothing => {
                let resolved = calls().find(|got| matches!(got, Got::Resolved(_)));
                assert!(resolved.is_none_or(|resolved| kept == Some(resolved)));
            }
        }
    }
}

/// Records a resolve and returns its number. Fails if the tenant has another resolve under way.
fn begin_resolve(book: &Mutex<Book>) -> usize {
    let mut book = book.lock();
    assert!(book.resolves.iter().all(|other| other.ended), "two at once");
    let changed = book.changed;
    book.resolves.push(Resolve {
        ended: false,
        changed,
    });
    book.resolves.len() - 1
}

fn named(name: &str, lifetime: Duration) -> CachedToken {
    CachedToken::new(name, "Bearer", Now::read().after(lifetime).wall)
}

fn kept(cache: &TokenCache) -> Option<Got> {
    cache.get("ws", "p").map(|token| got(&token))
}

fn got(token: &CachedToken) -> Got {
    match &*token.access_token {
        "set" => Got::Set,
        "old" => Got::Old,
        number => Got::Resolved(number.parse().unwrap()),
    }
}

fn far() -> Deadline {
    Deadline::after(HOUR)
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

/// Runs a model in every interleaving with at most this many preemptions, and prints the number of runs. `None` sets
/// no limit.
fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    // Far more steps than any call needs, so only an endless loop reaches this bound.
    builder.max_branches = 400;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs > 10, "{name}: only {runs} interleavings");
    eprintln!("{name}: {runs} interleavings");
}

/// Runs each closure on a thread of its own, and returns the results of both.
fn both<A, B: 'static>(
    world: &Arc<World>,
    mine: impl FnOnce(&World) -> A,
    theirs: impl FnOnce(&World) -> B + 'static,
) -> (A, B) {
    let other = Arc::clone(world);
    let theirs = thread::spawn(move || theirs(&other));
    (mine(world), theirs.join().unwrap())
}

const ENDS: [End; 3] = [End::Succeeds, End::Fails, End::Panics];
const CHANGES: [Change; 3] = [Change::Nothing, Change::Delete, Change::Set];

/// If nothing is changed, the two callers share a flight.
#[test]
fn a_caller_and_a_change_after_which_another_calls() {
    let pairs = ENDS.map(|first| CHANGES.map(|change| (first, change)));
    for (first, change) in pairs.into_iter().flatten() {
        explore(&format!("{first:?}, {change:?}"), Some(3), move || {
            let world = World::new(first);
            let theirs = move |world: &World| {
                world.change(&world.cache, change);
                world.call(far())
            };
            let (mine, after) = both(&world, |world| world.call(far()), theirs);
            world.check(first, change, &[mine], Some(after));
        });
    }
}

/// A flight serves callers with different caches, and a change to one cache does not affect the other.
#[test]
fn callers_with_two_caches_share_a_flight() {
    for change in CHANGES {
        explore(&format!("two caches, {change:?}"), Some(3), move || {
            let world = World::new(End::Succeeds);
            let theirs = move |world: &World| {
                world.change(&world.other, change);
                world.call_with(&world.other, far())
            };
            let (mine, theirs) = both(&world, |world| world.call(far()), theirs);
            assert_eq!(kept(&world.cache), Some(mine));
            assert_eq!(kept(&world.other), Some(theirs), "{change:?}");
            assert!(world.resolves() <= 2);
            assert!(change != Change::Delete || !world.is_old(theirs));
        });
    }
}

/// A caller that joined a flight for another cache puts the token into its own cache, unless that cache has changed
/// since the flight began.
#[test]
fn a_delete_wins_in_the_cache_of_a_caller_that_joined() {
    explore("two caches, a delete by a third thread", Some(2), || {
        let world = World::new(End::Succeeds);
        let deletes = Arc::clone(&world);
        let deletes = thread::spawn(move || deletes.change(&deletes.other, Change::Delete));
        let theirs = |world: &World| world.call_with(&world.other, far());
        let (mine, theirs) = both(&world, |world| world.call(far()), theirs);
        assert!(matches!(theirs, Got::Resolved(_)));
        deletes.join().unwrap();
        assert_eq!(kept(&world.cache), Some(mine));
        assert!(!kept(&world.other).is_some_and(|got| world.is_old(got)));
    });
}

/// A flight continues when the caller that started it times out.
#[test]
fn a_caller_that_times_out_leaves_its_flight_to_others() {
    for change in CHANGES {
        explore(&format!("timed out, {change:?}"), Some(2), move || {
            let world = World::new(End::Succeeds);
            let hasty = move |world: &World| {
                let got = world.call(past());
                world.change(&world.cache, change);
                got
            };
            let (patient, hasty) = both(&world, |world| world.call(far()), hasty);
            assert!(matches!(patient, Got::Resolved(_) | Got::Set));
            world.check(End::Succeeds, change, &[patient, hasty], None);
        });
    }
}

/// Dropping the last handle waits for a flight even if its caller has timed out.
#[test]
fn the_last_handle_waits_for_flights() {
    explore("the last handle", None, || {
        let world = World::new(End::Succeeds);
        let (clone, book) = (world.handle.clone(), Arc::clone(&world.book));
        assert!(matches!(
            world.call(past()),
            Got::TimedOut | Got::Resolved(_)
        ));
        let cache = world.cache.clone();
        let other = thread::spawn(move || drop(clone));
        drop(world);
        other.join().unwrap();
        assert!(book.lock().resolves.iter().all(|one| one.ended));
        assert!(cache.get("ws", "p").is_some(), "its token is cached");
    });
}

/// Two threads have met a 401 with one token.
#[test]
fn callers_whose_token_was_refused_share_one_call() {
    explore("two 401s", Some(3), move || {
        let world = World::new(End::Succeeds);
        let refused = Arc::new(named("old", HOUR));
        world.cache.set("ws", "p", Arc::clone(&refused));
        let same = Arc::clone(&refused);
        let mine = |world: &World| world.replacement(&refused);
        let got = both(&world, mine, move |world| world.replacement(&same));
        let new = Got::Resolved(0);
        assert_eq!(got, (new, new));
        assert_eq!((kept(&world.cache), world.resolves()), (Some(new), 1));
    });
}

/// A resolve that began before the 401 may return the refused token again.
#[test]
fn after_a_401_a_call_asks_anew() {
    explore("a 401 during a flight", Some(3), move || {
        let world = World::new(End::Succeeds);
        world.cache.set("ws", "p", named("set", HOUR));
        let mine = |world: &World| {
            let refused = world.cached(&world.cache, far()).unwrap();
            world.note_change();
            world.replacement(&refused)
        };
        let theirs = |world: &World| world.call_with(&world.other, far());
        let (next, _) = both(&world, mine, theirs);
        assert!(matches!(next, Got::Resolved(_)) && !world.is_old(next));
        assert_eq!(kept(&world.cache), Some(next));
    });
}

/// Of two callers that find a stale token, one asks the gateway, and the other uses the token.
#[test]
fn one_caller_asks_about_a_stale_token() {
    for first in ENDS {
        explore(&format!("{first:?}, stale"), Some(3), move || {
            let world = World::new(first);
            let old = named("old", Duration::from_secs(20));
            world.cache.set("ws", "p", old);
            let call = |world: &World| world.call(far());
            let (mine, theirs) = both(&world, call, call);
            let new = (first == End::Succeeds).then_some(Got::Resolved(0));
            let is_fine = |got| Some(got) == new || got == Got::Old;
            assert!(is_fine(mine) && is_fine(theirs));
            assert!(new.is_none_or(|new| [mine, theirs].contains(&new)));
            assert_eq!(world.resolves(), 1);
        });
    }
}

/// A token within its buffer is used while the gateway fails, until the token is deleted.
#[test]
fn a_deleted_token_is_not_used_in_an_outage() {
    explore("outage", Some(3), move || {
        let world = World::new(End::Fails);
        let old = named("old", Duration::from_secs(20));
        world.cache.set("ws", "p", old);
        let theirs = |world: &World| {
            world.change(&world.cache, Change::Delete);
            world.call(far())
        };
        let (mine, after) = both(&world, |world| world.call(far()), theirs);
        assert!(!matches!(mine, Got::Set | Got::TimedOut));
        assert!(matches!(after, Got::Resolved(_) | Got::Failed));
    });
}
