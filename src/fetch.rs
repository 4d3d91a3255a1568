//! `authenticated_fetch`: one request with the credential on it, its redirects, and one replay when
//! the credential turns out to be dead.

use std::borrow::Cow;
use std::sync::Arc;

use ureq::http::{HeaderMap, Uri};

use crate::bound::Bound;
use crate::clock::Deadline;
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch_options::{Checked, FetchOptions};
use crate::gateway::Gateway;
use crate::hosts::AllowedHosts;
use crate::log::Log;
use crate::redirect::{self, Hop, Redirects};
use crate::resolve::{self, Source, Tenant};
use crate::token::CachedToken;
use crate::token_cache::TokenCache;
use crate::transport::{self, Attempt, Outgoing, Reply};
use crate::url;

/// A response: status, headers, body.
pub(crate) type Fetched = (u16, HeaderMap, Vec<u8>);

/// Where the credential of a request comes from.
#[derive(Clone, Copy)]
pub(crate) enum Credential<'a> {
    /// The cache, or else the gateway.
    Of(&'a TokenCache, Tenant<'a>),
    /// The same, for one who asks again and again.
    Bound(&'a Bound),
    /// An agent session: this one, as long as it lasts.
    Session(&'a Arc<CachedToken>),
}

/// Whose credential goes on a request, and where to.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) credential: Credential<'a>,
    pub(crate) hosts: Option<&'a AllowedHosts>,
}

pub(crate) fn fetch(caller: Caller<'_>, url: &str, options: FetchOptions) -> Result<Fetched> {
    caller.credential.check()?;
    let parsed = caller.check_url(url)?;
    let request = options.check(caller.gateway.timeout)?;
    let call = Call {
        caller,
        text: url,
        url: parsed,
        deadline: Deadline::after(request.timeout),
        request,
    };
    call.run()
        .map(|reply| (reply.status, reply.headers, reply.body))
}

impl Credential<'_> {
    fn check(self) -> Result<()> {
        match self {
            Self::Of(_, tenant) => tenant.check(),
            Self::Bound(bound) => bound.tenant().check(),
            Self::Session(_) => Ok(()),
        }
    }

    fn token(self, gateway: &Gateway, deadline: Deadline) -> Result<(Arc<CachedToken>, Source)> {
        match self {
            Self::Of(cache, tenant) => resolve::cached(gateway, cache, tenant, deadline),
            Self::Bound(bound) => bound.cached(gateway, || deadline),
            Self::Session(token) => Ok((Arc::clone(token), Source::Gateway)),
        }
    }

    /// Drops this very token from the cache that it came from.
    fn discard(self, token: &Arc<CachedToken>, log: Log) {
        let provider = match self {
            Self::Of(cache, tenant) => {
                cache.discard(tenant.workspace_id, tenant.provider, token);
                tenant.provider
            }
            Self::Bound(bound) => {
                bound.discard(token);
                bound.tenant().provider
            }
            Self::Session(_) => return,
        };
        log.info(|| format!("401 for the cached token of {provider:?}: dropped"));
    }
}

impl Caller<'_> {
    pub(crate) fn check_url(&self, text: &str) -> Result<Uri> {
        let parsed =
            url::parse(text).map_err(|problem| NexusError::invalid_input("url", problem))?;
        let safe = url::is_https(&parsed) || url::is_loopback(&parsed);
        if safe || self.gateway.allow_insecure_http {
            return self.check_host(&parsed).map(|()| parsed);
        }
        let message = format!(
            "url: {} would carry the credential in clear; use https, or allow_insecure_http",
            url::origin(&parsed)
        );
        Err(NexusError::new(ErrorKind::InsecureUrl, message))
    }

    /// The URL as the credential wants it; `parsed` is the text, checked already.
    pub(crate) fn target(&self, text: &str, parsed: &Uri, token: &CachedToken) -> Result<Uri> {
        match token.target(text)? {
            Cow::Borrowed(_) => Ok(parsed.clone()),
            Cow::Owned(target) => self.check_url(&target),
        }
    }

    fn check_host(&self, target: &Uri) -> Result<()> {
        self.hosts.map_or(Ok(()), |hosts| hosts.check(target))
    }
}

/// A fetch that has been checked.
struct Call<'a> {
    caller: Caller<'a>,
    text: &'a str,
    url: Uri,
    request: Checked,
    deadline: Deadline,
}

