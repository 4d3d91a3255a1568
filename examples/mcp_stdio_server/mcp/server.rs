//! The threads of the server: one reads stdin, others run tools.
//!
//! The thread that has read a call lets another thread read on, and then runs the call itself (*leader and followers*).
//! So a slow call delays no other message, and no call waits for a thread to take it over.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::inbox;
use super::jobs::{Job, Jobs};
use super::lines::{self, Output, note};
use super::message;
use super::page::Page;
use super::protocol::Session;
use super::tool::{Tool, Tools};

/// How long calls may take at the end. Clients kill a server about 2 s after they have closed its stdin.
const MAX_CALLS: Duration = Duration::from_millis(1500);
/// How long the server waits at the end for what must not be interrupted.
const MAX_DRAIN: Duration = Duration::from_secs(5);

type Drain = dyn Fn(Duration) -> bool + Send + Sync;

/// Runs tools for the client at the other end of stdin and stdout.
pub(crate) struct Server {
    tools: Tools,
    output: Output,
    /// Locked by the thread that reads. Idle threads wait for this lock.
    reader: Mutex<Reader>,
    /// The number of threads that read or wait to read.
    readers: AtomicUsize,
    jobs: Mutex<Jobs>,
    /// Signalled when a call has ended.
    ended: Condvar,
    /// Locked for good by the thread that ends the process.
    ending: Mutex<()>,
    drain: Box<Drain>,
}

#[derive(Default)]
struct Reader {
    line: Vec<u8>,
    session: Session,
}

impl Server {
    /// `drain` waits, at most for the time that it is given, for what must not be interrupted by the end of the
    /// process. It returns whether nothing is left.
    pub(crate) fn new(
        tools: Vec<Tool>,
        drain: impl Fn(Duration) -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            tools: tools.into_iter().map(Arc::new).collect(),
            output: Output::default(),
            reader: Mutex::default(),
            readers: AtomicUsize::new(0),
            jobs: Mutex::default(),
            ended: Condvar::new(),
            ending: Mutex::new(()),
            drain: Box::new(drain),
        })
    }

    /// Serves until stdin ends or stdout is closed, and then ends the process.
    pub(crate) fn run(self: &Arc<Self>) -> ! {
        loop {
            let Some(job) = self.next_job() else {
                continue;
            };
            if self.readers.load(SeqCst) == 0 {
                self.start_reader();
            }
            self.perform(&job);
            lock(&self.jobs).end();
        }
    }

    /// Ends the process with exit code 0. Calls get 1.5 s to finish first, and `drain` gets what is left of 5 s. If
    /// several threads call this, the first call counts.
    pub(crate) fn end(&self) -> ! {
        self.end_within(MAX_CALLS)
    }

    fn end_within(&self, max_calls: Duration) -> ! {
        let _only = self.ending.lock();
        let start = Instant::now();
        let is_busy = |jobs: &mut Jobs| jobs.is_busy();
        drop(
            self.ended
                .wait_timeout_while(lock(&self.jobs), max_calls, is_busy),
        );
        if !(self.drain)(MAX_DRAIN.saturating_sub(start.elapsed())) {
            note("ended although a request to the gateway was still under way");
        }
        self.output
            .exit(start.checked_add(max_calls).unwrap_or(start))
    }

    /// Returns a call to run, which may be one that was waiting. Otherwise reads a line, for which there may be no call.
    fn next_job(&self) -> Option<Arc<Job>> {
        let waiting = lock(&self.jobs).start();
        if waiting.is_some() {
            return waiting;
        }
        self.readers.fetch_add(1, SeqCst);
        let mut reader = lock(&self.reader);
        let mut job = lock(&self.jobs).start();
        if job.is_none() {
            self.read(&mut reader);
            job = lock(&self.jobs).start();
        }
        self.readers.fetch_sub(1, SeqCst);
        job
    }

    fn start_reader(self: &Arc<Self>) {
        let server = Arc::clone(self);
        // Without another thread, this one reads on after its call.
        if let Err(error) = thread::Builder::new().spawn(move || server.run()) {
            note(format_args!("cannot start another thread: {error}"));
        }
    }

    /// Reads a line, and does what needs no tool.
    fn read(&self, reader: &mut Reader) {
        let Reader { line, session } = reader;
        let work = match lines::read(io::stdin().lock(), line) {
            Some(Ok(text)) => inbox::take(session, text, &self.tools),
            Some(Err(problem)) => return note(problem),
            None => self.end(),
        };
        if let Some(problem) = work.problem {
            note(problem);
        }
        for line in work.lines {
            self.write(Some(line));
        }
        for job in work.jobs {
            lock(&self.jobs).add(job);
        }
        for id in work.cancelled {
            let cancelled = lock(&self.jobs).cancel(&id);
            for job in cancelled {
                self.write(job.destination.line(None));
            }
        }
    }

    fn perform(self: &Arc<Self>, job: &Arc<Job>) {
        let (outcome, page) = job.invocation.run();
        if !lock(&self.jobs).finish(job) {
            return;
        }
        let response = message::response(&job.id, &outcome);
        self.write(job.destination.line(Some(response)));
        if let Some(page) = page {
            self.announce_end(&page);
        }
        lock(&self.jobs).responded();
        self.ended.notify_all();
    }

    /// Tells the client when the user has finished with the page.
    fn announce_end(self: &Arc<Self>, page: &Page) {
        let server = Arc::clone(self);
        let params = page.completion();
        page.on_finish(move || {
            let method = "notifications/elicitation/complete";
            server.write(Some(message::notification(method, &params)));
        });
    }

    /// Ends the process if stdout is closed: nobody would read a response.
    fn write(&self, line: Option<String>) {
        let written = line.map_or(Ok(()), |line| self.output.line(line));
        if let Err(error) = written {
            note(format_args!("cannot write to stdout: {error}"));
            self.end_within(Duration::ZERO);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
