//! Why a command ends early: its exit code, and one line that says what to do.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use nexus_sdk::{ErrorKind, NexusError};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const CONNECT: u8 = 6;
const TIMED_OUT: u8 = 7;

pub(crate) enum Stop {
    Help,
    Failure { code: u8, line: String },
}

impl Stop {
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        let line = line.into();
        Self::Failure { code, line }
    }

    pub(crate) fn failed(line: impl Into<String>) -> Self {
        Self::new(FAILED, line)
    }

    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self::new(USAGE, line)
    }

    /// Only the user can help, by consenting.
    pub(crate) fn unconnected(line: impl Into<String>) -> Self {
        Self::new(CONNECT, line)
    }

    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::failed(format!("cannot {doing} {}: {error}", path.display()))
    }

    pub(crate) fn report(self) -> ExitCode {
        let Self::Failure { code, line } = self else {
            return ExitCode::SUCCESS;
        };
        // Nobody can be told that stderr is closed.
        let _ = writeln!(io::stderr(), "nexus: {}", one_line(&line));
        ExitCode::from(code)
    }
}

impl From<lexopt::Error> for Stop {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(format!("{error}; see `nexus --help`"))
    }
}

impl From<NexusError> for Stop {
    fn from(error: NexusError) -> Self {
        let code = match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::InsecureUrl => USAGE,
            ErrorKind::Timeout => TIMED_OUT,
            _ if is_unconnected(&error) => CONNECT,
            _ => FAILED,
        };
        Self::new(code, format!("{error}{}", advice(&error)))
    }
}

fn is_unconnected(error: &NexusError) -> bool {
    error.needs_reconnect() || error.code() == "connection_not_found"
}

/// What the SDK cannot know: how this program is told what was missing.
fn advice(error: &NexusError) -> &'static str {
    match (error.code(), error.status_code()) {
        _ if is_unconnected(error) => "; run `nexus connect`",
        ("insecure_url", _) => " (here: --allow-insecure-http)",
        ("provider_not_found" | "provider_ambiguous", _) => "; give another --provider",
        ("static_token" | "saml_not_refreshable", _) => "; there is nothing to refresh",
        ("http_400", _) => "; check the connection id",
        (_, Some(401 | 403)) => "; set NEXUS_API_KEY to a key that the gateway accepts",
        _ => "",
    }
}

/// Text of others, fit for a terminal.
pub(crate) fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    text.trim_end().replace(|c: char| c.is_control(), " ")
}
