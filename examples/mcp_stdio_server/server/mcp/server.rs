//! Leader and followers: the thread that has read a call lets another take over reading, and then runs the call itself.
//! So a slow call delays nothing.
//!
//! Waking that other thread takes as long as a quick call. So a tool that was quick the last time is run without; but
//! only while a thread that has nothing to do looks by itself, every now and then, whether nobody reads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::inbox::{Reader, Work};
use super::jsonrpc;
use super::lines::Output;
use super::page::Page;
use super::tool::{QUICK, Tools};
use super::turns::{Job, Turns};

/// How often a thread looks for what there is to do, each time after [`QUICK`], before it sleeps.
const LOOKS: u32 = 10;
/// Clients kill a server two seconds after they have closed its stdin, so calls have this long to finish.
const MAX_CALLS: Duration = Duration::from_millis(1500);
/// For what must not be cut short whatever the client does then.
const MAX_LAST: Duration = Duration::from_secs(5);

type Last = dyn Fn(Duration) -> bool + Send + Sync;

/// Runs tools for the client at the other end of stdin and stdout.
pub(crate) struct Server {
    tools: Tools,
    output: Arc<Output>,
    turns: Mutex<Turns<Reader>>,
    /// A thread that waits may have something to do.
    changed: Condvar,
    ended: Condvar,
    /// Locked for good once the process is about to end.
    ending: Mutex<()>,
    last: Box<Last>,
}

impl Server {
    /// `last` is called at the very end, with the time that it has. It waits for what must not be cut short, and says
    /// whether that has ended.
    pub(crate) fn new(
        tools: Vec<super::Tool>,
        last: impl Fn(Duration) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            tools: Tools::new(tools),
            output: Output::stdio(),
            turns: Mutex::new(Turns::new(Reader::default())),
            changed: Condvar::new(),
            ended: Condvar::new(),
            ending: Mutex::new(()),
            last: Box::new(last),
        })
    }

    /// Serves until stdin ends, and then ends the process.
    pub(crate) fn run(self: &Arc<Self>) -> ! {
        let mut looks = 0;
        let mut turns = self.turns();
        turns.called = false;
        loop {
            if let Some(job) = turns.start() {
                self.let_another_lead(turns, &job);
                self.perform(&job);
                turns = self.turns();
                turns.end(&job);
                self.ended.notify_all();
                looks = if job.invocation.was_quick() { LOOKS } else { 0 };
            } else if let Some(mut reader) = turns.reader.take() {
                drop(turns);
                let Some(work) = reader.next(&self.tools, &self.output) else {
                    self.end()
                };
                turns = self.turns();
                turns.reader = Some(reader);
                self.accept(&mut turns, work);
            } else {
                turns = self.follow(turns, &mut looks);
            }
        }
    }

    /// Lets the calls finish, 1.5 s at most, and ends the process with 0; at once when nothing is under way. May be called
    /// by any thread, as on a signal: the first call counts.
    pub(crate) fn end(&self) -> ! {
        let _only = self.ending.lock();
        let start = Instant::now();
        let busy = |turns: &mut Turns<Reader>| !turns.is_drained();
        let waited = self.ended.wait_timeout_while(self.turns(), MAX_CALLS, busy);
        drop(waited);
        if !(self.last)(MAX_LAST.saturating_sub(start.elapsed())) {
            self.output
                .note(format_args!("ended while something was still under way"));
        }
        self.output
            .exit(start.checked_add(MAX_CALLS).unwrap_or(start))
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Reader>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow<'a>(
        &self,
        mut turns: MutexGuard<'a, Turns<Reader>>,
        looks: &mut u32,
    ) -> MutexGuard<'a, Turns<Reader>> {
        let watches = *looks > 0 && !turns.watched;
        let time = if watches { QUICK } else { Duration::MAX };
        *looks = looks.saturating_sub(1);
        turns.watched |= watches;
        turns.idle = turns.idle.saturating_add(1);
        let woken = self.changed.wait_timeout(turns, time);
        let (mut turns, _) = woken.unwrap_or_else(PoisonError::into_inner);
        turns.idle = turns.idle.saturating_sub(1);
        turns.watched &= !watches;
        turns.called = false;
        turns
    }

    /// Gives the lock back first: a thread that wakes up takes it.
    fn let_another_lead(self: &Arc<Self>, mut turns: MutexGuard<'_, Turns<Reader>>, job: &Job) {
        let is_seen = turns.watched && job.invocation.was_quick();
        if turns.reader.is_none() || turns.called || is_seen {
            return;
        }
        turns.called = true;
        let idle = turns.idle > 0;
        drop(turns);
        if idle {
            return self.changed.notify_one();
        }
        let server = Arc::clone(self);
        if let Err(error) = thread::Builder::new().spawn(move || server.run()) {
            // This thread reads on when its call is done.
            self.turns().called = false;
            self.output
                .note(format_args!("no thread for another call: {error}"));
        }
    }

    fn perform(&self, job: &Arc<Job>) {
        let (outcome, page) = job.invocation.run();
        if self.turns().settle(job) {
            let response = jsonrpc::response(&job.id, &outcome);
            job.destination.give(&self.output, Some(response));
            if let Some(page) = page {
                self.promise(&page);
            }
        }
    }

    /// The client hears when what the page is for is over.
    fn promise(&self, page: &Page) {
        let output = Arc::clone(&self.output);
        let params = page.completion();
        page.promise(move || {
            output.line(jsonrpc::notification(
                "notifications/elicitation/complete",
                &params,
            ));
        });
    }

    fn accept(&self, turns: &mut Turns<Reader>, work: Work) {
        work.jobs.into_iter().for_each(|job| turns.add(job));
        for id in work.cancelled {
            for job in turns.cancel(&id) {
                job.destination.give(&self.output, None);
            }
        }
    }
}
