//! How a client is configured, in code or from the environment.

use std::fmt;
#[cfg(feature = "host-lock")]
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{NexusError, Result};
use crate::log::LogLevel;
use crate::retry::RetryPolicy;

const URL_VARIABLE: &str = "NEXUS_GATEWAY_URL";
const KEY_VARIABLE: &str = "NEXUS_API_KEY";

/// What a [`NexusClient`](crate::NexusClient) is made from.
///
/// Nothing is checked here; [`NexusClient::new`](crate::NexusClient::new) names what it cannot use.
///
/// ```
/// use nexus_sdk::{LogLevel, NexusClientOptions, RetryPolicy};
/// use std::time::Duration;
///
/// let options = NexusClientOptions::new("https://nexus.example.com");
/// assert_eq!(options.gateway_url, "https://nexus.example.com");
/// assert_eq!(options.api_key, "");
/// assert_eq!(options.timeout, Duration::from_secs(30));
/// assert_eq!(options.retry_policy, RetryPolicy::default());
/// assert_eq!(options.max_body_bytes, 100 * 1024 * 1024);
/// assert!(!options.allow_insecure_http);
/// assert_eq!(options.log_level, LogLevel::Warn);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct NexusClientOptions {
    /// The gateway's address, such as `https://nexus.example.com`; a path before `/v1` is allowed.
    pub gateway_url: String,
    /// Sent to the gateway as `X-API-Key`; empty (the default) sends none.
    pub api_key: String,
    /// How long a call waits for the gateway, and the whole of a fetch. Default 30 s.
    pub timeout: Duration,
    /// How requests to the gateway are retried. Default: not at all.
    pub retry_policy: RetryPolicy,
    /// The largest response body, after decompression. Default 100 MiB.
    pub max_body_bytes: u64,
    /// Whether credentials may travel over plain http to other machines. Default `false`.
    pub allow_insecure_http: bool,
    /// How much is said on stderr. Default [`LogLevel::Warn`]; `NEXUS_LOG` overrides it.
    pub log_level: LogLevel,
    /// Whether calls go on with a token that has not expired while the gateway cannot be reached.
    /// Default true.
    pub stale_if_error: bool,
    /// Where the processes of this host lock one another out while a token is refreshed. Default:
    /// nowhere.
    #[cfg(feature = "host-lock")]
    pub lock_dir: Option<PathBuf>,
    pub(crate) agent: Option<ureq::Agent>,
}

impl NexusClientOptions {
    /// Options for the gateway at this address, with the defaults for all else.
    ///
    /// ```
    /// let options = nexus_sdk::NexusClientOptions::new("http://localhost:8080");
    /// assert_eq!(options.gateway_url, "http://localhost:8080");
    /// ```
    #[must_use]
    pub fn new(gateway_url: impl Into<String>) -> Self {
        Self {
            gateway_url: gateway_url.into(),
            api_key: String::new(),
            timeout: Duration::from_secs(30),
            retry_policy: RetryPolicy::default(),
            max_body_bytes: 100 * 1024 * 1024,
            allow_insecure_http: false,
            log_level: LogLevel::default(),
            stale_if_error: true,
            #[cfg(feature = "host-lock")]
            lock_dir: None,
            agent: None,
        }
    }

