//! The requests that the gateway has received.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use ureq::http::header::{ALLOW, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName};

use super::response::Response;
use crate::loopback::Request;

const KEPT: usize = 10_000;
/// The limit on the kept bodies together, in bytes. The newest body is kept even if it exceeds the limit.
const KEPT_BODIES: usize = 256 * 1024 * 1024;

pub(super) const GET: &str = "GET, HEAD";

/// A request that a [`DevGateway`](super::DevGateway) has received.
///
/// `Debug` shows the method, the path, the names of the headers and the length of the body. It omits the query, the
/// values of headers and the body, which may contain credentials. With the strategy `path`, however, the path
/// contains the credential.
///
/// # Example
///
/// ```
/// use nexus_sdk::testing::DevGateway;
///
/// let gateway = DevGateway::start()?;
/// ureq::get(format!("{}/health?full=1", gateway.url())).call()?;
///
/// let request = &gateway.requests()[0];
/// assert_eq!(request.method, "GET");
/// assert_eq!(request.path, "/health");
/// assert_eq!(request.query.as_deref(), Some("full=1"));
/// assert!(request.headers.contains_key("host"));
/// assert!(request.body.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method, such as `GET`.
    pub method: String,
    /// The path without the query, still percent-encoded.
    pub path: String,
    /// The part of the URL after `?`, still percent-encoded.
    pub query: Option<String>,
    /// All headers, including credentials.
    pub headers: HeaderMap,
    /// The body, without chunked framing.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    pub(super) fn new(request: Request) -> Self {
        let (head, body) = request.into_parts();
        Self {
            method: head.method.as_str().to_owned(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
        }
    }

    /// Fails with 405 if the request's method is not in `methods`. The response lists `methods` in `Allow`.
    pub(super) fn allow(&self, methods: &str) -> Result<(), Response> {
        if methods.split(", ").any(|method| method == self.method) {
            return Ok(());
        }
        let mut response = Response::empty(405).header(ALLOW, methods);
        response.message.headers_mut().remove(CONTENT_TYPE);
        Err(response)
    }

    pub(super) fn json_object(&self) -> Result<Map<String, Value>, Response> {
        let refused = |_| Response::error(400, "invalid_json", "the body must be a JSON object");
        serde_json::from_slice(&self.body).map_err(refused)
    }
}

impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().map(HeaderName::as_str).collect();
        f.debug_struct("ReceivedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &names)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The last requests, and the number of all requests by path.
#[derive(Default)]
pub(super) struct RequestLog {
    kept: VecDeque<Arc<ReceivedRequest>>,
    /// The size of the kept bodies, in bytes.
    body_bytes: usize,
    counts: HashMap<String, usize>,
}

impl RequestLog {
    pub(super) fn record(&mut self, request: Arc<ReceivedRequest>) {
        let count = self.counts.entry(request.path.clone()).or_default();
        *count = count.saturating_add(1);
        self.body_bytes = self.body_bytes.saturating_add(request.body.len());
        self.kept.push_back(request);
        while self.kept.len() > 1 && (self.kept.len() > KEPT || self.body_bytes > KEPT_BODIES) {
            let oldest = self.kept.pop_front();
            let bytes = oldest.map_or(0, |request| request.body.len());
            self.body_bytes = self.body_bytes.saturating_sub(bytes);
        }
    }

    pub(super) fn all(&self) -> Vec<ReceivedRequest> {
        let kept = self.kept.iter().map(AsRef::as_ref);
        kept.cloned().collect()
    }

    pub(super) fn count(&self, prefix: &str) -> usize {
        let counts = self.counts.iter();
        let matching = counts.filter(|(path, _)| path.starts_with(prefix));
        matching.map(|(_, count)| count).sum()
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: usize, body: usize) -> Arc<ReceivedRequest> {
        Arc::new(ReceivedRequest {
            method: "GET".into(),
            path: "/user".into(),
            query: Some(query.to_string()),
            headers: HeaderMap::new(),
            body: vec![0; body],
        })
    }

    #[test]
    fn counts_outlive_what_is_kept() {
        let mut log = RequestLog::default();
        for turn in 0..=KEPT {
            log.record(request(turn, 0));
        }
        assert_eq!(log.all().len(), KEPT);
        let first = log.all().first().and_then(|request| request.query.clone());
        assert_eq!(first.as_deref(), Some("1"));
        assert_eq!(log.count("/us"), KEPT.saturating_add(1));
        log.forget();
        assert_eq!((log.all().len(), log.count("/")), (0, 0));
    }

    #[test]
    fn large_bodies_are_kept_up_to_a_limit() {
        let mut log = RequestLog::default();
        for (body, kept) in [
            (KEPT_BODIES / 2, 1),
            (KEPT_BODIES / 2, 2),
            (1, 2),
            (0, 3),
            (KEPT_BODIES.saturating_add(1), 1),
            (0, 1),
        ] {
            log.record(request(0, body));
            assert_eq!(log.kept.len(), kept, "{body}");
        }
    }
}
