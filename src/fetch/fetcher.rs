//! A client for one credential, which can be limited to the URLs that the credential may be sent to.

use std::borrow::Cow;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use ureq::http::{HeaderMap, Uri};

use crate::cache::TokenCache;
use crate::error::{ErrorKind, NexusError, Result, Subject};
use crate::fetch::options::FetchOptions;
use crate::fetch::scope::{self, Base, Rule};
use crate::inner::Handle;
use crate::log::debug_only;
use crate::resolve::{Replacement, Source};
use crate::tenant::Tenant;
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::url;

/// Sends requests with the credential of a workspace and provider, or of an agent session.
///
/// A clone has the same settings, and shares the client and the cache. Each fetch, such as [`get`](Self::get), returns
/// the status, headers and body of the response, and blocks for as long as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch).
///
/// # Errors
///
/// A fetch can fail with:
///
/// - the errors of the request for a token: `connection_not_found`, `attention_required`, `token_expired` and the other
///   codes of gateways in [`ErrorKind`](crate::ErrorKind#codes), `invalid_credentials`, `invalid_response`, and
///   `unsupported_strategy`
/// - `host_not_allowed` for a URL or a redirect that neither [`base_url`](Self::base_url) nor
///   [`allow_hosts`](Self::allow_hosts) allows
/// - `invalid_input` for a blank workspace or provider, and for a URL, an option or a proxy that cannot be used
/// - `insecure_url` for plain http that the client does not allow, a redirect from https to http, or a redirect that
///   would disclose the credential
/// - `invalid_response` for a redirect whose target is not a usable http or https URL
/// - `too_many_redirects`, `body_too_large`, `request_failed`, `timeout`
/// - `http_<status>` and `credential_refused`, only with
///   [`http_status_as_error`](FetchOptions::http_status_as_error) and in a [`download`](Self::download)
/// - `max_retries_exceeded` for a network failure after the retries of a [`retry_policy`](FetchOptions::retry_policy), and
///   for a request for a token after the retries of the client's policy
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
///
/// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
/// let (status, _headers, _body) = github.get("/user")?;
/// assert_eq!(status, 200);
///
/// let error = github.get("https://evil.example/user").unwrap_err();
/// assert_eq!(error.code(), "host_not_allowed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Fetcher {
    pub(super) client: Handle,
    credential: Credential,
    base: Option<Base>,
    hosts: Option<Vec<Rule>>,
    pub(super) hide_credential: bool,
    pub(super) defaults: Option<Arc<FetchOptions>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// The credential of a workspace and provider, from the cache or from the gateway. With a blank name, the error that
    /// every request returns.
    Tenant(TokenCache, Result<Arc<Tenant>>),
    /// The credential of an agent session. It is not replaced after a 401.
    #[cfg(feature = "sessions")]
    Session(Arc<CachedToken>),
}

impl Fetcher {
    pub(crate) fn new(client: &Handle, credential: Credential) -> Self {
        Self {
            client: client.clone(),
            credential,
            base: None,
            hosts: None,
            hide_credential: false,
            defaults: None,
        }
    }

