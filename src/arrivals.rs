//! The connections whose browsers are back: what a wait for one of them sleeps on, beside the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::time::MAX_DURATION;

/// As many arrivals as are kept. One listener has one return URL and a few forms.
const MAX_KEPT: usize = 32;

/// Shared by a listener, which announces, and the waits that look out for a connection.
#[derive(Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The connection of the latest wait.
    awaited: Option<String>,
    /// The connection that the return URL was used for.
    returned: Option<String>,
    announced: Vec<String>,
}

impl Arrivals {
    /// Whether the return URL may be used for this connection: once, for the one that is waited for.
    /// Before there is a wait, the first one holds it until a wait for another begins.
    pub(crate) fn claim(&self, connection_id: &str) -> bool {
        let mut state = self.state.lock();
        let awaited = state.awaited.as_deref();
        let used = match (&state.returned, awaited) {
            (None, _) => false,
            (Some(returned), Some(awaited)) => returned == awaited,
            (Some(_), None) => true,
        };
        let wanted = awaited.is_none_or(|awaited| awaited == connection_id);
        if used || !wanted {
            return false;
        }
        state.returned = Some(connection_id.to_owned());
        true
    }

    /// Wakes whoever waits for this connection, or will.
    pub(crate) fn announce(&self, connection_id: String) {
        let mut state = self.state.lock();
        if state.announced.len() >= MAX_KEPT {
            state.announced.remove(0);
        }
        state.announced.push(connection_id);
        self.changed.notify_all();
    }
}

/// One wait's view of the arrivals.
pub(crate) struct Lookout {
    arrivals: Arc<Arrivals>,
    connection_id: String,
    seen: bool,
}

impl Lookout {
    pub(crate) fn new(arrivals: Arc<Arrivals>) -> Self {
        Self {
            arrivals,
            connection_id: String::new(),
            seen: false,
        }
    }

    /// From here on the return URL is for this connection alone.
    pub(crate) fn await_connection(&mut self, connection_id: &str) {
        connection_id.clone_into(&mut self.connection_id);
        self.arrivals.state.lock().awaited = Some(connection_id.to_owned());
    }

    /// Waits for a browser that is not back yet.
    pub(crate) fn linger(&mut self, at_most: Duration) {
        if !self.seen {
            self.wait(at_most);
        }
    }

    /// Sleeps for this long, or until the connection's browser is back. That wakes each wait once:
    /// afterwards this is a sleep.
    pub(crate) fn wait(&mut self, pause: Duration) {
        let now = Instant::now();
        let end = now.checked_add(pause.min(MAX_DURATION)).unwrap_or(now);
        let mut state = self.arrivals.state.lock();
        loop {
            if !self.seen && state.announced.contains(&self.connection_id) {
                self.seen = true;
                return;
            }
            let waited = self.arrivals.changed.wait_until(&mut state, end);
            if waited.timed_out() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_return_url_is_for_one_connection() {
        // `?` begins a wait, `=` is a claim that holds, `!` one that does not.
        let table = [
            "=a !a !b",
            "?a =a !a",
            "?a !b =a !a !b",
            "=b ?a =a !a !b",
            "=a ?a !a !b",
        ];
        for case in table {
            let arrivals = Arc::new(Arrivals::default());
            for step in case.split(' ') {
                let (what, id) = step.split_at(1);
                match what {
                    "?" => drop(lookout(&arrivals, id)),
                    what => assert_eq!(arrivals.claim(id), what == "=", "{step} of {case}"),
                }
            }
        }
    }

    #[test]
    fn each_wait_is_woken_once_and_by_its_own_connection() {
        let arrivals = Arc::new(Arrivals::default());
        let mut first = lookout(&arrivals, "a");
        let mut second = lookout(&arrivals, "a");
        arrivals.announce("b".into());
        first.wait(Duration::ZERO);
        assert!(!first.seen);
        let waking = std::thread::spawn(move || {
            first.wait(Duration::MAX);
            first
        });
        arrivals.announce("a".into());
        let mut first = waking.join().unwrap();
        assert!(first.seen);
        first.wait(Duration::ZERO);
        second.wait(Duration::MAX);
        for _ in 0..2 * MAX_KEPT {
            arrivals.announce("c".into());
        }
        assert_eq!(arrivals.state.lock().announced.len(), MAX_KEPT);
    }

    fn lookout(arrivals: &Arc<Arrivals>, connection_id: &str) -> Lookout {
        let mut lookout = Lookout::new(Arc::clone(arrivals));
        lookout.await_connection(connection_id);
        lookout
    }

    #[test]
    fn a_wait_that_ends_lingers_only_for_a_browser_that_is_not_back() {
        let arrivals = Arc::new(Arrivals::default());
        let mut lookout = Lookout::new(Arc::clone(&arrivals));
        lookout.await_connection("c-1");
        let other = Arc::clone(&arrivals);
        let browser = std::thread::spawn(move || other.announce("c-1".to_owned()));
        lookout.linger(HOUR);
        assert!(lookout.seen);
        browser.join().unwrap();
        // It is back: another hour would not end.
        lookout.linger(HOUR);
    }
}
