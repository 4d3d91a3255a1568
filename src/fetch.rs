//! Sends an authenticated request, with redirects, retries, and one replay after a 401.

pub(crate) mod agent;
pub(crate) mod fetcher;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod scope;

use std::borrow::Cow;
use std::sync::Arc;

use ureq::http::{HeaderMap, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::fetcher::{Credential, Fetcher};
use crate::fetch::options::FetchOptions;
use crate::fetch::redirect::{Hop, MAX_REDIRECTS, Redirects};
use crate::flights::Source;
use crate::hiding::{MIN_CREDENTIAL, Secrets};
use crate::retry::{Attempts, RetryPolicy};
use crate::time::Deadline;
use crate::time::date;
use crate::token::{CachedToken, Place};
use crate::transport::{Failure, Outgoing, Response};
use crate::url;

impl Fetcher {
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
        let text = self.scope.absolute(&text)?;
        let url = self.check_url(&text)?;
        let options = options.check()?;
        let timeout = options.timeout.unwrap_or(self.client.options.timeout);
        let hop = Hop {
            call: &text,
            method: options.method,
            url,
            headers: options.headers,
            body: options.data,
            authenticated: true,
        };
        let mut call = Call {
            fetcher: self,
            hop,
            deadline: Deadline::after(timeout),
            redirects: options.redirects,
            policy: options.retry_policy,
            secrets: options.hide_credential.then(Secrets::default),
        };
        let mut response = call.perform()?;
        if let Some(secrets) = &call.secrets {
            secrets.hide_in(&mut response.headers, &mut response.body, call.deadline)?;
        }
        Ok((response.status, response.headers, response.body))
    }

    /// Returns the token and its source. Blocks at most until the deadline.
    fn token(&self, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match &self.credential {
            Credential::Tenant(cache, tenant) => {
                self.client
                    .flights
                    .cached(cache, &tenant.workspace_id, &tenant.provider, deadline)
            }
            Credential::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Removes from the cache a token that the upstream refused with 401, unless the cache already has another token.
    fn discard(&self, token: &Arc<CachedToken>) {
        if let Credential::Tenant(cache, tenant) = &self.credential {
            cache.discard(&tenant.workspace_id, &tenant.provider, token);
            let provider = &tenant.provider;
            let line = format_args!("the upstream refused the cached token of {provider:?} (401)");
            self.client.log.info(line);
        }
    }

    /// Discards a token that the upstream refused with 401, and returns another token. Returns `None` if the
    /// gateway returns the same credential, which the upstream would refuse again.
    fn replacement(
        &self,
        refused: &Arc<CachedToken>,
        deadline: Deadline,
    ) -> Result<Option<Arc<CachedToken>>> {
        self.discard(refused);
        let (fresh, _) = self.token(deadline)?;
        Ok(Some(fresh).filter(|fresh| !fresh.same_credential(refused)))
    }

    /// Parses a URL, and checks that the credential may be sent to it.
    fn check_url(&self, text: &str) -> Result<Uri> {
        let url = url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Refuses URLs outside the fetcher's scope, and plain http to another machine unless the client allows it.
    fn check(&self, url: &Uri) -> Result<()> {
        if !url::is_confidential(url) && !self.client.options.allow_insecure_http {
            let origin = url::origin(url);
            let advice = "use https, or set allow_insecure_http";
            let message = format!("url: {origin} is plain http to another machine; {advice}");
            return Err(NexusError::new(ErrorKind::InsecureUrl, message));
        }
        self.scope.check(url)
    }
}

/// A fetch whose URL and options have been checked.
struct Call<'a> {
    fetcher: &'a Fetcher,
    hop: Hop<'a>,
    deadline: Deadline,
    redirects: Redirects,
    policy: RetryPolicy,
    /// The secrets to hide in the response, if any.
    secrets: Option<Secrets>,
}

impl Call<'_> {
    /// Sends the request and follows redirects. A 401 for a cached token may mean that the token was revoked. If the
    /// gateway then returns another token, sends the same hop once more.
    fn perform(&mut self) -> Result<Response> {
        let (mut token, mut source) = self.fetcher.token(self.deadline)?;
        if let Cow::Owned(target) = token.target(self.hop.call)? {
            self.hop.url = self.fetcher.check_url(&target)?;
        }
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&token)?;
            if response.status == 401 && self.hop.authenticated && source == Source::Cache {
                if number > 0 && matches!(token.place, Place::Path(_)) {
                    // The server chose this URL, and may have copied the credential into its path. The SDK does
                    // not know where, so it cannot put another token there.
                    self.fetcher.discard(&token);
                } else if let Some(fresh) = self.fetcher.replacement(&token, self.deadline)? {
                    self.hop.url = match number {
                        0 => self.fetcher.check_url(&fresh.target(self.hop.call)?)?,
                        _ => fresh.redirect_target(self.hop.url.clone(), true)?,
                    };
                    (token, source) = (fresh, Source::Gateway);
                    response = self.try_hop(&token)?;
                }
            }
            let target = redirect::location(response.status, &response.headers);
            let Some(target) = target.filter(|_| self.redirects == Redirects::Follow) else {
                return Ok(response);
            };
            self.hop.redirect(response.status, target, &token)?;
            self.fetcher.check(&self.hop.url)?;
        }
        let origin = url::origin(&self.hop.url);
        let advice = "set Redirects::Manual to get the first redirect as the response";
        let message = format!("{origin}: more than {MAX_REDIRECTS} redirects; {advice}");
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    /// Sends the hop, and retries it according to the options. Returns the last response, whatever its status.
    fn try_hop(&mut self, token: &CachedToken) -> Result<Response> {
        let policy = self.policy.clone();
        let log = self.fetcher.client.log;
        let idempotent = self.hop.method.is_idempotent();
        let mut attempts = Attempts::new(&policy, Some(self.deadline), log);
        loop {
            let headers = self.headers(token)?;
            let sent = self.send(&headers);
            let retry = match &sent {
                Ok(response) if idempotent && policy.retries_status(response.status) => {
                    let why = format!("the upstream returned status {}", response.status);
                    attempts.wait_for_retry(&why, date::retry_after_header(&response.headers))
                }
                Ok(_) => false,
                Err(failure) => {
                    let may_retry = failure.allows_another(&self.hop.method);
                    may_retry && attempts.wait_for_retry(&failure.error, None)
                }
            };
            if !retry {
                return sent.map_err(|failure| attempts.give_up(failure.error));
            }
        }
    }

    /// Returns a copy of the hop's headers, plus the headers that carry the credential or signature, if there are any.
    /// Each attempt gets a new signature, because signatures expire. Also collects the secrets to hide in the response.
    fn headers(&mut self, token: &CachedToken) -> Result<HeaderMap> {
        let hop = &self.hop;
        let mut headers = hop.headers.clone();
        if hop.authenticated {
            let body = hop.body.as_deref().unwrap_or_default();
            token.authorize(&hop.method, &hop.url, &mut headers, body)?;
        }
        if let Some(secrets) = &mut self.secrets {
            for text in token.secrets() {
                secrets.add(text.as_bytes(), MIN_CREDENTIAL);
            }
            for value in headers.values().filter(|value| value.is_sensitive()) {
                secrets.add(value.as_bytes(), MIN_CREDENTIAL);
            }
        }
        Ok(headers)
    }

    fn send(&self, headers: &HeaderMap) -> Result<Response, Failure> {
        let outgoing = Outgoing {
            method: &self.hop.method,
            url: &self.hop.url,
            headers,
            body: self.hop.body.as_deref(),
            may_refresh: false,
        };
        let client = &self.fetcher.client;
        let max_body = client.options.max_body_bytes;
        client.transport.send(&outgoing, self.deadline, max_body)
    }
}
