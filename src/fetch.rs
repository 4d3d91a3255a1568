//! Sends an authenticated request, with redirects, retries, and one replay after a 401.

pub(crate) mod access;
pub(crate) mod agent;
pub(crate) mod fetcher;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod scope;

use std::borrow::Cow;

use ureq::http::HeaderMap;

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::access::Access;
use crate::fetch::options::FetchOptions;
use crate::fetch::redirect::{Hop, MAX_REDIRECTS, Redirects};
use crate::flights::Source;
use crate::hiding::{MIN_CREDENTIAL, Secrets};
use crate::retry::{Attempts, RetryPolicy};
use crate::time::Deadline;
use crate::time::date;
use crate::token::CachedToken;
use crate::transport::{Failure, Outgoing, Response};
use crate::url;

/// A fetch whose URL and options have been checked.
struct PendingFetch<'a> {
    access: &'a Access,
    hop: Hop<'a>,
    deadline: Deadline,
    redirects: Redirects,
    policy: RetryPolicy,
    /// The secrets to hide in the response, if any.
    secrets: Option<Secrets>,
}

impl<'a> PendingFetch<'a> {
    /// Checks the URL, which is absolute, and the options.
    pub(crate) fn new(access: &'a Access, url: &'a str, options: FetchOptions) -> Result<Self> {
        let checked = access.check_url(url)?;
        let options = options.check()?;
        let timeout = options.timeout.unwrap_or(access.client.options.timeout);
        let hop = Hop {
            call: url,
            method: options.method,
            url: checked,
            headers: options.headers,
            body: options.data,
            authenticated: true,
        };
        Ok(Self {
            access,
            hop,
            deadline: Deadline::after(timeout),
            redirects: options.redirects,
            policy: options.retry_policy,
            secrets: options
                .hide_credential
                .then(|| Secrets::new(MIN_CREDENTIAL)),
        })
    }

    /// Sends the request, and hides the credential in the response if the options ask for it.
    pub(crate) fn perform(mut self) -> Result<Response> {
        let mut response = self.send_hops()?;
        if let Some(secrets) = &mut self.secrets {
            if let Some(replaced) = self.access.replaced_token() {
                secrets.add(replaced.secrets());
            }
            secrets.hide_in(&mut response.headers, &mut response.body, self.deadline)?;
        }
        Ok(response)
    }

    /// Sends the request and follows redirects. A 401 for a cached token may mean that the token was revoked. If the
    /// gateway then returns another token, sends the same hop once more.
    fn send_hops(&mut self) -> Result<Response> {
        let (mut token, mut source) = self.access.token(self.deadline)?;
        if let Cow::Owned(target) = token.target(self.hop.call)? {
            self.hop.url = self.access.check_url(&target)?;
        }
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&token)?;
            if response.status == 401 && self.hop.authenticated && source == Source::Cache {
                if number > 0 && token.is_in_path() {
                    // The server chose this URL, and may have copied the credential into its path. The SDK does
                    // not know where, so it cannot put another token there.
                    self.access.discard(&token);
                } else if let Some(fresh) = self.access.replacement(&token, self.deadline)? {
                    self.hop.url = match number {
                        0 => self.access.check_url(&fresh.target(self.hop.call)?)?,
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
            self.access.check(&self.hop.url)?;
        }
        let origin = url::origin(&self.hop.url);
        let advice = "set Redirects::Manual to get the first redirect as the response";
        let message = format!("{origin}: more than {MAX_REDIRECTS} redirects; {advice}");
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    /// Sends the hop, and retries it according to the options. Returns the last response, whatever its status.
    fn try_hop(&mut self, token: &CachedToken) -> Result<Response> {
        let policy = self.policy.clone();
        let log = self.access.client.log;
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
                Err(failure) => failure.may_repeat && attempts.wait_for_retry(&failure.error, None),
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
            secrets.add(token.secrets());
            secrets.add(headers.values().filter(|value| value.is_sensitive()));
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
        let client = &self.access.client;
        let max_body = client.options.max_body_bytes;
        client.transport.send(&outgoing, self.deadline, max_body)
    }
}
