//! Sends an authenticated request, with redirects, retries, and one replay after a 401 or 403.

pub(crate) mod access;
mod agent;
mod download;
pub(crate) mod fetcher;
pub(crate) mod options;
pub(crate) mod redirect;
pub(crate) mod result;
pub(crate) mod scope;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::AtomicBool;

use ureq::http::HeaderMap;

use crate::error::{ErrorKind, NexusError, Origin, Result};
use crate::fetch::access::{Access, Credential};
use crate::fetch::download::Destination;
use crate::fetch::options::{FetchOptions, Redirects};
use crate::fetch::redirect::{Hop, MAX_REDIRECTS};
use crate::hiding::{MIN_CREDENTIAL, Secrets};
use crate::resolve::Source;
use crate::slot;
use crate::time::Deadline;
use crate::time::date;
use crate::token::CachedToken;
use crate::transport::{Outgoing, Response};

/// A fetch whose URL and options have been checked.
struct PendingFetch<'a, 'w> {
    access: &'a Access,
    hop: Hop<'a>,
    deadline: Deadline,
    /// The source of the token. After a 401, `Gateway` also means that the gateway has confirmed the token.
    source: Source,
    /// The reason why the gateway could not be asked about a 401.
    doubt: Option<NexusError>,
    /// The secrets to hide in the response, if the fetcher hides its credential, or in the error for its status.
    secrets: Option<Secrets>,
    /// True once the API has responded, for example with a redirect.
    has_response: bool,
    /// True once a connection that was cut has been replaced.
    has_reconnected: AtomicBool,
    destination: Option<Destination<'w>>,
    /// The lowest status that becomes an error.
    error_from: u16,
}

impl<'a, 'w> PendingFetch<'a, 'w> {
    /// Checks the URL and the options. `call` is the URL before placeholders are filled.
    fn new(
        access: &'a Access,
        call: &'a str,
        options: FetchOptions,
        destination: Option<Destination<'w>>,
    ) -> Result<Self> {
        let timeout = options
            .timeout
            .unwrap_or(access.client.gateway.options.timeout);
        let error_from = match (&destination, options.http_status_as_error) {
            (Some(_), _) => 300,
            (None, Some(true)) => 400,
            (None, _) => u16::MAX,
        };
        let needs_secrets = access.hide_credential || error_from < u16::MAX;
        let url = access.check_url(call)?;
        let checked_options = options.check()?;
        Ok(Self {
            access,
            hop: Hop {
                call,
                url,
                options: checked_options,
                first: None,
                authenticated: true,
            },
            deadline: Deadline::after(timeout),
            source: Source::Cache,
            doubt: None,
            secrets: needs_secrets.then(Secrets::default),
            has_response: false,
            has_reconnected: AtomicBool::new(false),
            destination,
            error_from,
        })
    }

    /// Sends the request, and returns the response with the credential hidden. If a redirect has turned a request such as a
    /// POST into a GET, the API has acted on the request, so an error after that is not retryable.
    fn run(mut self) -> Result<Response> {
        let called = self.hop.options.method.clone();
        let sent = self.send_hops();
        let is_done = !called.is_idempotent() && self.hop.options.method != called;
        let response = sent.map_err(|error| self.after_response(error));
        let response = response.and_then(|response| self.finish(response));
        match response {
            Err(error) if is_done && error.is_retryable() => Err(error.lasting()),
            other => other,
        }
    }

    /// Completes an error. Once the API has responded, it has had a request of this call, so no error is local, apart from
    /// the failure of a download's writer.
    fn after_response(&self, error: NexusError) -> NexusError {
        let is_of_writer = error.origin() == Origin::Local && error.may_have_been_sent();
        if !self.has_response || error.origin() == Origin::Gateway || is_of_writer {
            return error;
        }
        error.of_api()
    }

