//! What the user enters at the terminal, which is left as it was.

use std::io::{self, Write as _};

use crate::landing;

/// A line from the terminal, without its line break.
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

/// The same without echo, which is on again afterwards, whatever happens meanwhile.
pub(crate) fn ask_hidden(prompt: &str) -> io::Result<String> {
    landing::on_end(settings::put_back());
    let entered = rpassword::prompt_password(prompt);
    landing::on_end(None);
    // Ctrl-C at this prompt is a signal and an error.
    landing::go_on();
    entered
}

/// A signal leaves rpassword no time to put the terminal's settings back.
#[cfg(unix)]
mod settings {
    use std::fs::File;
    use std::process::{Command, Stdio};

    use crate::landing::Undo;

    /// Puts back what is set now.
    pub(super) fn put_back() -> Option<Undo> {
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

/// Elsewhere a signal ends the program without a chance to do anything.
#[cfg(not(unix))]
mod settings {
    use crate::landing::Undo;

    pub(super) fn put_back() -> Option<Undo> {
        None
    }
}
