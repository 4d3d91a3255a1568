//! The only place that sends: one HTTP exchange with a deadline and a bounded body.

mod agent;
mod dns;
mod failure;
mod jar;
mod socket;
mod socks;
mod until;
mod wire;

use std::io::Read as _;
use std::time::Duration;

use parking_lot::Mutex;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::{self, HeaderMap, Method, Request, Uri};
use ureq::typestate::HttpCrateScope;

use self::dns::Names;
use self::until::Until;
use crate::clock::Deadline;
use crate::error::{ErrorKind, NexusError};
use crate::url;

pub(crate) use failure::Failure;
use failure::{Phase, is_empty_gzip};

/// The most memory that a body gets before any of it is there.
const MAX_RESERVED: u64 = 64 * 1024;

/// A request, borrowed, so that it can be sent again.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// `None` sends no body at all, an empty one says that there is one of no bytes.
    pub(crate) body: Option<&'a [u8]>,
    /// Whether the deadline alone ends it, whatever timeouts the caller's own agent has.
    pub(crate) patient: bool,
}

/// A response, read to its end.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Transport {
    agent: ureq::Agent,
    /// Sends nothing; has the settings of the requests that have no deadline. They differ in nothing
    /// that a connection depends on, so `agent` can send them.
    streaming: ureq::Agent,
    /// The resolver of the agent, when it is the SDK's own.
    names: Option<Names>,
    /// Agents like it that nobody uses just now: see `jar`.
    idle: Mutex<Vec<ureq::Agent>>,
    pub(crate) max_body_bytes: u64,
}

impl Transport {
    pub(crate) fn new(
        agent: Option<ureq::Agent>,
        timeout: Duration,
        max_body_bytes: u64,
    ) -> Result<Self, NexusError> {
        let (agent, streaming, names) = if let Some(agent) = agent {
            (agent.clone(), agent, None)
        } else {
            let names = Names::default();
            let agent = agent::agent(&names, agent::settings().build());
            let streaming = agent::agent(&names, agent::streaming(timeout).build());
            (agent, streaming, Some(names))
        };
        socks::check(agent.config())?;
        Ok(Self {
            agent,
            streaming,
            names,
            idle: Mutex::default(),
            max_body_bytes,
        })
    }

    /// The settings of [`authenticated_agent`](crate::NexusClient::authenticated_agent).
    pub(crate) fn config(&self) -> &Config {
        self.streaming.config()
    }

    /// One exchange; blocks until the body is complete, at most until the deadline.
    ///
    /// A server may close an idle connection just as it is used again. So an idempotent request
    /// (RFC 9110 section 9.2.2) whose pooled connection ended without a response is sent once more,
    /// on a new connection.
    pub(crate) fn send(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_body: u64,
    ) -> Result<Response, Failure> {
        let _until = self.names.as_ref().map(|_| Until::set(deadline));
        let opened = socket::opened();
        let exchange = |max_idle_age| self.exchange(request, deadline, max_body, max_idle_age);
        let first = exchange(None);
        let pooled = self.names.is_none() || socket::opened() == opened;
        match first {
            Err(failure) if failure.stale && pooled && is_idempotent(request.method) => {
                exchange(Some(Duration::ZERO))
            }
            outcome => outcome,
        }
    }

    fn exchange(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_body: u64,
        max_idle_age: Option<Duration>,
    ) -> Result<Response, Failure> {
        let response = self.run(request, deadline, max_idle_age).map_err(|error| {
            self.forget_name(request.url);
            Failure::of(&error, request.url, Phase::Request)
        })?;
        self.read(response, request, max_body)
    }

    fn run(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_idle_age: Option<Duration>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let configured = self.configured(request, deadline, max_idle_age)?;
        match request.body {
            Some(body) => self.run_alone(configured.map(|()| body)),
            None => self.run_alone(configured),
        }
    }

