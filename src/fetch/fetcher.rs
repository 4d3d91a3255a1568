//! A client for one credential, which can be limited to the URLs that the credential may be sent to.

use std::fmt;
use std::io;
use std::sync::Arc;

use ureq::http::HeaderMap;

use crate::error::{NexusError, Result};
use crate::fetch::PendingFetch;
use crate::fetch::access::{Access, Credential};
use crate::fetch::agent::authenticated_agent;
use crate::fetch::download::Destination;
use crate::fetch::options::FetchOptions;
use crate::fetch::scope::{Base, Rule};
use crate::inner::Handle;
use crate::token::CachedToken;
use crate::transport::Response;

/// Sends requests with the credential of a workspace and provider, or of an agent session.
///
/// A clone has the same settings, and shares the client and the cache. Each fetch, such as [`get`](Self::get), returns
/// the status, headers and body of the response, and blocks for as long as
/// [`authenticated_fetch`](crate::NexusClient::authenticated_fetch).
///
/// # Example
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
#[derive(Clone)]
#[must_use]
pub struct Fetcher {
    access: Access,
    defaults: Option<Arc<FetchOptions>>,
}

impl Fetcher {
    pub(crate) fn new(client: &Handle, credential: Credential) -> Self {
        Self {
            access: Access {
                client: client.clone(),
                credential,
                base: None,
                hosts: None,
                hide_credential: false,
            },
            defaults: None,
        }
    }

    /// Sets the URL that relative URLs are appended to. Default: none, so every URL must be absolute.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// A relative URL is appended to the base, not resolved as in RFC 3986. With the base `https://api.github.com/v3`,
    /// both `/user` and `user` are `https://api.github.com/v3/user`, `?page=2` is the base with that
    /// query, and an empty URL is the base itself.
    ///
    /// You can pass a tool's argument as the URL of a fetch. To keep a relative URL within the base, the fetch fails
    /// with `invalid_input` in these cases:
    ///
    /// - The URL begins with two slashes.
    /// - Its path has a segment with two or more dots and without a letter or digit, because some server may read it as
    ///   `..`. The path is read as it is and percent-decoded once to four times. Characters that Unicode's compatibility
    ///   forms (NFKC) or the code pages of Windows turn into a dot or slash count as such. A `;`, `?` or `#` ends a segment
    ///   as well.
    /// - Its path has a `%u` escape, a `%00`, or escapes that are not UTF-8.
    ///
    /// Absolute URLs and redirects may go to any path on the base's origin (scheme, host and port), and to the hosts that
    /// [`allow_hosts`](Self::allow_hosts) adds. Any other URL fails, as `allow_hosts` describes.
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
    #[doc(alias = "ssrf")]
    pub fn base_url(mut self, url: impl AsRef<str>) -> Result<Self> {
        self.access.base = Some(Base::parse(url.as_ref())?);
        Ok(self)
    }

    /// Allows requests only to these hosts and, if a [`base_url`](Self::base_url) is set, to its origin (scheme,
    /// host and port). A later call replaces the list. Default: every host or, with a `base_url`, only its origin.
    ///
    /// # Example
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
    ///
    /// # Details
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
    #[doc(alias("allowlist", "ssrf"))]
    pub fn allow_hosts<H: AsRef<str>>(
        mut self,
        hosts: impl IntoIterator<Item = H>,
    ) -> Result<Self> {
        let rules = hosts.into_iter().map(|host| Rule::parse(host.as_ref()));
        self.access.hosts = Some(rules.collect::<Result<_>>()?);
        Ok(self)
    }

    /// Replaces the credential with `[credential]` if the upstream repeats it in a response's headers or body. Set this
    /// option for responses that a model will read. Default `false`.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// The SDK searches for what the request carried: the value of the header with the credential, and the credential
    /// itself. With Basic authentication, it searches for the user name, the password, `user:password`, and the Base64 of
    /// `user:password`. With the strategy `path`, it searches for the fields whose placeholders the URL has. If the
    /// request was signed, it searches for the value of the header with the signature, and for the keys. If the request was
    /// sent again after a 401 or 403, it searches for both tokens. If the response has a `Content-Length`, the SDK corrects it.
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
    pub fn hide_credential(mut self, hide: bool) -> Self {
        self.access.hide_credential = hide;
        self
    }

    /// Sets options for every request of this fetcher, such as headers that an API asks for. A later call replaces them.
    /// Default: none.
    ///
    /// An option that a fetch sets itself takes precedence over its default. Headers and query parameters are compared by
    /// name, and a parameter in the URL of the fetch counts as set, so that the `next` link of a list can be fetched as it
    /// is. Defaults cannot have a method or a body: every fetch then fails with `invalid_input`.
    ///
    /// # Example
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

    /// Sends a `GET`. The URL is absolute, or is appended to the [`base_url`](Self::base_url).
    ///
    /// # Errors
    ///
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// # Example
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
    /// # Example
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
    /// # Example
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
    /// # Example
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
    /// # Example
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
    /// # Example
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

