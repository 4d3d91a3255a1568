//! Sends all requests of the SDK. Except for the requests of an authenticated agent, each request has a deadline, and
//! the size of its response body is limited.

mod body;
mod cookies;
mod failure;
mod outgoing;
mod proxies;
mod settings;

use std::env;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::header::RANGE;
use ureq::http::{self, HeaderMap, Method, Request, Uri};
use ureq::{Body, Proxy, RequestExt as _};

use self::body::read;
use self::cookies::Agents;
use self::proxies::Proxies;
use crate::error::{ErrorKind, NexusError};
use crate::time::{Deadline, Now, Suspensions};
use crate::url;

pub(crate) use body::Response;
pub(crate) use outgoing::Outgoing;

pub(crate) struct Transport {
    agents: Agents,
    pub(crate) has_callers_agent: bool,
    /// The proxies in the environment. `None` if the caller's own agent does not use them.
    proxies: Option<Proxies>,
    /// True once `send` has had a response, so that a connection may be a pooled one.
    has_responded: AtomicBool,
    suspensions: Suspensions,
}

impl Transport {
    /// Builds a transport that uses the caller's agent or, with `None`, the SDK's own agent. A request is
    /// cheapest to send if its deadline is about `timeout` away. Reads the proxies from the environment, unless the
    /// caller's agent has no proxy or one of its own.
    pub(crate) fn new(agent: Option<ureq::Agent>, timeout: Duration) -> Result<Self, NexusError> {
        let has_callers_agent = agent.is_some();
        let value = |name: &str| Some(env::var_os(name)?.to_string_lossy().into_owned());
        let proxies = match agent.as_ref().map(|agent| agent.config().proxy()) {
            // Without a proxy in the environment that ureq can read, its default is no proxy, as if the caller had chosen it.
            Some(None) if Proxy::try_from_env().is_some() => None,
            Some(Some(own)) if !own.is_from_env() => proxies::check(own, "agent").map(|()| None)?,
            _ => Some(Proxies::read(value)),
        };
        let own = || {
            let proxy = proxies.as_ref().and_then(Proxies::of_agent);
            settings::of_agent(timeout).proxy(proxy).build().new_agent()
        };
        Ok(Self {
            agents: Agents::new(agent.unwrap_or_else(own), !has_callers_agent),
            has_callers_agent,
            proxies,
            has_responded: AtomicBool::new(false),
            suspensions: Suspensions::after(Now::read()),
        })
    }

    /// Returns the settings of the agent, and with them its time limits.
    pub(crate) fn config(&self) -> &Config {
        self.agents.agent.config()
    }

    /// Sends the request and reads the response. Blocks until the body is complete, or until the time is up. The limit
    /// of each phase of the request is about the time left until the deadline, or less: see
    /// [`NexusClientOptions::timeout`](crate::NexusClientOptions::timeout).
    ///
    /// A response with the status 300 or higher may lead to another request, for example after a redirect, so its status counts
    /// even if its body cannot be read. Such a response is returned with the error of its body in its extensions.
    ///
    /// A request that may refresh a token connects anew, because a pooled connection may have died unnoticed. Other
    /// requests use the pool, but no connection from before a suspension of the machine. A server may close an idle
    /// connection just as a request reuses it. If a connection ends without a response, an idempotent request
    /// (RFC 9110 section 9.2.2) that cannot refresh a token is therefore sent once more, unless this client has not had
    /// any response yet. That happens once in a fetch or call, whose later attempts and redirects then connect anew.
    pub(crate) fn send(
        &self,
        mut request: Outgoing<'_>,
        deadline: Deadline,
        max_body: u64,
    ) -> Result<Response, NexusError> {
        let writer = request.writer.take();
        let proxy = self.proxy(request.url)?;
        let Some(left) = deadline.left() else {
            return Err(failure::too_late(&request));
        };
        let has_reconnected = request.has_reconnected.load(Relaxed);
        let may_repeat =
            request.is_repeatable() && self.has_responded.load(Relaxed) && !has_reconnected;
        let max_age = self.max_age(request.may_refresh || has_reconnected);
        let headers = (request.headers)()?;
        let mut outcome = self.run(&request, headers, proxy, left, max_age);
        let is_cut = outcome.as_ref().is_err_and(failure::is_disconnect);
        let again = (may_repeat && is_cut).then(|| deadline.left());
        if let Some(left) = again.flatten() {
            request.has_reconnected.store(true, Relaxed);
            let headers = (request.headers)()?;
            outcome = self.run(&request, headers, proxy, left, self.max_age(true));
        }
        // Threads that send requests share this flag. A write would slow the others down, so a set flag is not written again.
        if outcome.is_ok() && !self.has_responded.load(Relaxed) {
            self.has_responded.store(true, Relaxed);
        }
        let describe = |error: ureq::Error| {
            let described = failure::describe(&error, &request, proxy.is_some());
            // The first of two attempts may have reached the server.
            described.with(|inner| inner.may_have_been_sent |= is_cut)
        };
        let head = outcome.map_err(describe)?;
        let error_from = request.error_from;
        let (mut response, problem) = read(head, deadline, max_body, error_from, writer);
        let Some(incomplete) = problem.map(describe) else {
            return Ok(response);
        };
        let status = response.status().as_u16();
        if status < 300 || deadline.left().is_none() {
            return Err(incomplete);
        }
        let kept = incomplete.with(|inner| inner.status = Some(status));
        response.extensions_mut().insert(kept);
        Ok(response)
    }

