//! Requests to the gateway, with its address, the API key and retries, and responses read as JSON objects.

pub(crate) mod refusal;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use ureq::config::AutoHeaderValue;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::header;
use crate::json::{self, Object};
use crate::log::Log;
use crate::options::NexusClientOptions;
use crate::retry::{Attempts, RetryPolicy};
use crate::time::date;
use crate::time::{Deadline, MAX_DURATION, Now, ResponseClock};
use crate::transport::{Outgoing, Response, Transport};
use crate::url;

/// The shortest time limit of an attempt that may refresh a token.
const MIN_REFRESH_TIMEOUT: Duration = Duration::from_secs(60);

/// A guard that an attempt holds until it has ended. Dropping the guard releases a lock.
pub(crate) type Guard = Box<dyn Send>;

/// Acquires the guard for one attempt, which holds it for at most this time. Called before each attempt.
pub(crate) type Acquire<'a> = &'a dyn Fn(Duration) -> Result<Option<Guard>>;

/// The largest response that is read from a gateway, in bytes. The parsed JSON can take twenty times as much
/// memory.
const MAX_RESPONSE: u64 = 2 << 20;

pub(crate) struct Gateway {
    pub(crate) transport: Transport,
    pub(crate) timeout: Duration,
    pub(crate) log: Log,
    pub(crate) allow_insecure_http: bool,
    pub(crate) stale_if_error: bool,
    base: Uri,
    /// The gateway's URL without a slash at the end.
    pub(crate) address: String,
    api_key: String,
    headers: HeaderMap,
    policy: RetryPolicy,
    ending: AtomicUsize,
}

/// A call to the gateway.
pub(crate) struct Request<'a> {
    method: Method,
    /// The path and query, percent-encoded. Starts with a slash.
    path: Cow<'a, str>,
    body: Option<Vec<u8>>,
    workspace_id: Option<&'a str>,
    /// Texts of this request that an error must not repeat.
    secrets: Vec<Cow<'a, str>>,
}

impl<'a> Request<'a> {
    fn new(method: Method, path: Cow<'a, str>, body: Option<Vec<u8>>) -> Self {
        Self {
            method,
            path,
            body,
            workspace_id: None,
            secrets: Vec::new(),
        }
    }

    pub(crate) fn get(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::GET, path.into(), None)
    }

    pub(crate) fn delete(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::DELETE, path.into(), None)
    }

    /// A POST with an empty body.
    pub(crate) fn post(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::POST, path.into(), Some(Vec::new()))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(json::written(body).into_bytes());
        self
    }

    /// Sets the workspace that the call is for.
    pub(crate) fn of_workspace(mut self, workspace_id: impl Into<Option<&'a str>>) -> Self {
        self.workspace_id = workspace_id.into();
        self
    }

    /// Adds a text that an error must not repeat.
    pub(crate) fn secret(mut self, secret: impl Into<Cow<'a, str>>) -> Self {
        self.secrets.push(secret.into());
        self
    }
}

/// A successful response, and the clocks for interpreting the times in it.
pub(crate) struct Success {
    pub(crate) body: Object,
    pub(crate) received: ResponseClock,
}

impl Gateway {
    pub(crate) fn new(options: NexusClientOptions) -> Result<Self> {
        let base = base_url(&options.gateway_url)?;
        if options.timeout.is_zero() {
            return Err(NexusError::invalid_input(
                "timeout",
                "is zero; every call would fail",
            ));
        }
        let log = Log::new(options.log_level);
        let origin = url::origin(&base);
        if !url::is_confidential(&base) && !options.allow_insecure_http {
            log.warn(|| format!("plain http to {origin}: tokens travel unencrypted; use https"));
        }
        let headers = headers(&options)?;
        Ok(Self {
            transport: Transport::new(options.agent, options.max_body_bytes, options.timeout)?,
            timeout: options.timeout,
            log,
            allow_insecure_http: options.allow_insecure_http,
            stale_if_error: options.stale_if_error,
            address: origin + base.path().trim_end_matches('/'),
            base,
            headers,
            api_key: options.api_key,
            policy: options.retry_policy,
            ending: AtomicUsize::new(0),
        })
    }

    /// Marks the beginning or end of a wait for all flights. During such a wait, a flight does not retry an
    /// attempt, and waits for a lock for at most 1 s, because the program may exit during the next attempt. Several
    /// threads may
    /// wait at once.
    pub(crate) fn set_ending(&self, ending: bool) {
        if ending {
            self.ending.fetch_add(1, Ordering::Relaxed);
        } else {
            self.ending.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) > 0
    }

    /// Returns the latest end of a call that begins now, with all its retries and the pauses between them.
    pub(crate) fn longest_call(&self) -> Deadline {
        Deadline::after(self.policy.longest_call(self.timeout))
    }

    pub(crate) fn origin(&self) -> String {
        url::origin(&self.base)
    }

