//! A client that is bound to one credential and to the URLs that the credential may go to.

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

/// Sends requests with the credential of a workspace and provider, or of an agent session.
///
/// A clone is a cheap handle with the same settings. The methods that send a request block, fail and return a
/// tuple of status, headers and body, as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch) does.
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

    /// Allows requests to these hosts, and to the scheme, host and port of a [`base_url`](Self::base_url).
    /// By default, a fetcher without a `base_url` allows every host, and a fetcher with a `base_url` no other host.
    ///
    /// Call this method wherever a tool's argument chooses the URL. A rule is `host` (any port), `host:port`,
    /// or `*.host` (all names below the host, but not the host itself). If neither a rule nor the base matches a URL,
    /// the fetch fails with `host_not_allowed` before a token is resolved. If neither matches the target of a
    /// redirect, the fetch fails before it follows the redirect. With an empty list, only the base is allowed. A
    /// rule that can match no URL
    /// makes every fetch fail with `invalid_input`.
    ///
    /// If the provider's strategy is `path`, placeholders are filled in every URL, even if a model wrote the
    /// URL. Set a `base_url` for such a provider, so that only the placeholders of the base are filled.
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

    /// Sets the URL that relative URLs are appended to. Default: none, so that every URL must be absolute.
    ///
    /// A relative URL is appended, not resolved by RFC 3986. With the base `https://api.github.com/v3`,
    /// both `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that
    /// query, and an empty URL is the base itself.
    ///
    /// The URL of a fetch may come from a tool's argument. A relative URL cannot lead out of the base, because
    /// a `..` segment, encoded or not, and two leading slashes are refused with `invalid_input`. Absolute URLs
    /// and redirects may go to any path on the base's scheme, host and port, and to the hosts that
    /// [`allow_hosts`](Self::allow_hosts) adds. Any other target is refused with `host_not_allowed`.
    ///
    /// If the provider's strategy is `path`, `{field}` placeholders are filled in the base only. In the URL of
    /// a fetch, braces are ordinary characters.
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
        self.scope.set_base(url.as_ref());
        self
    }

    /// Returns the token for the next request, so that another client, such as a database driver, can use it.
    ///
    /// Blocks as [`NexusClient::get_cached_token`](crate::NexusClient::get_cached_token) does. The token of an
    /// agent session is returned even if it has expired. [`allow_hosts`](Self::allow_hosts) does not apply to
    /// requests that you send yourself.
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

    /// Sends a `GET`. The URL is absolute, or is appended to the [`base_url`](Self::base_url).
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

    /// Returns the token and its source. Blocks at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                let (workspace_id, provider) = (&tenant.workspace_id, &tenant.provider);
                self.flights.cached(cache, workspace_id, provider, deadline)
            }
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Removes the token from the cache, unless the cache already has another token.
    pub(super) fn discard(&self, token: &Arc<CachedToken>) {
        if let Credential::Tenant(cache, tenant) = &self.credential {
            cache.discard(&tenant.workspace_id, &tenant.provider, token);
            let log = self.flights.gateway.log;
            let provider = &tenant.provider;
            log.info(|| {
                format!("401 for the cached token of {provider:?}, which is no longer used")
            });
        }
    }

    /// Removes a token that was refused with a 401, and returns the next token. Returns `None` if the gateway
    /// returns the same credential, which the upstream would refuse again.
    pub(super) fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.discard(refused);
        let (fresh, _) = self.token(deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Parses a URL, and checks that the credential may be sent to it.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        if !url::is_confidential(&url) && !self.flights.gateway.allow_insecure_http {
            let message = format!(
                "url: {} would receive the credential unencrypted; use https, or set allow_insecure_http",
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
