//! Where results go: stdout or a file, as text or JSON.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use nexus_sdk::serde_json::Value;

use crate::landing;
use crate::stop::{Stop, one_line};

/// A result by name, in the order of the text form.
pub(crate) type Fields = Vec<(&'static str, Value)>;

pub(crate) fn print_fields(fields: Fields, json: bool) -> Result<(), Stop> {
    let text = if json {
        as_json(fields)
    } else {
        as_text(&fields)
    };
    print(text.as_bytes())
}

fn as_json(fields: Fields) -> String {
    let named = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    format!("{}\n", named.collect::<Value>())
}

fn as_text(fields: &Fields) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default();
    let line = |(name, value): &(&str, Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), one_line);
        format!("{name:width$}  {value}\n")
    };
    fields.iter().map(line).collect()
}

/// A reader that has gone, such as `head`, has what it wanted.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Stop> {
    landing::go_on();
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::file("write to", Path::new("stdout"), &error))
        }
        _ => Ok(()),
    }
}

/// Opened before a request is sent, so that a bad path costs none, and emptied only when there is a
/// response, so that a failed request costs no file.
pub(crate) enum Output {
    Stdout,
    File(Target),
}

pub(crate) struct Target {
    file: File,
    path: PathBuf,
    is_new: bool,
}

impl Output {
    pub(crate) fn open(path: Option<PathBuf>) -> Result<Self, Stop> {
        match path {
            None => Ok(Self::Stdout),
            Some(path) if path == Path::new("-") => Ok(Self::Stdout),
            Some(path) => Target::open(path).map(Self::File),
        }
    }

    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), Stop> {
        match self {
            Self::Stdout => print(bytes),
            Self::File(target) => target.write(bytes),
        }
    }

    /// There is nothing to write.
    pub(crate) fn abandon(self) {
        if let Self::File(Target {
            path, is_new: true, ..
        }) = self
        {
            // An empty file that stays is no second failure.
            let _ = fs::remove_file(path);
        }
    }
}

impl Target {
    fn open(path: PathBuf) -> Result<Self, Stop> {
        let created = File::create_new(&path);
        let is_new = created.is_ok();
        let opened = created.or_else(|_| {
            File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
        });
        match opened {
            Ok(file) => Ok(Self { file, path, is_new }),
            Err(error) => Err(Stop::file("write", &path, &error)),
        }
    }

    fn write(mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.replace(bytes)
            .map_err(|error| Stop::file("write all of the response to", &self.path, &error))
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A device or a pipe has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(bytes)
    }
}