    /// Sends a request with these options. The body of a success goes to the destination, if there is one. An error names
    /// the fetcher's workspace and provider.
    fn send(
        &self,
        url: &str,
        options: FetchOptions,
        destination: Option<Destination<'_>>,
    ) -> Result<Response> {
        let all_options = match &self.defaults {
            Some(defaults) => options.or(defaults, url),
            None => options,
        };
        let access = &self.access;
        let target = access.absolute(all_options.with_query(url));
        let sent = target.and_then(|target| {
            let fetch = PendingFetch::new(access, &target, all_options, destination)?;
            fetch.run()
        });
        sent.map_err(|error| error.about(&access.subject()))
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
    /// # Example
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
        let deadline = self.access.client.gateway.longest_call();
        let (token, _source) = self.access.token(deadline)?;
        Ok(token)
    }

    /// Returns a `ureq::Agent` that adds the credential to every request, for libraries that accept a ureq agent, and for
    /// bodies that stream in either direction.
    ///
    /// The agent is that of [`authenticated_agent`](crate::NexusClient::authenticated_agent), with two differences: it
    /// sends requests only to the URLs that [`base_url`](Self::base_url) and [`allow_hosts`](Self::allow_hosts) allow, and
    /// it appends a relative URL to the base. A relative URL has to begin with a slash, because the agent gets a parsed URL, in
    /// which `user` is a host. Without either setting, it goes to every host. Other settings of the fetcher,
    /// such as [`defaults`](Self::defaults) and [`hide_credential`](Self::hide_credential), do not apply to the agent.
    ///
    /// Does not block. For a session's fetcher, the agent uses the session's token.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// let agent = github.agent();
    /// assert_eq!(agent.get("/user").call()?.status(), 200);
    /// assert!(agent.get("https://evil.example/user").call().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("stream", "upload"))]
    #[must_use]
    pub fn agent(&self) -> ureq::Agent {
        authenticated_agent(self.access.clone())
    }

    /// Sends a request with these options. Methods such as [`get`](Self::get) are shorthands for `fetch`.
    ///
    /// # Errors
    ///
    /// Only the errors of a fetch: see [`Fetcher`](Fetcher#errors).
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// use nexus_sdk::{FetchOptions, serde_json::json};
    ///
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// let options = FetchOptions::default().method("POST").json(&json!({"name": "demo"}));
    /// let (status, _headers, _body) = github.fetch("/user/repos", options)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let response = self.send(url, options, None)?;
        let (head, body) = response.into_parts();
        Ok((head.status.as_u16(), head.headers, body))
    }

    /// Sends a request, and writes the body of the response to a writer as it arrives, for example to a file. Returns the
    /// status, which is always 2xx, and the headers.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::builder().upstream("/release.tar", "application/x-tar", "content").start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// # let path = std::env::temp_dir().join(format!("nexus-download-{}", std::process::id()));
    /// use nexus_sdk::FetchOptions;
    /// use std::fs::File;
    /// use std::time::Duration;
    ///
    /// let options = FetchOptions::default().timeout(Duration::from_secs(600));
    /// let (_status, _headers) = github.download("/release.tar", options, &mut File::create(&path)?)?;
    /// assert_eq!(std::fs::read(&path)?, b"content");
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Details
    ///
    /// Redirects, retries and the replay after a 401 or 403 are those of [`fetch`](Self::fetch). A download takes the same memory
    /// whatever the size of the body is, and [`max_body_bytes`](crate::NexusClientOptions::max_body_bytes) does not limit
    /// it. A gzip-compressed body is decompressed. At the end, the writer is flushed.
    ///
    /// Blocks until the body has been written, for at most [`FetchOptions::timeout`], by default the client's timeout
    /// (30 s). For a large body, set a timeout that is long enough for the whole download. The SDK cannot interrupt the
    /// writer.
    ///
    /// Nothing is retried once the first byte has been written. A download that then fails leaves the writer with a part of
    /// the body, so write to a temporary file and rename it after the download.
    ///
    /// # Errors
    ///
    /// The errors of a fetch: see [`Fetcher`](Fetcher#errors). Also:
    ///
    /// - `http_<status>` or `credential_refused` for any status other than 2xx, as with
    ///   [`http_status_as_error`](FetchOptions::http_status_as_error). Nothing is written.
    /// - `request_failed`, with the origin [`Local`](crate::Origin::Local), if the writer fails. The message has the
    ///   writer's own error.
    /// - `request_failed` for a body that ends early.
    /// - `invalid_input` for a fetcher with [`hide_credential`](Self::hide_credential), which can search only a body that is
    ///   kept in memory.
    #[doc(alias = "stream")]
    pub fn download(
        &self,
        url: &str,
        options: FetchOptions,
        writer: &mut impl io::Write,
    ) -> Result<(u16, HeaderMap)> {
        if self.access.hide_credential {
            let problem = "hide_credential can search only a body that is kept in memory; use `fetch`, or a fetcher \
                           without hide_credential";
            return Err(NexusError::invalid_input("download", problem));
        }
        let destination = Destination::new(writer);
        let response = self.send(url, options, Some(destination))?;
        let (head, _) = response.into_parts();
        Ok((head.status.as_u16(), head.headers))
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("credential", &self.access.credential)
            .field("hide_credential", &self.access.hide_credential)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
