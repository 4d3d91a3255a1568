//! Writes results to stdout or a file, as text or JSON.

use std::borrow::Cow;
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};

use clap::ArgMatches;
use nexus_sdk::serde_json::Value;

use crate::ending;
use crate::stop::Stop;
use crate::streams;
use crate::text::{escaped, one_line};

/// Names and values of a result, in the order in which they are printed as text. Missing values are not printed.
pub(crate) type Fields = Vec<(&'static str, Value)>;

/// Returns whether the command has the option `--json`, and the user gave it.
pub(crate) fn wants_json(matches: &ArgMatches) -> bool {
    let of_command =
        |(_, matches): (&str, &ArgMatches)| matches.try_get_one("json").ok().flatten().copied();
    matches.subcommand().and_then(of_command).unwrap_or(false)
}

pub(crate) fn print_fields(mut fields: Fields, json: bool) -> Result<(), Stop> {
    fields.retain(|(_, value)| !value.is_null());
    if json {
        return print_json(&fields.into_iter().collect());
    }
    let cell = |value: Value| value.as_str().map_or_else(|| value.to_string(), one_line);
    let row = |(name, value): (&str, Value)| [name.to_owned(), cell(value)];
    print(columns(&fields.into_iter().map(row).collect::<Vec<_>>()))
}

/// Aligns the cells of each column.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let cell = |(cell, width): (&String, usize)| format!("{cell:width$}");
    let line = |row: &[String; N]| {
        let cells: Vec<_> = row.iter().zip(widths).map(cell).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

pub(crate) fn print_json(value: &Value) -> Result<(), Stop> {
    print_line(escaped(&value.to_string()))
}

pub(crate) fn print_line(line: String) -> Result<(), Stop> {
    print(line + "\n")
}

/// Prints the bytes. On a terminal, escapes control characters, because they may come from a stranger and could change
/// what the user sees. While a signal is ending or suspending the program, blocks before printing. A closed pipe is not
/// an error, because its reader, such as `head`, needs no more output.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<(), Stop> {
    ending::checkpoint();
    let mut stdout = streams::stdout();
    let text = if io::stdout().is_terminal() {
        let text = String::from_utf8_lossy(text.as_ref());
        // On a terminal, a line feed also moves the cursor to the start of the line.
        Cow::Owned(escaped(&text.replace("\r\n", "\n")).into_bytes())
    } else {
        Cow::Borrowed(text.as_ref())
    };
    match stdout.write_all(&text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::file("write to", "stdout", &error))
        }
        _ => Ok(()),
    }
}

/// Writes a body to stdout. On a terminal, adds a missing line break at the end.
pub(crate) fn write_body(mut body: Vec<u8>) -> Result<(), Stop> {
    if io::stdout().is_terminal() && body.last().is_some_and(|last| *last != b'\n') {
        body.push(b'\n');
    }
    print(body)
}
