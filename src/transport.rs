//! The only file that sends: one HTTP exchange with a deadline and a bounded body.

mod failure;

use std::io::Read as _;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Request, Response, Uri};

use crate::agent::{self, Names};
use crate::clock::Deadline;
use crate::error::{ErrorKind, NexusError};
use crate::log::Log;
use crate::retry::{self, RetryPolicy};
use crate::url;

pub(crate) use failure::Failure;
use failure::{Phase, is_empty_gzip};

/// The most memory that a body gets before any of it is there.
const MOST_RESERVED: u64 = 64 * 1024;

/// To what the time limits of a socket are rounded: a call of a second or more may end twice as much
/// later than its deadline.
const TICK: Duration = Duration::from_millis(10);

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
        let configured = self.configured(request, left, max_idle_age);
        match request.body {
            Some(body) => self.agent.run(configured.map(|()| body)),
            None => self.agent.run(configured),
        }
    }

    fn configured(
        &self,
        request: &Outgoing<'_>,
        left: Duration,
        max_idle_age: Option<Duration>,
    ) -> Request<()> {
        let mut built = Request::new(());
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
        if self.agent.config().proxy().is_some() && url::is_loopback(request.url) {
            // Plain http to this machine is allowed because it does not leave it.
            config = config.proxy(None);
        }
        if self.names.is_some() {
            // The deadline may be later than the agent's own timeouts.
            let steady = steady(left);
            config = config
                .timeout_resolve(None)
                .timeout_connect(None)
                .timeout_recv_response(None)
                .timeout_global(Some(steady.saturating_add(TICK)))
                .timeout_per_read(Some(steady))
                .timeout_per_write(Some(steady));
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
        let promised = body.content_length().unwrap_or_default();
        if promised > self.max_body_bytes {
            return Err(too_large());
        }
        // In one piece, as long as a promise costs little to believe.
        let capacity = promised.min(MOST_RESERVED).try_into().unwrap_or_default();
        let mut bytes = Vec::with_capacity(capacity);
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

/// The time that is left, rounded up: a socket is told of every other time limit than its last, at
/// the cost of a system call before each read and write.
fn steady(left: Duration) -> Duration {
    if left < Duration::from_secs(1) {
        return left;
    }
    let ticks = left.as_nanos().div_ceil(TICK.as_nanos());
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// RFC 9110 section 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE"
    )
}

/// An attempt that failed, and whether another one makes sense.
pub(crate) struct Attempt {
    pub(crate) error: NexusError,
    pub(crate) again: bool,
}

impl Failure {
    /// What a failed exchange means for another: it may be sent again if that can help, and if the
    /// server cannot have acted on it twice.
    pub(crate) fn into_attempt(self, method: &Method) -> Attempt {
        Attempt {
            again: self.error.is_retryable() && (self.unsent || is_idempotent(method)),
            error: self.error,
        }
    }
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
        if done > policy.retries {
            return Err(NexusError::exhausted(error, done));
        }
        if deadline.left().is_none_or(|left| left <= wait) {
            return Err(NexusError::exhausted(error, done).with_wait_too_long(wait));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FOREVER;

    #[test]
    fn a_steady_timeout_is_never_short_and_hardly_long() {
        let table = [
            (1, 1),
            (999_999, 999_999),
            (1_000_000, 1_000_000),
            (1_000_001, 1_010_000),
            (29_990_001, 30_000_000),
            (29_999_999, 30_000_000),
            (30_000_000, 30_000_000),
        ];
        for (left, given) in table {
            let (left, given) = (Duration::from_micros(left), Duration::from_micros(given));
            assert_eq!(steady(left), given, "{left:?}");
        }
        assert_eq!(steady(FOREVER), FOREVER);
    }
}
