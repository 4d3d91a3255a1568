//! Sends requests to the gateway with the API key, retries them, and reads the responses as JSON objects.

pub(crate) mod refusal;
mod report;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::meaning::Next;
use crate::error::{self, ErrorKind, NexusError, Origin, Result, Subject};
use crate::header;
use crate::json::{self, Object};
use crate::log::Log;
use crate::options::{NexusClientOptions, base_url};
use crate::sync::Mutex;
use crate::time::date;
use crate::time::{Deadline, Now, ResponseClock};
use crate::transport::{Outgoing, Response, Transport};
use crate::url;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The header by which gateways limit the request rate of each workspace.
const WORKSPACE: HeaderName = HeaderName::from_static("x-workspace-id");
/// The shortest time limit of an attempt that may refresh a token. Gateways give up after 30 s, and the refresh must not
/// be cut short before.
const MIN_ATTEMPT: Duration = Duration::from_secs(40);

/// The default size limit of a response, in bytes. A token, a status or a session takes a few KB.
const MAX_RESPONSE: u64 = 256 << 10;
/// The largest list of providers, in bytes.
const MAX_PROVIDERS: u64 = 2 << 20;

pub(crate) struct Gateway {
    pub(crate) transport: Transport,
    pub(crate) log: Log,
    /// The client's options. Their agent has been moved into `transport`.
    pub(crate) options: NexusClientOptions,
    /// The scheme, host and port of the gateway.
    pub(crate) origin: String,
    /// The gateway's URL without a slash at the end.
    pub(crate) address: String,
    headers: HeaderMap,
    /// The tenants whose tokens cannot be renewed at the moment, with the start of each outage.
    outages: Mutex<HashMap<Subject, Instant>>,
}

/// A call to the gateway.
pub(crate) struct Request {
    method: Method,
    /// The name of the request, for [`GatewayCall`](crate::GatewayCall) and the log, and for the meaning of an error.
    pub(crate) operation: &'static str,
    /// The path and query, percent-encoded. Starts with a slash.
    path: String,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    /// The secrets in this request, which an error must not repeat.
    secrets: Vec<String>,
    /// The tenant or id that errors and log lines name.
    pub(crate) subject: Subject,
    /// True once a connection that was cut has been replaced.
    has_reconnected: AtomicBool,
}

impl Request {
    fn new(method: Method, operation: &'static str, path: String, body: Option<Vec<u8>>) -> Self {
        Self {
            method,
            operation,
            path,
            headers: HeaderMap::new(),
            body,
            secrets: Vec::new(),
            subject: Subject::default(),
            has_reconnected: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(operation: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::GET, operation, path.into(), None)
    }

    pub(crate) fn delete(operation: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, operation, path.into(), None)
    }

