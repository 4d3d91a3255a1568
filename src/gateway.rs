//! Sends requests to the gateway with the API key, retries them, and reads the responses as JSON objects.

pub(crate) mod refusal;
mod report;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderValue, Method, Uri};

use crate::error::meaning::Asked;
use crate::error::{self, ErrorKind, NexusError, Result, Subject};
use crate::header;
use crate::json::{self, Object};
use crate::log::{Log, Outages};
use crate::options::call::OnCall;
use crate::options::{NexusClientOptions, base_url};
use crate::retry::RetryPolicy;
use crate::sync::Mutex;
use crate::time::date;
use crate::time::{Deadline, Now, ResponseClock};
use crate::transport::{Outgoing, Response, Transport};
use crate::url;

/// The shortest time limit of an attempt that may refresh a token. Gateways give up after 30 s, and the refresh must not
/// be cut short before.
const MIN_ATTEMPT: Duration = Duration::from_secs(40);

/// The default size limit of a response, in bytes. A token, a status or a session takes a few KB.
const MAX_RESPONSE: u64 = 256 << 10;

pub(crate) struct Gateway {
    transport: Arc<Transport>,
    pub(crate) log: Log,
    timeout: Duration,
    retry_policy: RetryPolicy,
    on_call: Option<OnCall>,
    api_key: String,
    /// The scheme, host and port of the gateway.
    pub(crate) origin: String,
    /// The gateway's URL without a slash at the end.
    pub(crate) address: String,
    headers: HeaderMap,
    outages: Mutex<Outages<Subject>>,
}

/// A call to the gateway.
pub(crate) struct Request {
    method: Method,
    /// The path and query, percent-encoded. Starts with a slash.
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// The secrets in this request, which an error must not repeat.
    secrets: Vec<String>,
    pub(crate) asked: Asked,
    /// The tenant or id that errors and log lines name.
    pub(crate) subject: Subject,
    /// The largest response, in bytes.
    max_response: u64,
}

impl Request {
    fn new(method: Method, path: String, body: Option<Vec<u8>>) -> Self {
        Self {
            method,
            path,
            headers: HeaderMap::new(),
            body,
            secrets: Vec::new(),
            asked: Asked::Other,
            subject: Subject::default(),
            max_response: MAX_RESPONSE,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into(), None)
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into(), None)
    }

    /// A POST with an empty body.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into(), Some(Vec::new()))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        self.headers.insert(CONTENT_TYPE, json);
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Sets the workspace, and the header by which gateways limit the request rate of each workspace. Sends no header for
    /// an id that a header cannot carry.
    pub(crate) fn of_workspace(mut self, workspace_id: Option<&str>) -> Self {
        self.subject.workspace_id = workspace_id.map(Into::into);
        // A server would trim the id, and count the request for another workspace.
        let whole = workspace_id.filter(|id| id.trim() == *id);
        if let Some(Ok(id)) = whole.map(HeaderValue::from_str) {
            self.headers.insert("x-workspace-id", id);
        }
        self
    }

    pub(crate) fn of_provider(mut self, provider: Option<&str>) -> Self {
        self.subject.provider = provider.map(Into::into);
        self
    }

    pub(crate) fn of_connection(mut self, id: &str) -> Self {
        self.subject.connection_id = Some(id.into());
        self
    }

    #[cfg(feature = "sessions")]
    pub(crate) fn of_session(mut self, id: &str) -> Self {
        self.subject.session_id = Some(id.into());
        self
    }

    /// Sets the operation, if the meaning of an error depends on it.
    pub(crate) fn asked(mut self, asked: Asked) -> Self {
        self.asked = asked;
        self
    }

    /// Sets the size limit of the response, in bytes. Default 256 KiB.
    pub(crate) fn max_response(mut self, bytes: u64) -> Self {
        self.max_response = bytes;
        self
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether sending the request twice has the effect of sending it once (RFC 9110 section 9.2.2).
    pub(crate) fn is_repeatable(&self) -> bool {
        self.method.is_idempotent()
    }

    /// Returns whether one response can serve both requests: they have the same method and path, and no body. Each request
    /// for an agent session has a body, and opens a session of its own.
    pub(crate) fn can_share(&self, other: &Self) -> bool {
        let has_body = self.body.as_ref().is_some_and(|body| !body.is_empty());
        !has_body && self.method == other.method && self.path == other.path
    }

    /// Adds a secret that an error must not repeat.
    #[cfg(any(feature = "consent", feature = "sessions"))]
    pub(crate) fn secret(mut self, secret: String) -> Self {
        self.secrets.push(secret);
        self
    }
}

