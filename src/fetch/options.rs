//! What a fetch sends, checked before anything is resolved or sent.

use std::fmt;
use std::time::Duration;

use ureq::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::error::{NexusError, Result};
use crate::fetch::redirect::Redirects;
use crate::header;
use crate::retry::RetryPolicy;

/// Methods whose requests say that their body is empty rather than that they have none (RFC 9110
/// section 8.6).
const WITH_BODY: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];

/// No method is nearly as long; ureq writes a line of the request at a time, up to 128 KiB.
const MAX_METHOD: usize = 64;

/// What [`authenticated_fetch`](crate::NexusClient::authenticated_fetch) sends besides the
/// credential. The default is a `GET` without headers and data.
///
/// ```
/// use nexus_sdk::FetchOptions;
///
/// let options = FetchOptions::default()
///     .method("POST")
///     .header("Content-Type", "application/json")
///     .data(r#"{"name": "demo"}"#);
/// assert!(!format!("{options:?}").contains("demo"), "data and header values do not show");
/// ```
#[derive(Clone)]
pub struct FetchOptions {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) data: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
    pub(super) redirects: Redirects,
    pub(super) retry_policy: RetryPolicy,
    pub(super) hide_credential: bool,
    /// The first part that cannot be sent.
    problem: Option<NexusError>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            method: Method::GET,
            headers: HeaderMap::new(),
            data: None,
            timeout: None,
            redirects: Redirects::default(),
            retry_policy: RetryPolicy::default(),
            hide_credential: false,
            problem: None,
        }
    }
}

impl FetchOptions {
    /// The HTTP method: any token of RFC 9110 section 9.1 except `CONNECT`, which is not a request to
    /// a resource, and `TRACE`, which may not carry credentials (section 9.3.8). The standard ones
    /// may be written in lower case. Default `GET`.
    ///
    /// ```
    /// let options = nexus_sdk::FetchOptions::default().method("PROPFIND");
    /// ```
    #[must_use]
    pub fn method(mut self, method: impl AsRef<str>) -> Self {
        match checked_method(method.as_ref()) {
            Ok(method) => self.method = method,
            Err(problem) => drop(self.problem.get_or_insert(problem)),
        }
        self
    }

