//! A client for one credential, limited to the URLs that the credential may be sent to.

use std::sync::Arc;

use ureq::http::HeaderMap;

use crate::error::Result;
use crate::fetch::PendingFetch;
use crate::fetch::access::{Access, Credential};
use crate::fetch::options::FetchOptions;
use crate::fetch::scope::{Base, Rule};
use crate::inner::Handle;
use crate::token::CachedToken;

/// Sends requests with the credential of a workspace and provider, or of an agent session.
///
/// A clone has the same settings, and shares the client and the cache. Each method that sends a request returns
/// the status, headers and body of the response. It blocks for as long as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch).
///
/// # Errors
///
/// Every fetch can fail with the errors of every method that gets a token, which
/// [`NexusClient`](crate::NexusClient) lists, and with:
///
/// - `host_not_allowed` for a URL or a redirect that neither [`base_url`](Self::base_url) nor
///   [`allow_hosts`](Self::allow_hosts) allows
/// - `invalid_input` for a URL or an option that cannot be used
/// - `insecure_url` for plain http to another machine, a redirect from https to http, or a redirect that
///   would disclose the credential
/// - `invalid_response` for a redirect to something that is not a URL
/// - `too_many_redirects`, `body_too_large`, `request_failed`, `timeout`
/// - `max_retries_exceeded` for a network failure after the retries of a
///   [`retry_policy`](FetchOptions::retry_policy)
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
///
/// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
/// let (status, _headers, _body) = github.get("/user")?;
/// assert_eq!(status, 200);
///
/// let error = github.get("https://evil.example/user").unwrap_err();
/// assert_eq!(error.code(), "host_not_allowed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fetcher {
    pub(crate) access: Access,
}

impl Fetcher {
    pub(crate) fn new(client: &Handle, credential: Credential) -> Self {
        let access = Access::new(client, credential);
        Self { access }
    }

    /// Allows requests only to these hosts and, if a [`base_url`](Self::base_url) is set, to its origin (scheme,
    /// host and port). A later call replaces the list. Default: every host or, with a `base_url`, only its origin.
    ///
    /// Call this method or `base_url` wherever a tool's argument chooses the URL. A rule is `host`, or `*.host` for all
    /// names below the host, but not the host itself. Unless a rule ends in `:port`, it allows every port. If neither
    /// a rule nor the base matches a URL, the fetch fails with `host_not_allowed` before a token is resolved. If
    /// neither matches the target of a redirect, the fetch fails before it follows the redirect. With an empty list,
    /// only the origin of the base is allowed or, without a base, nothing. An invalid rule makes every fetch fail with
    /// `invalid_input`.
    ///
    /// For a provider with the strategy `path`, also set a `base_url`. Without a base, `{field}` placeholders are
    /// filled in every URL, even if a model wrote the URL. With a base, they are filled only in the base.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("http://localhost:8080"))?;
    /// let github = client
    ///     .fetcher(&TokenCache::new(), "acme", "github")
    ///     .allow_hosts(["api.github.com", "*.githubusercontent.com"]);
    /// let error = github.get("https://api.github.com.evil.example/").unwrap_err();
    /// assert_eq!(error.code(), "host_not_allowed");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn allow_hosts<H: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        let rules = hosts.into_iter().map(|host| Rule::parse(host.as_ref()));
        self.access.scope.hosts = Some(rules.collect());
        self
    }

    /// Sets the URL that relative URLs are appended to. Default: none, so every URL must be absolute.
    ///
    /// A relative URL is appended to the base, not resolved as in RFC 3986. With the base `https://api.github.com/v3`,
    /// both `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that
    /// query, and an empty URL is the base itself.
    ///
    /// You can pass a tool's argument as the URL of a fetch. To keep a relative URL within the base, the fetch fails
    /// with `invalid_input` if the URL begins with two slashes or has a `..` segment in its path, even one that
    /// is percent-encoded up to four times. Absolute URLs and redirects may go to any path on the base's origin
    /// (scheme, host and port), and to the hosts that [`allow_hosts`](Self::allow_hosts) adds. All other URLs are
    /// refused with `host_not_allowed`.
    ///
    /// If the provider's strategy is `path`, `{field}` placeholders are filled only in the base. Braces in the URL
    /// of a fetch are percent-encoded.
    ///
    /// A base that is not an absolute URL, or that has a query or a fragment, makes every fetch fail with
    /// `invalid_input`. [`NexusClient::providers`](crate::NexusClient::providers) returns the base URLs that
    /// the gateway knows.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// let (status, _headers, _body) = github.get("/user")?;
    /// assert_eq!(status, 200);
    ///
    /// let error = github.get("/../admin").unwrap_err();
    /// assert_eq!(error.code(), "invalid_input");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn base_url(mut self, url: impl AsRef<str>) -> Self {
        self.access.scope.base = Some(Base::parse(url.as_ref()));
        self
    }

    /// Returns the token for the next request, so that another client, such as a database driver, can use it.
    ///
    /// Blocks for as long as [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token). The token of
    /// an agent session is returned even if it has expired. [`allow_hosts`](Self::allow_hosts) does not apply to
    /// requests that you send yourself.
    ///
    /// # Errors
    ///
    /// Only the errors of every method that gets a token: see [`NexusClient`](crate::NexusClient).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let token = github.get_cached_token()?;
    /// assert_eq!(github.get_cached_token()?, token);
    /// assert_eq!(gateway.count("/v1/resolve"), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_cached_token(&self) -> Result<Arc<CachedToken>> {
        Ok(self.access.token(self.access.longest_call())?.0)
    }

    /// Sends any request. Methods such as [`get`](Self::get) are shorthands for `fetch`.
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// use nexus_sdk::{FetchOptions, serde_json::json};
    ///
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// let options = FetchOptions::default().method("POST").json(&json!({"name": "demo"}));
    /// let (status, _headers, _body) = github.fetch("/user/repos", options)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let text = options.with_query(url);
        let text = self.access.scope.absolute(&text)?;
        let response = PendingFetch::new(&self.access, &text, options)?.perform()?;
        Ok((response.status, response.headers, response.body))
    }

    /// Sends a `GET`. The URL is absolute, or is appended to the [`base_url`](Self::base_url).
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// let (status, _headers, _body) = github.get("/user")?;
    /// assert_eq!(status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default())
    }

    /// Sends a `HEAD`. The response has no body.
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// let (status, headers, body) = github.head("/user")?;
    /// assert!(status == 200 && headers.contains_key("content-length") && body.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn head(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("HEAD"))
    }

    /// Sends a `DELETE`.
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// github.delete("/user/7")?;
    /// assert_eq!(gateway.requests().last().unwrap().method, "DELETE");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("DELETE"))
    }

    /// Sends a `POST` with a body and no `Content-Type`. To send JSON with its `Content-Type`, use
    /// [`fetch`](Self::fetch) with [`FetchOptions::json`].
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// let (status, _headers, _body) = github.post("/user/repos", r#"{"name": "demo"}"#)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("POST").data(data))
    }

    /// Sends a `PUT` with a body and no `Content-Type`.
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// github.put("/user/7", "{}")?;
    /// assert_eq!(gateway.requests().last().unwrap().method, "PUT");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PUT").data(data))
    }

    /// Sends a `PATCH` with a body and no `Content-Type`.
    ///
    /// # Errors
    ///
    /// Only the errors of every fetch: see [`Fetcher`].
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    /// github.patch("/user/7", "{}")?;
    /// assert_eq!(gateway.requests().last().unwrap().method, "PATCH");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn patch(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PATCH").data(data))
    }
}
