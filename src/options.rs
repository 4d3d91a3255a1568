//! How a client is configured, in code or from the environment.

use std::fmt;
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
    /// The bound on each HTTP exchange. Default 30 s.
    pub timeout: Duration,
    /// How requests to the gateway are retried. Default: not at all.
    pub retry_policy: RetryPolicy,
    /// The largest response body, after decompression. Default 100 MiB.
    pub max_body_bytes: u64,
    /// Whether credentials may travel over plain http to other machines. Default `false`.
    pub allow_insecure_http: bool,
    /// How much is said on stderr. Default [`LogLevel::Warn`]; `NEXUS_LOG` overrides it.
    pub log_level: LogLevel,
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

    /// The bound on each HTTP exchange, from the name look-up to the last byte of the body.
    /// Default 30 s.
    ///
    /// A request to the gateway that is retried has it anew for every attempt. A fetch has it for
    /// the whole call, redirects and replay included, unless its
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
    /// assert_eq!(options.retry_policy.retries, 3);
    /// ```
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// An agent of your own, for its TLS roots, client certificate or proxy.
    ///
    /// The SDK sets what it relies on for each request: no redirects of ureq's own, statuses as
    /// data, any method, an overall deadline. A deadline makes ureq's own resolver start a thread
    /// for every request, which the SDK's default agent avoids.
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
    /// `body_too_large`, never a truncation. Default 100 MiB.
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
            .finish_non_exhaustive()
    }
}
