//! Keeps signals from interrupting a call that may be refreshing a token, because the provider may revoke the user's
//! grant after an interrupted refresh. The program ends up to 5 s later, and is suspended only after the call. The
//! program's end cuts off all other calls, such as a revocation.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use nexus_sdk::NexusClient;

use crate::text::say;

/// The longest wait for calls at the program's end. Dropping a client waits for at most the same time.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time between the signals of one event. When a terminal is closed, the kernel and the shell may each send
/// SIGHUP. A launcher such as npx passes on a Ctrl-C that the terminal has also sent to the launched program.
const ONE_EVENT: Duration = Duration::from_millis(500);
/// The pause between two checks of whether the program may go on or be suspended.
const PAUSE: Duration = Duration::from_millis(10);

/// The program's only client. A static is never dropped, so `finish` waits for the client's calls instead.
static CLIENT: OnceLock<NexusClient> = OnceLock::new();
/// Set in the signal handler, before any thread can act on the signal.
static ENDING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// Set in the handler of SIGTSTP, cleared when the program continues.
static SUSPENDING: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// While this is true, a signal ends the program in the signal handler, without waiting for calls.
static AT_ONCE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(true.into()));

/// Set before this program runs another program and waits for its end.
#[cfg(windows)]
static HANDED_OVER: AtomicBool = AtomicBool::new(false);

pub(crate) type Undo = Box<dyn FnOnce() + Send>;

static UNDO: Mutex<Option<Undo>> = Mutex::new(None);

/// Delays SIGINT, SIGTERM, SIGHUP and SIGQUIT, or the events of a Windows console, by up to 5 s while a call that may
/// refresh a token is under way. After the first 0.5 s of this delay, another of these signals or events ends the program at
/// once. Delays SIGTSTP until the call ends.
pub(crate) fn watch(client: &NexusClient) -> io::Result<()> {
    if CLIENT.set(client.clone()).is_err() {
        return Ok(());
    }
    on_signals()
}

/// Blocks while the program is being ended or suspended. Called between a call to the gateway and
/// whatever depends on its result, so that nothing starts after a signal.
pub(crate) fn checkpoint() {
    while ENDING.load(SeqCst) || SUSPENDING.load(SeqCst) {
        thread::sleep(PAUSE);
    }
}

/// Waits up to 5 s for calls that may refresh a token and whose caller has timed out. Called at the end of `main`.
pub(crate) fn finish() {
    drain();
    checkpoint();
}

/// Waits like `finish`, and makes later signals end the program at once, because another program is about to replace it.
/// On Windows, where no program replaces another, leaves later events to the other program.
pub(crate) fn hand_over() {
    drain();
    #[cfg(windows)]
    HANDED_OVER.store(true, SeqCst);
    AT_ONCE.store(true, SeqCst);
    checkpoint();
}

/// A change to a file or the terminal. Dropping this value undoes the change. A signal or console event that ends the
/// program undoes it too, unless a second signal or event ends the program before that. There is at most one change at
/// a time.
pub(crate) struct Change(());

impl Change {
    /// Calls `change`, which returns a function that undoes it, or `None` on failure. A signal that arrives during the
    /// change waits for it. If a signal that ends the program has already undone the last change, this function blocks
    /// and changes nothing.
    pub(crate) fn make(change: impl FnOnce() -> Option<Undo>) -> Option<Self> {
        let mut undo = UNDO.lock().unwrap_or_else(PoisonError::into_inner);
        *undo = change();
        undo.is_some().then(|| Self(()))
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        drop(undo());
    }
}

/// Undoes the change, if there is one, and returns the lock under which changes are made.
fn undo() -> MutexGuard<'static, Option<Undo>> {
    let mut slot = UNDO.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(undo) = slot.take() {
        undo();
    }
    slot
}

fn drain() {
    let Some(client) = CLIENT.get() else { return };
    if client.is_idle() {
        return;
    }
    say(
        "waiting up to 5 s for the gateway, which may be refreshing a token; press Ctrl-C to end at once",
    );
    let at_once = || {
        thread::sleep(ONE_EVENT);
        AT_ONCE.store(true, SeqCst);
    };
    if thread::Builder::new().spawn(at_once).is_err() {
        AT_ONCE.store(true, SeqCst);
    }
    let _ = client.drain(DRAIN_TIMEOUT);
}

