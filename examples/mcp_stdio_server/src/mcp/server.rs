//! The threads of the server: one reads stdin, others run tools.
//!
//! A thread that has read a call hands reading over to another thread, and then runs the call itself (the
//! *leader/followers* pattern). A slow call therefore delays no other message. Unless too many calls are running, a
//! call starts at once, on the thread that has read it or, for the further calls of a batch, on other threads.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::inbox::{self, Work};
use super::jobs::{Job, Jobs};
use super::lines::{self, Line, note};
use super::lock;
use super::message;
use super::protocol::Session;
use super::tool::{Tool, Tools};

/// The interval at which [`Server::close`] checks whether lines are still being written.
const STEP: Duration = Duration::from_millis(5);

/// Runs tools for the client at the other end of stdin and stdout.
pub(crate) struct Server {
    tools: Tools,
    /// The reading thread holds this lock. Idle threads wait for it.
    session: Mutex<Session>,
    /// The number of threads that read or wait to read.
    readers: AtomicUsize,
    state: Mutex<State>,
    /// Signalled when the server is to stop, and then whenever a call has ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Jobs,
    is_stopping: bool,
    /// The reason why stdin or stdout cannot be used any more.
    failure: Option<String>,
}

impl Server {
    pub(crate) fn new(tools: Vec<Tool>) -> Arc<Self> {
        Arc::new(Self {
            tools: tools.into_iter().map(Arc::new).collect(),
            session: Mutex::default(),
            readers: AtomicUsize::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Serves until stdin ends, stdin or stdout fails, or [`Self::stop`] is called. Calls may then still be under way. The
    /// caller waits for them with [`Self::wait_for_calls`], and then calls [`Self::close`].
    pub(crate) fn run(self: &Arc<Self>) -> io::Result<()> {
        self.start_thread()?;
        let serves = |state: &mut State| !state.is_stopping;
        let stopping = self.changed.wait_while(lock(&self.state), serves);
        drop(stopping.unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Waits until no call is under way. Returns false if that takes longer than `timeout`.
    pub(crate) fn wait_for_calls(&self, timeout: Duration) -> bool {
        let is_busy = |state: &mut State| state.jobs.is_busy();
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, timeout, is_busy);
        let (_state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Waits until the lines that are being written have been written, so that the last line is not cut. Fails if that
    /// takes longer than `timeout`, or if stdin or stdout has failed. The caller should end the process afterwards,
    /// because threads may still wait for input.
    pub(crate) fn close(&self, timeout: Duration) -> Result<(), String> {
        let start = Instant::now();
        while lines::is_writing() {
            if start.elapsed() >= timeout {
                return Err("the client has not read all responses".to_owned());
            }
            thread::sleep(STEP);
        }
        lock(&self.state).failure.take().map_or(Ok(()), Err)
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).is_stopping = true;
        self.changed.notify_all();
    }

    /// Stops the server because it cannot go on. The first failure counts.
    fn fail(&self, problem: String) {
        lock(&self.state).failure.get_or_insert(problem);
        self.stop();
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let server = Arc::clone(self);
        let started = thread::Builder::new().spawn(move || server.serve());
        started.map(drop)
    }

    /// Reads lines and runs calls, until the server stops and no call is waiting.
    fn serve(self: &Arc<Self>) {
        while let Some(job) = self.next_job() {
            if self.readers.load(SeqCst) == 0
                && let Err(error) = self.start_thread()
            {
                // No thread reads until this thread, or another thread that runs a call, has finished its call.
                note(format_args!("cannot start another thread: {error}"));
            }
            self.perform(&job);
        }
    }

    /// Returns a waiting call. If there is none, reads lines until there is one. Returns `None` if the server stops.
    fn next_job(&self) -> Option<Arc<Job>> {
        let waiting = lock(&self.state).jobs.start();
        if waiting.is_some() {
            return waiting;
        }
        self.readers.fetch_add(1, SeqCst);
        let mut session = lock(&self.session);
        let job = loop {
            let mut state = lock(&self.state);
            let job = state.jobs.start();
            if job.is_some() || state.is_stopping {
                break job;
            }
            drop(state);
            self.read(&mut session);
        };
        self.readers.fetch_sub(1, SeqCst);
        job
    }

    /// Reads a line, and handles everything in it that needs no tool.
    fn read(&self, session: &mut Session) {
        let work = match lines::read(io::stdin().lock()) {
            Ok(Line::Text(text)) => inbox::take(session, &text, &self.tools),
            Ok(Line::Unusable(problem, is_cut)) => Work::unparsed(problem, is_cut),
            Ok(Line::End) => return self.stop(),
            Err(error) => return self.fail(format!("cannot read stdin: {error}")),
        };
        match work.problem {
            Some(problem) if work.is_cut => {
                let problem = format!("stdin has ended in the middle of a message: {problem}");
                lock(&self.state).failure.get_or_insert(problem);
            }
            Some(problem) => note(problem),
            None => {}
        }
        self.write(work.lines);
        lock(&self.state).jobs.add(work.jobs);
        for id in work.cancelled {
            let cancelled = lock(&self.state).jobs.cancel(&id);
            let lines = cancelled.iter().map(|job| job.destination.line(None));
            self.write(lines.flatten());
        }
    }

    fn perform(self: &Arc<Self>, job: &Arc<Job>) {
        let (outcome, page) = job.invocation.run();
        let gets_response = lock(&self.state).jobs.finish(job);
        if gets_response {
            let response = message::response(&job.id, &outcome);
            self.write(job.destination.line(Some(response)));
            if let Some(page) = page {
                // Tells the client when the user has finished with the page.
                let (server, line) = (Arc::clone(self), page.completion());
                page.on_finish(move || server.write([line]));
            }
        }
        let mut state = lock(&self.state);
        state.jobs.end(gets_response);
        if state.is_stopping {
            self.changed.notify_all();
        }
    }

    /// Writes lines. Stops the server if stdout is closed, because nobody would read the responses.
    fn write(&self, lines: impl IntoIterator<Item = String>) {
        if let Err(error) = lines.into_iter().try_for_each(lines::write) {
            self.fail(format!("cannot write to stdout: {error}"));
        }
    }
}
