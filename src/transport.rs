//! Sends all requests of the SDK. Except for the requests of an authenticated agent, each request has a deadline, and
//! the size of its response body is limited.

mod agent;
mod failure;
mod wire;

use std::io::{self, Read as _};
use std::time::Duration;

use parking_lot::Mutex;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::header::{HeaderValue, TRANSFER_ENCODING};
use ureq::http::response::Parts;
use ureq::http::{self, HeaderMap, Method, Request, Uri, Version};
use ureq::typestate::HttpCrateScope;
use ureq::{Body, RequestExt as _};

use self::agent::HostResolver;
use self::wire::OPENED;
use crate::error::NexusError;
use crate::time::Deadline;
use crate::url;

pub(crate) use agent::without_connections;
pub(crate) use failure::Failure;

/// A request, borrowed so that it can be sent again.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// `None` sends no body, and an empty slice sends `Content-Length: 0`.
    pub(crate) body: Option<&'a [u8]>,
    /// True if only the deadline limits the exchange. Otherwise the timeouts of the caller's own agent apply
    /// as well.
    pub(crate) ignores_agent_timeouts: bool,
}

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Transport {
    agent: ureq::Agent,
    has_callers_agent: bool,
    /// Idle agents, all with the same settings as `agent`. `None` unless the SDK's own agent keeps cookies (see
    /// `run_alone`).
    idle: Option<Mutex<Vec<ureq::Agent>>>,
}

impl Transport {
    /// Builds a transport that uses the caller's agent or, with `None`, the SDK's own agent. A request is
    /// cheapest to send if its deadline is about `timeout` away.
    pub(crate) fn new(agent: Option<ureq::Agent>, timeout: Duration) -> Result<Self, NexusError> {
        let has_callers_agent = agent.is_some();
        let agent =
            agent.unwrap_or_else(|| agent::agent(agent::settings(timeout).build(), HostResolver));
        wire::check_proxy(agent.config())?;
        let keeps_cookies = !has_callers_agent && size_of_val(&agent.cookie_jar_lock()) > 0;
        Ok(Self {
            agent,
            has_callers_agent,
            idle: keeps_cookies.then(Mutex::default),
        })
    }

    /// Returns the settings of [`authenticated_agent`](crate::NexusClient::authenticated_agent). A request
    /// with these settings can use the pooled connections of `agent`.
    pub(crate) fn config(&self, timeout: Duration) -> Config {
        if self.has_callers_agent {
            self.agent.config().clone()
        } else {
            agent::streaming_settings(timeout).build()
        }
    }

    /// Sends the request and reads the response. Blocks until the body is complete or the deadline has
    /// passed.
    ///
    /// A server may close an idle connection just as a request reuses it. If a pooled connection ends without
    /// a response, an idempotent request (RFC 9110 section 9.2.2) is therefore sent once more, on a new
    /// connection.
    pub(crate) fn send(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_body: u64,
    ) -> Result<Response, Failure> {
        OPENED.set(false);
        let mut outcome = self.run(request, deadline, false);
        let was_cut = outcome.as_ref().is_err_and(wire::is_disconnect);
        // The caller's own agent never sets `OPENED`, so each of its connections counts as pooled.
        if was_cut && request.method.is_idempotent() && !OPENED.get() {
            outcome = self.run(request, deadline, true);
        }
        let response = outcome.and_then(|response| read(response, max_body));
        response.map_err(|error| Failure::of(&error, request.url))
    }

    fn run(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        on_new_connection: bool,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let timed_out = ureq::Error::Timeout(ureq::Timeout::Global);
        let left = deadline.left().ok_or(timed_out)?;
        let mut built = Request::new(());
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.url.clone();
        *built.headers_mut() = request.headers.clone();
        if on_new_connection || self.needs_own_settings(request.url, left) {
            let mut config = configure(self.agent.configure_request(built), request.url)
                .http_status_as_error(false)
                .timeout_global(Some(left));
            if request.ignores_agent_timeouts {
                config = without_timeouts(config);
            }
            if on_new_connection {
                config = config.max_idle_age(Duration::ZERO);
            }
            built = config.build();
        }
        match request.body {
            Some(body) => self.run_alone(built.map(|()| body)),
            None => self.run_alone(built),
        }
    }

    /// Returns whether the request needs settings of its own. ureq then copies all settings, which takes
    /// time. To avoid this, a request whose time left is at most 1/64 shorter than the agent's timeout uses that
    /// timeout.
    fn needs_own_settings(&self, url: &Uri, left: Duration) -> bool {
        let config = self.agent.config();
        let timeout = config.timeouts().global.unwrap_or_default();
        self.has_callers_agent
            || (config.proxy().is_some() && url::is_loopback(url))
            || !(timeout.mul_f32(63.0 / 64.0)..=timeout).contains(&left)
    }

