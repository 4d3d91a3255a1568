//! The only file that sends: one HTTP exchange with a deadline, a bounded body, and errors that
//! say what failed without showing more of a URL than its origin.

use std::io::{self, Read as _};
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, Response, Uri};

use crate::agent::{self, LookUpFailed, Names};
use crate::clock::Deadline;
use crate::error::{ErrorKind, NexusError};
use crate::log::Log;
use crate::retry::{self, RetryPolicy};
use crate::url;

/// A request, borrowed, so that it can be sent again.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// `None` sends no body at all, an empty one says that there is one of no bytes.
    pub(crate) body: Option<&'a [u8]>,
}

/// A response, read to its end.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// An exchange that brought no response.
pub(crate) struct Failure {
    pub(crate) error: NexusError,
    /// Nothing of the request can have reached the server.
    pub(crate) unsent: bool,
    /// The connection ended before there was any response.
    stale: bool,
}

pub(crate) struct Transport {
    agent: ureq::Agent,
    /// The resolver of the agent, when it is the SDK's own.
    names: Option<Names>,
    max_body_bytes: u64,
}

impl Transport {
    pub(crate) fn new(agent: Option<ureq::Agent>, timeout: Duration, max_body_bytes: u64) -> Self {
        let names = agent.is_none().then(Names::default);
        let agent = agent
            .or_else(|| {
                names
                    .as_ref()
                    .map(|names| agent::default_agent(names, timeout))
            })
            .unwrap_or_else(ureq::Agent::new_with_defaults);
        Self {
            agent,
            names,
            max_body_bytes,
        }
    }

    pub(crate) fn agent(&self) -> &ureq::Agent {
        &self.agent
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
    ) -> Result<Reply, Failure> {
        let opened = agent::connections_opened();
        let first = self.exchange(request, deadline, None);
        let pooled = self.names.is_none() || agent::connections_opened() == opened;
        match first {
            Err(failure) if failure.stale && pooled && is_idempotent(request.method) => {
                self.exchange(request, deadline, Some(Duration::ZERO))
            }
            outcome => outcome,
        }
    }

    fn exchange(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_idle_age: Option<Duration>,
    ) -> Result<Reply, Failure> {
        let response = self.run(request, deadline, max_idle_age).map_err(|error| {
            self.forget_name(request.url);
            Failure::of(&error, request.url, Phase::Request)
        })?;
        self.read(response, request)
    }

    fn run(
        &self,
        request: &Outgoing<'_>,
        deadline: Deadline,
        max_idle_age: Option<Duration>,
    ) -> Result<Response<ureq::Body>, ureq::Error> {
        let left = deadline
            .left()
            .ok_or(ureq::Error::Timeout(ureq::Timeout::Global))?;
        match request.body {
            Some(body) => self
                .agent
                .run(self.configured(request, body, left, max_idle_age)),
            None => self
                .agent
                .run(self.configured(request, (), left, max_idle_age)),
        }
    }

    fn configured<B: ureq::AsSendBody>(
        &self,
        request: &Outgoing<'_>,
        body: B,
        left: Duration,
        max_idle_age: Option<Duration>,
    ) -> Request<B> {
        let mut built = Request::new(body);
        *built.method_mut() = request.method.clone();
        *built.uri_mut() = request.url.clone();
        *built.headers_mut() = request.headers.clone();
        let mut config = self
            .agent
            .configure_request(built)
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true)
            .timeout_global(Some(left));
        if url::is_loopback(request.url) {
            // Plain http to this machine is allowed because it does not leave it.
            config = config.proxy(None);
        }
        if self.names.is_some() {
            // The deadline may be later than the agent's own timeouts.
            config = config
                .timeout_resolve(None)
                .timeout_connect(None)
                .timeout_recv_response(None)
                .timeout_per_read(None)
                .timeout_per_write(None);
        }
        if let Some(age) = max_idle_age {
            config = config.max_idle_age(age);
        }
        config.build()
    }

    fn read(
        &self,
        response: Response<ureq::Body>,
        request: &Outgoing<'_>,
    ) -> Result<Reply, Failure> {
        let (parts, body) = response.into_parts();
        let status = parts.status.as_u16();
        let bodyless = request.method == Method::HEAD || matches!(status, 204 | 304);
        let body = if bodyless {
            Vec::new()
        } else {
            self.read_body(body, request.url)?
        };
        Ok(Reply {
            status,
            headers: parts.headers,
            body,
        })
    }

    fn read_body(&self, body: ureq::Body, url: &Uri) -> Result<Vec<u8>, Failure> {
        let too_large = || Failure::plain(self.too_large(url));
        if body
            .content_length()
            .is_some_and(|length| length > self.max_body_bytes)
        {
            return Err(too_large());
        }
        let mut bytes = Vec::new();
        let bounded = self.max_body_bytes.saturating_add(1);
        let read = body.into_reader().take(bounded).read_to_end(&mut bytes);
        if let Err(error) = read.map_err(ureq::Error::from) {
            if !(bytes.is_empty() && is_empty_gzip(&error)) {
                return Err(Failure::of(&error, url, Phase::Body));
            }
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if length > self.max_body_bytes {
            Err(too_large())
        } else {
            Ok(bytes)
        }
    }

    fn too_large(&self, url: &Uri) -> NexusError {
        let message = format!(
            "{}: the response body is larger than {} bytes; raise max_body_bytes if that is right",
            url::origin(url),
            self.max_body_bytes
        );
        NexusError::new(ErrorKind::BodyTooLarge, message)
    }

    fn forget_name(&self, url: &Uri) {
        if let (Some(names), Some(host)) = (&self.names, url.host()) {
            names.forget(host);
        }
    }
}

