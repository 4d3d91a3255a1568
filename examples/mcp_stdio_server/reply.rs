//! Where an answer goes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::output::Output;

/// An answer is a line of its own, or waits for the rest of its batch.
#[derive(Clone)]
pub(crate) enum Reply {
    Line,
    Batch(Arc<Batch>),
}

impl Reply {
    /// Every request gives one; `None` when it was cancelled.
    pub(crate) fn give(&self, output: &Output, answer: Option<String>) {
        let line = match self {
            Self::Line => answer,
            Self::Batch(batch) => batch.add(answer),
        };
        if let Some(line) = line {
            output.line(line);
        }
    }
}

pub(crate) struct Batch(Mutex<Answers>);

struct Answers {
    missing: usize,
    given: Vec<String>,
}

impl Batch {
    pub(crate) fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Answers {
            missing: requests,
            given: Vec::new(),
        })))
    }

    /// The array, once the last answer is there. An empty one is not sent.
    fn add(&self, answer: Option<String>) -> Option<String> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.given.extend(answer);
        answers.missing = answers.missing.saturating_sub(1);
        let complete = answers.missing == 0 && !answers.given.is_empty();
        complete.then(|| format!("[{}]", answers.given.join(",")))
    }
}
