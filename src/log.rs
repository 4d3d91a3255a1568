//! Diagnostics, one line each: to stderr or, with the feature `log`, to the `log` facade. A line is
//! formatted only if its level is on.

use std::fmt;

/// The target of every line that goes to the `log` facade.
#[cfg(feature = "log")]
const TARGET: &str = "nexus_sdk";

/// Selects the lines that the SDK writes to stderr. Each level includes the levels before it.
///
/// The environment variable `NEXUS_LOG` (`off`, `error`, `warn`, `info`, `debug`) overrides the
/// program's setting. With the feature `log`, lines go to the `log` facade under the target `nexus_sdk`.
/// The program's logger then selects the lines, unless the level is [`Off`](Self::Off). A logger that
/// panics loses the line, but the call continues.
///
/// No line contains a token, a key, a request's body or a URL's query. A line may repeat a gateway's
/// error message. ureq also logs to the facade: at the trace level it writes everything that is sent
/// and received, credentials included.
///
/// ```
/// use nexus_sdk::LogLevel;
///
/// assert_eq!(LogLevel::default(), LogLevel::Warn);
/// assert!(LogLevel::Debug > LogLevel::Off);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// A failure that no caller receives as an error. At present, the SDK logs nothing at this level.
    Error,
    /// A problem that the SDK works around: a call that is retried, plain http to a remote gateway.
    #[default]
    Warn,
    /// A rare event: a credential is dropped after a 401, or before a redirect to another origin.
    Info,
    /// Every attempt of a request to the gateway, with its status and duration.
    Debug,
}

impl LogLevel {
    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug];
        all.into_iter()
            .find(|level| level.name() == name.trim().to_ascii_lowercase())
    }

    fn name(self) -> String {
        format!("{self:?}").to_ascii_lowercase()
    }
}

/// Writes the lines of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    level: LogLevel,
}

impl Log {
    /// Uses the program's level, unless `NEXUS_LOG` overrides it.
    pub(crate) fn new(configured: LogLevel) -> Self {
        let name = std::env::var("NEXUS_LOG").unwrap_or_default();
        let named = LogLevel::from_name(&name);
        let log = Self {
            level: named.unwrap_or(configured),
        };
        if named.is_none() && !name.trim().is_empty() {
            log.warn(|| "NEXUS_LOG is ignored; set it to off, error, warn, info or debug");
        }
        log
    }

    pub(crate) fn warn<T: fmt::Display>(self, line: impl FnOnce() -> T) {
        self.write(LogLevel::Warn, line);
    }

    pub(crate) fn info<T: fmt::Display>(self, line: impl FnOnce() -> T) {
        self.write(LogLevel::Info, line);
    }

    pub(crate) fn debug<T: fmt::Display>(self, line: impl FnOnce() -> T) {
        self.write(LogLevel::Debug, line);
    }

    #[cfg(not(feature = "log"))]
    fn write<T: fmt::Display>(self, level: LogLevel, line: impl FnOnce() -> T) {
        if level <= self.level {
            say(level, &line().to_string());
        }
    }

    /// Lets the program's logger select the lines. A panic of the logger must not end a call, or interrupt
    /// the wait for a refresh in a `drop`.
    #[cfg(feature = "log")]
    fn write<T: fmt::Display>(self, level: LogLevel, line: impl FnOnce() -> T) {
        let level = match level {
            LogLevel::Warn => ::log::Level::Warn,
            LogLevel::Info => ::log::Level::Info,
            _ => ::log::Level::Debug,
        };
        let say = || {
            if self.level != LogLevel::Off && ::log::log_enabled!(target: TARGET, level) {
                ::log::log!(target: TARGET, level, "{}", line());
            }
        };
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(say));
    }
}

#[cfg(not(feature = "log"))]
fn say(level: LogLevel, line: &str) {
    use std::io::Write as _;

    // Text from a server must not be able to start a new line.
    let line = line.replace(crate::error::is_unsafe_to_show, " ");
    // A single write keeps the lines of two threads apart. A closed stderr is not an error.
    let text = format!("[NexusSDK] {}: {line}\n", level.name());
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