/// RFC 9110 section 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Request,
    Body,
}

impl Failure {
    fn plain(error: NexusError) -> Self {
        Self {
            error,
            unsent: false,
            stale: false,
        }
    }

    fn of(error: &ureq::Error, url: &Uri, phase: Phase) -> Self {
        let (kind, what) = describe(error);
        let retryable = kind != ErrorKind::InsecureUrl && !is_permanent(error);
        let message = format!("{}: {what}", url::origin(url));
        Self {
            error: NexusError::new(kind, message).retryable(retryable),
            unsent: phase == Phase::Request && is_unsent(error),
            stale: phase == Phase::Request && is_disconnect(error),
        }
    }
}

/// What a failure of ureq is to the caller. Several of ureq's texts hold the URL, so only those
/// are passed on that cannot.
fn describe(error: &ureq::Error) -> (ErrorKind, String) {
    let what = match error {
        ureq::Error::Timeout(phase) => return (ErrorKind::Timeout, timed_out(*phase)),
        ureq::Error::RequireHttpsOnly(_) => {
            return (
                ErrorKind::InsecureUrl,
                "the agent is set to https only".to_owned(),
            );
        }
        ureq::Error::Io(error) => io_problem(error),
        ureq::Error::HostNotFound => "the host name has no address; check its spelling".to_owned(),
        ureq::Error::ConnectionFailed => "no connection could be made".to_owned(),
        ureq::Error::ConnectProxyFailed(_) => "the proxy refused to connect".to_owned(),
        ureq::Error::InvalidProxyUrl => "the proxy's URL is not valid".to_owned(),
        ureq::Error::TlsRequired => {
            "https needs one of this crate's features `rustls` (default) and `native-tls`"
                .to_owned()
        }
        ureq::Error::LargeResponseHeader(..) => "the response's header is too large".to_owned(),
        ureq::Error::Protocol(_) => "the answer is no valid HTTP/1.1".to_owned(),
        ureq::Error::Tls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(problem) => format!("TLS failed: {problem}"),
        #[cfg(feature = "gzip")]
        ureq::Error::Decompress(..) => "the compressed body is corrupt".to_owned(),
        _ => "the request failed".to_owned(),
    };
    (ErrorKind::RequestFailed, what)
}

fn timed_out(phase: ureq::Timeout) -> String {
    match phase {
        ureq::Timeout::Resolve => "the name look-up did not end in time".to_owned(),
        ureq::Timeout::Connect => "no connection in time".to_owned(),
        _ => "no complete answer in time".to_owned(),
    }
}

fn io_problem(error: &io::Error) -> String {
    if let Some(failed) = look_up_failed(error) {
        return format!("{failed}; check the host's spelling and the network");
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "connection refused; is the server running, and the port right?".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "the server closed the connection early".to_owned(),
        _ => error.to_string(),
    }
}

fn look_up_failed(error: &io::Error) -> Option<&LookUpFailed> {
    error.get_ref()?.downcast_ref()
}

/// Whether trying again cannot help: certificates and settings stay what they are.
fn is_permanent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::TlsRequired | ureq::Error::Tls(_) | ureq::Error::InvalidProxyUrl => true,
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(_) => true,
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(_) => true,
        ureq::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// Whether the failure comes from before the first byte of the request.
fn is_unsent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::TlsRequired
        | ureq::Error::Tls(_) => true,
        #[cfg(feature = "rustls")]
        ureq::Error::Rustls(_) => true,
        #[cfg(feature = "native-tls")]
        ureq::Error::NativeTls(_) => true,
        ureq::Error::Io(error) => {
            look_up_failed(error).is_some()
                || matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::HostUnreachable
                        | io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::AddrNotAvailable
                )
        }
        _ => false,
    }
}

/// Whether a body that says gzip ended, as its framing allows, before the gzip header did: servers
/// label bodies of no bytes so, and ureq gives them to its decoder all the same. A connection that
/// was cut has a text with its error, the decoder's end of input has none.
#[cfg(feature = "gzip")]
fn is_empty_gzip(error: &ureq::Error) -> bool {
    let ureq::Error::Decompress(_, cause) = error else {
        return false;
    };
    cause.kind() == io::ErrorKind::UnexpectedEof && cause.get_ref().is_none()
}

#[cfg(not(feature = "gzip"))]
fn is_empty_gzip(_: &ureq::Error) -> bool {
    false
}

/// Whether the failure is that of a connection which the server has closed.
fn is_disconnect(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// An attempt that failed, and whether another one makes sense.
pub(crate) struct Attempt {
    pub(crate) error: NexusError,
    pub(crate) again: bool,
}

/// Tries until it works, until another attempt makes no sense, or until the policy or the deadline
/// allows no more. Sleeps between attempts, never past the deadline.
pub(crate) fn with_retries<T>(
    policy: &RetryPolicy,
    deadline: Deadline,
    log: Log,
    mut attempt: impl FnMut() -> Result<T, Attempt>,
) -> Result<T, NexusError> {
    let mut done = 0;
    loop {
        let Attempt { error, again } = match attempt() {
            Ok(value) => return Ok(value),
            Err(failed) => failed,
        };
        if !again || policy.retries == 0 {
            return Err(error);
        }
        let wait = policy.delay(done, retry::chance(), error.retry_after());
        done = done.saturating_add(1);
        if done > policy.retries || deadline.left().is_none_or(|left| left <= wait) {
            return Err(NexusError::exhausted(error, done));
        }
        log.warn(|| {
            format!(
                "attempt {done} failed, the next in {} ms: {error}",
                wait.as_millis()
            )
        });
        std::thread::sleep(wait);
    }
}
