//! The loop of one authenticated request, with its redirects, its retries, and one replay after a 401.

pub(crate) mod agent;
pub(crate) mod fetcher;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod scope;

use std::borrow::Cow;
use std::mem;

use ureq::http::{HeaderMap, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options::FetchOptions;
use crate::fetch::redirect::{Hop, MAX_REDIRECTS, Redirects};
use crate::flights::Source;
use crate::gateway::refusal::retry_after;
use crate::hiding::Secrets;
use crate::retry::Attempts;
use crate::time::Deadline;
use crate::token::{CachedToken, Place};
use crate::transport::{Failure, Outgoing, Response};
use crate::url;

impl Fetcher {
    /// Sends any request. The other methods, such as [`get`](Self::get), are short forms of `fetch`.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
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
        let request = options.check()?;
        let timeout = request.timeout.unwrap_or(self.flights.gateway.timeout);
        let call = Call {
            fetcher: self,
            text: &text,
            url,
            deadline: Deadline::after(timeout),
            secrets: request.hide_credential.then(Secrets::default),
            request,
        };
        let response = call.perform()?;
        Ok((response.status, response.headers, response.body))
    }
}

/// A fetch whose URL and options have been checked.
struct Call<'a> {
    fetcher: &'a Fetcher,
    /// The absolute URL before placeholders are filled.
    text: &'a str,
    url: Uri,
    request: FetchOptions,
    deadline: Deadline,
    /// The texts to hide in the response.
    secrets: Option<Secrets>,
}

impl<'a> Call<'a> {
    /// Sends the request and follows redirects. A cached token may have been revoked. After a 401 to a cached
    /// token, the same hop is therefore sent once more, if the gateway returns another token.
    fn perform(mut self) -> Result<Response> {
        let (mut token, mut source) = self.fetcher.token(self.deadline)?;
        let mut hop = self.first_hop(&token)?;
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&hop, &token)?;
            if response.status == 401 && hop.authenticated && source == Source::Cache {
                if number > 0 && matches!(token.place, Place::Path(_)) {
                    // The server chose this URL, and may have copied the credential into it. So the URL cannot be
                    // built again with another token.
                    self.fetcher.discard(&token);
                } else if let Some(fresh) = self.fetcher.replacement(&token, self.deadline)? {
                    hop.url = match number {
                        0 => self.target(&fresh)?,
                        _ => fresh.redirect_target(hop.url, true)?,
                    };
                    (token, source) = (fresh, Source::Gateway);
                    response = self.try_hop(&hop, &token)?;
                }
            }
            let target = redirect::location(response.status, &response.headers);
            let Some(target) = target.filter(|_| self.request.redirects == Redirects::Follow)
            else {
                if let Some(secrets) = self.secrets {
                    secrets.hide_in(&mut response.headers, &mut response.body);
                }
                return Ok(response);
            };
            self.next_hop(&mut hop, response.status, target, &token)?;
        }
        let origin = url::origin(&self.url);
        let message = format!(
            "{origin}: more than {MAX_REDIRECTS} redirects; set Redirects::Manual to get the first redirect as the response"
        );
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    /// Returns the URL of the call, with the credential if the provider's credential belongs in the URL.
    fn target(&self, token: &CachedToken) -> Result<Uri> {
        match token.target(self.text)? {
            Cow::Borrowed(_) => Ok(self.url.clone()),
            Cow::Owned(target) => self.fetcher.check_url(&target),
        }
    }

    fn first_hop(&mut self, token: &CachedToken) -> Result<Hop<'a>> {
        Ok(Hop {
            call: self.text,
            method: self.request.method.clone(),
            url: self.target(token)?,
            headers: mem::take(&mut self.request.headers),
            sends_body: self.request.data.is_some(),
            authenticated: true,
        })
    }

    fn next_hop(
        &self,
        hop: &mut Hop<'_>,
        status: u16,
        to: &[u8],
        token: &CachedToken,
    ) -> Result<()> {
        let was_authenticated = hop.authenticated;
        let gateway = &self.fetcher.flights.gateway;
        hop.redirect(status, to, token, gateway.allow_insecure_http)?;
        self.fetcher.scope.check(&hop.url)?;
        if was_authenticated && !hop.authenticated {
            let to = url::origin(&hop.url);
            let log = gateway.log;
            log.info(|| format!("redirected to {to}: credential dropped"));
        }
        Ok(())
    }

    /// Sends one hop, and retries it according to the options. Returns the last response, whatever its status.
    /// Each attempt gets a new signature, because signatures expire.
    fn try_hop(&mut self, hop: &Hop<'_>, token: &CachedToken) -> Result<Response> {
        let policy = &self.request.retry_policy;
        let idempotent = hop.method.is_idempotent();
        let body = self.request.data.as_deref().filter(|_| hop.sends_body);
        let mut attempts = Attempts::new(policy, self.deadline, self.fetcher.flights.gateway.log);
        loop {
            let headers = hop.headers(token, body.unwrap_or_default())?;
            if let Some(secrets) = &mut self.secrets {
                note_secrets(secrets, token, &headers);
            }
            match self.attempt(hop, &headers, body) {
                Ok(response) if !idempotent || !policy.retries_status(response.status) => {
                    return Ok(response);
                }
                Ok(response) => {
                    let why = format!("the upstream returned status {}", response.status);
                    if !attempts.wait_for_retry(&why, retry_after(&response.headers)) {
                        return Ok(response);
                    }
                }
                Err(failure) if !failure.allows_another(&hop.method) => return Err(failure.error),
                Err(failure) => {
                    if !attempts.wait_for_retry(&failure.error, None) {
                        return Err(attempts.give_up(failure.error));
                    }
                }
            }
        }
    }

    fn attempt(
        &self,
        hop: &Hop<'_>,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<Response, Failure> {
        let outgoing = Outgoing {
            method: &hop.method,
            url: &hop.url,
            headers,
            body,
            ignores_agent_timeouts: false,
        };
        let transport = &self.fetcher.flights.gateway.transport;
        transport.send(&outgoing, self.deadline, transport.max_body_bytes)
    }
}

/// Adds the texts of the credential, and the values of the headers that carry the credential or a signature.
fn note_secrets(secrets: &mut Secrets, token: &CachedToken, headers: &HeaderMap) {
    let headers = headers.values().filter(|value| value.is_sensitive());
    let headers = headers.map(|value| value.as_bytes().to_vec());
    for text in token.secrets().into_iter().chain(headers) {
        secrets.add_credential(&text);
    }
}
