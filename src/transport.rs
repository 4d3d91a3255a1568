//! The only place that sends: one HTTP exchange with a deadline and a bounded body.

mod agent;
mod coding;
mod dns;
mod failure;
mod jar;
mod socket;
mod wire;

use std::io::{self, Read as _};
use std::time::Duration;

use parking_lot::Mutex;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::response::Parts;
use ureq::http::{self, HeaderMap, Method, Request, Uri};
use ureq::typestate::HttpCrateScope;
use ureq::{Body, RequestExt as _};

use self::dns::Names;
use self::socket::Exchange;
use crate::error::{ErrorKind, NexusError};
use crate::time::Deadline;
use crate::url;

pub(crate) use agent::without_connections;
pub(crate) use failure::Failure;

/// The most memory that a body gets before any of it is there.
const MAX_RESERVED: usize = 64 * 1024;

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
    /// The resolver of the agent, when it is the SDK's own.
    names: Option<Names>,
    /// Agents like it that nobody uses just now, where it keeps cookies: see `jar`.
    idle: Option<Mutex<Vec<ureq::Agent>>>,
    pub(crate) max_body_bytes: u64,
}

impl Transport {
    pub(crate) fn new(agent: Option<ureq::Agent>, max_body_bytes: u64) -> Result<Self, NexusError> {
        let (agent, names) = if let Some(agent) = agent {
            (agent, None)
        } else {
            let names = Names::default();
            let agent = agent::agent(&names, agent::settings(None).build());
            (agent, Some(names))
        };
        agent::check_proxy(agent.config())?;
        Ok(Self {
            idle: jar::is_kept(&agent).then(Mutex::default),
            agent,
            names,
            max_body_bytes,
        })
    }

    /// The settings of [`authenticated_agent`](crate::NexusClient::authenticated_agent). They differ in
    /// nothing that a connection depends on, so `agent` can send its requests.
    pub(crate) fn config(&self, timeout: Duration) -> Config {
        match self.names {
            Some(_) => agent::settings(Some(timeout)).build(),
            None => self.agent.config().clone(),
        }
    }

    /// Whether the agent is the caller's own.
    fn is_own(&self) -> bool {
        self.names.is_none()
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
        let _exchange = Exchange::begin(deadline);
        let mut outcome = self.run(request, deadline, None);
        let was_cut = outcome.as_ref().is_err_and(wire::is_disconnect);
        if was_cut && is_idempotent(request.method) && Exchange::was_pooled() {
            outcome = self.run(request, deadline, Some(Duration::ZERO));
        }
        let response = outcome.map_err(|error| {
            let failure = Failure::of(&error, &url::origin(request.url));
            // The caller's own agent does not tell how far it has come.
            let unsent = failure.unsent && (self.is_own() || Exchange::was_opening());
            Failure { unsent, ..failure }
        })?;
        self.read(response, request, max_body)
    }

    fn run(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_idle_age: Option<Duration>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let mut built = Request::new(());
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.url.clone();
        *built.headers_mut() = request.headers.clone();
        let is_plain = !self.is_own() && self.agent.config().proxy().is_none();
        if max_idle_age.is_some() || !is_plain {
            let left = socket::left(deadline.at, ureq::Timeout::Global)?;
            let mut config = configure(self.agent.configure_request(built), request.url)
                .http_status_as_error(false)
                .timeout_global(Some(left));
            if request.patient {
                config = without_timeouts(config);
            }
            if let Some(age) = max_idle_age {
                config = config.max_idle_age(age);
            }
            built = config.build();
        }
        match request.body {
            Some(body) => self.run_alone(built.map(|()| body)),
            None => self.run_alone(built),
        }
    }

    /// Whatever cookies a response sets are gone before the next request, which may be somebody
    /// else's.
    fn run_alone<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let (Some(names), Some(idle)) = (&self.names, &self.idle) else {
            return self.agent.run(request);
        };
        let free = idle.lock().pop();
        let agent = free.unwrap_or_else(|| agent::agent(names, self.agent.config().clone()));
        jar::empty(&agent);
        let response = agent.run(request);
        idle.lock().push(agent);
        response
    }

    /// Sends a request of [`authenticated_agent`](crate::NexusClient::authenticated_agent): within the
    /// time limits that it has itself, and with the response's body still to be read.
    pub(crate) fn pass_on<B: ureq::AsSendBody>(
        &self,
        request: Request<B>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let url = request.uri().clone();
        // Every request of an agent has its settings.
        let config = request.middleware_config();
        let config = config.ok_or(ureq::Error::ConnectionFailed)?;
        let sent = self.run_alone(configure(config, &url).build());
        sent.map_err(|error| match error {
            // It repeats the URL, and the credential may be in it.
            ureq::Error::RequireHttpsOnly(_) => {
                let shown = Failure::of(&error, &url::origin(&url));
                ureq::Error::Other(Box::new(shown.error))
            }
            error => error,
        })
    }

    fn read(
        &self,
        response: http::Response<Body>,
        request: &Outgoing<'_>,
        max_body: u64,
    ) -> Result<Response, Failure> {
        let (mut parts, body) = response.into_parts();
        coding::relabel(&body, &mut parts.headers);
        let status = parts.status.as_u16();
        let body = match (request.method, status) {
            (&Method::HEAD, _) | (_, 204 | 304) => Vec::new(),
            _ => self.read_body(body, &parts, request.url, max_body)?,
        };
        Ok(Response {
            status,
            headers: parts.headers,
            body,
        })
    }

    fn read_body(&self, body: Body, head: &Parts, url: &Uri, max: u64) -> Result<Vec<u8>, Failure> {
        let failed = |error| Failure {
            unsent: false,
            ..Failure::of(&error, &url::origin(url))
        };
        if !coding::is_framed(head) {
            let what = "the response has a Transfer-Encoding other than `chunked` of HTTP/1.1";
            return Err(failed(io::Error::other(what).into()));
        }
        let promised = body.content_length().unwrap_or_default();
        if promised > max {
            return Err(self.too_large(url, max));
        }
        // In one piece, as long as a promise costs little to believe.
        let capacity = usize::try_from(promised).unwrap_or(MAX_RESERVED);
        let mut bytes = Vec::with_capacity(capacity.min(MAX_RESERVED));
        let mut bounded = body.into_reader().take(max.saturating_add(1));
        let read = bounded.read_to_end(&mut bytes).map_err(ureq::Error::from);
        #[cfg(feature = "gzip")]
        let read = read.or_else(|error| {
            let is_empty = bytes.is_empty() && coding::is_empty_gzip(&error);
            if is_empty { Ok(0) } else { Err(error) }
        });
        read.map_err(failed)?;
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
        Failure {
            error: NexusError::new(ErrorKind::BodyTooLarge, message),
            unsent: false,
        }
    }
}

type RequestConfig<B> = ConfigBuilder<HttpCrateScope<B>>;

/// The settings of every request, whatever it asks for; the rest are the agent's.
fn configure<B: ureq::AsSendBody>(config: RequestConfig<B>, url: &Uri) -> RequestConfig<B> {
    // ureq would take the credential along to another origin.
    let config = config.max_redirects(0).allow_non_standard_methods(true);
    if url::is_loopback(url) {
        // Plain http to this machine is allowed because it does not leave it.
        return config.proxy(None);
    }
    config
}

/// The deadline may be later than the timeouts of a caller's own agent.
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
