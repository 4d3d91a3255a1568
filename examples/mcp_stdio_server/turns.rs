//! Who reads, who works, who waits: the state that the server's threads share.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::protocol::Invocation;
use crate::reply::Reply;
use crate::rpc::Id;
use crate::tools::Cancelled;

/// Calls at work at a time; more wait in order.
const CALLS: usize = 32;
/// Cancelled calls that give their place to another while they are still stuck in I/O, which cannot be interrupted.
/// So there are never more threads than both, and one that reads.
const ABANDONED: usize = 32;

pub(crate) struct Call {
    pub(crate) id: Id,
    pub(crate) invocation: Invocation,
    pub(crate) reply: Reply,
    pub(crate) cancelled: Cancelled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Working,
    Answering,
    Cancelled,
}

/// `R` is what a thread needs in order to read; whoever holds it leads.
pub(crate) struct Turns<R> {
    pub(crate) reader: Option<R>,
    pub(crate) idle: usize,
    /// A thread was woken or started, and has yet to look at what there is to do.
    pub(crate) called: bool,
    waiting: VecDeque<Arc<Call>>,
    working: Vec<(Arc<Call>, Stage)>,
    abandoned: usize,
}

impl<R> Turns<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader: Some(reader),
            idle: 0,
            called: false,
            waiting: VecDeque::new(),
            working: Vec::new(),
            abandoned: 0,
        }
    }

    pub(crate) fn add(&mut self, call: Call) {
        self.waiting.push_back(Arc::new(call));
    }

    /// The call that has waited longest, if another may start.
    pub(crate) fn start(&mut self) -> Option<Arc<Call>> {
        if self.working.len() >= CALLS {
            return None;
        }
        let call = self.waiting.pop_front()?;
        self.working.push((Arc::clone(&call), Stage::Working));
        Some(call)
    }

    /// Whether a call that has finished is to be answered; from here on it cannot be cancelled.
    pub(crate) fn settle(&mut self, call: &Arc<Call>) -> bool {
        let found = self
            .working
            .iter_mut()
            .find(|(other, _)| Arc::ptr_eq(other, call));
        match found {
            Some((_, stage)) if *stage == Stage::Working => {
                *stage = Stage::Answering;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn end(&mut self, call: &Arc<Call>) {
        let before = self.working.len();
        self.working.retain(|(other, _)| !Arc::ptr_eq(other, call));
        if self.working.len() == before {
            self.abandoned = self.abandoned.saturating_sub(1);
        }
    }

    /// Cancels the calls of this id, and returns them; none when they are unknown or finished.
    pub(crate) fn cancel(&mut self, id: &Id) -> Vec<Arc<Call>> {
        let is_meant = |call: &Arc<Call>| call.id == *id;
        let mut cancelled: Vec<_> = self
            .waiting
            .iter()
            .filter(|call| is_meant(call))
            .cloned()
            .collect();
        self.waiting.retain(|call| !is_meant(call));
        for (call, stage) in &mut self.working {
            if call.id == *id && *stage == Stage::Working {
                *stage = Stage::Cancelled;
                call.cancelled.set();
                cancelled.push(Arc::clone(call));
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
            let leaves = *stage == Stage::Cancelled && *abandoned < ABANDONED;
            *abandoned = abandoned.saturating_add(leaves.into());
            !leaves
        });
    }

    /// Whether nothing is left that will be answered.
    pub(crate) fn is_drained(&self) -> bool {
        self.waiting.is_empty()
            && self
                .working
                .iter()
                .all(|(_, stage)| *stage == Stage::Cancelled)
    }
}
