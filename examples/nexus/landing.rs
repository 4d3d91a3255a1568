//! How a program ends that uses `nexus_sdk`: not while the gateway refreshes a token, because a refresh
//! that is cut short can cost the connection. This file needs nothing else of the program.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use nexus_sdk::NexusClient;

/// How long the end waits for what has not landed yet.
const PATIENCE: Duration = Duration::from_secs(5);

/// The program's one client. It is never dropped, so `land` waits in place of its drop.
static CLIENT: OnceLock<NexusClient> = OnceLock::new();

/// Set by the handler of the first signal, so before anybody can act on it.
static ENDING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Whether the handler of a signal ends the program itself.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(true.into()));

pub(crate) type Undo = Box<dyn Fn() + Send>;

/// What the end by a signal has to put back.
static UNDO: Mutex<Option<Undo>> = Mutex::new(None);

/// From here on, Ctrl-C and SIGTERM end the program at once, unless a call to the gateway is under way:
/// then when it has landed, after 5 s at most. A second one always ends it at once.
pub(crate) fn watch(client: &NexusClient) -> io::Result<()> {
    if CLIENT.set(client.clone()).is_err() {
        return Ok(());
    }
    on_signals()
}

/// Returns unless a signal has come, after which nothing new begins. Between a call that may be waited
/// for and what follows from it.
pub(crate) fn go_on() {
    while ENDING.load(SeqCst) {
        thread::park();
    }
}

/// Waits for the calls whose callers have left, such as one that has timed out. At the end of `main`, and
/// before anything else that ends the process.
pub(crate) fn land() {
    wait();
    go_on();
}

/// Lands, and from here on a signal ends the program at once: for what replaces it.
#[allow(dead_code, reason = "for programs that turn into another")]
pub(crate) fn hand_over() {
    wait();
    AT_ONCE.store(true, SeqCst);
    go_on();
}

/// What a signal has to put back before it ends the program.
#[allow(dead_code, reason = "for programs that change the terminal")]
pub(crate) fn on_end(undo: Option<Undo>) {
    *UNDO.lock().unwrap_or_else(PoisonError::into_inner) = undo;
}

fn wait() {
    let Some(client) = CLIENT.get() else { return };
    if client.drain(Duration::ZERO) {
        return;
    }
    AT_ONCE.store(true, SeqCst);
    let waiting =
        "waiting up to 5 s for the gateway, which may refresh a token; Ctrl-C ends at once";
    // Nobody can be told that stderr is closed.
    let _ = writeln!(io::stderr(), "{waiting}");
    let _ = client.drain(PATIENCE);
}

/// The order counts. Handlers run as they were registered: `hand_over` and a handler cannot miss each
/// other, and whoever acts on a signal finds `ENDING` set.
#[cfg(unix)]
fn on_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    let ignored = ignored();
    let watched = [SIGINT, SIGTERM].into_iter();
    let watched: Vec<_> = watched.filter(|it| !ignored.contains(it)).collect();
    for signal in &watched {
        flag::register(*signal, Arc::clone(&ENDING))?;
        flag::register_conditional_default(*signal, Arc::clone(&AT_ONCE))?;
    }
    let mut signals = Signals::new(watched)?;
    let watch = move || {
        if let Some(signal) = signals.forever().next() {
            wait();
            end(signal);
        }
    };
    thread::Builder::new().spawn(watch)?;
    AT_ONCE.store(false, SeqCst);
    Ok(())
}

/// The signals that were ignored when the program began, as SIGINT is in a background job of a script:
/// they stay so, for what replaces the program, too. Only Linux tells without `unsafe`.
#[cfg(unix)]
fn ignored() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.unwrap_or(0);
    // Its lowest bit is that of signal 1.
    let signals = (1..=64).zip(0..64);
    let ignored = signals.filter(|(_, bit)| mask >> bit & 1 == 1);
    ignored.map(|(signal, _)| signal).collect()
}

/// By the signal itself, so that a shell's loop ends as well.
#[cfg(unix)]
fn end(signal: i32) {
    let undo = UNDO.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(undo) = &*undo {
        undo();
    }
    // Nothing that would have to be put back begins any more.
    std::mem::forget(undo);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(signal.saturating_add(128));
}

/// Elsewhere Ctrl-C ends the program at once, whatever is under way.
#[cfg(not(unix))]
fn on_signals() -> io::Result<()> {
    Ok(())
}
