//! The options of a client, set in code or read from the environment.

pub(crate) mod call;

use std::env;
use std::ffi::OsString;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::Uri;

use self::call::OnCall;
use crate::error::{NexusError, Result};
use crate::lock::{LockOption, RefreshLock};
use crate::log::LogLevel;
use crate::log::debug_only;
use crate::retry::RetryPolicy;
use crate::url;

pub use call::GatewayCall;

const URL_VARIABLE: &str = "NEXUS_GATEWAY_URL";

/// The options of a [`NexusClient`](crate::NexusClient).
///
/// The setters accept any value. [`NexusClient::new`](crate::NexusClient::new) checks all of them and names the
/// option that it cannot use. The fields are for reading the options, for example in a test.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy};
/// use std::time::Duration;
///
/// let options = NexusClientOptions::new("https://nexus.example.com")
///     .api_key("k-1")
///     .timeout(Duration::from_secs(10))
///     .retry_policy(RetryPolicy::default().retries(2));
/// assert!(NexusClient::new(options.clone()).is_ok());
///
/// let error = NexusClient::new(options.timeout(Duration::ZERO)).unwrap_err();
/// assert!(error.message().starts_with("timeout: "));
/// ```
#[derive(Clone)]
#[must_use]
pub struct NexusClientOptions {
    /// The URL of the gateway: see [`new`](Self::new).
    pub gateway_url: String,
    /// The API key, or an empty string for none: see [`api_key`](Self::api_key()).
    pub api_key: String,
    /// The time limit of each request to the gateway, and of a fetch: see [`timeout`](Self::timeout()).
    pub timeout: Duration,
    /// The retry policy for requests to the gateway: see [`retry_policy`](Self::retry_policy()).
    pub retry_policy: RetryPolicy,
    /// The size limit of a fetch's response body: see [`max_body_bytes`](Self::max_body_bytes()).
    pub max_body_bytes: u64,
    /// True if credentials may be sent over plain http: see [`allow_insecure_http`](Self::allow_insecure_http()).
    pub allow_insecure_http: bool,
    /// The least severe level that is logged: see [`log_level`](Self::log_level()).
    pub log_level: LogLevel,
    /// True if an expiring token stays in use while the gateway fails: see [`stale_if_error`](Self::stale_if_error()).
    pub stale_if_error: bool,
    pub(crate) lock: LockOption,
    pub(crate) agent: Option<ureq::Agent>,
    pub(crate) on_call: Option<OnCall>,
}

