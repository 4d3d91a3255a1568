//! How a program ends that uses `nexus_sdk`: not while the gateway refreshes a token, because a refresh
//! that is cut short can cost the connection. This file needs nothing else of the program.

use std::io::{self, Write as _};
use std::sync::OnceLock;
use std::time::Duration;

use nexus_sdk::NexusClient;

/// How long the end waits for what has not landed yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// The program's one client. It is never dropped, so `land` waits in place of its drop.
static CLIENT: OnceLock<NexusClient> = OnceLock::new();

/// From here on, Ctrl-C and SIGTERM end the program at once, unless a call to the gateway is under way:
/// then when it has landed, after 5 s at most. A second one always ends it at once.
pub(crate) fn watch(client: &NexusClient) -> io::Result<()> {
    if CLIENT.set(client.clone()).is_err() {
        return Ok(());
    }
    on_signals()
}

/// Waits for the calls whose callers have left, such as one that has timed out. At the end of `main`, and
/// before anything else that ends the process.
pub(crate) fn land() {
    let Some(client) = CLIENT.get() else { return };
    if client.drain(Duration::ZERO) {
        return;
    }
    let waiting =
        "waiting up to 5 s for the gateway, which may refresh a token; Ctrl-C ends at once";
    // Nobody can be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{waiting}");
    let _ = client.drain(PATIENCE);
}

#[cfg(unix)]
fn on_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use std::thread;

    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let watch = move || {
        let mut is_first = true;
        for signal in signals.forever() {
            let second = !std::mem::replace(&mut is_first, false);
            let end_landed = move || {
                land();
                end(signal);
            };
            // Where no thread can be started, nothing is waited for.
            if second || thread::Builder::new().spawn(end_landed).is_err() {
                end(signal);
            }
        }
    };
    thread::Builder::new().spawn(watch).map(drop)
}

/// By the signal itself, so that a shell's loop ends as well.
#[cfg(unix)]
fn end(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(signal.saturating_add(128));
}

/// Elsewhere Ctrl-C ends the program at once, whatever is under way.
#[cfg(not(unix))]
fn on_signals() -> io::Result<()> {
    Ok(())
}
