//! What the threads of a gateway share.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::clock::Clock;
use super::connections::Connections;
use super::fault::FaultPlan;
use super::rate_limit::RateLimits;
use super::received::RequestLog;

/// A response that a test has set up for the sample upstream.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: String,
    /// With a leading slash. A request matches if its path ends in this.
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// Everything the threads of a gateway share.
pub(super) struct Service {
    pub(super) url: String,
    pub(super) api_key: Option<String>,
    /// Whether there are agent sessions.
    pub(super) sessions: bool,
    /// Whether their tokens come as `session_token`.
    pub(super) session_tokens: bool,
    pub(super) health_at: String,
    /// Whether this is a gateway 0.2.
    pub(super) v0_2: bool,
    /// `None`: there are none.
    pub(super) limits: Option<Mutex<RateLimits>>,
    /// In the order in which they were set up; the last match is served.
    pub(super) routes: Vec<Route>,
    pub(super) clock: Clock,
    pub(super) connections: Mutex<Connections>,
    pub(super) faults: Mutex<FaultPlan>,
    pub(super) requests: Mutex<RequestLog>,
    pub(super) stop: Stop,
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
