//! Requests to the gateway: address, API key, retries, and responses that are JSON objects.

pub(crate) mod refusal;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
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
use crate::time::{Deadline, FOREVER, Now, Received};
use crate::transport::{Failure, Outgoing, Response, Transport};
use crate::url;

/// How long each attempt of a call has that may refresh a token, whatever the client's timeout.
const MIN_PATIENCE: Duration = Duration::from_secs(60);

/// What an attempt holds until it has ended; dropping it releases a lock.
pub(crate) type Guard = Box<dyn Send>;

/// Acquires what an attempt has to hold, for at most this long. Called anew before each attempt.
pub(crate) type Acquire<'a> = &'a dyn Fn(Duration) -> Result<Option<Guard>>;

/// The largest response of a gateway. In memory its JSON can be twenty times as large.
const MAX_RESPONSE: u64 = 2 << 20;

pub(crate) struct Gateway {
    pub(crate) transport: Transport,
    pub(crate) timeout: Duration,
    pub(crate) log: Log,
    pub(crate) allow_insecure_http: bool,
    pub(crate) stale_if_error: bool,
    base: Uri,
    /// Its URL without a slash at the end.
    pub(crate) address: String,
    api_key: String,
    headers: HeaderMap,
    policy: RetryPolicy,
    ending: AtomicUsize,
}

/// A call to the gateway.
pub(crate) struct Request<'a> {
    method: Method,
    /// Starts with a slash; encoded.
    path: Cow<'a, str>,
    body: Option<Vec<u8>>,
    workspace_id: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            body: None,
            workspace_id: None,
        }
    }

    pub(crate) fn delete(path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }

    /// A POST without a body.
    pub(crate) fn post(path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            method: Method::POST,
            body: Some(Vec::new()),
            ..Self::get(path)
        }
    }

    /// Names the workspace that the call is for.
    pub(crate) fn of_workspace(self, workspace_id: impl Into<Option<&'a str>>) -> Self {
        Self {
            workspace_id: workspace_id.into(),
            ..self
        }
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self> {
        let body =
            serde_json::to_vec(body).map_err(|error| NexusError::invalid_input("body", error))?;
        Ok(Self {
            body: Some(body),
            ..self
        })
    }
}

/// A successful response and the clocks to read its times by.
pub(crate) struct Success {
    pub(crate) body: Object,
    pub(crate) received: Received,
}

