//! Reports wrong arguments on one line.

use std::env;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::stop::Stop;

pub(crate) fn stop(error: &clap::Error, cli: &Command) -> Stop {
    match error.kind() {
        ErrorKind::MissingSubcommand => Stop::usage("no command given; see `nexus --help`"),
        _ => Stop::usage(wrong_arguments(error, cli)),
    }
}

/// Returns the problem and the tips from clap's error on one line, and names the command whose help lists the
/// arguments.
fn wrong_arguments(error: &clap::Error, cli: &Command) -> String {
    let text = without_values(error);
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let (tips, others): (Vec<_>, Vec<_>) = text
        .split("\n\n")
        .map(words)
        .partition(|paragraph| paragraph.starts_with("tip: "));
    let problem = others.first().map_or("", String::as_str);
    let problem = problem.trim_start_matches("error: ").to_owned();
    let problems = [vec![problem], tips].concat().join("; ");
    // For an invalid value, clap's error does not name the command.
    let first = env::args_os().nth(1).unwrap_or_default();
    match cli.find_subcommand(first) {
        Some(command) => format!("{problems}; see `nexus {} --help`", command.get_name()),
        None => format!("{problems}; see `nexus --help`"),
    }
}

/// Returns clap's error without the values that the user typed, because a value may be a secret if the user forgot to
/// name its option. Unknown subcommands, words that begin with `-`, and numbers out of range remain in the error.
fn without_values(error: &clap::Error) -> String {
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    let typed = if is_unknown {
        ContextKind::InvalidArg
    } else {
        ContextKind::InvalidValue
    };
    let text = error.to_string();
    match error.get(typed) {
        Some(ContextValue::String(value)) if !(is_unknown && value.starts_with('-')) => {
            text.replace(&format!(" '{value}'"), "")
        }
        _ => text,
    }
}
