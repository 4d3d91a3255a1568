//! Stands in for the example's stdout: keeps the lines.

use std::fmt;
use std::mem;
use std::sync::{Mutex, PoisonError};

/// What the example would write to stderr.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = text.to_string();
}

#[derive(Default)]
pub(crate) struct Output(Mutex<Vec<String>>);

impl Output {
    pub(crate) fn line(&self, text: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
