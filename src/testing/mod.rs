//! An in-process Nexus Gateway for tests and examples.
//!
//! [`DevGateway`] serves the gateway's v1 paths and a small sample upstream over real HTTP on a loopback port. It keeps
//! everything in memory, starts within milliseconds and is gone when dropped.
//!
//! It is a development gateway and not a secure one: anybody who can reach the port can consent, and the credentials it
//! makes up are good for its own sample upstream only.
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/request-connection` | a pending connection; its `authUrl` is the consent page below |
//! | `GET /consent?state=..` | makes the connection active, with `&deny=1` failed |
//! | `GET /v1/check-connection/{id}` | its status |
//! | `GET /v1/resolve?workspace_id=..&provider_name=..`, `GET /v1/token/{id}` | its credential |
//! | `POST /v1/refresh/{id}` | a new token at once |
//! | `DELETE /v1/connections/{id}` | revokes; with `workspace_id=..` only that workspace's, `reason=..` up to 512 characters |
//! | `POST /v1/agent-sessions` and `/obo`, `GET` and `DELETE /v1/agent-sessions/{id}` | agent sessions, see below |
//! | `GET /v1/providers` | the providers there are, by auth type and name |
//! | `GET /v1/capture-schema?state=..`, `POST /v1/capture-credential` | the form of a static credential, and the credential entered: the upstream then takes that one |
//! | `GET /health`, `GET /v1/health` | `{"status": "healthy", ..}` |
//! | `GET /user`, `GET` and `POST /user/repos` | the sample upstream, 401 without a working credential |
//! | `POST /tools/search`, `POST /tools/execute` | its tools, as an MCP gateway offers them over REST: `{"query": ..}` finds them by name or description, `{"name": .., "arguments": {..}}` runs one |
//! | [`DevGatewayBuilder::upstream`] | what else it serves |
//!
//! The upstream's paths may have any prefix, so that a URL such as `/key/{api_key}/user` serves the strategy `path`.
//! Request bodies are limited to 1 MiB and header sections to 64 KiB.
//!
//! A pair of workspace and provider may have several connections: the newest active one counts.
//!
//! The token of an agent session is one of its own, which the upstream takes as a bearer token until the session is
//! closed or over (15 minutes, by the gateway's clock, unless `ttl_seconds` says otherwise) or its connection is not
//! active any more. All agents are known and get the scopes that they ask for, except that
//!
//! - an agent whose id starts with `unknown-` gets 404 `agent_not_found`,
//! - an agent whose id starts with `inactive-` gets 403 `agent_inactive`,
//! - a scope that starts with `denied-` gets 403 `scope_not_allowed`.
//!
//! The user's token for `/obo` is `user:<name>`; any other gets 401 `invalid_user_context_token`.

mod admin;
mod answer;
mod builder;
mod clock;
mod encoding;
mod fault;
mod provider;
mod received;
mod routes;
mod server;
mod service;
mod sessions;
#[cfg(feature = "signing")]
mod signed;
mod state;
mod tools;
mod upstream;
mod wire;

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

pub use builder::DevGatewayBuilder;
pub use fault::Fault;
pub use provider::Provider;
pub use received::ReceivedRequest;

use server::Server;
use service::Service;
use state::{ConnectionRequest, Connections};

/// A Nexus Gateway of your own, for as long as the value lives.
///
/// Dropping it frees the port, cuts open connections and joins every thread. Requests are served by threads of its own,
/// so a blocking client in the same thread is fine. `Debug` shows the URL only.
///
/// ```
/// use nexus_sdk::testing::DevGateway;
///
/// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
/// let resolve = format!(
///     "{}/v1/resolve?workspace_id=workspace-1&provider_name=github",
///     gateway.url()
/// );
/// let answer = ureq::get(resolve).call()?.body_mut().read_to_string()?;
/// let answer: serde_json::Value = serde_json::from_str(&answer)?;
/// let token = answer["access_token"].as_str().unwrap_or_default();
///
/// let user = ureq::get(format!("{}/user", gateway.url()))
///     .header("Authorization", format!("Bearer {token}"))
///     .call()?
///     .body_mut()
///     .read_to_string()?;
/// assert_eq!(user, r#"{"login":"workspace-1","provider":"github"}"#);
/// assert_eq!(gateway.count("/v1/resolve"), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DevGateway {
    service: Arc<Service>,
    // Held for its drop.
    _server: Server,
}

impl DevGateway {
    /// Starts a gateway with the default settings, within milliseconds: any free port of `127.0.0.1`, no API key.
    ///
    /// # Errors
    ///
    /// What the system says when it gives no port or no thread.
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::start()?;
    /// let health = ureq::get(format!("{}/health", gateway.url())).call()?;
    /// assert_eq!(health.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Settings to start from; see [`DevGatewayBuilder`].
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().api_key("test-key").start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> DevGatewayBuilder {
        DevGatewayBuilder::default()
    }

