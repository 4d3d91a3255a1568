//! What one request meets: the log, the faults, then the routes.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::answer::Answer;
use super::clock::Clock;
use super::fault::{Effect, FaultPlan};
use super::received::{ReceivedRequest, RequestLog};
use super::routes;
use super::state::Connections;
use super::upstream::File;

/// Everything the threads of a gateway share.
pub(super) struct Service {
    pub(super) url: String,
    pub(super) api_key: Option<String>,
    pub(super) token_lifetime: Duration,
    /// Whether there are agent sessions.
    pub(super) sessions: bool,
    /// Whether their tokens come as `session_token`.
    pub(super) session_tokens: bool,
    /// `None`: the two usual places.
    pub(super) health_at: Option<String>,
    /// What the upstream serves beside its own paths.
    pub(super) files: Vec<File>,
    pub(super) clock: Clock,
    pub(super) connections: Mutex<Connections>,
    pub(super) faults: Mutex<FaultPlan>,
    pub(super) requests: Mutex<RequestLog>,
    pub(super) stop: Stop,
}

impl Service {
    /// `None`: the connection is to be cut.
    pub(super) fn answer(&self, request: &ReceivedRequest) -> Option<Answer> {
        self.requests.lock().record(request.clone());
        let effect = self.faults.lock().take(&request.path);
        match effect {
            Effect::Answer(answer) => return Some(answer),
            Effect::Cut => return None,
            Effect::Wait(delay) if self.stop.wait(delay) => return None,
            Effect::Wait(_) | Effect::None => {}
        }
        Some(routes::answer(self, request))
    }

    pub(super) fn is_health(&self, path: &str) -> bool {
        match &self.health_at {
            Some(only) => only == path,
            None => matches!(path, "/health" | "/v1/health"),
        }
    }
}

/// A flag that ends every wait.
#[derive(Default)]
pub(super) struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(super) fn set(&self) {
        *self.stopped.lock() = true;
        self.changed.notify_all();
    }

    pub(super) fn is_set(&self) -> bool {
        *self.stopped.lock()
    }

    /// Waits that long, or until the gateway stops; tells whether it did.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        self.changed
            .wait_while_for(&mut stopped, |stopped| !*stopped, time);
        *stopped
    }
}
