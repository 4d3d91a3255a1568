//! Reads and writes lines. Each line on stdout is one JSON-RPC message, or one batch of messages.

use std::fmt;
use std::io::{self, BufRead, Write};

const MAX_LINE: u64 = 64 << 20;

/// Writes a line to stderr. Unlike `eprintln!`, it does not panic if the client has closed stderr.
pub(crate) fn note(text: impl fmt::Display) {
    let line = format!("{}: {text}\n", env!("CARGO_CRATE_NAME"));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// U+FEFF in UTF-8. Some programs on Windows write it before their first line.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the next line, without a byte order mark at its start. Returns `None` at the end of the input or if it cannot
/// be read, and
/// `Some(Err(..))` with the reason if the line is too long or is not UTF-8.
pub(crate) fn read(input: impl BufRead) -> Option<Result<String, String>> {
    let mut line = Vec::new();
    let mut input = input.take(MAX_LINE);
    match input.read_until(b'\n', &mut line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => {
            note(format_args!("cannot read stdin: {error}"));
            return None;
        }
    }
    if input.limit() == 0 && !line.ends_with(b"\n") {
        drop(line);
        input.into_inner().skip_until(b'\n').ok()?;
        return Some(Err("a line is longer than 64 MiB".to_owned()));
    }
    if line.starts_with(BYTE_ORDER_MARK) {
        line.drain(..BYTE_ORDER_MARK.len());
    }
    let text = String::from_utf8(line);
    Some(text.map_err(|error| format!("a line is not UTF-8: {error}")))
}

/// Writes a line to stdout. Blocks while the pipe to the client is full, and fails if the client has closed stdout.
pub(crate) fn write(mut line: String) -> io::Result<()> {
    line.push('\n');
    // The line break flushes stdout.
    io::stdout().lock().write_all(line.as_bytes())
}