/// A successful response, and the clocks for interpreting the times in it.
pub(crate) struct Success {
    pub(crate) body: Object,
    pub(crate) clock: ResponseClock,
}

/// An attempt to send a request.
pub(crate) struct Attempt {
    outcome: Result<Success>,
    duration: Duration,
}

impl Gateway {
    /// Checks the options that requests to the gateway depend on.
    pub(crate) fn new(
        options: &NexusClientOptions,
        transport: Arc<Transport>,
        log: Log,
    ) -> Result<Self> {
        let base = base_url("gateway_url", &options.gateway_url)?;
        error::not_zero("timeout", options.timeout)?;
        let origin = url::origin(&base);
        if !url::is_confidential(&base) && !options.allow_insecure_http {
            log.warn(format_args!(
                "plain http to {origin}: tokens travel unencrypted; use https"
            ));
        }
        Ok(Self {
            transport,
            log,
            timeout: options.timeout,
            retry_policy: options.retry_policy.clone(),
            on_call: options.on_call.clone(),
            api_key: options.api_key.clone(),
            address: [&origin, base.path().trim_end_matches('/')].concat(),
            origin,
            headers: headers(&options.api_key)?,
            outages: Mutex::default(),
        })
    }

    /// Returns the deadline of a caller that makes a call now: the client's timeout for each attempt, plus the longest
    /// pauses between the attempts.
    pub(crate) fn longest_call(&self) -> Deadline {
        Deadline::after(self.retry_policy.longest_call(self.timeout))
    }

    /// Returns the time limit of an attempt that may refresh a token. It is also the lease of the lock that the attempt
    /// holds.
    pub(crate) fn longest_turn(&self) -> Duration {
        self.timeout.max(MIN_ATTEMPT)
    }

    /// Sends a request that cannot refresh a token, retries it according to the policy, and reads the response.
    pub(crate) fn send(&self, call: &Request) -> Result<Success> {
        let has_reconnected = Cell::new(false);
        self.retry(
            call,
            || Ok(self.attempt(call, false, &has_reconnected)),
            || false,
            std::thread::sleep,
        )
    }

    /// Makes attempts according to the policy, and no more once `is_over` returns true. The attempts have no common
    /// deadline, because the time spent waiting for a lock would count against it. Each attempt is reported once it has
    /// released its lock. An error of `attempt` itself means that nothing was sent.
    pub(crate) fn retry(
        &self,
        call: &Request,
        attempt: impl Fn() -> Result<Attempt>,
        is_over: impl Fn() -> bool,
        pause: impl Fn(Duration),
    ) -> Result<Success> {
        let mut number = 0_u32;
        let reported = || {
            let attempt = attempt()?;
            number = number.saturating_add(1);
            self.report(call, number, &attempt);
            attempt.outcome
        };
        let note = |line: fmt::Arguments<'_>| self.log.debug(line);
        let policy = &self.retry_policy;
        let ended = policy.run(note, |_| !is_over(), pause, reported, |_| None);
        ended.map_err(|error| error.about(&call.subject))
    }

