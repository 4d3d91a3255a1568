//! Sends an authenticated request, with redirects, retries, and one replay after a 401 or 403.

pub(crate) mod agent;
pub(crate) mod fetcher;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod scope;

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use ureq::http::HeaderMap;

use crate::error::{ErrorKind, NexusError, Origin, Result};
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options::{FetchOptions, Redirects};
use crate::fetch::redirect::{Hop, MAX_REDIRECTS};
use crate::hiding::{MIN_CREDENTIAL, Secrets};
use crate::resolve::Source;
use crate::retry::Failure;
use crate::time::Deadline;
use crate::time::date;
use crate::token::CachedToken;
use crate::transport::{Outgoing, Response};

impl Fetcher {
    /// Sends a request with these options. Methods such as [`get`](Self::get) are shorthands for `fetch`.
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
    /// use nexus_sdk::{FetchOptions, serde_json::json};
    ///
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// let options = FetchOptions::default().method("POST").json(&json!({"name": "demo"}));
    /// let (status, _headers, _body) = github.fetch("/user/repos", options)?;
    /// assert_eq!(status, 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetch(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let fetched = self.fetch_unnamed(url, options);
        fetched.map_err(|error| error.about(&self.subject()))
    }

    /// Fetches. An error names the workspace and provider only if it comes from the gateway.
    fn fetch_unnamed(&self, url: &str, options: FetchOptions) -> Result<(u16, HeaderMap, Vec<u8>)> {
        let mut url = options.with_query(url);
        if let Some(base) = &self.base {
            url = base.absolute(&url)?;
        }
        let timeout = options
            .timeout
            .unwrap_or(self.client.gateway.options.timeout);
        let mut fetch = PendingFetch {
            fetcher: self,
            hop: Hop {
                call: &url,
                url: self.check_url(&url)?,
                options: options.check()?,
                first: None,
                authenticated: true,
            },
            deadline: Deadline::after(timeout),
            secrets: self.hide_credential.then(Secrets::default),
            has_response: false,
            has_reconnected: Cell::new(false),
        };
        let response = fetch.send_hops();
        let response = response.map_err(|error| fetch.after_response(error))?;
        let (mut head, mut body) = response.into_parts();
        if let Some(secrets) = &fetch.secrets {
            let hidden = secrets.hide_in(&mut head.headers, &mut body, fetch.deadline);
            hidden.map_err(NexusError::of_api)?;
        }
        Ok((head.status.as_u16(), head.headers, body))
    }
}

/// A fetch whose URL and options have been checked.
struct PendingFetch<'a> {
    fetcher: &'a Fetcher,
    hop: Hop<'a>,
    deadline: Deadline,
    /// The secrets to hide in the response, if the fetcher hides its credential.
    secrets: Option<Secrets>,
    /// True once the API has responded, for example with a redirect.
    has_response: bool,
    /// True once a connection that was cut has been replaced.
    has_reconnected: Cell<bool>,
}

impl PendingFetch<'_> {
    /// Completes an error. Once the API has responded, it has had a request of this call, and no error is local.
    fn after_response(&self, error: NexusError) -> NexusError {
        if !self.has_response || error.origin() == Origin::Gateway {
            return error;
        }
        error.of_api()
    }

    /// Sends the request and follows redirects. A 401 or 403 for a cached token may mean that the token was revoked, or that
    /// the user has consented to more since. If the gateway then returns another token, sends the same hop once more.
    fn send_hops(&mut self) -> Result<Response> {
        let (mut token, mut source) = self.fetcher.token(self.deadline)?;
        if let Cow::Owned(target) = token.target(self.hop.call)? {
            self.hop.url = self.fetcher.check_url(&target)?;
        }
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&token)?;
            self.has_response = true;
            let is_refused = matches!(response.status().as_u16(), 401 | 403);
            if is_refused && self.hop.authenticated && source == Source::Cache {
                let fresh = self.fetcher.replacement(&token, self.deadline)?;
                // The server chose the URL of a redirect, and may have copied the credential into its path. The SDK
                // does not know where, so it cannot put another token there.
                let is_known = number == 0 || !token.is_in_path();
                if let Some(fresh) = fresh.filter(|_| is_known) {
                    self.hop.url = match number {
                        0 => self.fetcher.check_url(&fresh.target(self.hop.call)?)?,
                        _ => fresh.redirect_target(self.hop.url.clone(), true)?,
                    };
                    (token, source) = (fresh, Source::Gateway);
                    response = self.try_hop(&token)?;
                }
            }
            let status = response.status().as_u16();
            let target = redirect::location(status, response.headers());
            let Some(target) = target.filter(|_| self.hop.options.redirects == Redirects::Follow)
            else {
                return Ok(response);
            };
            let next = self.hop.redirect(status, target, &token);
            next.map_err(NexusError::of_api)?;
            let checked = self.fetcher.check(&self.hop.url);
            checked.map_err(|error| self.hop.not_allowed(error.kind()).of_api())?;
        }
        let place = self.hop.place();
        let advice = "set Redirects::Manual to get the first redirect as the response";
        let message = format!("{place}: more than {MAX_REDIRECTS} redirects; {advice}");
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    /// Sends the hop, and retries it according to the options. Returns the last response, whatever its status.
    fn try_hop(&mut self, token: &CachedToken) -> Result<Response> {
        let (fetcher, deadline) = (self.fetcher, self.deadline);
        let client = &fetcher.client;
        let policy = self.hop.options.retry_policy.clone();
        let idempotent = self.hop.options.method.is_idempotent();
        let attempt = || {
            let outgoing = Outgoing {
                headers: &self.headers(token)?,
                method: &self.hop.options.method,
                url: &self.hop.url,
                redirected_from: self.hop.first.as_ref(),
                body: self.hop.options.data.as_deref(),
                may_refresh: false,
                is_call: false,
                has_reconnected: &self.has_reconnected,
            };
            let max_body = client.gateway.options.max_body_bytes;
            client.transport.send(&outgoing, deadline, max_body)
        };
        let is_before = |wait| deadline.left().is_some_and(|left| left > wait);
        let refused = |response: &Response| {
            let status = response.status();
            let is_retried = idempotent && policy.retries_status(status.as_u16());
            is_retried.then(|| Failure {
                why: format!("the upstream returned status {status}"),
                status: Some(status.as_u16()),
                retry_after: date::retry_after_header(response.headers()),
            })
        };
        let note = |line: fmt::Arguments<'_>| {
            let prefix = fetcher.subject().prefix();
            client.gateway.log.warn(format_args!("{prefix}{line}"));
        };
        policy.run(note, is_before, std::thread::sleep, attempt, refused)
    }

    /// Returns the headers of the hop, with the credential or signature unless a redirect has led to another origin. Each
    /// attempt gets a new signature, because signatures expire. Also collects the secrets to hide in the response.
    fn headers(&mut self, token: &CachedToken) -> Result<HeaderMap> {
        let (hop, options) = (&self.hop, &self.hop.options);
        let mut headers = options.headers.clone();
        if hop.authenticated {
            let body = options.data.as_deref().unwrap_or_default();
            token.authorize(&options.method, &hop.url, &mut headers, body)?;
        }
        if let Some(secrets) = &mut self.secrets {
            let sensitive = headers.values().filter(|value| value.is_sensitive());
            let sensitive = sensitive.map(|value| String::from_utf8_lossy(value.as_bytes()));
            secrets.add(sensitive, MIN_CREDENTIAL);
            secrets.add(token.secrets(hop.call), MIN_CREDENTIAL);
        }
        Ok(headers)
    }
}
