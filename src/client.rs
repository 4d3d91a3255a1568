//! The client, with one short method for each operation.

// The documentation lists the methods in the order of these lines, and then the methods of this file.
mod create;

mod fetching;

mod connections;
#[cfg(feature = "consent")]
pub(crate) mod credentials;
#[cfg(feature = "sessions")]
mod sessions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::cache::TokenCache;
use crate::error::Result;
use crate::gateway::Request;
use crate::inner::Handle;
use crate::providers::{Health, Providers};
use crate::tenant::Tenant;
use crate::time::{Deadline, Now};
use crate::token::CachedToken;

/// A client for one Nexus Gateway. Any number of threads can share it.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
///
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let cache = TokenCache::new();
/// let github = client.fetcher(&cache, "acme", "github").base_url(gateway.url())?;
/// let (status, _headers, body) = github.get("/user")?;
/// assert_eq!(status, 200);
/// assert!(String::from_utf8(body)?.contains("acme"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Sharing and blocking
///
/// A clone is a cheap handle to the same client and its pooled connections. If you know the Python SDK, see
/// [the differences](crate::python).
///
/// Most methods block the calling thread while they wait for the gateway, by default for at most
/// [`timeout`](crate::NexusClientOptions::timeout) (30 s). The documentation of `timeout` says when a request can take
/// longer. With a [`RetryPolicy`](crate::RetryPolicy) that retries, they block for at most `timeout` for each attempt and
/// `max_delay` for each pause. A request that may refresh a token continues after its caller has timed out: see
/// [`refreshes`](crate::refreshes).
///
/// # Errors
///
/// Every method that sends a request to the gateway can fail with `request_failed` (such as a network failure), `timeout`,
/// `max_retries_exceeded` (only with retries), `invalid_response` (a response that breaks the gateway's
/// contract), `body_too_large`, `insecure_url` (for an http URL and an agent with `https_only`), `invalid_input`
/// (for example a SOCKS proxy without the feature `socks-proxy`), and with the gateway's own codes. If the gateway sends
/// no code, the SDK sets `http_<status>`.
///
/// Every method that gets a token by workspace and provider can also fail with `invalid_input` for a blank name,
/// `invalid_credentials` for credentials without a field that the provider's strategy needs, and
/// `unsupported_strategy` for a strategy that this build does not support. The gateway's codes include
/// `connection_not_found` (404), `token_expired` (409) and `broker_unavailable` (502).
///
/// Each method lists its own most important codes, and [`ErrorKind`](crate::ErrorKind) explains the known codes of
/// gateways. [`Fetcher`](crate::Fetcher#errors) lists the errors of a fetch.
///
/// # Fork
///
/// A client does not survive `fork` without `exec`. Parent and child would share its pooled connections, and one
/// process could read the response to the other's request. Create the client after the fork.
#[derive(Clone)]
pub struct NexusClient(pub(crate) Handle);

impl NexusClient {
    /// Asks the gateway for the token of a workspace's connection to a provider, bypassing the cache.
    /// For repeated use, prefer [`get_cached_token`](Self::get_cached_token).
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt. If another thread is already
    /// resolving the same workspace and provider, the call waits for that thread's result. After
    /// `token_expired`, the request is sent once more.
    ///
    /// # Errors
    ///
    /// The errors that every method that gets a token can return: see [`NexusClient`].
    ///
    /// # Example
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
        let tenant = Tenant::new(workspace_id, provider);
        let response = self.0.resolve(&tenant, deadline)?;
        response.token.clone().map(Arc::unwrap_or_clone)
    }

    /// Returns the token from the cache. On a miss, requests the token from the gateway and caches it.
    ///
    /// A hit takes one lock for a short time. Threads that miss the same key together share one request to
    /// the gateway, and all get its token or error. A miss blocks for at most the client's timeout (30 s)
    /// for each attempt.
    ///
    /// If the cached token is about to expire, one call every 5 s asks the gateway for a newer token. This call waits for at
    /// most 1 s. If no newer token has arrived, the call returns the cached token, unless the gateway has refused for good. The
    /// option [`stale_if_error`](crate::NexusClientOptions::stale_if_error) can turn this off.
    ///
    /// # Errors
    ///
    /// The errors that every method that gets a token can return: see [`NexusClient`].
    ///
    /// # Example
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
    #[doc(alias = "getToken")]
    pub fn get_cached_token(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> Result<Arc<CachedToken>> {
        let gateway = Some(&self.0.asker.gateway);
        match cache.fresh((workspace_id, provider), gateway, Now::read()) {
            Some(token) => Ok(token),
            None => self
                .fetcher(cache, workspace_id, provider)
                .get_cached_token(),
        }
    }

    /// Removes a token from the cache, as [`TokenCache::delete`] does. Does not block.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("http://localhost:8080"))?;
    /// let cache = TokenCache::new();
    /// # use std::time::{Duration, SystemTime};
    /// # let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// # cache.set("acme", "github", nexus_sdk::CachedToken::new("t-1", "Bearer", in_an_hour));
    /// client.clear_token(&cache, "acme", "github");
    /// assert!(cache.is_empty());
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn clear_token(&self, cache: &TokenCache, workspace_id: &str, provider: &str) {
        cache.delete(workspace_id, provider);
    }

    /// Returns the providers that the gateway knows.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// Only the errors that every request can return: see [`NexusClient`].
    ///
    /// # Example
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
        Providers::from_json(self.send(&Request::get("providers", "/v1/providers"))?)
    }

    /// Returns the gateway's health from `/health`, or from `/v1/health` if the gateway has no `/health`.
    ///
    /// Blocks for at most two requests to the gateway.
    ///
    /// # Errors
    ///
    /// Only the errors that every request can return: see [`NexusClient`].
    ///
    /// # Example
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
        let response = match self.send(&Request::get("health", "/health")) {
            Err(error) if error.status_code() == Some(404) => {
                self.send(&Request::get("health", "/v1/health"))?
            }
            found => found?,
        };
        Health::from_json(response)
    }

    /// Waits for the requests that may refresh a token, and returns whether all of them have ended.
    /// Blocks for at most `timeout`. [`refreshes`](crate::refreshes) says which programs should call this method before
    /// they end.
    ///
    /// While this method waits, these requests are not retried, and a request that waits for a lock held by
    /// another process or client fails with `timeout`. To ask without this effect, call [`is_idle`](Self::is_idle).
    ///
    /// # Example
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
        self.0.flights.drain(Deadline::after(timeout))
    }

    /// Returns true if no request that may [refresh](crate::refreshes) a token is under way, whether or not a caller still
    /// waits for it. Does not block. Call this method before you suspend a program, because a suspended program keeps its
    /// lock.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Fault};
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Delay(Duration::from_millis(500)));
    /// let options = NexusClientOptions::new(gateway.url()).timeout(Duration::from_millis(50));
    /// let client = NexusClient::new(options)?;
    /// assert!(client.is_idle());
    /// assert_eq!(client.resolve_token("acme", "github").unwrap_err().code(), "timeout");
    /// assert!(!client.is_idle(), "the request continues in the background");
    /// # assert!(client.drain(Duration::from_secs(20)));
    /// # assert!(client.is_idle());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.flights.is_idle()
    }

    fn send(&self, request: &Request) -> Result<Value> {
        Ok(self.0.gateway.send(request)?.body.into())
    }
}

impl fmt::Debug for NexusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NexusClient({})", self.0.gateway.origin)
    }
}