    /// Allows requests only to these hosts and, if a [`base_url`](Self::base_url) is set, to its origin (scheme,
    /// host and port). A later call replaces the list. Default: every host or, with a `base_url`, only its origin.
    ///
    /// Call this method or `base_url` wherever a tool's argument chooses the URL. A rule is `host`, or `*.host` for all
    /// names below the host, but not the host itself. Unless a rule ends in `:port`, it allows every port. With an empty
    /// list, only the origin of the base is allowed or, without a base, nothing.
    ///
    /// If neither a rule nor the base matches a URL, the fetch fails before a token is resolved: with `insecure_url` for
    /// plain http to another machine (unless the client allows it), otherwise with `host_not_allowed`. If neither matches
    /// the target of a redirect, the fetch fails before it follows the redirect.
    ///
    /// For a provider with the strategy `path`, also set a `base_url`. Without a base, `{field}` placeholders are
    /// filled in every URL, even if a model wrote the URL. With a base, they are filled only in the base.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a rule other than `host`, `host:port`, `*.host` and `*.host:port`, for example a URL.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let client = NexusClient::new(NexusClientOptions::new("http://localhost:8080"))?;
    /// let github = client
    ///     .fetcher(&TokenCache::new(), "acme", "github")
    ///     .allow_hosts(["api.github.com", "*.githubusercontent.com"])?;
    /// let error = github.get("https://api.github.com.evil.example/").unwrap_err();
    /// assert_eq!(error.code(), "host_not_allowed");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn allow_hosts<H: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self> {
        let rules = hosts.into_iter().map(|host| Rule::parse(host.as_ref()));
        self.hosts = Some(rules.collect::<Result<_>>()?);
        Ok(self)
    }

    /// Sets the URL that relative URLs are appended to. Default: none, so every URL must be absolute.
    ///
    /// A relative URL is appended to the base, not resolved as in RFC 3986. With the base `https://api.github.com/v3`,
    /// both `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that
    /// query, and an empty URL is the base itself.
    ///
    /// You can pass a tool's argument as the URL of a fetch. To keep a relative URL within the base, the fetch fails
    /// with `invalid_input` if the URL begins with two slashes, or if its path has a segment that some server may read as
    /// `..`: percent-encoded up to four times, with white space or invisible characters, with Unicode's look-alikes of a dot
    /// or a slash, or ended by a `;`, `?` or `#`. A path with a `%u` escape, a `%00`, or escapes that are not UTF-8 fails as
    /// well. Absolute URLs and redirects may go to any path on the base's origin
    /// (scheme, host and port), and to the hosts that [`allow_hosts`](Self::allow_hosts) adds. Any other URL
    /// fails, as `allow_hosts` describes.
    ///
    /// If the provider's strategy is `path`, `{field}` placeholders are filled only in the base. Braces in the URL
    /// of a fetch are percent-encoded.
    ///
    /// [`NexusClient::providers`](crate::NexusClient::providers) returns the base URLs that the gateway knows.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a base that is not an absolute http or https URL, or that has a user name, a password, a query
    /// or a fragment.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// let (status, _headers, _body) = github.get("/user")?;
    /// assert_eq!(status, 200);
    ///
    /// let error = github.get("/../admin").unwrap_err();
    /// assert_eq!(error.code(), "invalid_input");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn base_url(mut self, url: impl AsRef<str>) -> Result<Self> {
        self.base = Some(Base::parse(url.as_ref())?);
        Ok(self)
    }

    /// Replaces the credential with `[credential]` if the upstream repeats it in a response's headers or body. Set this
    /// option for responses that a model will read. Default `false`.
    ///
    /// The SDK searches for what the request carried: the value of the header with the credential, and the credential
    /// itself. With Basic authentication, it searches for the user name, the password, `user:password`, and the Base64 of
    /// `user:password`. With the strategy `path`, it searches for the fields whose placeholders the URL has. If the
    /// request was signed, it searches for the value of the header with the signature, and for the keys. If the request was
    /// sent again after a 401, it searches for both tokens. If the response has a `Content-Length`, the SDK corrects it.
    ///
    /// A copy is found as it is, and as common encoders write it for URLs (`%2B`), forms, JSON (`\u002B`, `\/`) and HTML
    /// (`&#43;`, `&#x2B;`, `&amp;`). Each of these is also found inside a JSON string. In a body with a copy, `\u{FFFD}`
    /// replaces bytes that are not UTF-8.
    ///
    /// **The search does not find every copy.** A copy that was escaped three times, or in a mixture of these spellings, is
    /// not replaced. Values shorter than 8 bytes are not replaced, because they can occur in responses by chance. A copy that
    /// the upstream has changed in another way is not replaced either, for example a hash, the Base64 of a token, a copy
    /// that is split, or a copy in a compressed body that ureq does not decode.
    ///
    /// The search starts when the body is complete, takes time in proportion to the body, and ends with `timeout` at the
    /// fetch's deadline. For a body that is not UTF-8, it takes up to three times the body's memory.
    /// [`max_body_bytes`](crate::NexusClientOptions::max_body_bytes) limits the size of the body.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").hide_credential(true);
    /// let (_status, _headers, body) = github.get(&format!("{}/user", gateway.url()))?;
    /// let token = github.get_cached_token()?.access_token.clone();
    /// assert!(!String::from_utf8(body)?.contains(&token));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hide_credential(mut self, hide: bool) -> Self {
        self.hide_credential = hide;
        self
    }

    /// Sets options for every request of this fetcher, such as headers that an API asks for. A later call replaces them.
    /// Default: none.
    ///
    /// An option that a fetch sets itself takes precedence over its default. Headers and query parameters are compared by
    /// name, and a parameter in the URL of the fetch counts as set, so that the `next` link of a list can be fetched as it
    /// is. Defaults cannot have a method or a body: every fetch then fails with `invalid_input`.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// use nexus_sdk::FetchOptions;
    ///
    /// let accept = FetchOptions::default()
    ///     .header("Accept", "application/vnd.github+json")
    ///     .header("X-GitHub-Api-Version", "2022-11-28");
    /// let github = github.defaults(accept);
    /// github.get("/user")?;
    /// let request = gateway.requests().pop().unwrap();
    /// assert_eq!(request.headers["accept"], "application/vnd.github+json");
    ///
    /// github.fetch("/user", FetchOptions::default().header("Accept", "text/html"))?;
    /// let request = gateway.requests().pop().unwrap();
    /// assert_eq!(request.headers["accept"], "text/html");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn defaults(mut self, options: FetchOptions) -> Self {
        self.defaults = Some(Arc::new(options.into_defaults()));
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
    /// The errors that every method that gets a token can return: see [`NexusClient`](crate::NexusClient).
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
        Ok(self.token(self.client.gateway.longest_call())?.0)
    }

    /// Sends a `GET`. The URL is absolute, or is appended to the [`base_url`](Self::base_url).
    ///
    /// # Errors
    ///
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
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
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
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
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
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
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
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
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
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
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// github.patch("/user/7", "{}")?;
    /// assert_eq!(gateway.requests().last().unwrap().method, "PATCH");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn patch(&self, url: &str, data: impl Into<Vec<u8>>) -> Result<(u16, HeaderMap, Vec<u8>)> {
        self.fetch(url, FetchOptions::default().method("PATCH").data(data))
    }

    /// Returns the tenant of the fetcher, for errors and log lines.
    pub(super) fn subject(&self) -> Subject {
        match &self.credential {
            Credential::Tenant(_, Ok(tenant)) => {
                Subject::tenant(&tenant.workspace_id, &tenant.provider)
            }
            _ => Subject::default(),
        }
    }

    /// Returns whether the gateway can be asked about the credential. A session's credential is never replaced.
    pub(super) fn is_of_tenant(&self) -> bool {
        matches!(self.credential, Credential::Tenant(..))
    }

    /// Returns a token and its source. Blocks at most until the deadline.
    pub(super) fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                let tenant = tenant.as_ref().map_err(Clone::clone)?;
                self.client.token(cache, tenant, deadline)
            }
            #[cfg(feature = "sessions")]
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Asks the gateway after the upstream has refused a token from the cache. Blocks at most until the deadline.
    ///
    /// # Errors
    ///
    /// The gateway's error if it has refused for good.
    pub(super) fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        deadline: Deadline,
    ) -> Result<Replacement> {
        let Credential::Tenant(cache, Ok(tenant)) = &self.credential else {
            return Ok(Replacement::Confirmed);
        };
        let log = self.client.log;
        let prefix = self.subject().prefix();
        log.info(format_args!(
            "{prefix}the upstream refused the cached token (401 or 403)"
        ));
        let replacement = self.client.replacement(cache, tenant, refused, deadline)?;
        if let Replacement::Unanswered(error) = &replacement {
            log.info(format_args!(
                "the gateway returned no new token after the upstream refused the old one: {error}"
            ));
        }
        Ok(replacement)
    }

    /// Appends a relative URL to the base, if there is one.
    pub(super) fn absolute<'a>(&self, url: Cow<'a, str>) -> Result<Cow<'a, str>> {
        match &self.base {
            Some(base) => Ok(base.absolute(&url)?.into()),
            None => Ok(url),
        }
    }

    /// Parses a URL, and checks that the credential may be sent to it.
    pub(super) fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Refuses plain http to another machine unless the client allows it, and URLs that neither the base nor a rule
    /// allows.
    pub(super) fn check(&self, url: &Uri) -> Result<()> {
        if !url::is_confidential(url) && !self.client.options.allow_insecure_http {
            let message = format!("url: {}", url::not_confidential(url));
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        let is_listed = match &self.hosts {
            Some(rules) => rules.iter().any(|rule| rule.matches(url)),
            None => self.base.is_none(),
        };
        let has_origin = |base: &Base| url::same_origin(&base.url, url);
        if is_listed || self.base.as_ref().is_some_and(has_origin) {
            return Ok(());
        }
        Err(scope::not_allowed(url))
    }
}

// A panic poisons nothing: the locks of `parking_lot` know no poison, and no code that can panic runs while one is held.
impl UnwindSafe for Fetcher {}
impl RefUnwindSafe for Fetcher {}

debug_only!(Fetcher: credential, hide_credential);

#[cfg(test)]
mod tests;