    /// A POST with an empty body.
    pub(crate) fn post(operation: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::POST, operation, path.into(), Some(Vec::new()))
    }

    pub(crate) fn json(mut self, body: &Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        self.headers.insert(CONTENT_TYPE, json);
        self.body = Some(body.to_string().into_bytes());
        self
    }

    /// Sets the workspace, its header and the provider. Sends no header for an id that a header cannot carry.
    pub(crate) fn of_tenant(mut self, workspace_id: Option<&str>, provider: Option<&str>) -> Self {
        self.subject.workspace_id = workspace_id.map(Into::into);
        self.subject.provider = provider.map(Into::into);
        // A server would trim the id, and count the request for another workspace.
        let whole = workspace_id.filter(|id| id.trim() == *id);
        if let Some(Ok(id)) = whole.map(HeaderValue::from_str) {
            self.headers.insert(WORKSPACE, id);
        }
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

/// A function that waits for the lock of an attempt that may refresh a token, and returns the lock's guard.
type Turn<'a> = &'a dyn Fn() -> Result<Option<Box<dyn Send>>>;

impl Gateway {
    /// Checks the options that requests to the gateway depend on.
    pub(crate) fn new(options: NexusClientOptions, transport: Transport, log: Log) -> Result<Self> {
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
            address: [&origin, base.path().trim_end_matches('/')].concat(),
            origin,
            headers: headers(&options.api_key)?,
            options,
            outages: Mutex::default(),
        })
    }

    /// Returns the deadline of a caller that makes a call now: the client's timeout for each attempt, plus the longest
    /// pauses between the attempts.
    pub(crate) fn longest_call(&self) -> Deadline {
        Deadline::after(self.options.retry_policy.longest_call(self.options.timeout))
    }

    /// Returns the time limit of an attempt that may refresh a token. It is also the lease of the lock that the attempt
    /// holds.
    pub(crate) fn longest_turn(&self) -> Duration {
        self.options.timeout.max(MIN_ATTEMPT)
    }

    /// Sends a request that cannot refresh a token, retries it according to the policy, and reads the response.
    pub(crate) fn send(&self, call: &Request) -> Result<Success> {
        let sleep = |time| {
            std::thread::sleep(time);
            true
        };
        self.retry(call, None, sleep)
    }

    /// Makes attempts according to the policy, and no more once `pause` returns false. With a `turn`, an attempt may make the
    /// gateway refresh a token, and has at least 40 s, so that no refresh is cut short. The attempts have no common deadline,
    /// because the time spent waiting for a lock would count against it. Each attempt is reported once it has released its
    /// lock. After an error of `turn`, nothing is sent.
    pub(crate) fn retry(
        &self,
        call: &Request,
        turn: Option<Turn<'_>>,
        pause: impl Fn(Duration) -> bool,
    ) -> Result<Success> {
        let mut number = 0_u32;
        let attempt = || {
            let guard = turn.map(|turn| turn()).transpose()?;
            let start = Instant::now();
            let sent = self.attempt(call, turn.is_some());
            let duration = start.elapsed();
            drop(guard);
            number = number.saturating_add(1);
            let outcome = sent.map_err(|error| error.about(&call.subject));
            self.report(call, number, duration, outcome.as_ref().err());
            outcome
        };
        let go_on = |wait, line: fmt::Arguments<'_>| {
            if !pause(Duration::ZERO) {
                return false;
            }
            self.log.debug(line);
            pause(wait)
        };
        let ended = self.options.retry_policy.run(go_on, attempt, |_| None);
        ended.map_err(|error| error.about(&call.subject))
    }

    fn attempt(&self, call: &Request, may_refresh: bool) -> Result<Success> {
        let mut headers = || {
            let mut all = self.headers.clone();
            for (name, value) in &call.headers {
                all.append(name, value.clone());
            }
            Ok(all)
        };
        let request = Outgoing {
            method: &call.method,
            url: &self.url(&call.path)?,
            redirected_from: None,
            headers: &mut headers,
            body: call.body.as_deref(),
            may_refresh,
            server: Origin::Gateway,
            error_from: 300,
            has_reconnected: &call.has_reconnected,
            writer: None,
        };
        let timeout = if may_refresh {
            self.longest_turn()
        } else {
            self.options.timeout
        };
        let max = match call.operation {
            "providers" => MAX_PROVIDERS,
            _ => MAX_RESPONSE,
        };
        let sent_at = Now::read();
        let deadline = Deadline::after(timeout);
        let response = self.transport.send(request, deadline, max)?;
        if response.status().is_success() {
            return success(&call.method, &response, sent_at);
        }
        let secrets = call.secrets.iter().chain([&self.options.api_key]);
        let (refusal, status) = refusal::of(call.operation, &response, secrets);
        let error = if refusal.is_missing() && call.is_repeatable() {
            // A second question has to confirm that the connection is missing.
            refusal.with(|inner| inner.next = Next::Retry)
        } else {
            refusal
        };
        let is_retried = self.options.retry_policy.retries_status(status) && error.is_retryable();
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
        headers.insert(API_KEY, value);
    }
    Ok(headers)
}

fn success(method: &Method, response: &Response, at: Now) -> Result<Success> {
    // The response to a DELETE may have no content (RFC 9110 section 9.3.5).
    let body = match json::without_bom(response.body()).trim_ascii() {
        b"" if method == Method::DELETE => Object::new(),
        content => json::response(content)
            .map_err(|error| error.with(|inner| inner.status = Some(response.status().as_u16())))?,
    };
    let date = date::server_time(response.headers());
    let clock = ResponseClock { at, date };
    Ok(Success { body, clock })
}
