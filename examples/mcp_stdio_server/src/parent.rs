//! Ends the server when its host has ended. Usually stdin ends then, but another process that the host has started may
//! have inherited the host's end of the pipe, and may keep it open.

use std::io;
use std::sync::Arc;

use crate::mcp::Server;

/// Starts a thread that stops the server when its parent process has ended, within about 2 s.
#[cfg(unix)]
pub(crate) fn watch(server: &Arc<Server>) -> io::Result<()> {
    use std::os::unix::process::parent_id;
    use std::thread;
    use std::time::Duration;

    let (server, parent) = (Arc::clone(server), parent_id());
    let watch = move || {
        // A process whose parent ends gets another parent.
        while parent_id() == parent {
            thread::sleep(Duration::from_secs(2));
        }
        server.stop();
    };
    thread::Builder::new().spawn(watch).map(drop)
}

/// Does nothing. On Windows, a process keeps the id of a parent that has ended, and that id may then belong to another
/// process. There, only the end of stdin tells the server that its host has ended.
#[cfg(not(unix))]
pub(crate) fn watch(_: &Arc<Server>) -> io::Result<()> {
    Ok(())
}
