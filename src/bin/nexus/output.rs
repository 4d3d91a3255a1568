//! Writes results to stdout or a file, as text or JSON.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use nexus_sdk::serde_json::Value;

use crate::ending;
use crate::stop::Stop;
use crate::text::{one_line, visible_json};

/// Named results, in the order in which text shows them.
pub(crate) type Fields = Vec<(&'static str, Value)>;

pub(crate) fn print_fields(fields: Fields, json: bool) -> Result<(), Stop> {
    if json {
        let named = fields.into_iter();
        let named = named.map(|(name, value)| (name.to_owned(), value));
        return print_json(&named.collect());
    }
    let width = fields.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    let line = |(name, value): &(&str, Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), one_line);
        format!("{name:width$}  {value}\n")
    };
    print(fields.iter().map(line).collect::<String>())
}

pub(crate) fn print_json(value: &Value) -> Result<(), Stop> {
    print_line(visible_json(value))
}

pub(crate) fn print_line(line: String) -> Result<(), Stop> {
    print(line + "\n")
}

/// Prints the text unless the program is being ended. A reader that has closed the pipe, such as
/// `head`, has all that it wanted.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<(), Stop> {
    ending::checkpoint();
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_ref())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::file("write to", Path::new("stdout"), &error))
        }
        _ => Ok(()),
    }
}

/// The file or stdout. A file is opened before the request is sent, so that a bad path sends
/// nothing, and is emptied once there is a response, so that a failed request keeps its content.
pub(crate) struct Output {
    file: Option<(File, PathBuf)>,
    is_new: bool,
}

impl Output {
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Stop> {
        let Some(path) = path.filter(|path| path != Path::new("-")) else {
            let (file, is_new) = (None, false);
            return Ok(Self { file, is_new });
        };
        let created = File::create_new(&path);
        let is_new = created.is_ok();
        let mut existing = File::options();
        existing.write(true).create(true).truncate(false);
        match created.or_else(|_| existing.open(&path)) {
            Err(error) => Err(Stop::file("write", &path, &error)),
            Ok(file) => {
                let file = Some((file, path));
                Ok(Self { file, is_new })
            }
        }
    }

    /// Writes a body. On a terminal it ends with a line break.
    pub(crate) fn write(self, mut body: Vec<u8>) -> Result<(), Stop> {
        if let Some((file, path)) = self.file {
            let problem = "write all of the response to";
            return replace(file, &body).map_err(|error| Stop::file(problem, &path, &error));
        }
        if io::stdout().is_terminal() && body.last().is_some_and(|last| *last != b'\n') {
            body.push(b'\n');
        }
        print(body)
    }

    /// Removes a file that was made for a response that never came.
    pub(crate) fn abandon(self) {
        if let Some((_, path)) = self.file.filter(|_| self.is_new) {
            // The request's own error is the one to report.
            let _ = fs::remove_file(path);
        }
    }
}

fn replace(mut file: File, bytes: &[u8]) -> io::Result<()> {
    // A device or a pipe cannot be emptied.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}
