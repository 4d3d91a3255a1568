//! A command that ends early: its exit code, and one line with the problem and, if possible, what to do.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{ErrorKind, NexusError};

use crate::text::{escaped, one_line, say};
use crate::times;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const CONNECT: u8 = 6;
const TIMED_OUT: u8 = 7;

pub(crate) struct Stop {
    pub(crate) code: u8,
    /// A word for programs: the code of the SDK's error, or a word for the exit code.
    word: String,
    /// The line for stderr. It is empty if stdout already has the reason.
    pub(crate) line: String,
    /// The time until the next attempt, as stated by the gateway.
    retry_after: Option<Duration>,
}

impl Stop {
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        let word = match code {
            USAGE => "usage",
            CONNECT => "not_connected",
            TIMED_OUT => "timeout",
            _ => "failed",
        };
        Self {
            code,
            word: word.to_owned(),
            line: line.into(),
            retry_after: None,
        }
    }

    /// Keeps the code of the SDK's error that caused this one, and the time until the next attempt.
    pub(crate) fn caused_by(mut self, error: &NexusError) -> Self {
        error.code().clone_into(&mut self.word);
        self.retry_after = error.retry_after();
        self
    }

    pub(crate) fn failed(line: impl Into<String>) -> Self {
        Self::new(FAILED, line)
    }

    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self::new(USAGE, line)
    }

    /// Creates the error for a problem that the user can fix only by connecting.
    pub(crate) fn unconnected(line: impl Into<String>) -> Self {
        Self::new(CONNECT, line)
    }

    /// Creates the error for a file, or for a stream such as stdin.
    pub(crate) fn file(doing: &str, path: impl AsRef<Path>, error: &io::Error) -> Self {
        let path = path.as_ref().display();
        Self::failed(format!("cannot {doing} {path}: {error}"))
    }

    /// Prints the line to stderr, as text or as JSON, and returns the exit code.
    pub(crate) fn report(self, as_json: bool) -> ExitCode {
        let line = one_line(&self.line);
        let wait = self.retry_after.map(times::whole_seconds);
        let wait = wait.filter(|wait| *wait > 0);
        if as_json && !line.is_empty() {
            let fields = [
                ("error", Json::from(self.word)),
                ("message", line.into()),
                ("exit_code", self.code.into()),
                ("retry_after", wait.into()),
            ];
            let known = fields.into_iter().filter(|(_, value)| !value.is_null());
            let error: Json = known.collect();
            say(&escaped(&error.to_string()));
        } else if !line.is_empty() {
            let wait = wait.map_or_else(String::new, |wait| format!(" (retry in {wait} s)"));
            say(&format!("nexus: {line}{wait}"));
        }
        ExitCode::from(self.code)
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
        Self::new(code, format!("{error}{}", advice(&error))).caused_by(&error)
    }
}

/// Returns the error without the SDK's advice, which follows the first semicolon and is for programmers.
pub(crate) fn problem(error: &NexusError) -> String {
    let text = error.to_string();
    text.split(';').next().unwrap_or_default().to_owned()
}

fn is_unconnected(error: &NexusError) -> bool {
    let codes = ["connection_not_found", "connection_not_active"];
    error.needs_reconnect() || codes.contains(&error.code())
}

/// Returns the advice to append to the SDK's error, such as the command or option of `nexus` that helps.
fn advice(error: &NexusError) -> &'static str {
    match (error.code(), error.status_code()) {
        // The SDK advises checking the id and the workspace, but both may be right even if the connection is gone.
        ("connection_not_found", _) if !error.needs_reconnect() => ", or run `nexus connect`",
        _ if is_unconnected(error) => " (run `nexus connect`)",
        ("insecure_url", _) if error.message().contains("redirect") => {
            " (the option of `nexus` is --no-redirect)"
        }
        ("insecure_url", _) => " (the option of `nexus` is --allow-insecure-http)",
        ("body_too_large", _) => " (`nexus` has no such option: write the body to a file with -o)",
        ("provider_not_found" | "provider_ambiguous", _) => "; give another --provider",
        ("static_token" | "saml_not_refreshable", _) => "; there is nothing to refresh",
        ("http_400", _) => "; check the arguments, such as a connection's id",
        (_, Some(401)) => " (set NEXUS_API_KEY)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_an_option_that_helps() {
        let table = [
            (
                "insecure_url",
                "url: http://h is plain http",
                "--allow-insecure-http",
            ),
            (
                "insecure_url",
                "https://h: refused a redirect",
                "--no-redirect",
            ),
            ("http_400", "bad request", "check the arguments"),
            ("body_too_large", "larger than 104857600 bytes", "with -o"),
        ];
        for (code, message, part) in table {
            let error = NexusError::with_code(code, message);
            assert!(advice(&error).contains(part), "{message}");
        }
    }
}
