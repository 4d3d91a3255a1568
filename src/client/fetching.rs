//! Authenticated requests, and headers and agents that carry the credential for other HTTP clients.

use std::sync::Arc;

use ureq::http::HeaderMap;

use super::NexusClient;
use crate::cache::TokenCache;
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::fetch::access::Credential;
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options::FetchOptions;
use crate::tenant::Tenant;

impl NexusClient {
    /// Returns a fetcher for one workspace and provider. Does not block. With a blank name, its fetches
    /// fail with `invalid_input`.
    ///
    /// # Example
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
    #[doc(alias = "createFetcher")]
    pub fn fetcher(&self, cache: &TokenCache, workspace_id: &str, provider: &str) -> Fetcher {
        let tenant = Arc::new(Tenant::new(workspace_id, provider));
        Fetcher::new(&self.0, Credential::Tenant(cache.clone(), tenant))
    }

    /// Sends a request with the provider's credential, and returns the status, headers and body of the
    /// response. Unless [`http_status_as_error`](FetchOptions::http_status_as_error) is set, a response is `Ok` whatever its
    /// status, with two exceptions: a redirect that cannot be followed is an error, and the gateway's error can replace a 401
    /// or 403 (see below). [`json`](fn@crate::json) parses the body.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// Blocks for at most [`FetchOptions::timeout`], by default the client's timeout (30 s). The timeout covers
    /// resolving the token, redirects, retries and the body. Of this time, the wait for a token takes at most as long as in
    /// [`get_cached_token`](Self::get_cached_token).
    /// [`NexusClientOptions::timeout`](crate::NexusClientOptions::timeout) states when a request can exceed it.
    ///
    /// If the server refuses a cached token with 401 or 403, the SDK asks the gateway for another token. A token that
    /// differs replaces the cached token, and the refused request is sent once more. (After a redirect, only the last
    /// request is sent again.) If the gateway returns the same token or fails, the server's response is returned and the
    /// token stays in the cache. If the gateway refuses for good, the token is removed, and the gateway's error is returned
    /// instead of the response.
    ///
    /// While the gateway returns the same token, it is asked about that token again after 2 s, because it may just have
    /// been storing a new token, then after 8 s, and then at most every 30 s, so an endpoint that refuses every token does
    /// not affect others. If the gateway does not answer, it is asked again after 2 s.
    ///
    /// With the strategy `path`, the response is returned if it follows a redirect, and the next fetch uses the new token.
    ///
    /// Up to ten redirects are followed. Neither the credential nor the caller's own secret headers go to
    /// another origin, but the body may: see [`Redirects`](crate::Redirects).
    ///
    /// # Errors
    ///
    /// The errors of a fetch, except `host_not_allowed`: see [`Fetcher`](Fetcher#errors).
    ///
    /// # Limits
    ///
    /// ureq, which sends the requests, does not report everything:
    ///
    /// - If a server responds and closes the connection before it has read the whole body, the response can be lost.
    ///   The fetch then fails with `request_failed`. This rarely happens to a body of a few KB.
    /// - A response with neither `Content-Length` nor chunked encoding ends with the connection. If the connection is
    ///   lost, the body is cut short without an error.
    /// - A response with `Content-Encoding: gzip` is decoded, and loses this header and its `Content-Length`, even if you
    ///   asked for gzip yourself, or if nobody did. (The SDK asks for it, except with `HEAD`, with a `Range`, or if you set
    ///   `Accept-Encoding`.) A range of a body that is stored compressed therefore fails with `request_failed`.
    /// - A gzip body with bytes after its end, such as a line break, fails with `request_failed`.
    /// - If a response has several `Content-Encoding` headers, only the first counts. If it is `gzip`, all are removed.
    /// - A gzip body whose `Content-Encoding` is spelled otherwise than `gzip`, such as `GZIP` or `x-gzip`, is returned
    ///   compressed.
    /// - A response with more than 128 headers fails with `request_failed`. So does a response with a header line that is
    ///   folded, with header fields in a `100 Continue` before it, or with more than 20 bytes in the line that begins a
    ///   chunk.
    /// - An http URL needs a proxy that allows `CONNECT`: see [proxies](crate#proxies).
    /// - If any crate in the program enables ureq's feature `charset`, a `text/*` body in another encoding is converted to
    ///   UTF-8, although its `Content-Type` still names the other encoding. The byte E9 of Latin-1 arrives as C3 A9.
    /// - A body with `Content-Encoding: gzip` that has fewer than ten bytes, or that ends within a gzip header, is returned as
    ///   an empty body, whether it is a damaged gzip body or a plain body with a wrong label, such as `[]`. A longer plain
    ///   body with this label fails with `request_failed`.
    /// - If a server sends two responses to one request over https, the second can be taken for the response to the
    ///   next request on that connection.
    pub fn authenticated_fetch(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
        url: &str,
        options: FetchOptions,
    ) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetcher(cache, workspace_id, provider)
            .fetch(url, options)
    }

    /// Returns the headers that carry the credential, for connections that the SDK does not open, such
    /// as a WebSocket. The headers' values are marked sensitive, so that `Debug` does not show them.
    ///
    /// Blocks for as long as [`get_cached_token`](Self::get_cached_token).
    ///
    /// # Errors
    ///
    /// `unsupported_strategy` for a credential that goes into the URL or signs the request. Also the errors of every
    /// method that gets a token: see [`NexusClient`].
    ///
    /// # Example
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
    #[doc(alias = "websocket")]
    pub fn auth_headers(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> Result<HeaderMap> {
        let token = self.get_cached_token(cache, workspace_id, provider)?;
        let header = token.to_header().and_then(|header| {
            let problem = "this provider's credential goes into the URL; use authenticated_fetch";
            header.ok_or_else(|| NexusError::new(ErrorKind::UnsupportedStrategy, problem))
        });
        let subject = Subject::tenant(workspace_id, provider);
        let named = header.map_err(|error| error.about(&subject))?;
        Ok(HeaderMap::from_iter([named]))
    }

    /// Returns a `ureq::Agent` that adds the credential to every request, for libraries that accept a
    /// ureq agent, and for bodies that stream in either direction.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// **The agent sends the credential to every host that a request names.** Where a tool's argument chooses the URL, use
    /// [`Fetcher::agent`](crate::Fetcher::agent) with a `base_url` or `allow_hosts`. This method is short for
    /// `fetcher(..).agent()`. To write a response to a file, use [`Fetcher::download`](crate::Fetcher::download).
    ///
    /// Does not block. Each request of the agent first gets the token, as
    /// [`get_cached_token`](Self::get_cached_token) does. The request's own timeouts start afterwards.
    ///
    /// The agent uses the client's pooled connections. Connecting takes at most 8 s. The client's timeout (30 s) limits
    /// connecting, too, and the wait for the response's headers, and every single read and write, but not a stream as a
    /// whole. With [`NexusClientOptions::agent`](crate::NexusClientOptions::agent), the new agent has
    /// your agent's TLS, proxy, IP family, `https_only`, `http_status_as_error` and `User-Agent`. Instead of
    /// the limits above, it has your agent's timeouts `global`, `resolve`, `connect`, `recv_response`, `per_read` and
    /// `per_write`. Statuses of 400 and above are errors by default, as in ureq.
    ///
    /// If the server refuses a cached token with 401 or 403, the agent asks the gateway for another token, waits for it for
    /// at most 1 s, and then returns the response. Once the gateway has returned another token, requests are sent with that
    /// token. The agent never repeats a request. For a token that is refused again, the gateway is asked as rarely as by
    /// [`authenticated_fetch`](Self::authenticated_fetch).
    ///
    /// The agent follows no redirects, and does not retry a request whose pooled connection the server
    /// has closed. The agent signs only `GET` and `HEAD` requests without a body. The methods `CONNECT`,
    /// `TRACE`, `TRACK` and `PRI` are refused. In a build without the feature `socks-proxy`, ureq panics if a
    /// SOCKS proxy is set on a single request. With a `query_param` or `path` provider, the response's own
    /// URI (ureq's `get_uri`) contains the credential.
    ///
    /// An error of the SDK is `ureq::Error::Other` with a [`NexusError`](crate::NexusError) inside. The
    /// `NexusError` is one of the errors of [`get_cached_token`](Self::get_cached_token), `insecure_url`,
    /// `invalid_input`, or `unsupported_strategy` for a request that cannot be signed.
    #[doc(alias("stream", "AuthenticatedHTTPClient"))]
    #[must_use]
    pub fn authenticated_agent(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> ureq::Agent {
        self.fetcher(cache, workspace_id, provider).agent()
    }
}