/// Registers the handlers. A default handler ends the program if `AT_ONCE` is set. For each signal that ends the program,
/// these run in order: a default handler, the handler that sets `ENDING`, a second default handler, and the handler that
/// wakes the thread, which calls `end`. Therefore, if a signal arrives while `hand_over` sets `AT_ONCE`, either a default
/// handler ends the program, or `checkpoint` sees `ENDING` and blocks until the thread ends the program.
#[cfg(unix)]
fn on_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    let ignored = ignored();
    let watched = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP].into_iter();
    // The lowest bit stands for signal 1.
    let is_heeded = |signal: &i32| ignored >> signal.saturating_sub(1) & 1 == 0;
    let watched: Vec<_> = watched.filter(is_heeded).collect();
    for &signal in &watched {
        if signal == SIGTSTP {
            flag::register(signal, Arc::clone(&SUSPENDING))?;
            continue;
        }
        // The first default handler ends the program if a signal arrives before all handlers are registered. Without
        // it, such a signal could set `ENDING`, which only blocks the program.
        flag::register_conditional_default(signal, Arc::clone(&AT_ONCE))?;
        flag::register(signal, Arc::clone(&ENDING))?;
        flag::register_conditional_default(signal, Arc::clone(&AT_ONCE))?;
    }
    let mut signals = Signals::new(watched)?;
    let act = move || {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => suspend(),
                _ => end(signal),
            }
        }
    };
    thread::Builder::new().spawn(act)?;
    AT_ONCE.store(false, SeqCst);
    Ok(())
}

/// Returns the mask of the signals that were ignored when the program started, such as SIGINT in a script's background
/// job. They stay ignored. Only Linux shows the mask in a file. On other systems, returns an empty mask.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0)
}

/// Stops the process once no call that may refresh a token is under way, and returns when the process continues. A
/// process stopped during such a call would keep the refresh lock.
#[cfg(unix)]
fn suspend() {
    let idle = || CLIENT.get().is_none_or(NexusClient::is_idle);
    while !idle() && !ENDING.load(SeqCst) {
        thread::sleep(PAUSE);
    }
    if !ENDING.load(SeqCst) {
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP);
    }
    SUSPENDING.store(false, SeqCst);
}

/// Waits for calls and undoes the change. Then ends the program with the signal's default action, so that a shell loop
/// around the program ends as well.
#[cfg(unix)]
fn end(signal: i32) {
    drain();
    // The lock is never released, so no other change starts.
    std::mem::forget(undo());
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(signal.saturating_add(128));
}

/// Handles the console's events: Ctrl-C, Ctrl-Break, a closed window, a logoff and a shutdown. Windows ends the program
/// about 5 s after one of the last three.
#[cfg(windows)]
fn on_signals() -> io::Result<()> {
    use std::future::poll_fn;
    use std::task::Poll;
    use tokio::runtime::Builder;
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    let (mut interrupt, mut pause) = (ctrl_c()?, ctrl_break()?);
    let (mut close, mut logoff, mut shutdown) = (ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    let runtime = Builder::new_current_thread().build()?;
    let act = move || {
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
            on_event();
        }
    };
    thread::Builder::new().spawn(act)?;
    AT_ONCE.store(false, SeqCst);
    Ok(())
}

/// On the first event, waits for calls and then ends the program. Ignores another event within 0.5 s. A later event ends the
/// program at once. Does nothing once another program has taken over: that program gets the event too, and may go on.
#[cfg(windows)]
fn on_event() {
    /// The exit code of a program that does not handle Ctrl-C, `STATUS_CONTROL_C_EXIT`.
    const INTERRUPTED: i32 = 0xC000_013A_u32.cast_signed();

    if HANDED_OVER.load(SeqCst) {
        return;
    }
    if AT_ONCE.load(SeqCst) {
        std::process::exit(INTERRUPTED);
    }
    if ENDING.swap(true, SeqCst) {
        return;
    }
    let end = || {
        drain();
        // The lock is never released, so no other change starts.
        std::mem::forget(undo());
        std::process::exit(INTERRUPTED);
    };
    // Without a thread, the wait blocks later events. They would only end the program sooner.
    if thread::Builder::new().spawn(end).is_err() {
        end();
    }
}

/// Registers nothing on other systems, where a signal ends the program at once.
#[cfg(not(any(unix, windows)))]
fn on_signals() -> io::Result<()> {
    Ok(())
}