    /// Whatever cookies a response sets are gone before the next request, which may be somebody
    /// else's.
    fn run_alone<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let own = self.names.as_ref().filter(|_| jar::is_kept(&self.agent));
        let Some(names) = own else {
            return self.agent.run(request);
        };
        let idle = self.idle.lock().pop();
        let agent = idle.unwrap_or_else(|| agent::agent(names, self.agent.config().clone()));
        jar::empty(&agent);
        let response = agent.run(request);
        self.idle.lock().push(agent);
        response
    }

    fn configured(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_idle_age: Option<Duration>,
    ) -> Result<Request<()>, ureq::Error> {
        let mut built = Request::new(());
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.url.clone();
        *built.headers_mut() = request.headers.clone();
        let own = self.names.is_some();
        if own && max_idle_age.is_none() && self.agent.config().proxy().is_none() {
            return Ok(built);
        }
        let left = deadline.left();
        let left = left.ok_or(ureq::Error::Timeout(ureq::Timeout::Global))?;
        let mut config = configure(&self.agent, built)
            .http_status_as_error(false)
            .timeout_global(Some(left));
        if request.patient && !own {
            // The deadline may be later than the agent's own timeouts.
            config = config
                .timeout_per_call(None)
                .timeout_resolve(None)
                .timeout_connect(None)
                .timeout_send_request(None)
                .timeout_send_body(None)
                .timeout_recv_response(None)
                .timeout_recv_body(None)
                .timeout_per_read(None)
                .timeout_per_write(None);
        }
        if let Some(age) = max_idle_age {
            config = config.max_idle_age(age);
        }
        Ok(config.build())
    }

    /// Sends a request of [`authenticated_agent`](crate::NexusClient::authenticated_agent): within the
    /// time limits that it has itself, and with the response's body still to be read.
    pub(crate) fn pass_on<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let origin = url::origin(request.uri());
        let configured = configure(&self.streaming, request).build();
        let sent = self.run_alone(configured);
        sent.map_err(|error| failure::without_url(error, &origin))
    }

    fn read(
        &self,
        response: http::Response<ureq::Body>,
        request: &Outgoing<'_>,
        max_body: u64,
    ) -> Result<Response, Failure> {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let bodyless = request.method == Method::HEAD || matches!(status, 204 | 304);
        let body = if bodyless {
            Vec::new()
        } else {
            self.read_body(body, request.url, max_body)?
        };
        Ok(Response {
            status,
            headers: parts.headers,
            body,
        })
    }

    fn read_body(&self, body: ureq::Body, url: &Uri, max: u64) -> Result<Vec<u8>, Failure> {
        let promised = body.content_length().unwrap_or_default();
        if promised > max {
            return Err(self.too_large(url, max));
        }
        // In one piece, as long as a promise costs little to believe.
        let capacity = promised.min(MAX_RESERVED).try_into().unwrap_or_default();
        let mut bytes = Vec::with_capacity(capacity);
        let bounded = max.saturating_add(1);
        let read = body.into_reader().take(bounded).read_to_end(&mut bytes);
        if let Err(error) = read.map_err(ureq::Error::from) {
            if !(bytes.is_empty() && is_empty_gzip(&error)) {
                return Err(Failure::of(&error, url, Phase::Body));
            }
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
            Ok(bytes)
        } else {
            Err(self.too_large(url, max))
        }
    }

    fn too_large(&self, url: &Uri, max: u64) -> Failure {
        let help = if max == self.max_body_bytes {
            "; raise max_body_bytes if that is right"
        } else {
            ", too large for a gateway's; is gateway_url the gateway's own address?"
        };
        let origin = url::origin(url);
        let message = format!("{origin}: the response body is larger than {max} bytes{help}");
        Failure::plain(NexusError::new(ErrorKind::BodyTooLarge, message))
    }

    fn forget_name(&self, url: &Uri) {
        if let (Some(names), Some(host)) = (&self.names, url.host()) {
            names.forget(host);
        }
    }
}

/// The settings of every request, whatever it asks for; the rest are the agent's.
fn configure<B: ureq::AsSendBody>(
    agent: &ureq::Agent,
    request: Request<B>,
) -> ConfigBuilder<HttpCrateScope<B>> {
    let is_loopback = url::is_loopback(request.uri());
    // ureq would take the credential along to another origin.
    let config = agent.configure_request(request).max_redirects(0);
    let config = config.allow_non_standard_methods(true);
    if is_loopback {
        // Plain http to this machine is allowed because it does not leave it.
        return config.proxy(None);
    }
    config
}

/// RFC 9110 section 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"
    )
}

impl Failure {
    /// Whether the same request may be sent again: it may help, and the server cannot have acted on
    /// it twice.
    pub(crate) fn allows_another(&self, method: &Method) -> bool {
        self.error.is_retryable() && (self.unsent || is_idempotent(method))
    }
}

#[cfg(test)]
mod tests;
