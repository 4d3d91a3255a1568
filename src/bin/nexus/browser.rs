//! The user's browser.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::{env, process};

use crate::ending;

/// Returns whether a user at a terminal would want a browser to open.
pub(crate) fn is_wanted() -> bool {
    io::stderr().is_terminal()
}

/// Opens a page whose address comes from the gateway, and returns whether that worked. Refuses
/// files and programs.
pub(crate) fn open(url: &str) -> bool {
    let is_page = ["http://", "https://"].iter().any(|scheme| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    is_page && !url.contains(char::is_control) && open::that_detached(url).is_ok()
}

/// A file that redirects the browser to a secret address. Every user of the machine can read the
/// command line of a browser, but only its owner can read the file. Removed when dropped, and by
/// signals that end the program.
pub(crate) struct Redirect(PathBuf);

impl Redirect {
    /// Opens the browser at the file. Returns `None` if that does not work.
    pub(crate) fn open(url: &str) -> Option<Self> {
        let path = folder()?.join(format!("nexus-{}.html", process::id()));
        // Left behind by a program that was killed.
        let _ = fs::remove_file(&path);
        let redirect = Self(path.clone());
        write(&path, url).ok()?;
        ending::on_end(Some(Box::new(move || drop(fs::remove_file(&path)))));
        open::that_detached(&redirect.0).ok()?;
        Some(redirect)
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        ending::on_end(None);
    }
}

/// Returns a folder that sandboxed browsers can read. Snap packages read neither `/tmp` nor hidden
/// folders; Flatpak packages often read downloads only.
fn folder() -> Option<PathBuf> {
    if cfg!(any(windows, target_os = "macos")) {
        return Some(env::temp_dir());
    }
    let home = PathBuf::from(env::var_os("HOME")?);
    let downloads = home.join("Downloads");
    let folder = if downloads.is_dir() { downloads } else { home };
    folder.is_absolute().then_some(folder)
}

fn write(path: &Path, url: &str) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let page = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>nexus</title>\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n\
         <a href=\"{url}\">Enter the credential</a>\n"
    );
    options.open(path)?.write_all(page.as_bytes())
}
