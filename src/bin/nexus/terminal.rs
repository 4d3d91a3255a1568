//! Input at the terminal, whose settings stay as they were.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::ending::{self, Change};

/// Reads a line from the terminal, without its line break.
pub(crate) fn ask(prompt: &str) -> io::Result<String> {
    show(prompt)?;
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Reads a line like `ask`, without echo.
pub(crate) fn ask_hidden(prompt: &str) -> io::Result<String> {
    let entered = if let Some(_hidden) = hide() {
        show(prompt)?;
        let stdin = rpassword::ConfigBuilder::new().input_reader(io::stdin());
        let entered = rpassword::read_password_with_config(stdin.output_discard().build());
        show("\n")?;
        entered
    } else {
        // Ctrl-C also ends `stty`.
        ending::checkpoint();
        rpassword::prompt_password(prompt)
    };
    // Ctrl-C at this prompt is both a signal and an error.
    ending::checkpoint();
    entered
}

fn show(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

/// Turns off the echo, and the limit of 4 KiB on a line. Other systems than Unix have no `stty`: rpassword does it there,
/// but would leave the terminal without echo if a signal came at the wrong moment.
fn hide() -> Option<Change> {
    Change::make(|| {
        let now = stty(&["-g"])?;
        let undo = move || drop(stty(&[&now]));
        // rpassword handles Ctrl-C.
        if stty(&["-echo", "-icanon", "-isig", "min", "1", "time", "0"]).is_none() {
            // Ctrl-C also ends an `stty` that has done its work.
            undo();
            return None;
        }
        Some(Box::new(undo))
    })
}

fn stty(arguments: &[&str]) -> Option<String> {
    let mut stty = Command::new("stty");
    stty.args(arguments).stdin(Stdio::inherit());
    let output = stty.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
