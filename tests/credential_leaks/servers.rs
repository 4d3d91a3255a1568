//! A server on loopback for each origin, which records its requests.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use nexus_sdk::http::Uri;
use nexus_sdk::{FetchOptions, LogLevel, NexusClient, NexusClientOptions};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::support::{self, Reply, Request, Server};

/// The address of the gateway.
const GATEWAY: &str = "http://localhost:9";

/// A response of a server: a status and, for redirects, a `Location`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// 0 closes the connection without a response.
    pub(crate) status: u16,
    /// `{query}`, `{path}` and `{url}` are copied from the request, `{url%}` is encoded once and
    /// `{url%%}` twice.
    pub(crate) location: String,
}

/// A request, and the origin that received it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) origin: String,
    pub(crate) request: Request,
}

pub(crate) struct Servers {
    agent: ureq::Agent,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    granted: Value,
    steps: VecDeque<Step>,
    received: Vec<Received>,
}

impl Servers {
    pub(crate) fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        // Every server is trusted, so that no certificate prevents a leak.
        let tls = ureq::tls::TlsConfig::builder().disable_verification(true);
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_idle_connections(100)
            .user_agent("tests")
            .tls_config(tls.build());
        let names = Names(Arc::clone(&state), Mutex::default());
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), names);
        Self { agent, state }
    }

    /// Makes the gateway grant this token response, and returns a client of it.
    pub(crate) fn client(&self, granted: &Value, insecure: bool) -> NexusClient {
        self.grant(granted);
        let options = NexusClientOptions::new(GATEWAY)
            .agent(self.agent.clone())
            .allow_insecure_http(insecure)
            .log_level(LogLevel::Off);
        NexusClient::new(options).unwrap()
    }

    pub(crate) fn grant(&self, granted: &Value) {
        self.state().granted = granted.clone();
    }

    /// Forgets earlier requests, and sets the responses to the next ones, whatever their origin. Later
    /// requests get a 200.
    pub(crate) fn expect(&self, steps: impl IntoIterator<Item = Step>) {
        let mut state = self.state();
        state.steps = steps.into_iter().collect();
        state.received.clear();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state().received)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A resolver that starts a server for every name.
struct Names(Arc<Mutex<State>>, Mutex<HashMap<String, Server>>);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let authority = format!("{}:{port}", uri.host().unwrap());
        let mut servers = self.1.lock().unwrap();
        let server = servers
            .entry(authority)
            .or_insert_with_key(|authority| serve(authority.clone(), Arc::clone(&self.0)));
        let mut found = self.empty();
        found.push(([127, 0, 0, 1], server.port()).into());
        Ok(found)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

fn serve(authority: String, state: Arc<Mutex<State>>) -> Server {
    Server::start(move |request| {
        let mut state = state.lock().unwrap();
        let scheme = if request.over_tls { "https" } else { "http" };
        let origin = format!("{scheme}://{authority}");
        if origin == GATEWAY {
            return support::json(200, &state.granted);
        }
        state.received.push(Received {
            origin,
            request: request.clone(),
        });
        match state.steps.pop_front() {
            Some(step) => step.reply(request),
            None => support::text(200, "received"),
        }
    })
}

impl Step {
    pub(crate) fn to(status: u16, location: impl Into<String>) -> Self {
        let location = location.into();
        Self { status, location }
    }

    fn reply(&self, request: &Request) -> Reply {
        if self.status == 0 {
            return support::bytes("");
        }
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let once = encode(&format!("https://copied.test{}", request.target));
        let location = self
            .location
            .replace("{url%%}", &encode(&once))
            .replace("{url%}", &once)
            .replace("{url}", &request.target)
            .replace("{path}", request.path())
            .replace("{query}", request.query());
        // One header for each line.
        let lines = location.split('\n').map(|line| ("Location", line));
        let headers: Vec<_> = lines.collect();
        support::reply(self.status, &headers, "moved")
    }
}

/// Headers of the caller, each with a secret value. `src/header.rs` has the names of all secret headers.
pub(crate) const CALLERS_SECRETS: [(&str, &str); 6] = [
    ("Authorization", "Bearer own-canary"),
    ("Cookie", "session=own-canary"),
    ("Proxy-Authorization", "Basic b3duOmNhbmFyeS1wcm94eQ=="),
    ("X-Api-Key", "own-canary"),
    ("X-Client-Secret", "own-canary"),
    ("X-Session-Id", "own-canary"),
];

/// A header that every origin may see.
pub(crate) const HARMLESS_HEADER: (&str, &str) = ("X-Plain", "kept");

/// The body. The Fetch standard decides where it goes.
pub(crate) const BODY: &str = "payload";

pub(crate) fn options(method: &str) -> FetchOptions {
    let options = FetchOptions::default()
        .method(method)
        .headers(CALLERS_SECRETS);
    let options = options.header(HARMLESS_HEADER.0, HARMLESS_HEADER.1);
    if method == "POST" {
        options.header("Content-Type", "text/plain").data(BODY)
    } else {
        options
    }
}

/// The credentials of a connection, for all strategies.
pub(crate) fn credentials() -> Value {
    json!({
        "api_key": "canary/key+1=", "username": "canary-user", "password": "canary:word",
        "api_secret": "canary-hmac", "access_key": "AKIDCANARY", "secret_key": "canary-aws",
        "session_token": "canary-aws-session",
    })
}
