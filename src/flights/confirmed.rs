//! The connections that were confirmed to be missing.

use std::time::{Duration, Instant};

use super::key::Key;
use crate::sync::Mutex;

/// The time for which the list of providers is not requested again about the same question.
const CONFIRMED_TIME: Duration = Duration::from_secs(5);

/// The questions that were confirmed a short time ago, with their connections: the paths of the requests.
#[derive(Default)]
pub(super) struct Confirmed(Mutex<Vec<(Key, String, Instant)>>);

impl Confirmed {
    pub(super) fn has(&self, key: &Key, path: &str) -> bool {
        let mut confirmed = self.0.lock();
        confirmed.retain(|(_, _, at)| at.elapsed() < CONFIRMED_TIME);
        let mut others = confirmed.iter();
        others.any(|(other, other_path, _)| other == key && other_path == path)
    }

    pub(super) fn add(&self, key: &Key, path: &str) {
        let question = (key.clone(), path.to_owned(), Instant::now());
        self.0.lock().push(question);
    }

    /// Forgets the questions about a connection, which has had another answer.
    pub(super) fn forget(&self, key: &Key) {
        self.0.lock().retain(|(other, _, _)| other != key);
    }

    /// Forgets all questions, because the broker errs.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}
