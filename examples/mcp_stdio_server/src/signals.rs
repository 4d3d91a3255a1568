//! Signals. On systems other than Unix, a signal ends the process at once.

use std::io;
use std::sync::Arc;

use nexus_sdk::NexusClient;

use crate::mcp::Server;

/// Starts a thread that handles signals. SIGTERM, SIGINT, SIGHUP and SIGQUIT end the server in the same way as the end
/// of stdin. SIGTSTP (Ctrl-Z) suspends the process once no token refresh is under way, after 5 s at the latest, because
/// a suspended process would keep the lock that other processes wait for.
#[cfg(unix)]
pub(crate) fn watch(server: &Arc<Server>, client: NexusClient) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    use std::time::Duration;

    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP])?;
    let server = Arc::clone(server);
    let watch = move || {
        for signal in signals.forever() {
            if signal == SIGTSTP {
                let _ = client.drain(Duration::from_secs(5));
                let _ = emulate_default_handler(signal);
            } else {
                server.stop();
            }
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn watch(_: &Arc<Server>, _: NexusClient) -> io::Result<()> {
    Ok(())
}
