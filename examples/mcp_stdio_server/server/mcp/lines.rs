//! Lines in and lines out. stdout carries whole JSON-RPC messages, each in one write; notes go to stderr.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::process;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

const MAX_LINE: u64 = 64 << 20;

/// A line for the log. Unlike `eprintln!` it does not panic when the host has closed stderr.
pub(crate) fn note(text: impl fmt::Display) {
    let line = format!("{}: {text}\n", env!("CARGO_CRATE_NAME"));
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

/// Where lines and notes go: stdout and stderr, but in tests.
pub(crate) struct Output {
    /// Locked while a line is written, and for good once no more may be.
    lines: Mutex<Box<dyn Write + Send>>,
    notes: fn(fmt::Arguments<'_>),
}

impl Output {
    pub(crate) fn stdio() -> Arc<Self> {
        Self::new(io::stdout(), |text| note(text))
    }

    pub(crate) fn new(
        lines: impl Write + Send + 'static,
        notes: fn(fmt::Arguments<'_>),
    ) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::new(Box::new(lines)),
            notes,
        })
    }

    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        (self.notes)(text);
    }

    pub(crate) fn line(&self, mut text: String) {
        text.push('\n');
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let written = lines.write_all(text.as_bytes());
        if let Err(error) = written.and_then(|()| lines.flush()) {
            self.note(format_args!("a response is lost, stdout failed: {error}"));
        }
    }

    /// Ends the process between two lines; a line that nobody reads holds it up until `latest`.
    pub(crate) fn exit(&self, latest: Instant) -> ! {
        let mut turn = self.lines.try_lock();
        while matches!(turn, Err(TryLockError::WouldBlock)) && Instant::now() < latest {
            thread::sleep(Duration::from_millis(1));
            turn = self.lines.try_lock();
        }
        process::exit(0)
    }
}

/// Where a response goes: onto a line of its own, or to the rest of its batch.
#[derive(Clone)]
pub(crate) enum Destination {
    Line,
    Batch(Arc<Batch>),
}

impl Destination {
    /// Every request gives one; `None` when it was cancelled.
    pub(crate) fn give(&self, output: &Output, response: Option<String>) {
        let line = match self {
            Self::Line => response,
            Self::Batch(batch) => batch.add(response),
        };
        if let Some(line) = line {
            output.line(line);
        }
    }
}

pub(crate) struct Batch(Mutex<Responses>);

struct Responses {
    missing: usize,
    given: Vec<String>,
}

impl Batch {
    pub(crate) fn new(requests: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Responses {
            missing: requests,
            given: Vec::new(),
        })))
    }

    /// The array, once the last response is there. An empty one is not sent.
    fn add(&self, response: Option<String>) -> Option<String> {
        let mut responses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        responses.given.extend(response);
        responses.missing = responses.missing.saturating_sub(1);
        let complete = responses.missing == 0 && !responses.given.is_empty();
        complete.then(|| format!("[{}]", responses.given.join(",")))
    }
}

/// The next line, empty where it is unusable; `None` at the end of the input.
pub(crate) fn read<'a>(
    input: impl BufRead,
    line: &'a mut Vec<u8>,
    output: &Output,
) -> Option<&'a str> {
    line.clear();
    let mut input = input.take(MAX_LINE);
    match input.read_until(b'\n', line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => {
            output.note(format_args!("stdin failed: {error}"));
            return None;
        }
    }
    if input.limit() == 0 && !line.ends_with(b"\n") {
        output.note(format_args!("a line is longer than 64 MiB; it is skipped"));
        *line = Vec::new();
        input.into_inner().skip_until(b'\n').ok()?;
    }
    let text = std::str::from_utf8(line);
    Some(text.unwrap_or_else(|error| {
        output.note(format_args!("a line is not UTF-8: {error}"));
        ""
    }))
}