impl Gateway {
    pub(crate) fn new(options: NexusClientOptions) -> Result<Self> {
        let base = base_url(&options.gateway_url)?;
        if options.timeout.is_zero() {
            return Err(NexusError::invalid_input(
                "timeout",
                "zero; every call would fail",
            ));
        }
        let log = Log::new(options.log_level);
        let origin = url::origin(&base);
        if !url::is_confidential(&base) && !options.allow_insecure_http {
            log.warn(|| {
                format!("the gateway {origin} is reached over plain http: tokens travel in clear")
            });
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

    /// While anyone says that the program may be about to end, what could be cut short does not begin.
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

    /// The longest that a call can take, retries and the waits between them included.
    pub(crate) fn longest_call(&self) -> Deadline {
        Deadline::after(self.policy.longest_call(self.timeout))
    }

    pub(crate) fn origin(&self) -> String {
        url::origin(&self.base)
    }

    /// Sends and retries, and reads the response. Each attempt has the client's timeout.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Success> {
        self.send_with(request, self.timeout, None)
    }

    /// The same for a call that may make the gateway refresh a token: each attempt has a minute at
    /// least, since hanging up in the middle of a refresh can cost the connection. Each attempt holds what `acquire`
    /// returns.
    pub(crate) fn send_patiently(
        &self,
        request: &Request<'_>,
        acquire: Acquire<'_>,
    ) -> Result<Success> {
        self.send_with(request, self.timeout.max(MIN_PATIENCE), Some(acquire))
    }

    fn send_with(
        &self,
        asked: &Request<'_>,
        timeout: Duration,
        acquire: Option<Acquire<'_>>,
    ) -> Result<Success> {
        let patient = acquire.is_some();
        let url = self.url(&asked.path)?;
        let headers = self.headers_for(asked);
        let request = Outgoing {
            method: &asked.method,
            url: &url,
            headers: &headers,
            body: asked.body.as_deref(),
            ignores_agent_timeouts: patient,
        };
        // The policy bounds the attempts. Waiting for a lock takes no time from those that follow.
        let mut attempts = Attempts::new(&self.policy, Deadline::after(FOREVER), self.log);
        loop {
            let guard = acquire.map_or(Ok(None), |acquire| acquire(longest_turn(timeout)))?;
            let at = Now::read();
            let sent = self
                .transport
                .send(&request, Deadline::after(timeout), MAX_RESPONSE);
            drop(guard);
            self.log.debug(|| exchange_line(&request, at.mono, &sent));
            let (error, again) = match sent {
                Ok(response) if (200..300).contains(&response.status) => {
                    return success(&request, &response, at);
                }
                Ok(response) => {
                    let error = self.refusal(asked, &request, &response);
                    let again = self.policy.retries_status(response.status) && error.is_retryable();
                    (error, again)
                }
                Err(failure) => {
                    let again = failure.allows_another(request.method);
                    (failure.error, again)
                }
            };
            if !again {
                return Err(error);
            }
            let another = attempts.another(&error, error.retry_after());
            if !another || (patient && self.is_ending()) {
                return Err(attempts.give_up(error));
            }
        }
    }

    fn headers_for(&self, request: &Request<'_>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if request.body.as_ref().is_some_and(|body| !body.is_empty()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Rate limits count by it, and without it by address. Not every id fits into a header.
        if let Some(id) = request.workspace_id.and_then(plain_value) {
            headers.insert(HeaderName::from_static("x-workspace-id"), id);
        }
        headers
    }

    fn refusal(
        &self,
        asked: &Request<'_>,
        request: &Outgoing<'_>,
        response: &Response,
    ) -> NexusError {
        let query = request.url.query().unwrap_or_default();
        let sent = refusal::secrets_of(query, request.body.unwrap_or_default());
        let secrets = sent.iter().map(String::as_str);
        let secrets: Vec<&str> = secrets.chain([self.api_key.as_str()]).collect();
        refusal::of(&asked.path, response, &self.base, &secrets)
    }

    fn url(&self, path: &str) -> Result<Uri> {
        let text = format!("{}{path}", self.address);
        text.parse()
            .map_err(|_| NexusError::invalid_input("id", "too long for a URL"))
    }
}

fn base_url(text: &str) -> Result<Uri> {
    let place = "gateway_url";
    let base =
        url::parse(text.trim()).map_err(|problem| NexusError::invalid_input(place, problem))?;
    if base.query().is_some() {
        return Err(NexusError::invalid_input(
            place,
            "has a query; give the address without it",
        ));
    }
    Ok(base)
}

/// What all requests to the gateway have.
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

/// The longest that an attempt holds its lock: a deadline is kept to a twentieth.
fn longest_turn(timeout: Duration) -> Duration {
    timeout.saturating_add(timeout.div_f64(20.0))
}

/// The text as a value; `None` where a header cannot carry it, or would lose its white space.
fn plain_value(text: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(text).ok()?;
    let whole = text.trim() == text && value.len() <= header::MAX_LENGTH;
    whole.then_some(value)
}

fn has_no_user_agent(agent: &ureq::Agent) -> bool {
    matches!(agent.config().user_agent(), AutoHeaderValue::Default)
}

fn success(request: &Outgoing<'_>, response: &Response, at: Now) -> Result<Success> {
    // What is gone need not be described (RFC 9110 section 9.3.5).
    let body = if request.method == Method::DELETE && response.status == 204 {
        Object::new()
    } else {
        object(&response.body).map_err(|problem| {
            NexusError::new(ErrorKind::InvalidResponse, problem).with_status(response.status)
        })?
    };
    let date = date::server_time(&response.headers);
    let received = Received { at, date };
    Ok(Success { body, received })
}

pub(crate) fn object(body: &[u8]) -> Result<Object, String> {
    match json::parse(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the gateway's response is JSON but not an object".to_owned()),
        Err(error) => Err(format!(
            "the gateway's response is not JSON: {error}; is gateway_url the gateway's own address?"
        )),
    }
}

/// Method, path without its query, outcome and duration. Ids are not secret, queries may be.
fn exchange_line(
    request: &Outgoing<'_>,
    start: Instant,
    sent: &Result<Response, Failure>,
) -> String {
    let outcome = match sent {
        Ok(response) => response.status.to_string(),
        Err(failure) => failure.error.code().to_owned(),
    };
    let path = request.url.path();
    format!(
        "{} {path}: {outcome} in {} ms",
        request.method,
        start.elapsed().as_millis()
    )
}