    /// Returns the proxy for requests to this URL.
    fn proxy(&self, url: &Uri) -> Result<Option<&Proxy>, NexusError> {
        if url::is_loopback(url) {
            // Plain http to loopback is allowed because it does not leave this machine, so no proxy may see it.
            return Ok(None);
        }
        let agents = || Ok(self.config().proxy());
        self.proxies.as_ref().map_or_else(agents, |it| it.of(url))
    }

    /// Returns the idle time from which pooled connections are too old, if it is less than in the agent's settings. Servers
    /// and routers forget connections while the machine is suspended, and a request on a forgotten connection gets no
    /// response.
    fn max_age(&self, connects_anew: bool) -> Option<Duration> {
        if connects_anew {
            return Some(Duration::ZERO);
        }
        let since = self.suspensions.time_since_last(Now::read())?;
        (since < self.config().max_idle_age()).then_some(since)
    }

    /// Returns whether the agent's own settings suit a request. ureq copies all settings for a request that has settings
    /// of its own, which costs about 6 % of a fetch from loopback. So a request whose time left is at most 1/64 shorter than
    /// the agent's timeout uses that timeout.
    fn is_usual(&self, proxy: Option<&Proxy>, left: Duration) -> bool {
        let timeout = self.config().timeout_per_read().unwrap_or_default();
        !self.has_callers_agent
            && proxy == self.config().proxy()
            && (timeout.mul_f32(63.0 / 64.0)..=timeout).contains(&left)
    }

    /// Returns whether ureq must not ask for gzip, as it does by default. A range of a compressed body cannot be decoded, and
    /// ureq removes `Content-Length` from the response to a compressed `HEAD`.
    fn refuses_gzip(&self, method: &Method, headers: &HeaderMap) -> bool {
        let is_asked = matches!(self.config().accept_encoding(), AutoHeaderValue::Default);
        is_asked && (method == Method::HEAD || headers.contains_key(RANGE))
    }

    fn run(
        &self,
        request: &Outgoing<'_>,
        headers: HeaderMap,
        proxy: Option<&Proxy>,
        left: Duration,
        max_age: Option<Duration>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let mut built = Request::new(());
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.url.clone();
        let refuses_gzip = self.refuses_gzip(request.method, &headers);
        *built.headers_mut() = headers;
        if refuses_gzip || max_age.is_some() || !self.is_usual(proxy, left) {
            let keeps_limits = self.has_callers_agent && !request.may_refresh;
            let own = keeps_limits.then(|| self.config());
            let age = max_age.unwrap_or(self.config().max_idle_age());
            let plain = self.agents.agent.configure_request(built);
            let config = settings::of_request(plain, refuses_gzip, left, own);
            built = config.proxy(proxy.cloned()).max_idle_age(age).build();
        }
        match request.body {
            Some(body) => self.agents.run(built.map(|()| body)),
            None => self.agents.run(built),
        }
    }

    /// Sends a request of [`authenticated_agent`](crate::NexusClient::authenticated_agent), with the timeouts
    /// of that request. Blocks until the response's head is complete. `to_ureq` completes the SDK's own errors.
    pub(crate) fn pass_on(
        &self,
        request: Request<ureq::SendBody<'_>>,
        to_ureq: &dyn Fn(NexusError) -> ureq::Error,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let url = request.uri().clone();
        let refuses_gzip = self.refuses_gzip(request.method(), request.headers());
        // ureq attaches the agent, which has the settings, to every request that it passes to a middleware.
        let Some(own_config) = request.middleware_config() else {
            return Err(ureq::Error::ConnectionFailed);
        };
        let mut config = settings::of_every_request(own_config, refuses_gzip);
        let proxy = self.proxy(&url).map_err(to_ureq)?;
        if url::is_loopback(&url) || proxy != self.config().proxy() {
            config = config.proxy(proxy.cloned());
        }
        if let Some(age) = self.max_age(false) {
            config = config.max_idle_age(age);
        }
        let sent = self.agents.run(config.build());
        sent.map_err(|error| match error {
            // This error of ureq shows the whole URL, which may contain the credential.
            ureq::Error::RequireHttpsOnly(_) => {
                let message = format!("{}: {}", url::origin(&url), failure::HTTPS_ONLY);
                to_ureq(NexusError::new(ErrorKind::InsecureUrl, message))
            }
            error => error,
        })
    }
}

#[cfg(test)]
mod tests;