impl NexusClientOptions {
    /// Creates the options for the gateway at this URL, such as `https://nexus.example.com`. The URL may have a path,
    /// to which the SDK appends paths such as `/v1/resolve`. All other options have their defaults.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// assert!(NexusClient::new(NexusClientOptions::new("http://localhost:8080/nexus")).is_ok());
    /// assert!(NexusClient::new(NexusClientOptions::new("localhost:8080")).is_err());
    /// ```
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
            lock: LockOption::default(),
            agent: None,
            on_call: None,
        }
    }

    /// Creates the options from the environment: the URL from `NEXUS_GATEWAY_URL`, and the API key from `NEXUS_API_KEY`
    /// if that variable is set. White space around the values is removed.
    ///
    /// # Errors
    ///
    /// `invalid_input` if `NEXUS_GATEWAY_URL` is missing, blank or not a usable URL, or if one of the two variables is not
    /// UTF-8.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::from_env()?)?;
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        let variable = |name| variable(name, env::var_os(name));
        let url = variable(URL_VARIABLE)?;
        if url.is_empty() {
            let problem = "is missing or blank; set it to the gateway's address, such as https://nexus.example.com";
            return Err(NexusError::invalid_input(URL_VARIABLE, problem));
        }
        base_url(URL_VARIABLE, &url)?;
        Ok(Self::new(url).api_key(variable("NEXUS_API_KEY")?))
    }

    /// Sets the API key, which the SDK sends to the gateway as `X-API-Key`. Default: no key, and no such header.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().api_key("k-1").start()?;
    /// let options = NexusClientOptions::new(gateway.url());
    /// let error = NexusClient::new(options.clone())?.providers().unwrap_err();
    /// assert_eq!(error.code(), "unauthorized");
    /// assert!(NexusClient::new(options.api_key("k-1"))?.providers().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.api_key = api_key.into();
        self
    }

    /// Sets how long a call waits for each request to the gateway, and how long a whole fetch may take, with its redirects
    /// and its replay after a 401 or 403. Default 30 s, at most a year. [`NexusClient::new`](crate::NexusClient::new)
    /// refuses zero.
    ///
    /// The SDK limits each phase of a request (connecting, sending, the response's head and its body) to the time that was
    /// left when the request began, so a request that is slow in several phases can take longer. Connecting, including
    /// TLS and the proxy, is limited to 8 s. A lookup of a host's name has the system's own time limit.
    ///
    /// A request that may [refresh](crate::refreshes) a token goes on after its caller has got the error `timeout`. Each of
    /// its attempts has 40 s, or this timeout if it is longer.
    /// [`FetchOptions::timeout`](crate::FetchOptions::timeout) sets the time limit of a single fetch.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::{DevGateway, Fault}};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Delay(Duration::from_secs(10)));
    /// let options = NexusClientOptions::new(gateway.url()).timeout(Duration::from_millis(100));
    /// let error = NexusClient::new(options)?.providers().unwrap_err();
    /// assert_eq!(error.code(), "timeout");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the retry policy for requests to the gateway. Default: no retries.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RetryPolicy, testing::{DevGateway, Fault}};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Status(503));
    /// let options = NexusClientOptions::new(gateway.url())
    ///     .retry_policy(RetryPolicy::default().retries(3));
    /// assert!(NexusClient::new(options)?.providers().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// Sets the ureq agent for all requests, for example to use TLS roots, a client certificate or a proxy of your own.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway, ureq};
    ///
    /// let gateway = DevGateway::start()?;
    /// let agent = ureq::Agent::config_builder().user_agent("my-server/1.0").build().new_agent();
    /// let options = NexusClientOptions::new(gateway.url()).agent(agent);
    /// NexusClient::new(options)?.providers()?;
    /// assert_eq!(gateway.requests().last().unwrap().headers["user-agent"], "my-server/1.0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Details
    ///
    /// The SDK overrides some of your agent's settings for each request. It turns off ureq's redirects, allows
    /// non-standard methods, and bypasses the proxy for loopback addresses. Except for requests of an authenticated
    /// agent, it also accepts any status and limits the time of each phase. Your agent's own limits hold where they are
    /// shorter, and its limit for connecting replaces the SDK's 8 s. Requests that may refresh a token connect anew and
    /// ignore your agent's timeouts. The rest of your agent's settings apply, including the `User-Agent`. An
    /// authenticated agent has only some of your agent's settings: see
    /// [`authenticated_agent`](crate::NexusClient::authenticated_agent).
    ///
    /// If any crate in the program enables ureq's feature `cookies`, your agent stores the cookies of all responses and
    /// sends them with the requests of all workspaces. The SDK's own agent never sends such a cookie. Disable
    /// that feature, or use a client with an agent of its own for each workspace. Clones of an agent share their cookies.
    ///
    /// Unless a request goes through an http proxy, ureq looks up the host's name each time, even if the connection comes
    /// from the pool. If your name server is slow or silent, set an agent that caches lookups, as `examples/lookup_cache`
    /// does.
    ///
    /// If your agent has ureq's default proxy, the SDK replaces it with the [proxies](crate#proxies) that it reads from
    /// the environment. An agent with a SOCKS proxy of your own needs the feature `socks-proxy` of this crate. Without it,
    /// [`NexusClient::new`](crate::NexusClient::new) returns `invalid_input`.
    #[doc(alias("proxy", "tls", "certificate", "ca"))]
    pub fn agent(mut self, agent: ureq::Agent) -> Self {
        self.agent = Some(agent);
        self
    }

    /// Sets the size limit for the response body of a fetch, in bytes after decompression. Default 100 MiB. If the body
    /// is larger, the fetch fails with `body_too_large`. Responses from the gateway are always limited to 256 KiB, and
    /// the list of providers to 2 MiB.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().upstream("/file", "text/plain", "x".repeat(1025)).start()?;
    /// gateway.connect("acme", "github")?;
    /// let options = NexusClientOptions::new(gateway.url()).max_body_bytes(1024);
    /// let fetcher = NexusClient::new(options)?.fetcher(&TokenCache::new(), "acme", "github");
    /// let error = fetcher.get(&format!("{}/file", gateway.url())).unwrap_err();
    /// assert_eq!(error.code(), "body_too_large");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// Sets whether credentials may be sent over plain http to other machines. Default `false`.
    ///
    /// `localhost` and loopback addresses are always allowed. By default, a fetch of any other `http` URL fails with
    /// `insecure_url`. For a gateway at such a URL, the client only logs a warning, because the URL comes from your
    /// configuration.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let options = NexusClientOptions::new("https://nexus.example.com");
    /// let fetcher = NexusClient::new(options.clone())?.fetcher(&TokenCache::new(), "acme", "files");
    /// let error = fetcher.get("http://files.example.com/").unwrap_err();
    /// assert_eq!(error.code(), "insecure_url");
    ///
    /// // This client sends the credential.
    /// let client = NexusClient::new(options.allow_insecure_http(true))?;
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn allow_insecure_http(mut self, allow: bool) -> Self {
        self.allow_insecure_http = allow;
        self
    }

    /// Sets the least severe level that is written to stderr. ([`LogLevel`] says what applies with the feature `log`.)
    /// Default [`LogLevel::Warn`]. The environment variable `NEXUS_LOG` overrides this option.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions};
    ///
    /// // By default, a gateway at plain http on another machine causes a warning on stderr.
    /// let options = NexusClientOptions::new("http://nexus.example.com").log_level(LogLevel::Off);
    /// let client = NexusClient::new(options)?;
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Sets whether calls keep using an expiring token while the gateway cannot provide a new token. Default `true`.
    ///
    /// The expiring token is used after every failure of the call to the gateway, unless the gateway has refused for
    /// good, with a [final](crate::ErrorKind#codes) error. A token is expiring during the cache's buffer, by
    /// default the last 30 s of its lifetime. A token without a known expiry can be used for up to an hour after it was
    /// requested.
    ///
    /// The first call that finds such a token in the cache asks the gateway, and waits for at most 1 s. From the moment it
    /// asks, other calls use the token for 5 s. The first call after that asks again. A failure logs a warning once for
    /// each token.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, NexusClient, NexusClientOptions, TokenCache};
    /// use nexus_sdk::testing::{DevGateway, Fault};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(2, Fault::Status(503));
    /// let cache = TokenCache::new();
    /// let soon = SystemTime::now() + Duration::from_secs(20); // within the buffer of 30 s
    /// cache.set("acme", "github", CachedToken::new("t-1", "Bearer", soon));
    ///
    /// let options = NexusClientOptions::new(gateway.url());
    /// let strict = NexusClient::new(options.clone().stale_if_error(false))?;
    /// let error = strict.get_cached_token(&cache, "acme", "github").unwrap_err();
    /// assert_eq!(error.status_code(), Some(503));
    ///
    /// let client = NexusClient::new(options)?;
    /// assert_eq!(client.get_cached_token(&cache, "acme", "github")?.access_token, "t-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stale_if_error(mut self, stale_if_error: bool) -> Self {
        self.stale_if_error = stale_if_error;
        self
    }

    /// Sets the directory for the lock files, as an absolute path. A process locks one of these files during each
    /// request that may refresh a token.
    ///
    /// The default is `.local/state/nexus/locks` in the user's home directory, on every system. The environment variable
    /// `NEXUS_LOCK_DIR` sets another directory, and this option overrides both. [`refreshes`](crate::refreshes) says which
    /// processes take turns, and for how long they wait.
    ///
    /// If the directory cannot be used, or its file system has no locks, requests are sent without a lock. Of several such
    /// requests in a row, only the first logs a warning.
    ///
    /// Missing directories are created, on Unix with mode 0700. For each gateway URL, there is one empty file for each
    /// workspace and provider, and for each connection id that a client uses without having requested the connection.
    /// Files are never removed. Delete files only while no process uses the directory.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let dir = std::env::temp_dir().join(format!("nexus-locks-{}", std::process::id()));
    /// let options = NexusClientOptions::new(gateway.url());
    /// NexusClient::new(options.clone().lock_dir(&dir))?.resolve_token("acme", "github")?;
    /// assert_eq!(std::fs::read_dir(&dir)?.count(), 1);
    /// assert!(NexusClient::new(options.lock_dir("locks")).is_err(), "a relative path");
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.lock = LockOption::Directory(dir.into());
        self
    }

    /// Turns off the lock that processes share. By default, processes share lock files: see
    /// [`lock_dir`](Self::lock_dir). A blank `NEXUS_LOCK_DIR` turns the lock off for all clients that set neither
    /// `lock_dir` nor `refresh_lock`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let dir = std::env::temp_dir().join("nexus-no-locks");
    /// let options = NexusClientOptions::new(gateway.url()).lock_dir(&dir).without_lock();
    /// NexusClient::new(options)?.resolve_token("acme", "github")?;
    /// assert!(!dir.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn without_lock(mut self) -> Self {
        self.lock = LockOption::Off;
        self
    }

    /// Replaces the lock files with a lock of your own, for processes on several hosts. Default: lock files, see
    /// [`lock_dir`](Self::lock_dir).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RefreshLock, testing::DevGateway};
    /// use std::io;
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use std::time::Duration;
    ///
    /// /// Counts its calls, and grants the lock to every caller. See `RefreshLock` for an example of a real lock.
    /// #[derive(Default)]
    /// struct Counting(AtomicU32);
    ///
    /// impl RefreshLock for Counting {
    ///     fn try_lock(&self, _key: &str, _lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///         Ok(Some(Box::new(())))
    ///     }
    /// }
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let lock = Arc::new(Counting::default());
    /// let options = NexusClientOptions::new(gateway.url()).refresh_lock(Arc::clone(&lock));
    /// NexusClient::new(options)?.resolve_token("acme", "github")?;
    /// assert_eq!(lock.0.load(Ordering::Relaxed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_lock(mut self, lock: impl RefreshLock + 'static) -> Self {
        self.lock = LockOption::Own(Arc::new(lock));
        self
    }

    /// Sets a function that is called after each attempt to reach the gateway, for metrics and alarms. Default: none.
    ///
    /// The function runs on the thread that made the attempt, without any lock, before the callers get the response. It
    /// should return quickly. A panic in it is caught and logged as a warning, and the call to the gateway goes on. (Its
    /// message is on stderr as usual. A program that is built with `panic = "abort"` ends.) Requests to an API are not
    /// reported, nor is a call that needs no request, because its token is in the cache.
    ///
    /// The function must neither call the same client for the same workspace and provider nor
    /// [`drain`](crate::NexusClient::drain) it, because both wait for the end of the call that the function reports.
    ///
    /// An error of [`resolve`](GatewayCall::operation) whose [`is_retryable`](crate::NexusError::is_retryable) is true
    /// means that a token could not be renewed just now.
    ///
    /// # Example
    ///
    /// Counts all errors by workspace, provider and code, and prints the counters in the text format of Prometheus:
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::{DevGateway, Fault}};
    /// use std::collections::BTreeMap;
    /// use std::sync::{Arc, Mutex};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Status(503));
    /// let failures = Arc::new(Mutex::new(BTreeMap::<String, u64>::new()));
    /// let counters = Arc::clone(&failures);
    /// let options = NexusClientOptions::new(gateway.url()).on_call(move |call| {
    ///     let (workspace, provider) = (call.workspace_id.unwrap_or(""), call.provider.unwrap_or(""));
    ///     if let Some(code) = call.error.map(|error| error.code()) {
    ///         let labels = format!("workspace={workspace:?},provider={provider:?},code={code:?}");
    ///         *counters.lock().unwrap().entry(labels).or_default() += 1;
    ///     }
    /// });
    /// let client = NexusClient::new(options)?;
    /// assert!(client.resolve_token("acme", "github").is_err());
    /// for (labels, count) in &*failures.lock().unwrap() {
    ///     let line = format!("nexus_gateway_failures_total{{{labels}}} {count}");
    ///     let expected = r#"{workspace="acme",provider="github",code="http_503"} 1"#;
    ///     assert!(line.ends_with(expected), "{line}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_call(mut self, on_call: impl Fn(&GatewayCall<'_>) + Send + Sync + 'static) -> Self {
        self.on_call = Some(Arc::new(on_call));
        self
    }
}

