//! The bound form of `authenticated_fetch`: client, cache, workspace and provider in one value.

use std::fmt;
use std::sync::Arc;

use ureq::http::HeaderMap;

use crate::error::Result;
use crate::fetch;
use crate::fetch::caller::Caller;
use crate::fetch::options::FetchOptions;
use crate::fetch::scope::Scope;
use crate::token::CachedToken;

/// Fetches with one credential: that of a workspace and provider, or of an agent session.
///
/// A clone is a cheap handle. All methods block as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch) does, fail as it does, and
/// return the same tuple of status, headers and body.
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
#[derive(Clone)]
pub struct Fetcher(Caller);

impl Fetcher {
    pub(crate) fn new(caller: Caller) -> Self {
        Self(caller)
    }

    /// Allows these hosts and no others but that of a [`base_url`](Self::base_url), for a URL that a
    /// tool's argument chose. Default: any host, or only that of the base.
    ///
    /// A rule is `host` (any port), `host:port`, or `*.host` (all names below it, not the name
    /// itself). A URL or redirect elsewhere is the error `host_not_allowed`, a URL before anything
    /// is resolved. An empty list allows nothing; a rule that can match no URL is the error
    /// `invalid_input` of every fetch. A provider whose credential goes into the path fills
    /// placeholders wherever the URL has them, so give its URLs with `base_url`, which fills those of
    /// the base alone.
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
    ///
    /// const HOSTS: &[&str] = &["api.github.com"];
    /// let github = github.allow_hosts(HOSTS);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    #[must_use]
    pub fn allow_hosts<H: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.scope_mut().set_hosts(hosts);
        self
    }

    /// What relative URLs are put below. Default: none, and every URL is absolute.
    ///
    /// A relative URL is appended, not resolved by RFC 3986: below `https://api.github.com/v3`, both
    /// `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that query,
    /// and the empty one the base itself. One that could lead out of the base is the error
    /// `invalid_input`: with a `..` segment, however it is encoded, or with two slashes at its
    /// beginning. So it may come from a tool's argument.
    ///
    /// The base's scheme, host and port are allowed and no others, also in absolute URLs and redirects;
    /// [`allow_hosts`](Self::allow_hosts) adds to them. The `{field}` placeholders of a provider with
    /// the strategy `path` are filled in the base alone: in other URLs braces stand for themselves.
    ///
    /// A base that is not an absolute URL, or that has a query or a fragment, is the error
    /// `invalid_input` of every fetch. The gateway may know the address of a provider's API: see
    /// [`NexusClient::providers`](crate::NexusClient::providers).
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
    /// let error = github.get("https://evil.example/user").unwrap_err();
    /// assert_eq!(error.code(), "host_not_allowed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn base_url(mut self, url: impl AsRef<str>) -> Self {
        self.scope_mut().set_base(url.as_ref());
        self
    }

    fn scope_mut(&mut self) -> &mut Scope {
        Arc::make_mut(self.0.scope.get_or_insert_default())
    }

    /// The token that the next request would carry, for a client of another protocol: the quickest
    /// way to one that is cached.
    ///
    /// Blocks as [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token) does; the
    /// token of a session is returned as it is, also when it has expired. Where it is sent is up to
    /// you: [`allow_hosts`](Self::allow_hosts) is about this fetcher's own requests.
    ///
    /// # Errors
    ///
    /// As [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token).
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
        self.0.get_token().map(|(token, _)| token)
    }

    /// `GET`. The URL is absolute, or below the [`base_url`](Self::base_url).
    ///
    /// # Errors
    ///
    /// As [`authenticated_fetch`](crate::NexusClient::authenticated_fetch), and `host_not_allowed`.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, _headers, body) = github.get("/user")?;
    /// # assert_eq!(status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default())
    }

    /// `HEAD`; the body is empty.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, headers, _body) = github.head("/user")?;
    /// # assert_eq!(status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn head(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("HEAD"))
    }

    /// `DELETE`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, _headers, _body) = github.delete("/user")?;
    /// assert_eq!(status, 405, "a status is data");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("DELETE"))
    }

    /// `POST` with a body; for its `Content-Type`, see [`fetch`](Self::fetch).
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, _headers, _body) = github.post("/user/repos", r#"{"name": "demo"}"#)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn post(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("POST").data(data))
    }

    /// `PUT` with a body.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, _headers, _body) = github.put("/user", "{}")?;
    /// # assert_eq!(status, 405);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PUT").data(data))
    }

    /// `PATCH` with a body.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let (status, _headers, _body) = github.patch("/user", "{}")?;
    /// # assert_eq!(status, 405);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn patch(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PATCH").data(data))
    }

    /// Any request.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let api = gateway.url();
    /// use nexus_sdk::FetchOptions;
    ///
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(api);
    /// let options = FetchOptions::default()
    ///     .method("POST")
    ///     .header("Content-Type", "application/json")
    ///     .data(r#"{"name": "demo"}"#);
    /// let (status, _headers, _body) = github.fetch("/user/repos", options)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        fetch::fetch(&self.0, url, options)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
