//! The user's browser.

use std::io::{self, IsTerminal as _};

/// Whether somebody sits at a terminal who would want a browser to open.
pub(crate) fn is_wanted() -> bool {
    io::stderr().is_terminal()
}

/// Whether the browser took the address, which comes from the gateway: a page, and no file or program.
pub(crate) fn open(url: &str) -> bool {
    let is_page = ["http://", "https://"].iter().any(|scheme| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    is_page && !url.contains(char::is_control) && open::that_detached(url).is_ok()
}
