//! Diagnostics: one line each to stderr, or to the `log` facade with the feature of that name; never
//! to stdout, and formatted only when they are wanted.

use std::fmt;

/// The target of every line that goes to the `log` facade.
#[cfg(feature = "log")]
const TARGET: &str = "nexus_sdk";

/// How much the SDK writes to stderr; each level includes those before it.
///
/// The environment variable `NEXUS_LOG` (`off`, `error`, `warn`, `info`, `debug`) overrides what
/// the program sets. With the feature `log`, lines go to the `log` facade under the target
/// `nexus_sdk`: then the program's logger decides, and only [`Off`](Self::Off) matters here. No
/// line at any level holds a token, a key, what a request carries or a URL's query; an error that the
/// gateway explains is shown with its explanation. (ureq logs there too, and at its
/// trace level everything that it sends.)
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
    /// A failure that no caller hears of: an agent session that could not be closed.
    Error,
    /// What works, but should be changed: plain http to a remote gateway, a call being retried.
    #[default]
    Warn,
    /// Rare events: a credential dropped after a 401, or on the way to another origin.
    Info,
    /// Every request to the gateway, with its status and duration.
    Debug,
}

impl LogLevel {
    const ALL: [(&'static str, Self); 5] = [
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];

    fn from_name(name: &str) -> Option<Self> {
        let found = Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        found.map(|(_, level)| *level)
    }

    #[cfg(not(feature = "log"))]
    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, level)| *level == self)
            .map_or("", |(name, _)| name)
    }
}

/// Writes the lines of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    level: LogLevel,
}

impl Log {
    /// The program's level, unless `NEXUS_LOG` says another.
    pub(crate) fn new(configured: LogLevel) -> Self {
        let name = std::env::var("NEXUS_LOG").unwrap_or_default();
        let named = LogLevel::from_name(&name);
        let log = Self {
            level: named.unwrap_or(configured),
        };
        if named.is_none() && !name.trim().is_empty() {
            log.warn(|| "NEXUS_LOG is not off, error, warn, info or debug; it is ignored");
        }
        log
    }

    pub(crate) fn error<T: fmt::Display>(self, line: impl FnOnce() -> T) {
        self.write(LogLevel::Error, line);
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

    /// The program's logger decides which lines it wants.
    #[cfg(feature = "log")]
    fn write<T: fmt::Display>(self, level: LogLevel, line: impl FnOnce() -> T) {
        let level = match level {
            LogLevel::Error => ::log::Level::Error,
            LogLevel::Warn => ::log::Level::Warn,
            LogLevel::Info => ::log::Level::Info,
            _ => ::log::Level::Debug,
        };
        if self.level != LogLevel::Off && ::log::log_enabled!(target: TARGET, level) {
            ::log::log!(target: TARGET, level, "{}", line());
        }
    }
}

#[cfg(not(feature = "log"))]
fn say(level: LogLevel, line: &str) {
    use std::io::Write as _;

    // Names come from outside: a line break in one must not pass for a line of the SDK's own.
    let line = line.replace(
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'),
        " ",
    );
    // One write a line, so that threads do not mix theirs. A closed stderr is not a failure of
    // the call that wanted to say something, and must not panic.
    let text = format!("[NexusSDK] {}: {line}\n", level.name());
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
