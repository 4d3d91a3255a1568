//! Reports wrong arguments on one line.

use std::env;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::stop::Stop;

pub(crate) fn stop(error: &clap::Error, cli: &Command) -> Stop {
    Stop::usage(wrong_arguments(error, cli))
}

/// Returns the command that the user typed, if there is one of this name.
fn command(cli: &Command) -> Option<&Command> {
    env::args_os()
        .skip(1)
        .find_map(|word| cli.find_subcommand(word))
}

/// Returns whether the user typed `--json` for a command that has this option. clap says nothing about arguments of which
/// some are wrong.
pub(crate) fn wants_json(cli: &Command) -> bool {
    let has_option = |command: &Command| command.get_arguments().any(|it| it.get_id() == "json");
    command(cli).is_some_and(has_option) && env::args_os().any(|word| word == "--json")
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
    match command(cli) {
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