    /// Options from the environment: `NEXUS_GATEWAY_URL`, and `NEXUS_API_KEY` if it is set. White
    /// space around a value is dropped.
    ///
    /// # Errors
    ///
    /// `invalid_input` when `NEXUS_GATEWAY_URL` is not set or blank, or either is not UTF-8.
    ///
    /// ```no_run
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::from_env()?)?;
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        let Some(url) = variable(URL_VARIABLE)? else {
            let problem =
                "not set; set it to the gateway's address, such as https://nexus.example.com";
            return Err(NexusError::invalid_input(URL_VARIABLE, problem));
        };
        Ok(Self::new(url).api_key(variable(KEY_VARIABLE)?.unwrap_or_default()))
    }

    /// Sent to the gateway as `X-API-Key`. Default empty: none is sent.
    ///
    /// ```
    /// let options = nexus_sdk::NexusClientOptions::new("http://localhost:8080").api_key("k-1");
    /// assert_eq!(options.api_key, "k-1");
    /// ```
    #[must_use]
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.api_key = api_key.into();
        self
    }

    /// How long a call waits for the gateway, for each attempt, and the whole of a fetch. Default 30 s;
    /// zero is refused by [`NexusClient::new`](crate::NexusClient::new).
    ///
    /// A call that may refresh a token (resolve, token, refresh, status) is never cut short: its caller
    /// gets `timeout`, while the request goes on in the background for 60 s, or this if it is longer. A
    /// fetch has it for the whole call, redirects and replay included, unless its
    /// [`FetchOptions::timeout`](crate::FetchOptions::timeout) says otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::NexusClientOptions::new("http://localhost:8080")
    ///     .timeout(Duration::from_secs(5));
    /// assert_eq!(options.timeout, Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How requests to the gateway are retried. Default: not at all.
    ///
    /// ```
    /// use nexus_sdk::{NexusClientOptions, RetryPolicy};
    ///
    /// let options = NexusClientOptions::new("http://localhost:8080")
    ///     .retry_policy(RetryPolicy::default().retries(3));
    /// assert_eq!(options.retry_policy, RetryPolicy::default().retries(3));
    /// ```
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// An agent of your own, for its TLS roots, client certificate or proxy.
    ///
    /// The SDK sets what it relies on for each request: no redirects of ureq's own, statuses as
    /// data, any method, an overall deadline. What lies below stays the agent's own, so these things
    /// hold for the SDK's default agent and not for one of yours:
    ///
    /// - Bytes that a server sends unasked over TLS never become the next response, and a body that
    ///   has no length ends with a reset, or with TLS's own end missing, as an error.
    /// - A response counts although the server closed before it had all of the request.
    /// - An idempotent request is sent once more only where the connection that was closed came from the
    ///   pool; with an agent of yours, also on a new one.
    /// - The deadline holds while a proxy drips its response, or while a slow server takes a body.
    /// - Of several addresses a dead one takes 2 s at most; a name is looked up for new connections only,
    ///   on a thread that requests share.
    /// - No cookies. Where any crate in the program enables ureq's feature `cookies`, an agent keeps
    ///   one jar, and what a response sets goes out with the requests of all workspaces: do without
    ///   that feature, or use a client for each workspace.
    ///
    /// An agent with a SOCKS proxy needs this crate's feature `socks-proxy`;
    /// [`NexusClient::new`](crate::NexusClient::new) says so otherwise (`invalid_input`).
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let agent = ureq::Agent::config_builder().max_idle_connections(2).build().new_agent();
    /// let options = NexusClientOptions::new("http://localhost:8080").agent(agent);
    /// ```
    #[must_use]
    pub fn agent(mut self, agent: ureq::Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// The largest response body, in bytes after decompression; a larger one is the error
    /// `body_too_large`, never a truncation. Default 100 MiB. A gateway's response has 2 MiB at most,
    /// whatever this says.
    ///
    /// ```
    /// let options = nexus_sdk::NexusClientOptions::new("http://localhost:8080").max_body_bytes(1024);
    /// assert_eq!(options.max_body_bytes, 1024);
    /// ```
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// Whether credentials may travel over plain http to other machines. Default `false`.
    ///
    /// Loopback is always allowed. Without this, a fetch from an `http` URL elsewhere is the error
    /// `insecure_url`; a gateway on one works with a warning, because its operator chose it.
    ///
    /// ```
    /// let options = nexus_sdk::NexusClientOptions::new("http://nexus").allow_insecure_http(true);
    /// assert!(options.allow_insecure_http);
    /// ```
    #[must_use]
    pub fn allow_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    /// How much is said on stderr. Default [`LogLevel::Warn`]; `NEXUS_LOG` overrides it.
    ///
    /// ```
    /// use nexus_sdk::{LogLevel, NexusClientOptions};
    ///
    /// let options = NexusClientOptions::new("http://localhost:8080").log_level(LogLevel::Off);
    /// assert_eq!(options.log_level, LogLevel::Off);
    /// ```
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Whether calls go on with a token that has not expired while no newer one can be had (network,
    /// timeout, 429, 5xx, `token_expired`, a response that makes no sense). Default true.
    ///
    /// Such a token is one within the cache's buffer or, where its expiry is not known, one that was
    /// received within the last hour. A call that has one waits for the gateway at most 1 s, and not
    /// at all while it is known to be out of reach; it is asked again every 5 s, by a call. A
    /// warning says when that begins and when it is over.
    ///
    /// ```
    /// use nexus_sdk::NexusClientOptions;
    ///
    /// let options = NexusClientOptions::new("https://nexus.example.com");
    /// assert!(options.stale_if_error);
    /// assert!(!options.stale_if_error(false).stale_if_error);
    /// ```
    #[must_use]
    pub fn stale_if_error(mut self, stale_if_error: bool) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// Lets processes of this host take turns at refreshing a token: those whose clients have the
    /// same gateway and directory ask for the token of a workspace and provider, or of a connection
    /// id, one at a time. Default: they do not. Needs Rust 1.89.
    ///
    /// Two processes that refresh the same token at once can cost its connection. A call waits up to
    /// 60 s for its turn, then fails with `timeout`; its caller waits no longer than for any other
    /// call. The directory is created, for this user alone, when it is first needed; the files in it
    /// are empty and may stay. A process that is killed leaves no lock behind. Where locks do not work
    /// (a network file system, a directory that cannot be written or is open to other users), a
    /// warning says so once, and calls go on without them.
    ///
    /// ```no_run
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let home = std::env::home_dir().unwrap_or_default();
    /// let options = NexusClientOptions::new("https://nexus.example.com")
    ///     .lock_dir(home.join(".cache/nexus/locks"));
    /// let client = NexusClient::new(options)?;
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[cfg(feature = "host-lock")]
    #[must_use]
    pub fn lock_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.lock_dir = Some(dir.into());
        self
    }
}

/// An environment variable without the white space around it; blank counts as not set.
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(NexusError::invalid_input(name, "its value is not UTF-8"))
        }
    }
}

impl fmt::Debug for NexusClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.api_key.is_empty() {
            "none"
        } else {
            "[redacted]"
        };
        f.debug_struct("NexusClientOptions")
            .field("api_key", &format_args!("{key}"))
            .field("timeout", &self.timeout)
            .field("retry_policy", &self.retry_policy)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("allow_insecure_http", &self.allow_insecure_http)
            .field("log_level", &self.log_level)
            .field("stale_if_error", &self.stale_if_error)
            .finish_non_exhaustive()
    }
}
