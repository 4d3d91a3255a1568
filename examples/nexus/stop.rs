//! Why a command ends early: its exit code, and one line that says what to do.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind as Kind};
use nexus_sdk::{ErrorKind, NexusError};

use crate::output;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const CONNECT: u8 = 6;
const TIMED_OUT: u8 = 7;

const TO_CONNECT: &str = "; run `nexus connect`";

pub(crate) enum Stop {
    /// What was asked for is a text about this program.
    Help(String),
    Failure {
        code: u8,
        line: String,
    },
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

    /// For the calls for a connection's token: a gateway of 0.2 says with a bare 403 that the user has yet to consent.
    pub(crate) fn no_token(error: NexusError) -> Self {
        match error.code() {
            "http_403" => Self::unconnected(format!("{error}{TO_CONNECT}")),
            _ => error.into(),
        }
    }

    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::failed(format!("cannot {doing} {}: {error}", path.display()))
    }

    pub(crate) fn report(self) -> ExitCode {
        let (code, line) = match self {
            Self::Failure { code, line } => (code, line),
            Self::Help(text) => match output::print(text.as_bytes()) {
                Err(Self::Failure { code, line }) => (code, line),
                _ => return ExitCode::SUCCESS,
            },
        };
        // Nobody can be told that stderr is closed.
        let _ = writeln!(io::stderr(), "nexus: {}", one_line(&line));
        ExitCode::from(code)
    }
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            Kind::DisplayHelp | Kind::DisplayVersion => Self::Help(error.to_string()),
            Kind::MissingSubcommand => Self::usage("no command; `nexus --help` lists them"),
            _ => Self::usage(wrong_arguments(&error)),
        }
    }
}

/// The problem and the tips, of the paragraphs that clap writes, and where to read on. What was typed
/// as a value is left out: it may be a secret whose option was forgotten.
fn wrong_arguments(error: &clap::Error) -> String {
    let mut text = error.to_string();
    // Of other errors, the name of the argument may be what was typed.
    let is_declared = matches!(error.kind(), Kind::ValueValidation | Kind::InvalidValue);
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(value)) = error.get(kind) {
            let declared = is_declared || value.starts_with('-');
            if kind == ContextKind::InvalidValue || !declared {
                text = text.replace(&format!(" '{value}'"), "");
            }
        }
    }
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let (tips, others): (Vec<_>, Vec<_>) = text
        .split("\n\n")
        .map(words)
        .partition(|paragraph| paragraph.starts_with("tip: "));
    let problem = others
        .first()
        .map_or("", |first| first.trim_start_matches("error: "));
    let usage = others.iter().find_map(|it| it.strip_prefix("Usage: "));
    let is_name = |word: &&str| !word.starts_with(['<', '[', '-']);
    let command: Vec<_> = usage
        .unwrap_or("nexus")
        .split(' ')
        .take_while(is_name)
        .collect();
    let said = [&[problem.to_owned()], tips.as_slice()].concat().join("; ");
    format!("{said}; see `{} --help`", command.join(" "))
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
    let codes = ["connection_not_found", "connection_not_active"];
    error.needs_reconnect() || codes.contains(&error.code())
}

/// What the SDK cannot know: how this program is told what was missing.
fn advice(error: &NexusError) -> &'static str {
    match (error.code(), error.status_code()) {
        _ if is_unconnected(error) => TO_CONNECT,
        ("insecure_url", _) => " (here: --allow-insecure-http)",
        ("provider_not_found" | "provider_ambiguous", _) => "; give another --provider",
        ("static_token" | "saml_not_refreshable", _) => "; there is nothing to refresh",
        ("http_400", _) => "; check the connection id",
        (_, Some(401)) => "; set NEXUS_API_KEY to a key that the gateway accepts",
        _ => "",
    }
}

/// Text of others, fit for a terminal.
pub(crate) fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    text.trim_end().replace(|c: char| c.is_control(), " ")
}
