//! When the user's browser returns, wakes the thread that waits for the connection. A browser also counts as returned
//! once the gateway has accepted a credential that the user entered in the browser.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::time::Deadline;

/// The state that a listener shares with the waits that use it.
#[derive(Default)]
pub(crate) struct BrowserReturns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The connection of the latest wait.
    awaited: Option<String>,
    /// The connection that used the return URL.
    returned: Option<String>,
    /// The connections for which the browser has returned. A wait that starts later wakes at once.
    notified: Vec<String>,
}

impl BrowserReturns {
    /// Returns whether a connection may use the return URL, and if so marks the URL as used. Only the awaited
    /// connection may use the URL, and only once. Before the first wait, any connection may use it, once.
    pub(crate) fn use_return_url(&self, connection_id: &str) -> bool {
        let mut state = self.state.lock();
        let awaited = state.awaited.as_ref();
        let is_used =
            state.returned.is_some() && (awaited.is_none() || state.returned.as_ref() == awaited);
        let is_awaited = awaited.is_none_or(|awaited| awaited == connection_id);
        if is_used || !is_awaited {
            return false;
        }
        state.returned = Some(connection_id.to_owned());
        true
    }

    /// Returns a function that wakes the waits for this connection, including waits that have not started yet.
    pub(crate) fn notifier(
        self: &Arc<Self>,
        connection_id: String,
    ) -> Box<dyn FnOnce() + Send + 'static> {
        let returns = Arc::clone(self);
        Box::new(move || returns.notify(connection_id))
    }

    fn notify(&self, connection_id: String) {
        self.state.lock().notified.push(connection_id);
        self.changed.notify_all();
    }
}

/// A wait for one connection.
pub(crate) struct BrowserWait {
    returns: Arc<BrowserReturns>,
    connection_id: String,
    has_returned: bool,
}

impl BrowserWait {
    pub(crate) fn new(returns: Arc<BrowserReturns>) -> Self {
        Self {
            returns,
            connection_id: String::new(),
            has_returned: false,
        }
    }

    /// Reserves the return URL for this connection.
    pub(crate) fn start(&mut self, connection_id: &str) {
        connection_id.clone_into(&mut self.connection_id);
        self.returns.state.lock().awaited = Some(connection_id.to_owned());
    }

    /// Waits for the browser, unless it has returned already.
    pub(crate) fn wait_for_browser(&mut self, at_most: Duration) {
        if !self.has_returned {
            self.sleep(at_most);
        }
    }

    /// Sleeps for this long, or until the browser returns. The browser's return wakes a wait only once.
    pub(crate) fn sleep(&mut self, pause: Duration) {
        let end = Deadline::after(pause).at;
        let mut state = self.returns.state.lock();
        loop {
            if !self.has_returned && state.notified.contains(&self.connection_id) {
                self.has_returned = true;
                return;
            }
            if self.returns.changed.wait_until(&mut state, end).timed_out() {
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
        // `?` starts a wait. `=` uses the URL, and `!` is refused.
        let table = [
            "=a !a !b",
            "?a =a !a",
            "?a !b =a !a !b",
            "=b ?a =a !a !b",
            "=a ?a !a !b",
        ];
        for case in table {
            let returns = Arc::new(BrowserReturns::default());
            for step in case.split(' ') {
                let (what, id) = step.split_at(1);
                match what {
                    "?" => drop(wait_for(&returns, id)),
                    what => assert_eq!(returns.use_return_url(id), what == "=", "{step} of {case}"),
                }
            }
        }
    }

    #[test]
    fn each_wait_is_woken_once_and_by_its_own_connection() {
        let returns = Arc::new(BrowserReturns::default());
        let mut first = wait_for(&returns, "a");
        let mut second = wait_for(&returns, "a");
        returns.notify("b".into());
        first.sleep(Duration::ZERO);
        assert!(!first.has_returned);
        let waking = std::thread::spawn(move || {
            first.sleep(Duration::MAX);
            first
        });
        returns.notify("a".into());
        let mut first = waking.join().unwrap();
        assert!(first.has_returned);
        first.sleep(Duration::ZERO);
        second.sleep(Duration::MAX);
    }

    fn wait_for(returns: &Arc<BrowserReturns>, connection_id: &str) -> BrowserWait {
        let mut wait = BrowserWait::new(Arc::clone(returns));
        wait.start(connection_id);
        wait
    }

    #[test]
    fn only_a_browser_that_has_not_returned_is_waited_for() {
        let returns = Arc::new(BrowserReturns::default());
        let mut wait = wait_for(&returns, "c-1");
        let other = Arc::clone(&returns);
        let browser = std::thread::spawn(move || other.notify("c-1".to_owned()));
        wait.wait_for_browser(HOUR);
        assert!(wait.has_returned);
        browser.join().unwrap();
        // The browser has returned, so this call returns at once. Otherwise, it would block the test for an hour.
        wait.wait_for_browser(HOUR);
    }
}