    /// Where it listens, as `http://127.0.0.1:PORT` without a trailing slash; the sample upstream's origin, too.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// assert!(gateway.url().starts_with("http://127.0.0.1:"));
    /// assert!(!gateway.url().ends_with('/'));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn url(&self) -> &str {
        &self.service.url
    }

    /// Makes an active connection without the consent walk, and tells its id.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when there is no such provider.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// let token = ureq::get(format!("{}/v1/token/{id}", gateway.url())).call()?;
    /// assert_eq!(token.status(), 200);
    /// assert!(gateway.connect("workspace-1", "nobody").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(&self, workspace_id: &str, provider_name: &str) -> io::Result<String> {
        let mut connections = self.service.connections.lock();
        connect(&mut connections, workspace_id, provider_name)
    }

    /// Sets the status of a connection; `false` when there is none with this id.
    ///
    /// The gateway itself knows `pending`, `active`, `failed`, `attention`, `revoked` and `superseded`. Any other is
    /// reported as it is and counts as not active. A credential works at the upstream only while `active`.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// assert!(gateway.set_status(&id, "revoked"));
    ///
    /// let token = ureq::get(format!("{}/v1/token/{id}", gateway.url())).call();
    /// assert!(matches!(token, Err(ureq::Error::StatusCode(410))));
    /// assert!(!gateway.set_status("unknown", "active"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn set_status(&self, connection_id: &str, status: &str) -> bool {
        let mut connections = self.service.connections.lock();
        let connection = connections.by_id(connection_id);
        connection
            .map(|found| status.clone_into(&mut found.status))
            .is_some()
    }

    /// Makes the current credential of a pair stop working at the upstream at once; the next resolve hands out a new
    /// one. `false` when there is no such connection. Nothing changes when no credential was handed out yet.
    ///
    /// A new credential differs in every string but the user name (OAuth 2: in the access token), also where
    /// [`Provider::credentials`] had set it.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// gateway.connect("workspace-1", "github")?;
    /// assert!(gateway.rotate("workspace-1", "github"));
    /// assert!(!gateway.rotate("workspace-2", "github"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rotate(&self, workspace_id: &str, provider_name: &str) -> bool {
        let mut connections = self.service.connections.lock();
        let connection = connections.by_pair(workspace_id, provider_name);
        connection.map(state::Connection::kill_credential).is_some()
    }

    /// Moves the gateway's clock forward: its `Date` header, issue and expiry times. At most to the year 9999.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// let id = gateway.connect("workspace-1", "github")?;
    /// let token = || -> Result<String, ureq::Error> {
    ///     let url = format!("{}/v1/token/{id}", gateway.url());
    ///     ureq::get(url).call()?.body_mut().read_to_string()
    /// };
    /// let first = token()?;
    /// assert_eq!(token()?, first);
    ///
    /// gateway.advance(Duration::from_secs(3600)); // the default lifetime
    /// assert_ne!(token()?, first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        self.service.clock.advance(by);
    }

    /// Makes the next `n` requests fail, whatever their path. Orders are used up one after the other.
    ///
    /// ```
    /// # use nexus_sdk::testing::{DevGateway, Fault};
    /// # let gateway = DevGateway::start()?;
    /// gateway.fail_next(1, Fault::Cut);
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_err());
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.fail_next_at("", n, fault);
    }

    /// Makes the next `n` requests fail whose path starts with `path`.
    ///
    /// ```
    /// # use nexus_sdk::testing::{DevGateway, Fault};
    /// # let gateway = DevGateway::start()?;
    /// let fault = Fault::RetryAfter { status: 429, value: "1".into() };
    /// gateway.fail_next_at("/v1/resolve", 2, fault);
    ///
    /// assert!(ureq::get(format!("{}/health", gateway.url())).call().is_ok());
    /// let resolve = ureq::get(format!("{}/v1/resolve", gateway.url())).call();
    /// assert!(matches!(resolve, Err(ureq::Error::StatusCode(429))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fail_next_at(&self, path: &str, n: usize, fault: Fault) {
        self.service.faults.lock().order(path, n, fault);
    }

    /// What it received, in order of arrival; the last 10,000 requests. Those that were no valid HTTP are not among
    /// them.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::post(format!("{}/anything", gateway.url())).send("hello").ok();
    /// assert_eq!(gateway.requests()[0].body, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.service.requests.lock().all()
    }

    /// How many requests came whose path starts with `path`, those that failed by order included; `""` counts all.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::get(format!("{}/health", gateway.url())).call().ok();
    /// assert_eq!((gateway.count("/health"), gateway.count("/v1/")), (1, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn count(&self, path: &str) -> usize {
        self.service.requests.lock().count(path)
    }

    /// Forgets what it received: [`count`](Self::count) starts from zero again.
    ///
    /// ```
    /// # let gateway = nexus_sdk::testing::DevGateway::start()?;
    /// ureq::get(format!("{}/health", gateway.url())).call().ok();
    /// gateway.forget_requests();
    /// assert_eq!(gateway.count(""), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn forget_requests(&self) {
        self.service.requests.lock().forget();
    }
}

impl fmt::Debug for DevGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevGateway")
            .field("url", &self.service.url)
            .finish_non_exhaustive()
    }
}

fn connect(connections: &mut Connections, workspace: &str, provider: &str) -> io::Result<String> {
    let connection = connections.open(workspace, provider, ConnectionRequest::default());
    let connection = connection.ok_or_else(|| {
        let reason = format!("there is no provider {provider:?}");
        io::Error::new(ErrorKind::InvalidInput, reason)
    })?;
    "active".clone_into(&mut connection.status);
    Ok(connection.id.clone())
}
