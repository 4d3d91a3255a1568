//! Signals, and the events of a Windows console.

use std::io;
use std::sync::Arc;

use nexus_sdk::NexusClient;

use crate::mcp::Server;

/// Starts a thread that handles signals. SIGTERM, SIGINT, SIGHUP and SIGQUIT end the server in the same way as the end
/// of stdin. SIGTSTP (Ctrl-Z) suspends the process once no token refresh is under way, or after 5 s, because a process
/// that is suspended during a refresh keeps the lock that other processes wait for.
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

/// Starts a thread that handles the console's events. Ctrl-C, Ctrl-Break, a closed window, a logoff and a shutdown end the
/// server in the same way as the end of stdin. Windows ends the process about 5 s after one of the last three.
#[cfg(windows)]
pub(crate) fn watch(server: &Arc<Server>, _: NexusClient) -> io::Result<()> {
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::runtime::Builder;
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let (mut interrupt, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    let runtime = Builder::new_current_thread().build()?;
    let server = Arc::clone(server);
    let watch = move || {
        loop {
            // Polls all five streams, so that each can wake this thread.
            let event = poll_fn(|context| {
                let came = [
                    interrupt.poll_recv(context).is_ready(),
                    pause.poll_recv(context).is_ready(),
                    close.poll_recv(context).is_ready(),
                    logoff.poll_recv(context).is_ready(),
                    shutdown.poll_recv(context).is_ready(),
                ];
                if came.contains(&true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            runtime.block_on(event);
            server.stop();
        }
    };
    std::thread::Builder::new().spawn(watch).map(drop)
}