    /// Sends the request and follows redirects. A 401 or 403 for a cached token may mean that the token was revoked, or that
    /// the user has consented to more since. If the gateway then returns another token, sends the same hop once more.
    fn send_hops(&mut self) -> Result<Response> {
        let (mut token, source) = self.access.token(self.token_deadline())?;
        self.source = source;
        if let Cow::Owned(target) = token.target(self.hop.call)? {
            self.hop.url = self.access.check_url(&target)?;
        }
        for number in 0..=MAX_REDIRECTS {
            let mut response = self.try_hop(&token)?;
            self.has_response = true;
            let is_cached = self.hop.authenticated && self.source == Source::Cache;
            let refused_with = response.status().as_u16();
            if is_cached && slot::is_refusal(refused_with) {
                // The server chose the URL of a redirect, and may have copied the credential into its path. The SDK
                // does not know where, so it cannot put another token there.
                let is_known = number == 0 || !token.is_in_path();
                let deadline = self.token_deadline();
                match self.access.replacement(&token, refused_with, deadline) {
                    Ok(Some(fresh)) if is_known => {
                        self.hop.url = match number {
                            0 => self.access.check_url(&fresh.target(self.hop.call)?)?,
                            _ => fresh.redirect_target(self.hop.url.clone(), true)?,
                        };
                        token = fresh;
                        self.source = Source::Gateway;
                        response = self.try_hop(&token)?;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.source = Source::Gateway,
                    Err(error) if error.is_final() => return Err(error),
                    Err(error) => self.doubt = Some(error),
                }
            }
            let status = response.status().as_u16();
            let location = redirect::location(status, response.headers());
            let redirects = self.hop.options.redirects.unwrap_or_default();
            let Some(target) = location.filter(|_| redirects == Redirects::Follow) else {
                return Ok(response);
            };
            let next = self.hop.redirect(status, target, &token);
            next.map_err(NexusError::of_api)?;
            let checked = self.access.check(&self.hop.url);
            checked.map_err(|error| self.hop.not_allowed(error.kind()).of_api())?;
        }
        let what = format!("more than {MAX_REDIRECTS} redirects");
        Err(self.hop.error(ErrorKind::TooManyRedirects, &what))
    }

    /// Returns the time at which the wait for a token ends, which is never later than the fetch's own deadline.
    fn token_deadline(&self) -> Deadline {
        self.deadline.min(self.access.client.gateway.longest_call())
    }

    /// Sends the hop, and retries it according to the options. Returns the last response, whatever its status.
    fn try_hop(&mut self, token: &CachedToken) -> Result<Response> {
        let access = self.access;
        let gateway = &access.client.gateway;
        let options = &self.hop.options;
        let policy = options.retry_policy.clone().unwrap_or_default();
        let max_body = match self.destination {
            Some(_) => u64::MAX,
            None => gateway.options.max_body_bytes,
        };
        let attempt = || {
            let outgoing = Outgoing {
                headers: &mut || headers(&self.hop, token, self.secrets.as_mut()),
                method: &options.method,
                url: &self.hop.url,
                redirected_from: self.hop.first.as_ref(),
                body: options.data.as_deref(),
                may_refresh: false,
                server: Origin::Api,
                error_from: self.error_from,
                has_reconnected: &self.has_reconnected,
                writer: self.destination.as_mut().map(|it| it as _),
            };
            let sent = gateway.transport.send(outgoing, self.deadline, max_body);
            match &mut self.destination {
                Some(destination) => destination.end(sent),
                None => sent,
            }
        };
        let refused = |response: &Response| {
            let status = response.status().as_u16();
            if options.method.is_idempotent() && policy.retries_status(status) {
                let retry_after = date::retry_after_header(response.headers());
                let what = "the upstream returned this status";
                return Some(NexusError::api(status, what, retry_after));
            }
            // A redirect or a refusal of the token leads to another request.
            let is_last = status >= 400 && !slot::is_refusal(status);
            let incomplete = response.extensions().get::<NexusError>();
            let repeatable = incomplete.filter(|error| is_last && error.may_repeat());
            repeatable.cloned()
        };
        let go_on = |wait, line: fmt::Arguments<'_>| {
            if self.deadline.left().is_none_or(|left| left <= wait) {
                return false;
            }
            let prefix = access.subject().prefix();
            gateway.log.warn(format_args!("{prefix}{line}"));
            std::thread::sleep(wait);
            self.deadline.left().is_some()
        };
        policy.run(go_on, attempt, refused)
    }

    /// Hides the credential in the response. Returns the error for its status, if the options ask for an error, or else the
    /// error of its body, if that could not be read.
    fn finish(self, mut response: Response) -> Result<Response> {
        let is_error = response.status().as_u16() >= self.error_from;
        let incomplete = response.extensions_mut().remove::<NexusError>();
        if let Some(error) = incomplete.filter(|_| !is_error) {
            return Err(error);
        }
        let (mut head, mut body) = response.into_parts();
        if let Some(secrets) = self
            .secrets
            .filter(|_| is_error || self.access.hide_credential)
        {
            secrets.hide_in(&mut head.headers, &mut body, self.deadline)?;
        }
        if !is_error {
            return Ok(Response::from_parts(head, body));
        }
        let place = format!("{}: ", self.hop.place());
        let is_refused = head.status == 401 && self.hop.authenticated;
        let is_of_tenant = matches!(self.access.credential, Credential::Tenant(..));
        let is_confirmed = self.source == Source::Gateway && is_of_tenant;
        Err(match self.doubt {
            Some(doubt) if is_refused => doubt,
            _ if is_refused && is_confirmed => result::refused(&place, &body),
            _ => result::of_status(&place, head.status.as_u16(), &head.headers, &body),
        })
    }
}

/// Returns the headers of a hop, with the credential or signature unless a redirect has led to another origin. Each
/// attempt gets a new signature, because signatures expire. Also collects the secrets to hide in the response.
fn headers(hop: &Hop<'_>, token: &CachedToken, secrets: Option<&mut Secrets>) -> Result<HeaderMap> {
    let options = &hop.options;
    let mut headers = options.headers.clone();
    if hop.authenticated {
        let body = options.data.as_deref().unwrap_or_default();
        token.authorize(&options.method, &hop.url, &mut headers, body)?;
    }
    if let Some(secrets) = secrets {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        let texts = sensitive.map(|value| String::from_utf8_lossy(value.as_bytes()));
        secrets.add(texts, MIN_CREDENTIAL);
        secrets.add(token.secrets(hop.call), MIN_CREDENTIAL);
    }
    Ok(headers)
}
