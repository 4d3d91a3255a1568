//! The process as its client and its neighbours see it.

use std::io;
use std::sync::Arc;

use nexus_sdk::NexusClientOptions;

use super::mcp::Server;

/// From here on, SIGTERM and Ctrl-C end the server as the end of stdin does. Elsewhere than on Unix they end it at once.
#[cfg(unix)]
pub(crate) fn end_on_signals(server: &Arc<Server>) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let server = Arc::clone(server);
    let watch = move || {
        if signals.forever().next().is_some() {
            server.end();
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn end_on_signals(_: &Arc<Server>) -> io::Result<()> {
    Ok(())
}

/// Has the processes of this machine take turns to refresh a token: in
/// `NEXUS_LOCK_DIR`, or not at all when that is empty; by default in a directory that depends on HOME alone, because many
/// clients pass nothing else on.
pub(crate) fn take_turns(options: NexusClientOptions) -> NexusClientOptions {
    if let Some(directory) = lock_dir() {
        return options.lock_dir(directory);
    }
    options
}

fn lock_dir() -> Option<std::path::PathBuf> {
    use std::env::var_os;
    use std::path::Path;

    let (home, below) = if cfg!(windows) {
        ("LOCALAPPDATA", r"nexus\locks")
    } else {
        ("HOME", ".cache/nexus/locks")
    };
    let directory = match var_os("NEXUS_LOCK_DIR") {
        Some(chosen) => chosen,
        None => Path::new(&var_os(home).filter(|home| !home.is_empty())?)
            .join(below)
            .into(),
    };
    Some(directory.into()).filter(|directory: &std::path::PathBuf| *directory != Path::new(""))
}
