//! The messages of `nexus connect` while it waits.

use std::time::Duration;

use nexus_sdk::ConnectionStatus;

use crate::text::one_line;
use crate::times;

/// The longest time between two lines.
const REMINDER: Duration = Duration::from_secs(30);

/// The lines that say what is awaited and for how long still: one for each new status, and one every 30 s.
pub(crate) struct Progress {
    awaited: String,
    timeout: Duration,
    shown: Option<(ConnectionStatus, Duration)>,
}

impl Progress {
    pub(crate) fn new(awaited: &str, pair: &str, timeout: Duration) -> Self {
        Self {
            awaited: format!("waiting for {awaited} to connect {pair}"),
            timeout,
            shown: None,
        }
    }

    /// Returns the line to show after a poll. There is none if the wait ends with this poll.
    pub(crate) fn line(&mut self, status: &ConnectionStatus, elapsed: Duration) -> Option<String> {
        let left = self.timeout.saturating_sub(elapsed);
        if left.is_zero() || status.is_terminal() {
            return None;
        }
        let is_new = |(shown, at): &(ConnectionStatus, Duration)| {
            shown != status || elapsed.saturating_sub(*at) >= REMINDER
        };
        if !self.shown.as_ref().is_none_or(is_new) {
            return None;
        }
        self.shown = Some((status.clone(), elapsed));
        let left = times::left(left);
        Some(one_line(format!(
            "{}: {status}, {left} left; press Ctrl-C to stop",
            self.awaited
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_wait_say_how_long_it_lasts() {
        let pair = "workspace acme to provider github";
        let mut progress = Progress::new("consent", pair, Duration::from_secs(150));
        let start = "waiting for consent to connect workspace acme to provider github: ";
        // (seconds since the start, status, end of the line)
        for (elapsed, status, end) in [
            (0.001, "pending", Some("pending, 2 minutes left")),
            (1.5, "pending", None),
            (29.9, "pending", None),
            (30.1, "pending", Some("pending, 2 minutes left")),
            (50.0, "syncing", Some("syncing, 100 seconds left")),
            (60.2, "syncing", None),
            (80.0, "syncing", Some("syncing, 70 seconds left")),
            (149.5, "pending", Some("pending, 1 second left")),
            (149.6, "active", None),
            (149.6, "attention", None),
            (150.0, "syncing", None),
        ] {
            let status = ConnectionStatus::from(status);
            let line = progress.line(&status, Duration::from_secs_f64(elapsed));
            let expected = end.map(|end| format!("{start}{end}; press Ctrl-C to stop"));
            assert_eq!(line, expected, "{elapsed}");
        }
    }
}
