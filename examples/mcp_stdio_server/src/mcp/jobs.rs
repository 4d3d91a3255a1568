//! The tool calls that wait or run.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::inbox::Destination;
use super::protocol::Invocation;

/// The maximum number of calls that run at a time, not counting cancelled calls. Further calls wait in order.
const MAX_RUNNING: usize = 32;
/// The maximum number of threads that run calls, including cancelled calls. I/O cannot be interrupted, so a cancelled
/// call occupies its thread until its I/O ends. If all threads are occupied, further calls wait.
const MAX_THREADS: usize = 16 * MAX_RUNNING;

/// A tool call, and the destination of its response.
pub(crate) struct Job {
    pub(crate) id: Value,
    pub(crate) invocation: Invocation,
    pub(crate) destination: Destination,
}

#[derive(Default)]
pub(crate) struct Jobs {
    waiting: VecDeque<Arc<Job>>,
    running: Vec<Arc<Job>>,
    /// The number of threads that run a call or write its response.
    threads: usize,
    /// The number of busy threads whose call has been cancelled.
    cancelled: usize,
}

impl Jobs {
    pub(crate) fn add(&mut self, jobs: Vec<Job>) {
        self.waiting.extend(jobs.into_iter().map(Arc::new));
    }

    /// Returns the next call, unless too many calls are already running. The caller runs it, and then calls
    /// [`Self::finish`] and [`Self::end`].
    pub(crate) fn start(&mut self) -> Option<Arc<Job>> {
        if self.running.len() >= MAX_RUNNING || self.threads >= MAX_THREADS {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running.push(Arc::clone(&job));
        self.threads = self.threads.saturating_add(1);
        Some(job)
    }

    /// Removes a call that has finished. Returns whether to write its response, which is false for a cancelled call.
    pub(crate) fn finish(&mut self, job: &Arc<Job>) -> bool {
        let before = self.running.len();
        self.running.retain(|other| !Arc::ptr_eq(other, job));
        self.running.len() < before
    }

    /// Records that a thread is free again. Expects the result of [`Self::finish`].
    pub(crate) fn end(&mut self, has_responded: bool) {
        self.threads = self.threads.saturating_sub(1);
        self.cancelled = self.cancelled.saturating_sub((!has_responded).into());
    }

    /// Cancels, removes and returns the calls with this id. Ignores unknown ids and finished calls.
    pub(crate) fn cancel(&mut self, id: &Value) -> VecDeque<Arc<Job>> {
        let waiting = self.waiting.drain(..);
        let (mut cancelled, waiting) = waiting.partition(|job| job.id == *id);
        self.waiting = waiting;
        let started = self.running.extract_if(.., |job| job.id == *id);
        let started: Vec<_> = started.collect();
        self.cancelled = self.cancelled.saturating_add(started.len());
        cancelled.extend(started);
        for job in &cancelled {
            job.invocation.call.cancel();
        }
        cancelled
    }

    /// Returns whether any response has yet to be written.
    pub(crate) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.threads > self.cancelled
    }
}
