//! The client: one short method for each operation.

mod beyond;

use std::fmt;
use std::sync::Arc;

use ureq::http::HeaderMap;

use crate::clock::Deadline;
use crate::connection::{
    ConnectionStatus, RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};
use crate::error::{self, ErrorKind, NexusError, Result};
use crate::fetch::{self, Caller, Credential};
use crate::fetch_options::FetchOptions;
use crate::gateway::Gateway;
use crate::options::NexusClientOptions;
use crate::resolve::{self, Tenant};
use crate::token::{CachedToken, TokenResponse};
use crate::token_cache::TokenCache;
use crate::url;
use crate::wait;

pub use beyond::AgentSessionGuard;

/// A client of one Nexus Gateway, for any number of threads.
///
/// A clone is a cheap handle to the same client and its pooled connections. Every method blocks the
/// calling thread, at most as long as it says. With the default [`RetryPolicy`](crate::RetryPolicy)
/// a request to the gateway takes at most [`timeout`](NexusClientOptions::timeout) (30 s); with
/// retries, that for each attempt and `max_delay` between two.
///
/// # Errors
///
/// Every method that talks to the gateway can fail with `request_failed` (the network), `timeout`,
/// `max_retries_exceeded` (only with retries), `invalid_response` (a reply that is not what the
/// contract says), `body_too_large`, and with the gateway's own codes, or `http_<status>` for a
/// reply without one. Each method names what it adds.
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
pub struct NexusClient(Arc<Gateway>);

impl NexusClient {
    /// A client with these options. Sends nothing and does not block.
    ///
    /// Writes one warning to stderr when the gateway is reached over plain http on another machine.
    ///
    /// # Errors
    ///
    /// `invalid_input` that names the option: a `gateway_url` that is no absolute http or https
    /// URL, or holds a user name, password or query; an `api_key` that no header can carry; a
    /// `timeout` of zero.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("https://nexus.example.com"))?;
    /// assert!(NexusClient::new(NexusClientOptions::new("nexus.example.com")).is_err());
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn new(options: NexusClientOptions) -> Result<Self> {
        Gateway::new(options).map(|gateway| Self(Arc::new(gateway)))
    }