/// Parses the name of a level in upper or lower case, as in `NEXUS_LOG`. Fails with `invalid_input` for any other text.
///
/// # Example
///
/// ```
/// use nexus_sdk::LogLevel;
///
/// assert_eq!("Debug".parse::<LogLevel>()?, LogLevel::Debug);
/// assert!("verbose".parse::<LogLevel>().is_err());
/// # Ok::<(), nexus_sdk::NexusError>(())
/// ```
impl FromStr for LogLevel {
    type Err = NexusError;

    fn from_str(name: &str) -> Result<Self> {
        let problem = "is not the name of a level; use off, warn, info or debug";
        Self::from_name(name).ok_or_else(|| NexusError::invalid_input("log_level", problem))
    }
}

/// Parses the gateway's URL. An error names `place`.
pub(crate) fn base_url(place: &str, text: &str) -> Result<Uri> {
    let invalid = |problem| NexusError::invalid_input(place, problem);
    let base = url::parse(text.trim()).map_err(invalid)?;
    if text.contains(['?', '#']) {
        return Err(invalid("has a query or a fragment; leave it out".into()));
    }
    Ok(base)
}

/// Returns the text of an environment variable without the white space around it, or an empty string if it is not set.
/// Fails with `invalid_input` if the value is not UTF-8.
fn variable(name: &str, value: Option<OsString>) -> Result<String> {
    let Ok(text) = value.unwrap_or_default().into_string() else {
        return Err(NexusError::invalid_input(
            name,
            "is not UTF-8; set it again",
        ));
    };
    Ok(text.trim().to_owned())
}

// A panic leaves the options as they were. Their lock and their agent are only called by a client: see `Inner`.
impl UnwindSafe for NexusClientOptions {}
impl RefUnwindSafe for NexusClientOptions {}

debug_only!(NexusClientOptions: timeout, retry_policy, max_body_bytes, allow_insecure_http, log_level,
    stale_if_error);

#[cfg(all(test, unix))]
mod tests;
