//! Input at the terminal, whose settings stay as they were.

use std::io::{self, Write as _};

use crate::ending;

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
    ending::on_end(settings::restore());
    let entered = rpassword::prompt_password(prompt);
    ending::on_end(None);
    // Ctrl-C at this prompt is both a signal and an error.
    ending::checkpoint();
    entered
}

/// Restores the terminal after a signal, which leaves rpassword no time to do so.
#[cfg(unix)]
mod settings {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use crate::ending::Undo;

    /// Returns what restores the present settings.
    pub(super) fn restore() -> Option<Undo> {
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
}

/// Elsewhere a signal ends the program at once.
#[cfg(not(unix))]
mod settings {
    use crate::ending::Undo;

    pub(super) fn restore() -> Option<Undo> {
        None
    }
}