    /// Adds a header; others of the same name stay. The credential replaces a header of its own
    /// name. `Host`, `Content-Length` and `Transfer-Encoding` follow from URL and data.
    ///
    /// ```
    /// let options = nexus_sdk::FetchOptions::default().header("Accept", "application/json");
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        if let Err(problem) = add_header(&mut self.headers, name.as_ref(), value.as_ref()) {
            self.problem.get_or_insert(problem);
        }
        self
    }

    /// Adds headers in their order, repeats included.
    ///
    /// ```
    /// let headers = [("Accept", "application/json"), ("X-Request-Id", "7")];
    /// let options = nexus_sdk::FetchOptions::default().headers(headers);
    /// ```
    #[must_use]
    pub fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        headers
            .into_iter()
            .fold(self, |options, (name, value)| options.header(name, value))
    }

    /// The body, with any method. No `Content-Type` is made up for it. Default: none.
    ///
    /// ```
    /// let options = nexus_sdk::FetchOptions::default().method("PUT").data(vec![1, 2, 3]);
    /// ```
    #[must_use]
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// The bound on the whole call: resolving, redirects, replay and body, but not the search of
    /// [`hide_credential`](Self::hide_credential) after it. Default: the client's timeout (30 s).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::FetchOptions::default().timeout(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether redirects are followed. Default [`Redirects::Follow`].
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, Redirects};
    ///
    /// let options = FetchOptions::default().redirects(Redirects::Manual);
    /// ```
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// How often an idempotent request is sent again after a network failure or a 502, 503 or 504
    /// (429 when the policy says so). When the attempts are used up, a response is returned
    /// like any other. Default: not at all.
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, RetryPolicy};
    ///
    /// let options = FetchOptions::default().retry_policy(RetryPolicy::default().retries(2));
    /// ```
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = policy;
        self
    }

    /// Whether the credential, where the upstream sends it back in the body or in a header's value, is
    /// replaced by `[credential]`: for a response that a model will read. Default `false`.
    ///
    /// Hidden are the header that carries the credential, as a whole, and each of the credential's
    /// fields that has 8 bytes or more; after a 401 those of both tokens. Percent-encoding, `+` for a
    /// space, the escapes of JSON strings and the Base64 of Basic authentication count as the same
    /// text. **Shorter fields stay**, since they may be part of a response by chance, and so does what
    /// the upstream has changed in another way, such as by a hash or by a compression that is not
    /// decoded here. `Content-Length` is that of the new body.
    ///
    /// The search begins when the body is complete, whatever is left of the
    /// [`timeout`](Self::timeout), and takes 20 ms or so for a MiB, 0.1 s for one that is all escapes;
    /// [`max_body_bytes`](crate::NexusClientOptions::max_body_bytes) bounds it.
    ///
    /// ```
    /// use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url());
    ///
    /// # assert!(format!("{:?}", FetchOptions::default()).contains("hide_credential: false"));
    /// let options = FetchOptions::default().hide_credential(true);
    /// let (_status, _headers, body) = github.fetch("/user", options)?;
    /// # let token = github.get_cached_token()?.access_token.clone();
    /// assert!(!String::from_utf8(body)?.contains(&token));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hide_credential(mut self, hide: bool) -> Self {
        self.hide_credential = hide;
        self
    }

    /// What can be sent.
    ///
    /// # Errors
    ///
    /// `invalid_input` that names the part.
    pub(super) fn check(mut self) -> Result<Self> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            let problem = "zero; the call would fail";
            return Err(NexusError::invalid_input("timeout", problem));
        }
        let length = self.data.as_ref().map_or(0, Vec::len);
        let mut lengths = self.headers.get_all(CONTENT_LENGTH).iter();
        if lengths.any(|own| own.as_bytes() != length.to_string().as_bytes()) {
            let problem = "not the length of the data; leave it out";
            return Err(NexusError::invalid_input("header Content-Length", problem));
        }
        self.headers.remove(CONTENT_LENGTH);
        if WITH_BODY.contains(&self.method) {
            self.data.get_or_insert_default();
        }
        Ok(self)
    }
}

impl fmt::Debug for FetchOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchOptions")
            .field("method", &self.method)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("data_bytes", &self.data.as_ref().map(Vec::len))
            .field("timeout", &self.timeout)
            .field("redirects", &self.redirects)
            .field("retry_policy", &self.retry_policy)
            .field("hide_credential", &self.hide_credential)
            .finish_non_exhaustive()
    }
}

fn checked_method(method: &str) -> Result<Method> {
    let standard = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
    ];
    let standard = standard
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(method));
    match standard.unwrap_or(method) {
        "CONNECT" | "TRACE" => Err(no_credential()),
        name if name.len() > MAX_METHOD => Err(NexusError::invalid_input("method", "too long")),
        name => Method::from_bytes(name.as_bytes()).map_err(|_| {
            NexusError::invalid_input("method", "not an HTTP method, such as GET or POST")
        }),
    }
}

/// The refusal of `CONNECT` and `TRACE`.
pub(crate) fn no_credential() -> NexusError {
    NexusError::invalid_input("method", "CONNECT and TRACE cannot carry a credential")
}

fn add_header(headers: &mut HeaderMap, name: &[u8], value: &[u8]) -> Result<()> {
    let number = headers.len().saturating_add(1);
    let invalid = |problem: &str| {
        let place = format!("header {number} ({})", shown(name));
        NexusError::invalid_input(&place, problem)
    };
    let own = HeaderName::from_bytes(name)
        .map_err(|_| invalid("its name has a character that no header name has"))?;
    if name.len().saturating_add(value.len()) > header::MAX_LENGTH {
        return Err(invalid("it is longer than 64 KiB"));
    }
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| invalid("its value has a line break or control character"))?;
    if !header::can_carry(&own, &value) {
        return Err(invalid("its value has a character beyond ASCII"));
    }
    if own == HOST || own == TRANSFER_ENCODING {
        return Err(invalid(
            "it follows from the URL and the data; leave it out",
        ));
    }
    let added = headers.try_append(own, value);
    added.map_err(|_| invalid("one header too many"))?;
    Ok(())
}

/// A header's name as far as it can be shown in one line.
fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars()
        .take(64)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