    /// Runs the request. Sends no cookies from earlier responses, unless the agent is the caller's own. If any crate in
    /// the program enables ureq's feature `cookies`, every agent has a cookie jar that no setting turns off. One
    /// tenant's session cookie would then be sent with another tenant's request. Each request therefore gets an agent
    /// that no other request is using, with an empty jar.
    fn run_alone<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let Some(idle) = &self.idle else {
            return self.agent.run(request);
        };
        let free = idle.lock().pop();
        let agent = free.unwrap_or_else(|| agent::agent(self.agent.config().clone(), HostResolver));
        agent.cookie_jar_lock().clear();
        let response = agent.run(request);
        idle.lock().push(agent);
        response
    }

    /// Sends a request of [`authenticated_agent`](crate::NexusClient::authenticated_agent), with the timeouts
    /// of that request. Blocks until the response's head is complete.
    pub(crate) fn pass_on<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let url = request.uri().clone();
        // ureq attaches the agent, which has the settings, to every request that it passes to a middleware.
        let config = request.middleware_config();
        let config = config.ok_or(ureq::Error::ConnectionFailed)?;
        let sent = self.run_alone(configure(config, &url).build());
        sent.map_err(|error| match error {
            // This error of ureq shows the whole URL, which may contain the credential.
            ureq::Error::RequireHttpsOnly(_) => {
                ureq::Error::Other(Box::new(Failure::of(&error, &url).error))
            }
            error => error,
        })
    }
}

/// Reads a response to its end. A body of more than `max` bytes is an error.
fn read(response: http::Response<Body>, max: u64) -> Result<Response, ureq::Error> {
    let (head, body) = response.into_parts();
    if !is_framed(&head) {
        let what = "the response has a Transfer-Encoding other than HTTP/1.1 `chunked`";
        return Err(io::Error::other(what).into());
    }
    let announced = body.content_length().unwrap_or_default();
    if announced > max {
        return Err(ureq::Error::BodyExceedsLimit(max));
    }
    // A server may announce more than it sends, so at most 64 KiB are reserved before the body arrives.
    let reserved = usize::try_from(announced.min(64 * 1024)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(reserved);
    let mut bounded = body.into_reader().take(max.saturating_add(1));
    match bounded.read_to_end(&mut bytes).map_err(ureq::Error::from) {
        #[cfg(feature = "gzip")]
        Err(error) if bytes.is_empty() && is_empty_gzip(&error) => {}
        Err(error) => return Err(error),
        Ok(_) if bounded.limit() == 0 => return Err(ureq::Error::BodyExceedsLimit(max)),
        Ok(_) => {}
    }
    Ok(Response {
        status: head.status.as_u16(),
        headers: head.headers,
        body: bytes,
    })
}

/// Stands in for the cookie jar if ureq is built without its feature `cookies`. With the feature, ureq's own
/// method takes precedence.
#[allow(dead_code, reason = "unused with the feature `cookies`")]
trait WithoutJar {
    fn cookie_jar_lock(&self) -> NoJar {
        NoJar
    }
}

impl WithoutJar for ureq::Agent {}

#[allow(dead_code, reason = "unused with the feature `cookies`")]
struct NoJar;

#[allow(dead_code, reason = "unused with the feature `cookies`")]
impl NoJar {
    #[expect(clippy::unused_self, reason = "a jar has the same method")]
    fn clear(self) {}
}

/// Returns whether ureq can decode the body's transfer coding. ureq does not report other codings, and returns
/// the body still encoded. HTTP/1.0 has no transfer codings (RFC 9112 section 6.1).
fn is_framed(head: &Parts) -> bool {
    let is_known = |coding: &HeaderValue| {
        let is = |name| coding.as_bytes().eq_ignore_ascii_case(name);
        is(b"identity") || is(b"chunked") && head.version == Version::HTTP_11
    };
    head.headers.get_all(TRANSFER_ENCODING).iter().all(is_known)
}

/// Returns whether the body ended within its gzip header. Some servers send `Content-Encoding: gzip` with an empty
/// body, and a response to HEAD may have this header although it has no body. If the connection was lost instead, the
/// error has an inner error.
#[cfg(feature = "gzip")]
fn is_empty_gzip(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Decompress(_, cause)
        if cause.kind() == io::ErrorKind::UnexpectedEof && cause.get_ref().is_none())
}

type RequestConfig<B> = ConfigBuilder<HttpCrateScope<B>>;

/// Applies the settings that every request needs, whichever agent sends it.
fn configure<B: ureq::AsSendBody>(config: RequestConfig<B>, url: &Uri) -> RequestConfig<B> {
    // If ureq followed redirects, it would forward a credential in a custom header to other origins.
    let config = config.max_redirects(0).allow_non_standard_methods(true);
    if url::is_loopback(url) {
        // Plain http to loopback is allowed because it does not leave this machine, so no proxy may see it.
        return config.proxy(None);
    }
    config
}

/// Removes the timeouts of the caller's own agent, which could end the exchange before the deadline.
fn without_timeouts(config: RequestConfig<()>) -> RequestConfig<()> {
    config
        .timeout_per_call(None)
        .timeout_resolve(None)
        .timeout_connect(None)
        .timeout_send_request(None)
        .timeout_send_body(None)
        .timeout_recv_response(None)
        .timeout_recv_body(None)
        .timeout_per_read(None)
        .timeout_per_write(None)
}

#[cfg(test)]
mod tests;
