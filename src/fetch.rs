//! `authenticated_fetch`: one request with the credential on it, its redirects, and one replay of the
//! request to which the credential turns out to be dead.

pub(crate) mod caller;
pub(crate) mod fetcher;
mod hide;
pub(crate) mod middleware;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod scope;

use std::mem;

use ureq::http::{HeaderMap, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::caller::Caller;
use crate::fetch::hide::Sent;
use crate::fetch::options::FetchOptions;
use crate::fetch::redirect::{Hop, MAX_REDIRECTS, Redirects};
use crate::flights::Source;
use crate::gateway::refusal::retry_after;
use crate::log::Log;
use crate::retry::Attempts;
use crate::time::Deadline;
use crate::token::CachedToken;
use crate::transport::{self, Failure, Outgoing, Response};
use crate::url;

/// A response: status, headers, body.
pub(crate) type Fetched = (u16, HeaderMap, Vec<u8>);

pub(crate) fn fetch(caller: &Caller, url: &str, options: FetchOptions) -> Result<Fetched> {
    let text = match &caller.scope {
        Some(scope) => scope.absolute(url)?,
        None => url.into(),
    };
    let url = caller.check_url(&text)?;
    let request = options.check()?;
    let call = Call {
        caller,
        text: &text,
        deadline: Deadline::after(request.timeout.unwrap_or(caller.flights.gateway.timeout)),
        request,
    };
    let response = call.perform(url)?;
    Ok((response.status, response.headers, response.body))
}

/// A fetch that has been checked.
struct Call<'a> {
    caller: &'a Caller,
    text: &'a str,
    request: FetchOptions,
    deadline: Deadline,
}

impl<'a> Call<'a> {
    /// A 401 to a token out of the cache may mean that it was revoked: then the request that was
    /// refused, and none before it, is sent once more with the token that replaces it.
    fn perform(mut self, url: Uri) -> Result<Response> {
        let (mut token, mut source) = self.caller.token(self.deadline)?;
        let mut sent = self.request.hide_credential.then(Sent::default);
        let mut hop = self.first_hop(url, &token)?;
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&hop, &token, &mut sent)?;
            if response.status == 401
                && hop.authenticated
                && let Some(fresh) = self.caller.replacement((&token, source), self.deadline)?
            {
                hop.url = match number {
                    0 => self.caller.target(self.text, self.url()?, &fresh)?,
                    _ => redirect::renewed(&hop.url, &token, &fresh)?,
                };
                (token, source) = (fresh, Source::Gateway);
                response = self.try_hop(&hop, &token, &mut sent)?;
            }
            let target = redirect::location(response.status, &response.headers);
            let Some(target) = target.filter(|_| self.request.redirects == Redirects::Follow)
            else {
                if let Some(sent) = sent {
                    sent.hide(&mut response);
                }
                return Ok(response);
            };
            self.next_hop(&mut hop, response.status, target, &token)?;
        }
        let origin = url::origin(&self.url()?);
        let message = format!(
            "{origin}: more than {MAX_REDIRECTS} redirects; Redirects::Manual returns the first"
        );
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    fn url(&self) -> Result<Uri> {
        self.caller.check_url(self.text)
    }

    fn log(&self) -> Log {
        self.caller.flights.gateway.log
    }

    fn first_hop(&mut self, url: Uri, token: &CachedToken) -> Result<Hop<'a>> {
        Ok(Hop {
            call: self.text,
            method: self.request.method.clone(),
            url: self.caller.target(self.text, url, token)?,
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
        let allow_insecure_http = self.caller.flights.gateway.allow_insecure_http;
        hop.redirect(status, to, token, allow_insecure_http)?;
        self.caller.check_host(&hop.url)?;
        if was_authenticated && !hop.authenticated {
            let to = url::origin(&hop.url);
            self.log()
                .info(|| format!("redirected to {to}: credential dropped"));
        }
        Ok(())
    }

    /// One hop, retried as the options say; a response is returned as it is when they are used up.
    /// Each attempt is signed at its own time: a wait may have outlived an earlier signature.
    fn try_hop(
        &self,
        hop: &Hop<'_>,
        token: &CachedToken,
        sent: &mut Option<Sent>,
    ) -> Result<Response> {
        let policy = &self.request.retry_policy;
        let idempotent = transport::is_idempotent(&hop.method);
        let body = self.request.data.as_deref().filter(|_| hop.sends_body);
        let mut attempts = Attempts::new(policy, self.deadline, self.log());
        loop {
            let headers = hop.headers(token, body.unwrap_or_default())?;
            if let Some(sent) = sent {
                sent.note(token, &headers);
            }
            match self.attempt(hop, &headers, body) {
                Ok(response) if !idempotent || !policy.retries_status(response.status) => {
                    return Ok(response);
                }
                Ok(response) => {
                    let why = format!("the upstream's response is a {}", response.status);
                    if !attempts.another(&why, retry_after(&response.headers)) {
                        return Ok(response);
                    }
                }
                Err(failure) if !failure.allows_another(&hop.method) => return Err(failure.error),
                Err(failure) => {
                    if !attempts.another(&failure.error, None) {
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
        let transport = &self.caller.flights.gateway.transport;
        transport.send(&outgoing, self.deadline, transport.max_body_bytes)
    }
}
