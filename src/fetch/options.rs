//! The options of a fetch, checked before a token is resolved.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderValue, Method};

use crate::error::{self, NexusError, Result};
use crate::header;
use crate::log::debug_only;
use crate::retry::RetryPolicy;
use crate::url;

/// Methods that must not carry a credential. `TRACE` (RFC 9110 section 9.3.8) and `TRACK` repeat the request
/// in the response. `CONNECT` and `PRI` are not requests for a resource.
const REFUSED: [&str; 4] = ["CONNECT", "TRACE", "TRACK", "PRI"];

/// The choice between following redirects and returning them.
///
/// # Example
///
/// ```
/// use nexus_sdk::Redirects;
///
/// assert_eq!(Redirects::default(), Redirects::Follow);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Redirects {
    /// Follows up to ten redirects. Methods and bodies change according to the Fetch standard. A response whose `Location`
    /// is missing, empty or only a fragment is returned, because it leads nowhere.
    ///
    /// The credential is sent only to the origin (scheme, host and port) of the call. The same applies to each
    /// of the caller's headers whose name suggests a secret, such as `Cookie` or `X-Api-Key`. After a redirect to
    /// another origin, neither the credential nor these headers are sent again, even if a later redirect leads back to
    /// the first origin. If the method stays the same, as after a 307, the body is sent again, even to another origin.
    ///
    /// If the credential is a query parameter, the SDK removes the parameter of that name from the target of a
    /// redirect to another origin. If the URL of the call carries a credential of at least 8 bytes, and the target
    /// still contains that credential, the fetch fails with `insecure_url`. A redirect from https to http also
    /// fails with `insecure_url`.
    #[default]
    Follow,
    /// Returns the redirect itself as the response.
    Manual,
}

/// The options of [`authenticated_fetch`](crate::NexusClient::authenticated_fetch) and
/// [`Fetcher::fetch`](crate::Fetcher::fetch), such as the method, headers and data. Default: a `GET` without headers or data.
///
/// An invalid value makes the fetch fail with `invalid_input`. The fields are for reading the options, for example in a
/// test.
///
/// # Example
///
/// ```
/// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
/// use nexus_sdk::serde_json::json;
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let url = format!("{}/user/repos", gateway.url());
/// let options = FetchOptions::default().method("POST").json(&json!({"name": "demo"}));
/// let (status, _headers, _body) =
///     client.authenticated_fetch(&TokenCache::new(), "acme", "github", &url, options)?;
/// assert_eq!(status, 201);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct FetchOptions {
    /// The method: see [`method`](Self::method()).
    pub method: Method,
    /// The headers: see [`header`](Self::header()).
    pub headers: HeaderMap,
    /// The body: see [`data`](Self::data()).
    pub data: Option<Vec<u8>>,
    /// The names and values to append to the URL's query: see [`query`](Self::query()).
    pub query: Vec<(String, String)>,
    /// The time limit of the whole call: see [`timeout`](Self::timeout()).
    pub timeout: Option<Duration>,
    /// The choice between following and returning redirects: see [`redirects`](Self::redirects()).
    pub redirects: Option<Redirects>,
    /// The retry policy: see [`retry_policy`](Self::retry_policy()).
    pub retry_policy: Option<RetryPolicy>,
    /// True if a status of 400 and above is an error: see [`http_status_as_error`](Self::http_status_as_error()).
    pub http_status_as_error: Option<bool>,
    is_json: bool,
    /// The error for the first invalid value.
    problem: Option<NexusError>,
}

