//! A client with one credential to send, and the URLs that the credential may go to.

use std::fmt;
use std::sync::Arc;

use ureq::http::{HeaderMap, Uri};

use crate::cache::{Tenant, TokenCache};
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::options::FetchOptions;
use crate::fetch::scope::Scope;
use crate::flights::{Handle, Source};
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::url;

/// Sends requests with one credential: the credential of a workspace and provider, or of an agent session.
///
/// A clone is a cheap handle. The methods that send a request block and fail as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch) does, and return the same tuple of
/// status, headers and body.
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
pub struct Fetcher {
    pub(crate) flights: Handle,
    credential: Credential,
    pub(super) scope: Scope,
}

#[derive(Clone)]
pub(crate) enum Credential {
    /// The credential of a workspace and provider, from the cache or from the gateway.
    Tenant(TokenCache, Tenant),
    /// The credential of an agent session. The gateway never replaces it.
    Session(Arc<CachedToken>),
}

impl Fetcher {
    pub(crate) fn new(flights: &Handle, credential: Credential) -> Self {
        Self {
            flights: flights.clone(),
            credential,
            scope: Scope::default(),
        }
    }

    /// Allows these hosts, and no others besides the host of a [`base_url`](Self::base_url). Default: any
    /// host, or only the host of the base.
    ///
    /// Call this wherever a tool's argument chooses the URL. A rule is `host` (any port), `host:port`, or
    /// `*.host` (all names below the host, but not the host itself). A URL that no rule matches is the
    /// error `host_not_allowed` before a token is resolved, and the target of a redirect before it is
    /// followed. An empty list allows no host. A rule that can match no URL makes every fetch fail with
    /// `invalid_input`.
    ///
    /// If the provider's strategy is `path`, placeholders are filled in every URL, whoever wrote the URL.
    /// Set a `base_url` for such a provider: only the placeholders of the base are then filled.
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
        self.scope.set_hosts(hosts);
        self
    }

    /// Sets the URL that relative URLs are appended to. Default: none, so that every URL is absolute.
    ///
    /// A relative URL is appended, not resolved by RFC 3986. With the base `https://api.github.com/v3`,
    /// both `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that
    /// query, and an empty URL is the base itself.
    ///
    /// The URL of a fetch may come from a tool's argument. A relative URL cannot lead out of the base: a
    /// `..` segment, encoded or not, and two leading slashes are the error `invalid_input`. Absolute URLs
    /// and redirects may go to any path on the base's scheme, host and port, and to the hosts that
    /// [`allow_hosts`](Self::allow_hosts) adds. Any other target is the error `host_not_allowed`.
    ///
    /// The `{field}` placeholders of a provider with the strategy `path` are filled in the base only.
    /// In other URLs, braces stand for themselves.
    ///
    /// A base that is not an absolute URL, or has a query or a fragment, makes every fetch fail with
    /// `invalid_input`. [`NexusClient::providers`](crate::NexusClient::providers) returns the
    /// addresses of the APIs that the gateway knows.
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
        self.scope.set_base(url.as_ref());
        self
    }

    /// Returns the token that the next request would carry, for a client of another protocol.
    ///
    /// Blocks as [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token) does. A
    /// session's token is returned even if it has expired. [`allow_hosts`](Self::allow_hosts) does not
    /// apply to requests that you make with the token yourself.
    ///
    /// # Errors
    ///
    /// The errors of [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token).
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
        let (token, _) = self.token(self.flights.gateway.longest_call())?;
        Ok(token)
    }

    /// Sends a `GET`. The URL is absolute, or relative to the [`base_url`](Self::base_url).
    ///
    /// # Errors
    ///
    /// The errors of [`authenticated_fetch`](crate::NexusClient::authenticated_fetch), and
    /// `host_not_allowed`.
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, _headers, body) = github.get("/user")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default())
    }

    /// Sends a `HEAD`. The response has no body.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, headers, _body) = github.head("/user")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn head(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("HEAD"))
    }

    /// Sends a `DELETE`.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, _headers, _body) = github.delete("/user/7")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&self, url: &str) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("DELETE"))
    }

    /// Sends a `POST` with a body and no `Content-Type`. [`fetch`](Self::fetch) with
    /// [`FetchOptions::json`] sets both.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, _headers, _body) = github.post("/user/repos", r#"{"name": "demo"}"#)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn post(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("POST").data(data))
    }

    /// Sends a `PUT` with a body and no `Content-Type`.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, _headers, _body) = github.put("/user/7", "{}")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn put(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PUT").data(data))
    }

    /// Sends a `PATCH` with a body and no `Content-Type`.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    ///
    /// ```
    /// # fn example(github: &nexus_sdk::Fetcher) -> nexus_sdk::Result<()> {
    /// let (status, _headers, _body) = github.patch("/user/7", "{}")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn patch(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PATCH").data(data))
    }

    /// Returns the token and its source. Blocks until there is a token, at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                let (workspace_id, provider) = (&tenant.workspace_id, &tenant.provider);
                self.flights.cached(cache, workspace_id, provider, deadline)
            }
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Drops the token from the cache, unless the cache already has another token.
    pub(super) fn discard(&self, token: &Arc<CachedToken>) {
        if let Credential::Tenant(cache, tenant) = &self.credential {
            cache.discard(&tenant.workspace_id, &tenant.provider, token);
            let log = self.flights.gateway.log;
            let provider = &tenant.provider;
            log.info(|| format!("401 for the cached token of {provider:?}: dropped"));
        }
    }

    /// Drops a token that a 401 has refused, and returns the token that replaces it. Returns `None` if the
    /// gateway returns the same credential again, which the upstream would refuse again.
    pub(super) fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.discard(refused);
        let (fresh, _) = self.token(deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Parses a URL that the credential may go to.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        if !url::is_confidential(&url) && !self.flights.gateway.allow_insecure_http {
            let message = format!(
                "url: {} would receive the credential unencrypted; use https, or allow_insecure_http",
                url::origin(&url)
            );
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        self.scope.check(&url)?;
        Ok(url)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Fetcher");
        match &self.credential {
            Credential::Tenant(_, tenant) => debug.field("credential", tenant),
            Credential::Session(_) => debug.field("credential", &format_args!("Session")),
        };
        debug.field("scope", &self.scope).finish_non_exhaustive()
    }
}
