//! Reads input from the terminal, and restores the terminal's settings.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::ending::{self, Change};
use crate::streams;

/// Reads a line from the terminal, without its line break.
pub(crate) fn ask(prompt: &str) -> io::Result<String> {
    show(prompt)?;
    let line = streams::read_line(&mut streams::stdin())?;
    let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
    String::from_utf8(line).map_err(io::Error::other)
}

/// Reads a line as `ask` does, but without echo.
pub(crate) fn ask_hidden(prompt: &str) -> io::Result<String> {
    let entered = if let Some(_hidden) = hide() {
        show(prompt)?;
        let stdin = rpassword::ConfigBuilder::new().input_reader(streams::stdin());
        let entered = rpassword::read_password_with_config(stdin.output_discard().build());
        show("\n")?;
        entered
    } else {
        // `hide` also fails if Ctrl-C has ended `stty`. The program then ends here.
        ending::checkpoint();
        rpassword::prompt_password(prompt)
    };
    // Ctrl-C at this prompt causes both a signal and an error. The signal ends the program here.
    ending::checkpoint();
    entered
}

fn show(text: &str) -> io::Result<()> {
    let mut stderr = streams::stderr();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

/// Turns off the echo, and the limit on the length of a line. Systems other than Unix have no `stty`, and rpassword
/// turns off the echo there. On Unix, rpassword alone could leave the terminal without echo after a signal.
fn hide() -> Option<Change> {
    Change::make(|| {
        let now = stty(&["-g"])?;
        let undo = move || drop(stty(&[&now]));
        // `-isig` leaves Ctrl-C to rpassword.
        if stty(&["-echo", "-icanon", "-isig", "min", "1", "time", "0"]).is_none() {
            // Ctrl-C may have ended `stty` after it changed the settings.
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