impl FetchOptions {
    /// Sets the HTTP method. Default `GET`.
    ///
    /// All methods are allowed except `CONNECT`, `TRACE`, `TRACK` and `PRI`, which must not carry a credential.
    /// The method is sent in upper case.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder()
    ///     .upstream_route("PROPFIND", "/files", 207, "text/xml", "<multistatus/>")
    ///     .start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = FetchOptions::default().method("PROPFIND");
    /// let url = format!("{}/files", gateway.url());
    /// let fetcher = client.fetcher(&TokenCache::new(), "acme", "github");
    /// assert_eq!(fetcher.fetch(&url, options)?.0, 207);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn method(mut self, method: impl AsRef<str>) -> Self {
        let checked = check_method(method.as_ref()).map(|method| self.method = method);
        self.noting(checked)
    }

    /// Adds a header, and keeps other headers of the same name. Default: none.
    ///
    /// The credential replaces a header of the same name. `Content-Length` is ignored, because the SDK sends the length
    /// of the data. Other headers that only the HTTP client may set, such as `Host`, `Transfer-Encoding` and
    /// `Connection`, make the fetch fail with `invalid_input`.
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
    /// github.fetch("/user", FetchOptions::default().header("Accept", "application/json"))?;
    /// assert_eq!(gateway.requests().last().unwrap().headers["accept"], "application/json");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let added = header::add(&mut self.headers, name.as_ref(), value.as_ref());
        self.noting(added)
    }

    /// Calls [`header`](Self::header) for each name and value, in order. Default: none.
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
    /// let headers = [("Accept", "application/json"), ("X-Request-Id", "7")];
    /// github.fetch("/user", FetchOptions::default().headers(headers))?;
    /// assert_eq!(gateway.requests().last().unwrap().headers["x-request-id"], "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        mut self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in headers {
            self = self.header(name, value);
        }
        self
    }

    /// Percent-encodes a parameter and appends it to the URL's query. Keeps parameters of the same name.
    /// Default: none.
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
    /// github.fetch("/user", FetchOptions::default().query("q", "tea & biscuits").query("page", 2))?;
    /// let query = gateway.requests().last().unwrap().query.clone();
    /// assert_eq!(query.as_deref(), Some("q=tea%20%26%20biscuits&page=2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn query(mut self, name: impl AsRef<str>, value: impl fmt::Display) -> Self {
        let pair = (name.as_ref().to_owned(), value.to_string());
        self.query.push(pair);
        self
    }

    /// Sets the body, and leaves the method as it is. Any method may have a body. The SDK adds no `Content-Type`.
    /// Default: none.
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
    /// github.fetch("/user", FetchOptions::default().method("PUT").data(vec![1, 2, 3]))?;
    /// assert_eq!(gateway.requests().last().unwrap().body, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "upload")]
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = Some(data.into());
        self.is_json = false;
        self
    }

    /// Serializes a value as JSON and sets it as the body, and leaves the method as it is. The SDK adds
    /// `Content-Type: application/json`, unless a [`header`](Self::header) sets the type. A value that cannot be
    /// serialized, such as a map whose keys are lists, makes the fetch fail with `invalid_input`. Default: no body.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// use nexus_sdk::{FetchOptions, serde_json::json};
    ///
    /// github.fetch("/user/repos", FetchOptions::default().method("POST").json(&json!({"name": "demo"})))?;
    /// assert_eq!(gateway.requests().last().unwrap().headers["content-type"], "application/json");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        let encoded = serde_json::to_vec(value).map(|data| {
            self.data = Some(data);
            self.is_json = true;
        });
        self.noting(encoded.map_err(|error| NexusError::invalid_input("json", error)))
    }

    /// Limits the duration of the whole call, from resolving the token to reading the body, with all redirects and
    /// retries and the search of [`hide_credential`](crate::Fetcher::hide_credential). A request that is slow in several phases
    /// can take longer: see [`NexusClientOptions::timeout`](crate::NexusClientOptions::timeout). A timeout of zero makes
    /// the fetch fail with `invalid_input`. Default: the client's timeout (30 s).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};
    /// use nexus_sdk::testing::{DevGateway, Fault};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// gateway.fail_next_at("/user", 1, Fault::Delay(Duration::from_secs(10)));
    /// let options = FetchOptions::default().timeout(Duration::from_millis(100));
    /// let fetcher = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let error = fetcher.fetch(&format!("{}/user", gateway.url()), options).unwrap_err();
    /// assert_eq!(error.code(), "timeout");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets whether redirects are followed. Default [`Redirects::Follow`].
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, Redirects, TokenCache};
    /// use nexus_sdk::{RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// // The consent page of `DevGateway` redirects to the return URL.
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/done");
    /// let page = client.request_connection(&input)?.auth_url;
    /// let options = FetchOptions::default().redirects(Redirects::Manual);
    /// let fetcher = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, headers, _body) = fetcher.fetch(&page, options)?;
    /// assert_eq!(status, 302);
    /// assert!(headers["location"].to_str()?.starts_with("http://localhost:3000/done"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = Some(redirects);
        self
    }

    /// Sets the retry policy of this fetch. Default: no retries.
    ///
    /// An idempotent request is sent again after a network failure that may be temporary, and after a status that
    /// [`RetryPolicy`] lists. Any other request is retried only if it is certain
    /// that no part of it reached the server. If the last attempt gets a response, the fetch returns it, whatever
    /// its status (but see [`http_status_as_error`](Self::http_status_as_error)). Even without retries, an idempotent request may be sent once more if the server closes the connection
    /// before it responds.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, RetryPolicy, TokenCache};
    /// use nexus_sdk::testing::{DevGateway, Fault};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// gateway.fail_next_at("/user", 1, Fault::Status(503));
    /// let options = FetchOptions::default().retry_policy(RetryPolicy::default().retries(2));
    /// let fetcher = client.fetcher(&TokenCache::new(), "acme", "github");
    /// let (status, _headers, _body) = fetcher.fetch(&format!("{}/user", gateway.url()), options)?;
    /// assert_eq!(status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// Sets whether a status of 400 and above is an error, as in ureq. Default `false`: every status is data.
    ///
    /// The error has the code `http_<status>` and the kind [`ErrorKind::Api`](crate::ErrorKind::Api), and is the one that
    /// [`json`](fn@crate::json) returns. It comes after the retries of a [`retry_policy`](Self::retry_policy). There are two
    /// other errors for a 401:
    ///
    /// - `credential_refused`, with [`needs_reconnect`](crate::NexusError::needs_reconnect), if the gateway has confirmed
    ///   the credential that the API refuses: the user has probably removed the access at the provider.
    /// - the gateway's own error, if the gateway could not be asked.
    ///
    /// A 401 to a request without the credential, after a redirect to another origin, and a 401 to the credential of an
    /// agent session are `http_401`. The message has at most 200 characters of the body, in which the credential is
    /// replaced with `[credential]` as by [`hide_credential`](crate::Fetcher::hide_credential).
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// use nexus_sdk::{ErrorKind, FetchOptions};
    ///
    /// let options = FetchOptions::default().http_status_as_error(true);
    /// let error = github.fetch("/nowhere", options).unwrap_err();
    /// assert_eq!((error.kind(), error.code()), (ErrorKind::Api, "http_404"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn http_status_as_error(mut self, is_error: bool) -> Self {
        self.http_status_as_error = Some(is_error);
        self
    }

    /// Turns the options into the defaults of a fetcher.
    pub(super) fn into_defaults(self) -> Self {
        let is_request = self.method != Method::GET || self.data.is_some();
        let problem = "has a method or a body; set these in the options of each fetch";
        let checked = Err(NexusError::invalid_input("defaults", problem));
        self.noting(if is_request { checked } else { Ok(()) })
    }

    /// Adds the defaults of a fetcher to the options of a fetch of this URL. A header or query parameter of the same name
    /// takes precedence over its default, and so does a parameter in the URL.
    pub(super) fn or(mut self, defaults: &Self, url: &str) -> Self {
        let all_headers = defaults.headers.iter();
        let unset_headers: Vec<_> = all_headers
            .filter(|(name, _)| !self.headers.contains_key(*name))
            .collect();
        for (name, value) in unset_headers {
            let added = header::append(&mut self.headers, name.clone(), value.clone());
            self = self.noting(added);
        }
        let target = self.with_query(url);
        let (_, query) = target.split_once('?').unwrap_or_default();
        let set: Vec<_> = query.split('&').map(url::parameter_name).collect();
        let is_set = |name: &String| set.iter().any(|it| it == name.as_bytes());
        let unset = defaults.query.iter().filter(|(name, _)| !is_set(name));
        self.query.extend(unset.cloned());
        self.timeout = self.timeout.or(defaults.timeout);
        self.redirects = self.redirects.or(defaults.redirects);
        self.retry_policy = self.retry_policy.or_else(|| defaults.retry_policy.clone());
        self.http_status_as_error = self.http_status_as_error.or(defaults.http_status_as_error);
        let problem = defaults.problem.clone();
        self.noting(problem.map_or(Ok(()), Err))
    }

    /// Removes the URL's fragment, which is never sent, and appends the query.
    pub(super) fn with_query<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let mut target = Cow::from(url::without_fragment(url));
        for (name, value) in &self.query {
            target = url::with_parameter(&target, name, value).into();
        }
        target
    }

    /// Keeps the first problem, which becomes the error of the fetch.
    fn noting(mut self, outcome: Result<()>) -> Self {
        self.problem = self.problem.or(outcome.err());
        self
    }

    /// Checks the options and completes the headers.
    ///
    /// # Errors
    ///
    /// `invalid_input` for the first invalid value.
    pub(super) fn check(mut self) -> Result<Self> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        check_method(self.method.as_str())?;
        for (name, value) in &self.headers {
            header::check(name, value, || format!("header {name}"))?;
        }
        if let Some(timeout) = self.timeout {
            error::not_zero("timeout", timeout)?;
        }
        self.headers.remove(CONTENT_LENGTH);
        if self.is_json && !self.headers.contains_key(CONTENT_TYPE) {
            let json = HeaderValue::from_static("application/json");
            header::put(&mut self.headers, CONTENT_TYPE, json)?;
        }
        // These methods send `Content-Length: 0` if there is no data (RFC 9110 section 8.6).
        if matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            self.data.get_or_insert_default();
        }
        Ok(self)
    }
}

debug_only!(FetchOptions: method, timeout, redirects, retry_policy);

/// Parses a method, and converts it to upper case.
///
/// # Errors
///
/// `invalid_input` if the text is not a method, or if the method must not carry a credential.
pub(super) fn check_method(text: &str) -> Result<Method> {
    if REFUSED.iter().any(|it| text.eq_ignore_ascii_case(it)) {
        let problem =
            "CONNECT, TRACE, TRACK and PRI must not carry a credential; use another method";
        return Err(NexusError::invalid_input("method", problem));
    }
    let upper = text.to_ascii_uppercase();
    let problem = "is not an HTTP method; set a method such as GET or POST";
    Method::from_bytes(upper.as_bytes()).map_err(|_| NexusError::invalid_input("method", problem))
}
