//! The client: one short method for each operation.

mod connections;
mod fetching;
pub(crate) mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::TokenCache;
use crate::error::{self, Result};
#[cfg(feature = "consent")]
use crate::flights::Flights;
use crate::flights::{Handle, ProcessLock};
use crate::gateway::{Gateway, Request};
use crate::health::Health;
use crate::json::Object;
use crate::options::NexusClientOptions;
use crate::providers::Providers;
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::url;

/// A client of one Nexus Gateway, to be shared by any number of threads.
///
/// A clone is a cheap handle to the same client and its pooled connections. Every method blocks the
/// calling thread, at most as long as it says. With the default [`RetryPolicy`](crate::RetryPolicy)
/// a call waits for the gateway at most [`timeout`](NexusClientOptions::timeout) (30 s); with
/// retries, that for each attempt and `max_delay` between two. A call that may refresh a token goes
/// on when its caller has timed out: see [`drain`](Self::drain).
///
/// # Fork
///
/// A client does not survive `fork` without `exec`. Parent and child would share its pooled connections, and one
/// process could read the response to the other's request. Create the client after the fork.
///
/// # Errors
///
/// Every method that talks to the gateway can fail with `request_failed` (the network), `timeout`,
/// `max_retries_exceeded` (only with retries), `invalid_response` (a response that is not what the
/// contract says), `body_too_large`, and with the gateway's own codes, or `http_<status>` for a
/// response without one. Each method names what it adds.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, FetchOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
///
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let cache = TokenCache::new();
/// let url = format!("{}/user", gateway.url());
/// let (status, _headers, body) =
///     client.authenticated_fetch(&cache, "acme", "github", &url, FetchOptions::default())?;
/// assert_eq!(status, 200);
/// assert!(String::from_utf8(body)?.contains("acme"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NexusClient(Handle);

impl NexusClient {
    /// A client with these options. Sends nothing and does not block.
    ///
    /// Warns when the gateway is reached over plain http on another machine, unless
    /// [`allow_insecure_http`](NexusClientOptions::allow_insecure_http) is set.
    ///
    /// # Errors
    ///
    /// `invalid_input` that names the option: a `gateway_url` that is not an absolute http or https
    /// URL, or has a user name, password or query; an `api_key` that does not fit into a header; a
    /// `timeout` of zero; a SOCKS proxy, of the `agent` or of `ALL_PROXY`, without the feature
    /// `socks-proxy`; a relative path for the lock files, in `lock_dir` or `NEXUS_LOCK_DIR`.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("https://nexus.example.com"))?;
    /// assert!(NexusClient::new(NexusClientOptions::new("nexus.example.com")).is_err());
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn new(options: NexusClientOptions) -> Result<Self> {
        let lock = options.lock.clone();
        let gateway = Gateway::new(options)?;
        let lock = ProcessLock::new(lock, gateway.log)?;
        Ok(Self(Handle::new(gateway, lock)))
    }

    /// Asks the gateway for the token of a workspace's connection to a provider, past every cache.
    ///
    /// Blocks for the client's timeout (30 s) at most, retries added. Joins a resolve of the same pair
    /// that is under way, and asks once more after `token_expired`.
    /// [`get_cached_token`](Self::get_cached_token) is for repeated use.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank name; `invalid_credentials` for credentials that lack what the
    /// provider's strategy needs, `unsupported_strategy` for a strategy that this build cannot put on
    /// a request. Of the gateway: `connection_not_found` (404), `token_expired` (409),
    /// `broker_unavailable` (502).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "weather")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert_eq!(client.resolve_token("acme", "weather")?.header_name, "X-API-Key");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve_token(&self, workspace_id: &str, provider: &str) -> Result<CachedToken> {
        let deadline = self.0.gateway.longest_call();
        let token = self.0.resolve(workspace_id, provider, deadline)?;
        Ok(CachedToken::clone(&token))
    }

    /// Returns the token from the cache, or asks the gateway for it and caches it.
    ///
    /// A hit takes one short lock. Threads that miss the same key together share one call to the
    /// gateway, and its token or error. Each blocks for the client's timeout (30 s) at most, retries
    /// added; for 1 s at most with a token that has not expired
    /// ([`stale_if_error`](NexusClientOptions::stale_if_error)).
    ///
    /// # Errors
    ///
    /// As [`resolve_token`](Self::resolve_token).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let cache = TokenCache::new();
    /// let first = client.get_cached_token(&cache, "acme", "github")?;
    /// let second = client.get_cached_token(&cache, "acme", "github")?;
    /// assert_eq!(first, second);
    /// assert_eq!(gateway.count("/v1/resolve"), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_cached_token(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> Result<Arc<CachedToken>> {
        let deadline = self.0.gateway.longest_call();
        let (token, _) = self.0.cached(cache, workspace_id, provider, deadline)?;
        Ok(token)
    }

    /// Drops a token from the cache; the same as [`TokenCache::delete`]. Does not block.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("http://localhost:8080"))?;
    /// client.clear_token(&TokenCache::new(), "acme", "github");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn clear_token(&self, cache: &TokenCache, workspace_id: &str, provider: &str) {
        cache.delete(workspace_id, provider);
    }

    /// Lists the providers that the gateway knows.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// None besides those of every call to the gateway.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.providers()?.get("github").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn providers(&self) -> Result<Providers> {
        let response = self.send(&Request::get("/v1/providers"))?;
        Ok(Providers::from_response(&response))
    }

    /// Asks the gateway whether it is healthy: `/health`, and `/v1/health` where that does not exist.
    ///
    /// Blocks for two requests to the gateway at most.
    ///
    /// # Errors
    ///
    /// None besides those of every call to the gateway.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert_eq!(client.health()?.status, "healthy");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn health(&self) -> Result<Health> {
        let response = match self.send(&Request::get("/health")) {
            Err(error) if error.status_code() == Some(404) => {
                self.send(&Request::get("/v1/health"))
            }
            response => response,
        };
        Health::from_response(&response?)
    }

    /// Waits for the gateway calls that their callers have left, and returns whether all have ended.
    /// Blocks for `timeout` at most.
    ///
    /// A call that may make the gateway refresh a token goes on when its caller's timeout has
    /// passed: cut short, it could cost the user's connection. Dropping the last handle of a client
    /// (clients, fetchers, authenticated agents, session guards) waits for such calls for up to 5 s.
    /// This is for programs that end otherwise: with [`std::process::exit`], or with a client in a
    /// static. Meanwhile no such call retries, asks a second time, or begins once another process has had
    /// its turn: it ends with the error that it has.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    /// use std::time::Duration;
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("http://localhost:8080"))?;
    /// assert!(client.drain(Duration::from_secs(5)), "nothing is under way");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn drain(&self, timeout: Duration) -> bool {
        self.0.drain(Deadline::after(timeout))
    }

    fn send(&self, request: &Request<'_>) -> Result<Object> {
        self.0.gateway.send(request).map(|success| success.body)
    }
}

#[cfg(feature = "consent")]
impl NexusClient {
    /// What is no handle: the last of those does not wait for who holds it.
    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.0
    }
}

impl fmt::Debug for NexusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusClient")
            .field("gateway", &self.0.gateway.origin())
            .finish_non_exhaustive()
    }
}

/// A path that ends in an id, encoded so that it arrives unchanged; `name` is the argument that holds
/// the id.
fn with_id(path: &str, name: &str, id: &str) -> Result<String> {
    error::not_blank(name, id)?;
    Ok(format!("{path}{}", url::encode(id)))
}