    /// Sends a request, retries it according to the policy, and reads the response. Each attempt has the
    /// client's timeout.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Success> {
        self.send_with(request, None)
    }

    /// Sends a request as [`send`](Self::send) does. With `acquire`, the call may make the gateway refresh a
    /// token. Each attempt then holds the guard from `acquire`. It has a timeout of at least one minute,
    /// because the provider may revoke the user's grant if a refresh is interrupted.
    pub(crate) fn send_with(
        &self,
        call: &Request<'_>,
        acquire: Option<Acquire<'_>>,
    ) -> Result<Success> {
        let patient = acquire.is_some();
        let least = acquire.map_or(Duration::ZERO, |_| MIN_REFRESH_TIMEOUT);
        let timeout = self.timeout.max(least);
        let url = self.url(&call.path)?;
        let headers = self.headers_for(call);
        let request = Outgoing {
            method: &call.method,
            url: &url,
            headers: &headers,
            body: call.body.as_deref(),
            ignores_agent_timeouts: patient,
        };
        // Only the policy limits the retries. With a deadline, a wait for a lock would shorten later attempts.
        let mut attempts = Attempts::new(&self.policy, Deadline::after(MAX_DURATION), self.log);
        loop {
            let guard = acquire.map_or(Ok(None), |acquire| acquire(longest_turn(timeout)))?;
            let at = Now::read();
            let sent = self
                .transport
                .send(&request, Deadline::after(timeout), MAX_RESPONSE);
            drop(guard);
            self.log.debug(|| {
                let ms = at.mono.elapsed().as_millis();
                let outcome = sent.as_ref().map(|response| response.status);
                let outcome = outcome.map_or_else(|e| e.error.code().to_owned(), |s| s.to_string());
                // The query is left out, because it can contain the `state` of a connection request.
                format!("{} {}: {outcome} in {ms} ms", call.method, url.path())
            });
            let (error, may_retry) = match sent {
                Ok(response) if (200..300).contains(&response.status) => {
                    return success(&call.method, &response, at);
                }
                Ok(response) => {
                    let error = self.refusal(call, &response);
                    let retried = self.policy.retries_status(response.status);
                    (error.clone(), retried && error.is_retryable())
                }
                Err(failure) => {
                    let may_retry = failure.allows_another(request.method);
                    (failure.error, may_retry)
                }
            };
            if !may_retry {
                return Err(error);
            }
            let is_over = || patient && self.is_ending();
            let retry = !is_over() && attempts.wait_for_retry(&error, error.retry_after());
            if !retry || is_over() {
                return Err(attempts.give_up(error));
            }
        }
    }

    fn headers_for(&self, request: &Request<'_>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if request.body.as_ref().is_some_and(|body| !body.is_empty()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Gateways limit the rate of each workspace by this header. An id that a header cannot carry
        // is left out, because the query or body contains the id, too.
        if let Some(id) = request.workspace_id.and_then(plain_value) {
            headers.insert(HeaderName::from_static("x-workspace-id"), id);
        }
        headers
    }

    fn refusal(&self, call: &Request<'_>, response: &Response) -> NexusError {
        let secrets = call.secrets.iter().map(|secret| &**secret);
        let secrets: Vec<&str> = secrets.chain([self.api_key.as_str()]).collect();
        refusal::of(&call.path, response, &self.base, &secrets)
    }

    fn url(&self, path: &str) -> Result<Uri> {
        let text = format!("{}{path}", self.address);
        text.parse()
            .map_err(|_| NexusError::invalid_input("id", "is too long for a URL"))
    }
}

fn base_url(text: &str) -> Result<Uri> {
    let place = "gateway_url";
    let base = url::parse(text.trim());
    let base = base.map_err(|problem| NexusError::invalid_input(place, problem))?;
    if base.query().is_some() {
        return Err(NexusError::invalid_input(
            place,
            "has a query; leave it out",
        ));
    }
    Ok(base)
}

/// Returns the headers of every request to the gateway.
fn headers(options: &NexusClientOptions) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if options.agent.as_ref().is_none_or(has_no_user_agent) {
        headers.insert(USER_AGENT, HeaderValue::from_static(header::USER_AGENT));
    }
    if !options.api_key.is_empty() {
        let problem = "has a line break or a character that a header cannot carry, or is too long";
        let value = header::secret_value(options.api_key.clone())
            .ok_or_else(|| NexusError::invalid_input("api_key", problem))?;
        headers.insert(HeaderName::from_static("x-api-key"), value);
    }
    Ok(headers)
}

/// Returns the longest time for which an attempt holds its lock. An attempt may exceed its timeout by 1/20.
fn longest_turn(timeout: Duration) -> Duration {
    timeout.saturating_add(timeout.div_f64(20.0))
}

/// Returns the text as a header value, or `None` if a header cannot carry it without loss.
fn plain_value(text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok()?;
    let whole = text.trim() == text && value.len() <= header::MAX_LENGTH;
    whole.then_some(value)
}

fn has_no_user_agent(agent: &ureq::Agent) -> bool {
    matches!(agent.config().user_agent(), AutoHeaderValue::Default)
}

fn success(method: &Method, response: &Response, at: Now) -> Result<Success> {
    // The response to a DELETE may have no content (RFC 9110 section 9.3.5).
    let body = if method == Method::DELETE && response.body.trim_ascii().is_empty() {
        Object::new()
    } else {
        object(&response.body).map_err(|error| error.with_status(response.status))?
    };
    let date = date::server_time(&response.headers);
    let received = ResponseClock { at, date };
    Ok(Success { body, received })
}

pub(crate) fn object(body: &[u8]) -> Result<Object> {
    let response = json::parse(body).map_err(|error| {
        let problem = format!(
            "the gateway's response is not JSON: {error}; check that gateway_url is the gateway's \
             own address"
        );
        NexusError::new(ErrorKind::InvalidResponse, problem)
    })?;
    json::into_object(response)
}
