//! The file of `--output`, which a complete response replaces.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::ending::{self, Change};

/// Writes to a temporary file in the same folder, and renames it at the end. Opens nothing before the first byte. A device,
/// a pipe, and a file in a folder that is not writable are written directly.
pub(crate) struct NewFile {
    path: PathBuf,
    opened: Option<File>,
    /// The change that removes the temporary file unless it has been renamed, the temporary file, and the file that it
    /// replaces.
    temporary: Option<(Change, PathBuf, PathBuf)>,
}

impl NewFile {
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            opened: None,
            temporary: None,
        }
    }

    /// Replaces the file. Without this call, a regular file stays as it was.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let is_open = self.file().map(drop);
        is_open.map_err(|error| self.named(&error))?;
        // A signal may have removed the temporary file.
        ending::checkpoint();
        let replaced = match &self.temporary {
            Some((_, temporary, target)) => replace(temporary, target),
            None => Ok(()),
        };
        replaced.map_err(|error| self.named(&error))
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let message = format!("cannot write {}: {error}", self.path.display());
        io::Error::new(error.kind(), message)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let file = match self.opened.take() {
            Some(file) => file,
            None => self.open()?,
        };
        Ok(self.opened.insert(file))
    }

    fn open(&mut self) -> io::Result<File> {
        let is_file = fs::metadata(&self.path).map(|existing| existing.is_file());
        if let Ok(false) = is_file {
            return OpenOptions::new().write(true).open(&self.path);
        }
        // A link stays a link to the file that is replaced, or created if the link dangles.
        let linked = |_| fs::read_link(&self.path).map(|link| self.path.with_file_name(link));
        let target = fs::canonicalize(&self.path).or_else(linked);
        let target = target.unwrap_or_else(|_| self.path.clone());
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = target.with_file_name(format!(".{name}.{}.part", process::id()));
        let create = || private(OpenOptions::new().create_new(true)).open(&temporary);
        let mut opened = None;
        let change = Change::make(|| {
            opened = Some(create().ok()?);
            let temporary = temporary.clone();
            Some(Box::new(move || drop(fs::remove_file(temporary))))
        });
        if let (Some(change), Some(file)) = (change, opened) {
            self.temporary = Some((change, temporary, target));
            return Ok(file);
        }
        private(OpenOptions::new().create(true).truncate(true)).open(&target)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file().and_then(|file| file.write(bytes));
        written.map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On Unix, only the user can read a new file, because a response may repeat the credential.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.write(true)
}

fn replace(temporary: &Path, target: &Path) -> io::Result<()> {
    if let Ok(existing) = fs::metadata(target) {
        fs::set_permissions(temporary, existing.permissions())?;
    }
    fs::rename(temporary, target)
}