    /// Asks for a connection of a user to a provider; the user then consents on its `auth_url`.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank `user_id`, `provider_name` or `return_url`; `invalid_response`
    /// without a URL or id in the reply. Of the gateway: `provider_not_found` (404),
    /// `provider_ambiguous` (409), `missing_fields` (400), `broker_error` (502).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// println!("open {}", connection.auth_url);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_connection(
        &self,
        input: &RequestConnectionInput,
    ) -> Result<RequestConnectionResponse> {
        input.check()?;
        let body = serde_json::to_vec(input)
            .map_err(|error| NexusError::new(ErrorKind::InvalidInput, error.to_string()))?;
        let answer = self.post("/v1/request-connection", Some(&body))?;
        RequestConnectionResponse::from_reply(&answer.body)
    }

    /// The status of a connection, as the gateway sees it now.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; `http_400` and `http_502`, whose text is the message.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.check_connection(&connection)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_connection(&self, connection_id: &str) -> Result<ConnectionStatus> {
        self.status(connection_id, self.0.longest_call())
    }

    /// Polls a connection until its status is final: `active`, or `failed`, `attention`, `revoked`,
    /// `superseded`, which are returned too.
    ///
    /// Blocks for the options' timeout (300 s) at most. Polls that fail because the network or the
    /// gateway does are polled again.
    ///
    /// # Errors
    ///
    /// `timeout` when the time is up, `aborted` when [`WaitOptions::on_poll`] breaks,
    /// `invalid_input` for a blank id, and what [`check_connection`](Self::check_connection) says
    /// with a status below 500.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, WaitOptions, testing::DevGateway};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = WaitOptions::default().timeout(Duration::from_secs(60));
    /// assert!(client.wait_for_active(&connection, options)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_active(
        &self,
        connection_id: &str,
        options: WaitOptions<'_>,
    ) -> Result<ConnectionStatus> {
        wait::until_final(options, |deadline| self.status(connection_id, deadline))
    }

    /// The token of one connection, past every cache.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; `invalid_response` for a reply with neither an access token
    /// nor credentials. Of the gateway: `connection_not_found`, `token_not_found` (404),
    /// `attention_required`, `token_expired` (409), `connection_revoked` (410),
    /// `connection_not_active` (400), `broker_unavailable` (502).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let token = client.get_token_by_connection_id(&connection)?;
    /// assert_eq!(token.token_type.as_deref(), Some("Bearer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_token_by_connection_id(&self, connection_id: &str) -> Result<TokenResponse> {
        let path = with_id("/v1/token/", connection_id)?;
        let answer = self.0.get(&path, self.0.longest_call())?;
        TokenResponse::from_reply(answer.body)
    }

    /// Makes the gateway refresh a connection's token now. Tokens in a cache are not touched.
    ///
    /// Blocks for one request to the gateway. The reply often has no strategy and no expiry.
    ///
    /// # Errors
    ///
    /// As [`get_token_by_connection_id`](Self::get_token_by_connection_id), and of the gateway
    /// `static_token`, `no_refresh_token`, `saml_not_refreshable` (400), `upstream_error` (502).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let old = client.get_token_by_connection_id(&connection)?;
    /// assert_ne!(client.refresh_connection(&connection)?.access_token, old.access_token);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_connection(&self, connection_id: &str) -> Result<TokenResponse> {
        let path = with_id("/v1/refresh/", connection_id)?;
        TokenResponse::from_reply(self.post(&path, None)?.body)
    }

    /// The token of a workspace's connection to a provider, past every cache.
    ///
    /// Blocks for one request to the gateway. [`get_cached_token`](Self::get_cached_token) is for
    /// use again and again.
    ///
    /// # Errors
    ///
    /// As [`get_token_by_connection_id`](Self::get_token_by_connection_id), and
    /// `invalid_credentials` for credentials that lack what the provider's strategy needs,
    /// `unsupported_strategy` for a strategy that this build cannot put on a request.
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
        let tenant = Tenant {
            workspace_id,
            provider,
        };
        tenant.check()?;
        let gateway = &self.0;
        resolve::resolve(gateway, tenant, gateway.longest_call()).map(|(token, _)| token)
    }

    /// The token of the cache, or else of the gateway, and then cached.
    ///
    /// A hit takes one short lock. Of the threads that miss the same key together, one asks the
    /// gateway and all get what it answers, an error too; each blocks for one request at most.
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
        let tenant = Tenant {
            workspace_id,
            provider,
        };
        tenant.check()?;
        // A hit needs no deadline, and so none of the clock that one is made from.
        if let Some(token) = cache.get(workspace_id, provider) {
            return Ok(token);
        }
        let gateway = &self.0;
        resolve::cached(gateway, cache, tenant, gateway.longest_call()).map(|(token, _)| token)
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

    /// Sends a request with the credential on it, as the provider's strategy says, and returns
    /// status, headers and body. Every status is `Ok`; errors are for what never became a response.
    ///
    /// Blocks for the options' timeout (by default the client's, 30 s) in all: resolving,
    /// redirects, replay and body. A 401 to a cached token drops it; if the gateway then has
    /// another, the request is sent once more with that. Redirects are followed (at most ten) and
    /// take the credential, and the caller's own, to no other origin.
    ///
    /// # Errors
    ///
    /// As [`get_cached_token`](Self::get_cached_token), and `invalid_input` for a URL, method or
    /// header that cannot be sent, `insecure_url` for plain http to another machine or a redirect
    /// to it, `too_many_redirects`, `body_too_large`, `request_failed`, `timeout`.
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let url = format!("{}/user/repos", gateway.url());
    /// let options = FetchOptions::default().method("POST").data(r#"{"name": "demo"}"#);
    /// let (status, headers, body) =
    ///     client.authenticated_fetch(&TokenCache::new(), "acme", "github", &url, options)?;
    /// assert_eq!(status, 201);
    /// assert_eq!(headers["content-type"], "application/json");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authenticated_fetch(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
        url: &str,
        options: FetchOptions,
    ) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let tenant = Tenant {
            workspace_id,
            provider,
        };
        let caller = Caller {
            gateway: &self.0,
            credential: Credential::Of(cache, tenant),
            hosts: None,
        };
        fetch::fetch(caller, url, options)
    }

    fn post(&self, path: &str, body: Option<&[u8]>) -> Result<crate::gateway::Answer> {
        self.0.post(path, body, self.0.longest_call())
    }

    fn status(&self, connection_id: &str, deadline: Deadline) -> Result<ConnectionStatus> {
        let path = with_id("/v1/check-connection/", connection_id)?;
        ConnectionStatus::from_reply(&self.0.get(&path, deadline)?.body)
    }
}

impl fmt::Debug for NexusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NexusClient")
            .field("gateway", &self.0.origin())
            .finish_non_exhaustive()
    }
}

/// A path that ends in an id, encoded so that it arrives whole whatever is in it.
fn with_id(path: &str, connection_id: &str) -> Result<String> {
    error::not_blank("connection_id", connection_id)?;
    Ok(format!("{path}{}", url::encode(connection_id)))
}