impl Call<'_> {
    /// A 401 to a token out of the cache may mean that it was revoked: then the request is sent
    /// once more with the token that replaces it.
    fn run(&self) -> Result<Reply> {
        let (token, source) = self.token()?;
        let (reply, authenticated) = self.follow(&token)?;
        if reply.status != 401 || !authenticated || source != Source::Cache {
            return Ok(reply);
        }
        self.caller.credential.discard(&token, self.log());
        let (fresh, _) = self.token()?;
        if fresh.same_credential(&token) {
            return Ok(reply);
        }
        self.follow(&fresh).map(|(reply, _)| reply)
    }

    fn token(&self) -> Result<(Arc<CachedToken>, Source)> {
        let caller = &self.caller;
        caller.credential.token(caller.gateway, self.deadline)
    }

    fn log(&self) -> Log {
        self.caller.gateway.log
    }

    /// The request and its redirects; also whether the last of them carried the credential.
    fn follow(&self, token: &CachedToken) -> Result<(Reply, bool)> {
        let mut hop = self.first_hop(token)?;
        for _ in 0..=redirect::MOST {
            let body = self.request.data.as_deref().filter(|_| hop.sends_body);
            let reply = self.send(&mut hop, body, token)?;
            let target = redirect::location(reply.status, &reply.headers);
            let Some(target) = target.filter(|_| self.request.redirects == Redirects::Follow)
            else {
                return Ok((reply, hop.authenticated));
            };
            self.redirect(&mut hop, reply.status, target, token)?;
        }
        let message = format!(
            "{}: more than {} redirects; Redirects::Manual returns the first",
            url::origin(&self.url),
            redirect::MOST
        );
        Err(NexusError::new(ErrorKind::TooManyRedirects, message))
    }

    fn redirect(&self, hop: &mut Hop, status: u16, to: &[u8], token: &CachedToken) -> Result<()> {
        let was_authenticated = hop.authenticated;
        hop.follow(status, to, token, self.caller.gateway.allow_insecure_http)?;
        self.caller.check_host(&hop.url)?;
        if was_authenticated && !hop.authenticated {
            let to = url::origin(&hop.url);
            self.log()
                .info(|| format!("redirected to {to}: credential dropped"));
        }
        Ok(())
    }

    fn first_hop(&self, token: &CachedToken) -> Result<Hop> {
        Ok(Hop {
            method: self.request.method.clone(),
            url: self.caller.target(self.text, &self.url, token)?,
            headers: self.request.headers.clone(),
            sends_body: self.request.data.is_some(),
            authenticated: true,
        })
    }

    /// One hop, retried as the options say; a response is returned as it is when they are used up.
    fn send(&self, hop: &mut Hop, body: Option<&[u8]>, token: &CachedToken) -> Result<Reply> {
        let idempotent = transport::is_idempotent(&hop.method);
        let policy = &self.request.retry_policy;
        let mut last = None;
        let log = self.log();
        let sent = transport::with_retries(policy, self.deadline, log, || {
            last = None;
            let reply = self.exchange(hop, body, token)?;
            if policy.retries == 0 || !idempotent || !policy.retries_status(reply.status) {
                return Ok(reply);
            }
            let error = refused(&reply);
            last = Some(reply);
            Err(Attempt { error, again: true })
        });
        sent.or_else(|error| last.ok_or(error))
    }

    /// One attempt, signed at its own time: a wait may have outlived an earlier signature.
    fn exchange(
        &self,
        hop: &mut Hop,
        body: Option<&[u8]>,
        token: &CachedToken,
    ) -> Result<Reply, Attempt> {
        hop.authorize(token, body).map_err(|error| Attempt {
            error,
            again: false,
        })?;
        let outgoing = Outgoing {
            method: &hop.method,
            url: &hop.url,
            headers: &hop.headers,
            body,
        };
        let sent = self.caller.gateway.transport.send(&outgoing, self.deadline);
        sent.map_err(|failure| failure.into_attempt(&hop.method))
    }
}

/// Stands for a response that is worth another attempt; it never leaves this file.
fn refused(reply: &Reply) -> NexusError {
    let wait = crate::gateway_error::retry_after(&reply.headers);
    let message = format!("the upstream answered {}", reply.status);
    NexusError::new(ErrorKind::RequestFailed, message).with_retry_after(wait)
}