    /// Sends a request once. An attempt that may make the gateway refresh a token has at least 40 s, so that no refresh is
    /// cut short.
    pub(crate) fn attempt(
        &self,
        call: &Request,
        may_refresh: bool,
        has_reconnected: &Cell<bool>,
    ) -> Attempt {
        let start = Instant::now();
        let outcome = self.try_once(call, may_refresh, has_reconnected);
        Attempt {
            outcome: outcome.map_err(|error| error.about(&call.subject)),
            duration: start.elapsed(),
        }
    }

    fn try_once(
        &self,
        call: &Request,
        may_refresh: bool,
        has_reconnected: &Cell<bool>,
    ) -> Result<Success> {
        let mut headers = || {
            let mut all = self.headers.clone();
            all.extend(call.headers.clone());
            Ok(all)
        };
        let request = Outgoing {
            method: &call.method,
            url: &self.url(&call.path)?,
            redirected_from: None,
            headers: &mut headers,
            body: call.body.as_deref(),
            may_refresh,
            is_call: true,
            error_from: 300,
            has_reconnected,
            writer: None,
        };
        let timeout = if may_refresh {
            self.longest_turn()
        } else {
            self.timeout
        };
        let sent_at = Now::read();
        let deadline = Deadline::after(timeout);
        let response = self.transport.send(request, deadline, call.max_response)?;
        if response.status().is_success() {
            return success(&call.method, &response, sent_at);
        }
        let secrets = call.secrets.iter().chain([&self.api_key]);
        let (refusal, status) = refusal::of(call.asked, &response, secrets);
        let error = if refusal.is_missing() && call.is_repeatable() {
            refusal.unconfirmed()
        } else {
            refusal
        };
        let is_retried = self.retry_policy.retries_status(status) && error.is_retryable();
        let is_post = call.method == Method::POST;
        let is_under_way = may_refresh && is_under_way(&error, is_post);
        Err(error.with(|inner| inner.may_repeat = is_retried && !is_under_way))
    }

    fn url(&self, path: &str) -> Result<Uri> {
        let parsed = Uri::try_from([&self.address, path].concat());
        parsed.map_err(|_| {
            let problem =
                "the request's URL is too long; check the workspace, provider and connection id";
            NexusError::new(ErrorKind::InvalidInput, problem)
        })
    }
}

/// Appends a percent-encoded id to a path. `name` is the argument's name, for the error if the id is blank.
pub(crate) fn with_id(path: &str, name: &str, id: &str) -> Result<String> {
    error::not_blank(name, id)?;
    Ok(format!("{path}{}", url::encode(id)))
}

/// Returns whether the gateway may still be working on a call that a proxy has given up on, so that a second request
/// could refresh the token at the same time. A POST (a refresh, or a request for a session) may also be under way after
/// a proxy's 502 or 520, which has none of the gateway's codes. A POST acts even if the token has not expired.
fn is_under_way(error: &NexusError, is_post: bool) -> bool {
    match error.status_code() {
        Some(502 | 520) => is_post && !error.code().starts_with("broker_"),
        status => matches!(status, Some(504 | 524)),
    }
}

/// Returns the headers of every request to the gateway.
fn headers(api_key: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if !api_key.is_empty() {
        let problem = "is too long, or has a line break or control character; check that it was copied correctly";
        let value = header::secret_value(api_key.to_owned())
            .ok_or_else(|| NexusError::invalid_input("api_key", problem))?;
        headers.insert("x-api-key", value);
    }
    Ok(headers)
}

fn success(method: &Method, response: &Response, at: Now) -> Result<Success> {
    // The response to a DELETE may have no content (RFC 9110 section 9.3.5).
    let body = match response.body().trim_ascii() {
        b"" if method == Method::DELETE => Object::new(),
        content => json::response(content)
            .map_err(|error| error.with(|inner| inner.status = Some(response.status().as_u16())))?,
    };
    let date = date::server_time(response.headers());
    let clock = ResponseClock { at, date };
    Ok(Success { body, clock })
}
