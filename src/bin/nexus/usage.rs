//! Reports wrong arguments in one line.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::stop::Stop;

pub(crate) fn stop(error: &clap::Error) -> Stop {
    match error.kind() {
        ErrorKind::MissingSubcommand => Stop::usage("no command given; see `nexus --help`"),
        _ => Stop::usage(wrong_arguments(error)),
    }
}

/// Returns the problem and the tips from clap's paragraphs, and names the command whose help to read.
fn wrong_arguments(error: &clap::Error) -> String {
    let text = without_values(error);
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let (tips, others): (Vec<_>, Vec<_>) = text
        .split("\n\n")
        .map(words)
        .partition(|paragraph| paragraph.starts_with("tip: "));
    let problem = others.first().map_or("", String::as_str);
    let problem = problem.trim_start_matches("error: ").to_owned();
    let usage = others.iter().find_map(|it| it.strip_prefix("Usage: "));
    let is_name = |word: &&str| !word.starts_with(['<', '[', '-']);
    let command = usage.unwrap_or("nexus").split(' ').take_while(is_name);
    let command = command.collect::<Vec<_>>().join(" ");
    let problems = [vec![problem], tips].concat().join("; ");
    format!("{problems}; see `{command} --help`")
}

/// Omits typed values, because a value may be a secret whose option was forgotten.
fn without_values(error: &clap::Error) -> String {
    let mut text = error.to_string();
    let names_an_option = matches!(
        error.kind(),
        ErrorKind::ValueValidation | ErrorKind::InvalidValue
    );
    for kind in [ContextKind::InvalidArg, ContextKind::InvalidValue] {
        if let Some(ContextValue::String(value)) = error.get(kind) {
            let is_option = names_an_option || value.starts_with('-');
            if kind == ContextKind::InvalidValue || !is_option {
                text = text.replace(&format!(" '{value}'"), "");
            }
        }
    }
    text
}
