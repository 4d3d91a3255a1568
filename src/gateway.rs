//! Requests to the gateway: address, API key, retries, and replies that are JSON objects.

use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::{Deadline, Now, Received};
use crate::error::{ErrorKind, NexusError, Result};
use crate::gateway_error;
use crate::json::{self, Object};
use crate::log::Log;
use crate::options::NexusClientOptions;
use crate::retry::RetryPolicy;
use crate::strategy::LONGEST_HEADER;
use crate::transport::{self, Attempt, Failure, Outgoing, Reply, Transport};
use crate::url;

pub(crate) struct Gateway {
    pub(crate) transport: Transport,
    pub(crate) timeout: Duration,
    pub(crate) log: Log,
    pub(crate) allow_insecure_http: bool,
    base: Uri,
    api_key: String,
    headers: HeaderMap,
    policy: RetryPolicy,
}

/// A successful reply and the clocks to read its times by.
pub(crate) struct Answer {
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
        if !url::is_https(&base) && !url::is_loopback(&base) && !options.allow_insecure_http {
            let origin = url::origin(&base);
            log.warn(|| {
                format!("the gateway {origin} is reached over plain http: tokens travel in clear")
            });
        }
        Ok(Self {
            transport: Transport::new(options.agent, options.timeout, options.max_body_bytes),
            timeout: options.timeout,
            log,
            allow_insecure_http: options.allow_insecure_http,
            base,
            headers: headers(&options.api_key)?,
            api_key: options.api_key,
            policy: options.retry_policy,
        })
    }

    /// The longest that a call can take, retries and the waits between them included.
    pub(crate) fn longest_call(&self) -> Deadline {
        Deadline::after(self.policy.longest_call(self.timeout))
    }

    pub(crate) fn origin(&self) -> String {
        url::origin(&self.base)
    }

    pub(crate) fn get(&self, path: &str, deadline: Deadline) -> Result<Answer> {
        self.call(&Method::GET, path, None, deadline)
    }

    pub(crate) fn post(
        &self,
        path: &str,
        body: Option<&[u8]>,
        deadline: Deadline,
    ) -> Result<Answer> {
        self.call(
            &Method::POST,
            path,
            Some(body.unwrap_or_default()),
            deadline,
        )
    }

    pub(crate) fn delete(&self, path: &str, deadline: Deadline) -> Result<Answer> {
        self.call(&Method::DELETE, path, None, deadline)
    }

    /// Sends and retries; `path` starts with a slash and is encoded.
    fn call(
        &self,
        method: &Method,
        path: &str,
        body: Option<&[u8]>,
        deadline: Deadline,
    ) -> Result<Answer> {
        let url = self.url(path)?;
        let mut headers = self.headers.clone();
        if body.is_some_and(|body| !body.is_empty()) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = Outgoing {
            method,
            url: &url,
            headers: &headers,
            body,
        };
        transport::with_retries(&self.policy, deadline, self.log, || {
            self.attempt(&request, deadline)
        })
    }

    fn attempt(&self, request: &Outgoing<'_>, deadline: Deadline) -> Result<Answer, Attempt> {
        let at = Now::read();
        let sent = self
            .transport
            .send(request, deadline.min(Deadline::after(self.timeout)));
        self.log.debug(|| exchange_line(request, at.mono, &sent));
        let reply = sent.map_err(|failure| failure.into_attempt(request.method))?;
        let received = Received {
            at,
            date: gateway_error::date(&reply.headers),
        };
        self.read(request, &reply)
            .map(|body| Answer { body, received })
    }

    fn read(&self, request: &Outgoing<'_>, reply: &Reply) -> Result<Object, Attempt> {
        if !(200..300).contains(&reply.status) {
            let error = self.refusal(request, reply);
            let again = self.policy.retries_status(reply.status) && error.is_retryable();
            return Err(Attempt { error, again });
        }
        // What is gone need not be described (RFC 9110 section 9.3.5).
        if request.method == Method::DELETE && reply.status == 204 {
            return Ok(Object::new());
        }
        object(&reply.body).map_err(|problem| {
            let error =
                NexusError::new(ErrorKind::InvalidResponse, problem).with_status(reply.status);
            Attempt {
                error,
                again: false,
            }
        })
    }

    fn refusal(&self, request: &Outgoing<'_>, reply: &Reply) -> NexusError {
        let query = request.url.query().unwrap_or_default();
        let sent = gateway_error::secrets_of(query, request.body.unwrap_or_default());
        let secrets = sent.iter().map(String::as_str);
        let secrets: Vec<&str> = secrets.chain([self.api_key.as_str()]).collect();
        gateway_error::of(reply, &self.base, &secrets)
    }

    fn url(&self, path: &str) -> Result<Uri> {
        let base = self.base.path().trim_end_matches('/');
        let text = format!("{}{base}{path}", url::origin(&self.base));
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

fn headers(api_key: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if !api_key.is_empty() {
        let problem = "has a line break or a character that no header can carry, or is too long";
        let value = HeaderValue::from_str(api_key).ok();
        let mut value = value
            .filter(|value| value.len() <= LONGEST_HEADER)
            .ok_or_else(|| NexusError::invalid_input("api_key", problem))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-api-key"), value);
    }
    Ok(headers)
}

pub(crate) fn object(body: &[u8]) -> Result<Object, String> {
    match json::parse(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("the gateway's reply is JSON, but no object".to_owned()),
        Err(error) => Err(format!(
            "the gateway's reply is not JSON: {error}; is gateway_url the gateway's own address?"
        )),
    }
}

/// Method, path without its query, outcome and duration; ids are no secrets, queries may be.
fn exchange_line(request: &Outgoing<'_>, start: Instant, sent: &Result<Reply, Failure>) -> String {
    let outcome = match sent {
        Ok(reply) => reply.status.to_string(),
        Err(failure) => failure.error.code().to_owned(),
    };
    let path = request.url.path();
    format!(
        "{} {path}: {outcome} in {} ms",
        request.method,
        start.elapsed().as_millis()
    )
}
