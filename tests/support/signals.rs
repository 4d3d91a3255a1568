//! Signals to processes, by the shell's own `kill`: a small system has no program of that name.

use std::fmt::Display;
use std::process::Command;

/// Sends a signal such as `TERM` to the process with this id.
pub(crate) fn signal(process: impl Display, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s {name} {process}")])
        .status();
    assert!(sent.unwrap().success());
}
