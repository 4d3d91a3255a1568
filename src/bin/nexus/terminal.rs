//! Input at the terminal, whose settings stay as they were.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::ending::{self, Undo};

/// Reads a line from the terminal, without its line break.
pub(crate) fn ask(prompt: &str) -> io::Result<String> {
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Does the same without echo.
pub(crate) fn ask_hidden(prompt: &str) -> io::Result<String> {
    ending::on_end(restore());
    let entered = rpassword::prompt_password(prompt);
    ending::on_end(None);
    // Ctrl-C at this prompt is both a signal and an error.
    ending::checkpoint();
    entered
}

/// Returns a function that restores the present settings. A signal leaves rpassword no time to do so.
/// On other systems than Unix there is no `stty`, and Ctrl-C ends the program at once.
fn restore() -> Option<Undo> {
    let now = stty("-g")?;
    Some(Box::new(move || drop(stty(&now))))
}

fn stty(argument: &str) -> Option<String> {
    let mut stty = Command::new("stty");
    stty.arg(argument).stdin(File::open("/dev/tty").ok()?);
    let output = stty.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
