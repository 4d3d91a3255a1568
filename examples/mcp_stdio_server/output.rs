//! stdout, which carries whole lines, each in one write; stderr for the rest.

use std::fmt;
use std::io::{self, Write as _};
use std::process;
use std::sync::{Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// A line for the log. Unlike `eprintln!` it does not panic when the host has closed stderr.
pub(crate) fn note(text: impl fmt::Display) {
    let line = format!("mcp_stdio_server: {text}\n");
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

#[derive(Default)]
pub(crate) struct Output {
    /// Held while a line is written, and for good once no more may be.
    turn: Mutex<()>,
}

impl Output {
    pub(crate) fn line(&self, mut text: String) {
        text.push('\n');
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            note(format_args!("an answer is lost, stdout failed: {error}"));
        }
    }

    /// Ends the process between two lines; a line that nobody reads holds it up until `latest`.
    pub(crate) fn exit(&self, latest: Instant) -> ! {
        let mut turn = self.turn.try_lock();
        while matches!(turn, Err(TryLockError::WouldBlock)) && Instant::now() < latest {
            thread::sleep(Duration::from_millis(1));
            turn = self.turn.try_lock();
        }
        process::exit(0)
    }
}
