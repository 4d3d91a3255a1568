//! Requests with the credential on them.

use ureq::http::HeaderMap;

use super::NexusClient;
use crate::cache::TokenCache;
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::caller::Caller;
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options::FetchOptions;
use crate::fetch::{self, middleware};
use crate::tenant::Tenant;

impl NexusClient {
    /// Sends a request with the credential on it, as the provider's strategy says, and returns
    /// status, headers and body. Every status is `Ok`; errors are for what never became a response.
    ///
    /// Blocks for the options' timeout (by default the client's, 30 s) in all: resolving,
    /// redirects, replay and body. A 401 to a cached token drops it; if the gateway then has
    /// another, the request that was refused is sent once more with that, and none before it. If the
    /// gateway fails, that is the error, and the next call asks it again.
    /// Redirects are followed (at most ten) and never take the credential, or the caller's own, to
    /// another origin.
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
        let tenant = Tenant::new(workspace_id, provider);
        let caller = Caller::of_tenant(&self.0, cache, tenant);
        fetch::fetch(&caller, url, options)
    }

    /// Returns a fetcher for one workspace and provider. Does not block; with a blank name, its fetches
    /// fail with `invalid_input`.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// assert_eq!(github.get(&format!("{}/user", gateway.url()))?.0, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fetcher(&self, cache: &TokenCache, workspace_id: &str, provider: &str) -> Fetcher {
        let tenant = Tenant::new(workspace_id, provider);
        Fetcher::new(Caller::of_tenant(&self.0, cache, tenant))
    }

    /// Returns the headers that carry the credential, for a connection that the SDK does not make itself: a
    /// WebSocket, an MCP client. They are marked sensitive, so that `Debug` does not show them.
    ///
    /// Blocks as [`get_cached_token`](Self::get_cached_token) does.
    ///
    /// # Errors
    ///
    /// As [`get_cached_token`](Self::get_cached_token), and `unsupported_strategy` for a credential
    /// that does not go into headers alone.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let headers = client.auth_headers(&TokenCache::new(), "acme", "github")?;
    /// assert!(headers["authorization"].to_str()?.starts_with("Bearer "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn auth_headers(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> Result<HeaderMap> {
        let token = self.get_cached_token(cache, workspace_id, provider)?;
        let (name, value) = token.to_header()?.ok_or_else(|| {
            let problem =
                "this provider's credential does not go into headers alone; fetch with it";
            NexusError::new(ErrorKind::UnsupportedStrategy, problem)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        Ok(headers)
    }

    /// Returns a `ureq::Agent` that puts the credential on every request, for code and libraries that take
    /// an agent, and for bodies that stream in either direction.
    ///
    /// It has the settings of the client's agent and uses its connections. Making one does not
    /// block; each request first gets the token as [`get_cached_token`](Self::get_cached_token)
    /// does, before the request's own timeouts begin. The client's timeout (30 s) bounds the
    /// connecting, the wait for the response's headers, and every single read and write; a stream
    /// as a whole is not bounded, unless the request says so. With
    /// [`NexusClientOptions::agent`](crate::NexusClientOptions::agent) that agent's own timeouts
    /// hold instead. Any method but `CONNECT` and `TRACE` is sent. Redirects are not followed: the
    /// 3xx is the response, whatever the request's settings say. Statuses of 400 and above are
    /// errors if the client's agent or the request's settings make them so, as ureq does by
    /// default.
    ///
    /// What it cannot do: send a streamed body again, so only `GET` and `HEAD` are replayed after a
    /// 401 to a cached token; sign a streamed body; try a pooled connection again that the server
    /// closes just as it is used, as a fetch does. With a `query_param` provider, the response's
    /// own URI (ureq's `get_uri`) holds the credential.
    ///
    /// A 401 to a cached token drops it. `GET` and `HEAD` are then sent once more if there is
    /// another token; other methods are not, because their body may be gone: the next request has
    /// the new one. A strategy that signs bodies signs those of `GET` and `HEAD` alone. What the SDK
    /// refuses is `ureq::Error::Other` with a [`NexusError`](crate::NexusError) inside: besides the
    /// errors of [`get_cached_token`](Self::get_cached_token) `insecure_url`, `invalid_input` and
    /// `unsupported_strategy`.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let agent = client.authenticated_agent(&TokenCache::new(), "acme", "github");
    /// let mut response = agent.get(format!("{}/user", gateway.url())).call()?;
    /// let user = nexus_sdk::serde_json::from_reader::<_, nexus_sdk::serde_json::Value>(
    ///     response.body_mut().as_reader(),
    /// )?;
    /// assert_eq!(user["login"], "acme");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn authenticated_agent(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> ureq::Agent {
        let tenant = Tenant::new(workspace_id, provider);
        middleware::authenticated_agent(Caller::of_tenant(&self.0, cache, tenant))
    }
}
