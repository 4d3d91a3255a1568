//! The settings of a gateway, and the state that its threads share.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use ureq::http::{HeaderMap, StatusCode};

use super::clock::Clock;
use super::connections::Connections;
use super::encoding::parameters;
use super::fault::FaultPlan;
use super::rate_limit::RateLimits;
use super::received::{ReceivedRequest, RequestLog};
use crate::loopback::Limits;

pub(super) const LIMITS: Limits = Limits {
    head: 64 * 1024,
    // The default of `NexusClientOptions::max_body_bytes`.
    body: 100 * 1024 * 1024,
    // Long, because clients keep idle connections open.
    request_time: Duration::from_secs(300),
    connections: 2048,
    grace: Duration::ZERO,
};

/// Listens on a loopback address. Returns the listener and its URL.
pub(super) fn bind(address: SocketAddr) -> io::Result<(TcpListener, String)> {
    if !address.ip().is_loopback() {
        let reason =
            "a development gateway listens on loopback addresses only; use one such as 127.0.0.1";
        return Err(io::Error::new(ErrorKind::InvalidInput, reason));
    }
    let listener = TcpListener::bind(address)?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

/// A path of the sample upstream, such as `/items` or `/items?page=2`.
#[derive(Clone)]
pub(super) struct UpstreamPath {
    /// Begins with a slash. The path of a request may have a prefix.
    path: String,
    /// The parameters that a request must have, among others.
    query: Vec<(String, String)>,
}

impl UpstreamPath {
    pub(super) fn new(path: &str) -> Self {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        Self {
            path: format!("/{}", bare.trim_start_matches('/')),
            query: parameters(Some(query)).collect(),
        }
    }

    pub(super) fn matches(&self, request: &ReceivedRequest) -> bool {
        let sent: Vec<_> = parameters(request.query.as_deref()).collect();
        request.path.ends_with(&self.path) && self.query.iter().all(|needed| sent.contains(needed))
    }
}

/// A response that a test has set up for the sample upstream.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: String,
    pub(super) path: UpstreamPath,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The settings of a gateway. [`DevGatewayBuilder`](super::DevGatewayBuilder) documents them.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) api_key: Option<String>,
    pub(super) sessions: bool,
    pub(super) health_at: String,
    pub(super) rate_limits: bool,
    /// The routes, in the order in which they were set up. The last route that matches is served.
    pub(super) routes: Vec<Route>,
    /// The scopes that an OAuth 2 token needs at a path.
    pub(super) scopes: Vec<(UpstreamPath, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            api_key: None,
            sessions: true,
            health_at: "/health".to_owned(),
            rate_limits: false,
            routes: Vec::new(),
            scopes: Vec::new(),
        }
    }
}

/// The state that the threads of a gateway share.
pub(super) struct Service {
    pub(super) url: String,
    /// The address of the sample upstream, if it has one of its own.
    pub(super) upstream_url: Mutex<Option<String>>,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) limits: Mutex<RateLimits>,
    pub(super) connections: Mutex<Connections>,
    pub(super) database_away: AtomicBool,
    pub(super) faults: Mutex<FaultPlan>,
    pub(super) requests: Mutex<RequestLog>,
}
