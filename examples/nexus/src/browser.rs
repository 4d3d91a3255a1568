//! Opens the user's browser.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, process};

use crate::ending::Change;

/// Opens the browser at a file that redirects to a page. Returns `None` if that fails. Dropping the result removes the
/// file.
///
/// The SDK accepts only http and https URLs from the gateway, so no URL opens a file or a program.
///
/// The page's address is a secret: whoever opens it first can connect their own account. All users of the machine can
/// read the browser's command line, but only the file's owner can read the file.
pub(crate) fn open(url: &str) -> Option<Change> {
    let path = folder()?.join(format!("nexus-{}.html", process::id()));
    // A killed process that had the same process id may have left the file behind.
    let _ = fs::remove_file(&path);
    let file = path.clone();
    let change = Change::make(|| {
        write(&path, url).ok()?;
        Some(Box::new(move || drop(fs::remove_file(&path))))
    })?;
    open::that_detached(file).ok()?;
    Some(change)
}

/// Returns a folder that sandboxed browsers can read. Snap packages can read neither `/tmp` nor hidden
/// folders, and many Flatpak packages can read only downloads.
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
    let url = url.replace('&', "&amp;").replace('"', "&quot;");
    let page = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>nexus</title>\n\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n\
         <a href=\"{url}\">Continue</a>\n"
    );
    options.open(path)?.write_all(page.as_bytes())
}
