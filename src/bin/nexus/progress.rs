//! Progress of a command that takes its time, on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use nexus_sdk::ConnectionStatus;

use crate::text::one_line;

/// A line that changes on a terminal; elsewhere a line for each new status.
pub(crate) struct Progress {
    awaited: &'static str,
    on_terminal: bool,
    since: Instant,
    shown: Option<ConnectionStatus>,
}

impl Progress {
    pub(crate) fn start(awaited: &'static str) -> Self {
        Self {
            awaited,
            on_terminal: io::stderr().is_terminal(),
            since: Instant::now(),
            shown: None,
        }
    }

    pub(crate) fn show(&mut self, status: &ConnectionStatus) {
        let line = format!("waiting for {}: {}", self.awaited, one_line(status));
        if self.on_terminal {
            let seconds = self.since.elapsed().as_secs();
            // Back to the start of the line, and clear it.
            let _ = write!(io::stderr(), "\r\x1b[K{line}, {seconds} s");
        } else if self.shown.as_ref() != Some(status) {
            say(&line);
        }
        self.shown = Some(status.clone());
    }

    pub(crate) fn end(&self) {
        if self.on_terminal && self.shown.is_some() {
            say("");
        }
    }
}

/// Prints a line to stderr. A closed stderr is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
