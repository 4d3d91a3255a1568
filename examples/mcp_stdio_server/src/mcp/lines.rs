//! Reads and writes lines. Each line on stdout is one JSON-RPC message, or one batch of messages.
//!
//! stdin and stdout may be non-blocking, because a process shares this setting with the process that has started it, and
//! Node makes its own pipes non-blocking. Reading and writing then wait and go on, so no line is lost or cut.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

const MAX_LINE: u64 = 64 << 20;
/// The first pause while a non-blocking pipe is not ready. Each further pause is twice as long.
const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(32);

/// Some programs on Windows write this character before their lines.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Some clients, such as those in Node 24 or Python, also end a line at these characters. In JSON, only strings contain
/// them, so the server escapes them.
const LINE_ENDS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// The number of threads that write a line or wait to write it.
static WRITERS: AtomicUsize = AtomicUsize::new(0);

/// Writes a line to stderr. Unlike `eprintln!`, it does not panic if the client has closed stderr. If stderr is
/// non-blocking and full, the line is lost, because a client that does not read stderr must not stop the server.
pub(crate) fn note(text: impl fmt::Display) {
    let line = format!("{}: {text}\n", env!("CARGO_CRATE_NAME"));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

pub(crate) enum Line {
    /// The line without the byte order marks at its start.
    Text(String),
    /// The reason why the line cannot be used: it is too long, or not UTF-8. Then true if the input ended without a line
    /// break.
    Unusable(String, bool),
    /// The input has ended.
    End,
}

/// Reads the next line. The last line needs no line break.
pub(crate) fn read(input: impl BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut input = input.take(MAX_LINE);
    // After an error, `line` keeps what was read before.
    when_ready(|| input.read_until(b'\n', &mut line))?;
    if line.is_empty() {
        return Ok(Line::End);
    }
    if input.limit() == 0 && !line.ends_with(b"\n") {
        drop(line);
        let mut input = input.into_inner();
        when_ready(|| input.skip_until(b'\n'))?;
        let problem = "a line is longer than 64 MiB".to_owned();
        return Ok(Line::Unusable(problem, false));
    }
    Ok(match String::from_utf8(line) {
        Ok(text) if text.starts_with(BYTE_ORDER_MARK) => {
            Line::Text(text.trim_start_matches(BYTE_ORDER_MARK).to_owned())
        }
        Ok(text) => Line::Text(text),
        Err(error) => {
            let is_cut = !error.as_bytes().ends_with(b"\n");
            Line::Unusable(format!("a line is not UTF-8: {error}"), is_cut)
        }
    })
}

/// Writes a line of JSON to stdout. Blocks while the pipe to the client is full, and fails if the client has closed stdout.
pub(crate) fn write(mut line: String) -> io::Result<()> {
    WRITERS.fetch_add(1, SeqCst);
    for end in LINE_ENDS {
        // `replace` always copies.
        if line.contains(end) {
            line = line.replace(end, &format!("\\u{:04x}", u32::from(end)));
        }
    }
    line.push('\n');
    let mut output = WhenReady(io::stdout().lock());
    let written = output.write_all(line.as_bytes());
    let written = written.and_then(|()| output.flush());
    WRITERS.fetch_sub(1, SeqCst);
    written
}

/// Returns whether a thread writes a line or waits to write it.
pub(crate) fn is_writing() -> bool {
    WRITERS.load(SeqCst) > 0
}

/// Repeats an operation until its pipe is ready. On a blocking pipe, the operation itself waits.
fn when_ready<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut pause = MIN_PAUSE;
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(pause),
            done => return done,
        }
        pause = pause.saturating_mul(2).min(MAX_PAUSE);
    }
}

/// Writes when the pipe is ready. If `write_all` failed instead, nobody would know how much of the line was sent.
struct WhenReady<W>(W);

impl<W: Write> Write for WhenReady<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        when_ready(|| self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        when_ready(|| self.0.flush())
    }
}
