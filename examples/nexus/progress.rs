//! What a command that takes its time says meanwhile, on stderr.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

use nexus_sdk::ConnectionStatus;

use crate::stop::one_line;

/// Where the wait has got to: on a terminal one line that changes, elsewhere a line a status.
pub(crate) struct Progress {
    /// What is waited for.
    what: &'static str,
    on_terminal: bool,
    since: Instant,
    shown: Option<ConnectionStatus>,
}

impl Progress {
    pub(crate) fn start(what: &'static str) -> Self {
        Self {
            what,
            on_terminal: io::stderr().is_terminal(),
            since: Instant::now(),
            shown: None,
        }
    }

    pub(crate) fn show(&mut self, status: &ConnectionStatus) {
        let line = format!("waiting for {}: {}", self.what, one_line(status));
        if self.on_terminal {
            let seconds = self.since.elapsed().as_secs();
            // To the start of the line, and clear what was there.
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

/// A closed stderr is no reason to stop waiting.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
