//! Who reads, who works, who waits: the state that the server's threads share.

use std::collections::VecDeque;
use std::sync::Arc;

use super::jsonrpc::Id;
use super::lines::Destination;
use super::protocol::Invocation;

/// Jobs at work at a time; more wait in order.
const MAX_WORKING: usize = 32;
/// Cancelled jobs that give their place to another while they are still stuck in I/O, which cannot be interrupted.
/// So there are never more threads than both, and one that reads.
const MAX_ABANDONED: usize = 32;

/// A job of a tool that has to be run and responded to.
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) invocation: Invocation,
    pub(crate) destination: Destination,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Working,
    Responding,
    Cancelled,
}

/// `R` is what a thread needs in order to read; whoever holds it leads.
pub(crate) struct Turns<R> {
    pub(crate) reader: Option<R>,
    pub(crate) idle: usize,
    /// One of the idle threads looks by itself, every now and then, what there is to do.
    pub(crate) watched: bool,
    /// A thread was woken or started, and has yet to look at what there is to do.
    pub(crate) called: bool,
    waiting: VecDeque<Arc<Job>>,
    working: Vec<(Arc<Job>, Stage)>,
    abandoned: usize,
}

impl<R> Turns<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: Some(reader),
            idle: 0,
            watched: false,
            called: false,
            waiting: VecDeque::new(),
            working: Vec::new(),
            abandoned: 0,
        }
    }

    pub(crate) fn add(&mut self, job: Job) {
        self.waiting.push_back(Arc::new(job));
    }

    /// The job that has waited longest, if another may start.
    pub(crate) fn start(&mut self) -> Option<Arc<Job>> {
        if self.working.len() >= MAX_WORKING {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.working.push((Arc::clone(&job), Stage::Working));
        Some(job)
    }

    /// Whether a job that has finished is to be responded to; from here on it cannot be cancelled.
    pub(crate) fn settle(&mut self, job: &Arc<Job>) -> bool {
        let found = self
            .working
            .iter_mut()
            .find(|(other, _)| Arc::ptr_eq(other, job));
        match found {
            Some((_, stage)) if *stage == Stage::Working => {
                *stage = Stage::Responding;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn end(&mut self, job: &Arc<Job>) {
        let before = self.working.len();
        self.working.retain(|(other, _)| !Arc::ptr_eq(other, job));
        if self.working.len() == before {
            self.abandoned = self.abandoned.saturating_sub(1);
        }
    }

    /// Cancels the jobs of this id, and returns them; none when they are unknown or finished.
    pub(crate) fn cancel(&mut self, id: &Id) -> Vec<Arc<Job>> {
        let is_meant = |job: &Arc<Job>| job.id == *id;
        let mut cancelled: Vec<_> = self
            .waiting
            .iter()
            .filter(|job| is_meant(job))
            .cloned()
            .collect();
        self.waiting.retain(|job| !is_meant(job));
        for (job, stage) in &mut self.working {
            if job.id == *id && *stage == Stage::Working {
                *stage = Stage::Cancelled;
                job.invocation.cancel();
                cancelled.push(Arc::clone(job));
            }
        }
        self.abandon();
        cancelled
    }

    fn abandon(&mut self) {
        let Self {
            working, abandoned, ..
        } = self;
        working.retain(|(_, stage)| {
            let leaves = *stage == Stage::Cancelled && *abandoned < MAX_ABANDONED;
            *abandoned = abandoned.saturating_add(leaves.into());
            !leaves
        });
    }

    /// Whether nothing is left that will be responded to.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiting.is_empty()
            && self
                .working
                .iter()
                .all(|(_, stage)| *stage == Stage::Cancelled)
    }
}
