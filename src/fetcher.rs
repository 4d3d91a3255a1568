//! The bound form of `authenticated_fetch`: client, cache, workspace and provider in one value.

use std::fmt;
use std::sync::Arc;

use ureq::http::HeaderMap;

use crate::bound::Bound;
use crate::error::Result;
use crate::fetch::{self, Caller, Credential};
use crate::fetch_options::FetchOptions;
use crate::gateway::Gateway;
use crate::hosts::AllowedHosts;
use crate::resolve::Tenant;
use crate::token::CachedToken;
use crate::token_cache::TokenCache;

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
/// let github = client.fetcher(&TokenCache::new(), "acme", "github").allow_hosts(["127.0.0.1"]);
/// let (status, _headers, _body) = github.get(&format!("{}/user", gateway.url()))?;
/// assert_eq!(status, 200);
///
/// let error = github.get("https://evil.example/user").unwrap_err();
/// assert_eq!(error.code(), "host_not_allowed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Fetcher {
    gateway: Arc<Gateway>,
    credential: Source,
    hosts: Option<Arc<AllowedHosts>>,
}

#[derive(Clone)]
enum Source {
    Tenant(Bound),
    Session(Arc<CachedToken>),
}

impl Fetcher {
    pub(crate) fn of_tenant(gateway: Arc<Gateway>, cache: TokenCache, tenant: Tenant<'_>) -> Self {
        Self {
            gateway,
            credential: Source::Tenant(Bound::new(cache, tenant)),
            hosts: None,
        }
    }

    pub(crate) fn of_session(gateway: Arc<Gateway>, token: CachedToken) -> Self {
        Self {
            gateway,
            credential: Source::Session(Arc::new(token)),
            hosts: None,
        }
    }

    /// Allows these hosts and no others, for a URL that a tool's argument chose. Default: any host.
    ///
    /// A rule is `host` (any port), `host:port`, or `*.host` (all names below it, not the name
    /// itself). A URL or redirect elsewhere is the error `host_not_allowed`, a URL before anything
    /// is resolved. An empty list allows nothing; a rule that can match no URL is the error
    /// `invalid_input` of every fetch.
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
        self.hosts = Some(Arc::new(AllowedHosts::new(hosts)));
        self
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
        match &self.credential {
            Source::Tenant(bound) => {
                let deadline = || self.gateway.longest_call();
                let found = bound.cached(&self.gateway, deadline);
                found.map(|(token, _)| token)
            }
            Source::Session(token) => Ok(Arc::clone(token)),
        }
    }

    /// `GET`.
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, _headers, body) = github.get(&format!("{}/user", gateway.url()))?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, headers, _body) = github.head(&format!("{}/user", gateway.url()))?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, _headers, _body) = github.delete(&format!("{}/user", gateway.url()))?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let url = format!("{}/user/repos", gateway.url());
    /// let (status, _headers, _body) = github.post(&url, r#"{"name": "demo"}"#)?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, _headers, _body) = github.put(&format!("{}/user", gateway.url()), "{}")?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, _headers, _body) = github.patch(&format!("{}/user", gateway.url()), "{}")?;
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
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// use nexus_sdk::FetchOptions;
    ///
    /// let options = FetchOptions::default()
    ///     .method("POST")
    ///     .header("Content-Type", "application/json")
    ///     .data(r#"{"name": "demo"}"#);
    /// let (status, _headers, _body) = github.fetch(&format!("{}/user/repos", gateway.url()), options)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let credential = match &self.credential {
            Source::Tenant(bound) => Credential::Bound(bound),
            Source::Session(token) => Credential::Session(token),
        };
        let caller = Caller {
            gateway: &self.gateway,
            credential,
            hosts: self.hosts.as_deref(),
        };
        fetch::fetch(caller, url, options)
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Fetcher");
        match &self.credential {
            Source::Tenant(bound) => {
                let tenant = bound.tenant();
                debug
                    .field("workspace_id", &tenant.workspace_id)
                    .field("provider", &tenant.provider)
            }
            Source::Session(_) => debug.field("session", &true),
        };
        debug.field("hosts", &self.hosts).finish_non_exhaustive()
    }
}
