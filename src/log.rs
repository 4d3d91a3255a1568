//! Writes diagnostics, one line each, to stderr or, with the feature `log`, to the `log` facade. A line is
//! formatted only if its level is enabled. Also decides what `Debug` and messages may show.

use std::borrow::Cow;
use std::fmt;

/// The target of every line that goes to the `log` facade.
#[cfg(feature = "log")]
const TARGET: &str = "nexus_sdk";

/// Selects the lines that the SDK writes to stderr. Each level includes the levels before it.
///
/// # Example
///
/// ```
/// use nexus_sdk::LogLevel;
///
/// assert_eq!(LogLevel::default(), LogLevel::Warn);
/// assert!(LogLevel::Debug > LogLevel::Off);
/// ```
///
/// # Details
///
/// The environment variable `NEXUS_LOG` (`off`, `warn`, `info`, `debug`) overrides the
/// program's setting. With the feature `log`, lines go to the `log` facade under the target `nexus_sdk`.
/// The program's logger then selects the lines, unless the level is [`Off`](Self::Off). A logger that
/// panics loses the line, but the call continues. While the facade's maximum level is off, as it is before the program
/// sets up a logger, lines go to stderr.
///
/// A line about a call names its workspace and provider, or its connection's id. No line contains a token, a key, a
/// request's body or a URL's query. A line may repeat a gateway's
/// error message. ureq also logs to the facade: at the trace level it writes everything that is sent
/// and received, credentials included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// A problem that its caller may not see: a tenant's token cannot be renewed (once, and once more when it can be renewed
    /// again), a request to an API is retried, or a remote gateway is at a plain http URL.
    #[default]
    Warn,
    /// Also each attempt to reach the gateway that failed, with its subject, its number and its error, and each 401 for a
    /// cached token.
    Info,
    /// Also each attempt to reach the gateway that succeeded, and each pause before a retry.
    Debug,
}

impl LogLevel {
    /// Returns the level as `NEXUS_LOG` names it.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(nexus_sdk::LogLevel::Warn.as_str(), "warn");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Returns the level with this name, in upper or lower case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Off, Self::Warn, Self::Info, Self::Debug];
        let is_named = |level: &Self| name.trim().eq_ignore_ascii_case(level.as_str());
        all.into_iter().find(is_named)
    }
}

/// Writes the lines of one client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log(LogLevel);

impl Log {
    /// Uses the program's level, unless `NEXUS_LOG` overrides it.
    pub(crate) fn new(configured: LogLevel) -> Self {
        let variable = std::env::var_os("NEXUS_LOG").unwrap_or_default();
        let name = variable.to_string_lossy();
        let named = LogLevel::from_name(&name);
        let log = Self(named.unwrap_or(configured));
        if named.is_none() && !name.trim().is_empty() {
            log.warn(format_args!(
                "NEXUS_LOG is ignored; set it to off, warn, info or debug"
            ));
        }
        log
    }

    pub(crate) fn warn(self, line: fmt::Arguments<'_>) {
        self.write(LogLevel::Warn, line);
    }

    pub(crate) fn info(self, line: fmt::Arguments<'_>) {
        self.write(LogLevel::Info, line);
    }

    pub(crate) fn debug(self, line: fmt::Arguments<'_>) {
        self.write(LogLevel::Debug, line);
    }

    fn write(self, level: LogLevel, line: fmt::Arguments<'_>) {
        #[cfg(feature = "log")]
        if ::log::max_level() != ::log::LevelFilter::Off {
            self.write_to_facade(level, line);
            return;
        }
        if level <= self.0 {
            say(level, &line.to_string());
        }
    }

    /// Lets the program's logger select the lines. A panic in the logger must not end a call. Dropping the last
    /// handle to a client logs a warning and then waits for requests under way. A panic would also skip that wait.
    #[cfg(feature = "log")]
    fn write_to_facade(self, level: LogLevel, line: fmt::Arguments<'_>) {
        let facade_level = match level {
            LogLevel::Warn => ::log::Level::Warn,
            LogLevel::Info => ::log::Level::Info,
            _ => ::log::Level::Debug,
        };
        let say = || {
            if self.0 != LogLevel::Off && ::log::log_enabled!(target: TARGET, facade_level) {
                ::log::log!(target: TARGET, facade_level, "{line}");
            }
        };
        crate::panics::contained(say);
    }
}

fn say(level: LogLevel, line: &str) {
    use std::io::Write as _;

    // Text from a server must not be able to start a new line.
    let safe_line = line.replace(is_unsafe_to_show, " ");
    // A single write keeps the lines of two threads apart. A closed stderr is not an error.
    let text = format!("[NexusSDK] {}: {safe_line}\n", level.as_str());
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Returns whether a character in a server's text is a control character, a line separator or an invisible character.
/// Such characters could mislead a reader, because some of them hide text or reverse its direction.
pub(crate) fn is_unsafe_to_show(c: char) -> bool {
    let is_format = matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    is_format || c.is_control()
}

/// Returns at most this many characters of a text, with `...` after a text that is longer.
pub(crate) fn shortened(text: &str, max: usize) -> Cow<'_, str> {
    let end = text.char_indices().nth(max);
    match end.and_then(|(end, _)| text.get(..end)) {
        Some(start) => [start, "..."].concat().into(),
        None => text.into(),
    }
}

/// Implements `Debug` with these fields only, because the others may be secret.
macro_rules! debug_only {
    ($type:ident$(<$lifetime:lifetime>)?: $($field:ident),+) => {
        impl std::fmt::Debug for $type$(<$lifetime>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($field), &self.$field))+
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use debug_only;
