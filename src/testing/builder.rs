//! The settings of a gateway.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use ureq::http;
use ureq::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

use super::clock::Clock;
use super::connections::Connections;
use super::gateway::DevGateway;
use super::provider::{self, Provider};
use super::response::Response;
use super::service::{LIMITS, Route, Service, Settings, UpstreamPath, bind};
use super::session::Agent;
use crate::log::debug_only;
use crate::loopback::Server;

/// The settings of a [`DevGateway`]. [`start`](Self::start) starts the gateway.
///
/// # Example
///
/// ```
/// use nexus_sdk::testing::{DevGateway, Provider};
/// use std::time::Duration;
///
/// let gateway = DevGateway::builder()
///     .api_key("test-key")
///     .token_lifetime(Duration::from_secs(60))
///     .provider(Provider::oauth2("gitlab"))
///     .connection("workspace-1", "gitlab")
///     .start()?;
/// assert!(gateway.url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "nothing runs before `start`"]
pub struct DevGatewayBuilder {
    bind: SocketAddr,
    token_lifetime: Duration,
    providers: Vec<Provider>,
    connections: Vec<(String, String)>,
    agents: Vec<Agent>,
    settings: Settings,
}

// Here and not in `gateway.rs`, because the documentation lists the methods of the first module first.
impl DevGateway {
    /// Starts a gateway on a free port of `127.0.0.1`, without an API key. Blocks for a few milliseconds.
    ///
    /// # Errors
    ///
    /// The system's error if there is no free port or no thread can be started.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::start()?;
    /// let health = ureq::get(format!("{}/health", gateway.url())).call()?;
    /// assert_eq!(health.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("fake", "mock"))]
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Returns a builder with the default settings.
    ///
    /// # Example
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
}

impl DevGatewayBuilder {
    /// The loopback address to listen on. Default `127.0.0.1:0`, which means any free port.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use std::io::ErrorKind;
    ///
    /// let everywhere = ([0, 0, 0, 0], 0).into();
    /// let refused = DevGateway::builder().bind(everywhere).start().unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Requires an API key in the header `X-API-Key`. Requests below `/v1` and to `/admin/v1/agents` without the key get
    /// 401 `unauthorized`, except at the health path. Default: no key is required.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().api_key("test-key").start()?;
    /// let token = format!("{}/v1/token/00000000-0000-4000-8000-000000000001", gateway.url());
    /// assert!(matches!(ureq::get(&token).call(), Err(ureq::Error::StatusCode(401))));
    /// let known = ureq::get(&token).header("X-API-Key", "test-key").call();
    /// assert!(matches!(known, Err(ureq::Error::StatusCode(404))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.settings.api_key = Some(key.into());
        self
    }

    /// The time from the issue of an OAuth 2 token to its expiry, rounded down to milliseconds. Default 1 hour.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::builder().token_lifetime(Duration::from_secs(31)).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Adds a provider, or replaces the provider of the same name. Default: [`Provider::DEFAULTS`].
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::{DevGateway, Provider};
    ///
    /// let gateway = DevGateway::builder().provider(Provider::api_key("maps")).start()?;
    /// assert!(gateway.connect("workspace-1", "maps").is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn provider(mut self, provider: Provider) -> Self {
        self.providers.push(provider);
        self
    }

    /// Adds an active connection. The provider may be added before or after the connection. Default: no connections.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().connection("workspace-1", "github").start()?;
    /// let resolve = format!("{}/v1/resolve", gateway.url());
    /// let request = ureq::get(resolve).query("workspace_id", "workspace-1");
    /// assert_eq!(request.query("provider_name", "github").call()?.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connection(
        mut self,
        workspace_id: impl Into<String>,
        provider_name: impl Into<String>,
    ) -> Self {
        self.connections
            .push((workspace_id.into(), provider_name.into()));
        self
    }

    /// Enables agent sessions. Default `true`. With `false`, their paths return a plain-text 404, as gateways without
    /// agent sessions do.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().sessions(false).start()?;
    /// let session = ureq::post(format!("{}/v1/agent-sessions", gateway.url())).send("{}");
    /// assert!(matches!(session, Err(ureq::Error::StatusCode(404))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sessions(mut self, sessions: bool) -> Self {
        self.settings.sessions = sessions;
        self
    }

    /// Registers an agent with the scopes that its sessions may have, as `POST /admin/v1/agents` does. If the id is
    /// registered already, the first registration counts. Default: no agents.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let builder = DevGateway::builder().connection("ws", "github").agent("agent-7", ["repo"]);
    /// let gateway = builder.start()?;
    /// let request = r#"{"agent_id": "agent-7", "scopes": ["repo"], "workspace_id": "ws", "provider_name": "github"}"#;
    /// let session = ureq::post(format!("{}/v1/agent-sessions", gateway.url())).send(request)?;
    /// assert_eq!(session.status(), 201);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn agent<S: Into<String>>(
        mut self,
        agent_id: impl Into<String>,
        allowed_scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.agents.push(Agent {
            id: agent_id.into(),
            allowed_scopes: allowed_scopes.into_iter().map(Into::into).collect(),
        });
        self
    }

    /// The path of the health check. Default `/health`. Some gateways use `/v1/health`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().health_at("/v1/health").start()?;
    /// assert!(ureq::get(format!("{}/v1/health", gateway.url())).call().is_ok());
    /// let usual = ureq::get(format!("{}/health", gateway.url())).call();
    /// assert!(matches!(usual, Err(ureq::Error::StatusCode(404))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn health_at(mut self, path: impl Into<String>) -> Self {
        self.settings.health_at = path.into();
        self
    }

    /// Sets whether the calls of each workspace are limited: to 10 per minute for request-connection, and to 60 per minute
    /// each for resolve, token and refresh. Default `false`. The quotas refill continuously. A call over the limit gets a
    /// plain-text 429 with a `Retry-After`.
    ///
    /// The workspace is the value of the header `X-Workspace-Id`, or else of the query parameter `workspace_id`. All
    /// calls that name no workspace share one set of limits.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().rate_limits(true).start()?;
    /// let ask = || ureq::post(format!("{}/v1/request-connection", gateway.url())).send("{}");
    /// for _ in 0..10 {
    ///     assert!(matches!(ask(), Err(ureq::Error::StatusCode(400))));
    /// }
    /// assert!(matches!(ask(), Err(ureq::Error::StatusCode(429))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rate_limits(mut self, rate_limits: bool) -> Self {
        self.settings.rate_limits = rate_limits;
        self
    }

    /// Serves `body` at a path of the sample upstream, for `GET` and `HEAD` with a working credential. This is the
    /// same as [`upstream_route`](Self::upstream_route) with `GET` and status 200.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::builder().upstream("/motd", "text/plain", "Hello").start()?;
    /// let anonymous = ureq::get(format!("{}/motd", gateway.url())).call();
    /// assert!(matches!(anonymous, Err(ureq::Error::StatusCode(401))));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn upstream(
        self,
        path: impl AsRef<str>,
        content_type: impl Into<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        self.upstream_route("GET", path, 200, content_type, body)
    }

    /// Sets the response of the sample upstream to one method at one path, without headers of its own. This is the same as
    /// [`upstream_response`](Self::upstream_response) with this status, `Content-Type` and body. A status outside of 100 to
    /// 999 is sent as 500.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let gateway = DevGateway::builder()
    ///     .connection("workspace-1", "github")
    ///     .upstream_route("POST", "/notes", 201, "application/json", r#"{"id": 7}"#)
    ///     .start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "workspace-1", "github");
    /// let (status, _, body) = github.post(&format!("{}/notes", gateway.url()), "buy milk")?;
    /// assert_eq!((status, &*body), (201, r#"{"id": 7}"#.as_bytes()));
    /// let written = gateway.requests().pop().unwrap();
    /// assert_eq!((&*written.method, &*written.body), ("POST", b"buy milk".as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upstream_route(
        self,
        method: impl Into<String>,
        path: impl AsRef<str>,
        status: u16,
        content_type: impl Into<String>,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let response = Response::new(status, &content_type.into(), body);
        self.upstream_response(method, path, *response.message)
    }

    /// Sets the response of the sample upstream to one method at one path, with its headers. Requests without a working
    /// credential get 401. [`DevGateway::requests`] returns the requests that arrived.
    ///
    /// Methods are case-sensitive, and `GET` covers `HEAD`. The path of a request may have any prefix outside of
    /// `/v1`: a route at `/notes` also serves `/v3/notes`. A route with a query, such as `/notes?page=2`, serves only
    /// requests that have its parameters, in any order and among others. If several routes match a request, the route that was
    /// added last responds, so add the route without a query first. A route takes precedence over the upstream's own
    /// responses. It does not replace the gateway's own paths (`/v1/..`, `/admin/v1/agents`, `/consent`,
    /// `/auth/capture-schema` and the health check). Other methods at the path get the upstream's own response, which is 404
    /// unless the upstream has such a path itself.
    ///
    /// The body may have any size. The gateway sets `Content-Length` and `Date` itself, and does not send a
    /// `Transfer-Encoding`. If the headers exceed 16 KiB, the connection closes without a response.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::http::Response;
    /// use nexus_sdk::testing::DevGateway;
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
    ///
    /// let next = r#"</notes?page=2>; rel="next""#;
    /// let first = Response::builder().header("link", next).body(r#"["milk"]"#)?;
    /// let gateway = DevGateway::builder()
    ///     .connection("workspace-1", "github")
    ///     .upstream_response("GET", "/notes", first)
    ///     .upstream_response("GET", "/notes?page=2", Response::new(r#"["bread"]"#))
    ///     .start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "workspace-1", "github");
    /// let (_, headers, body) = github.get(&format!("{}/notes", gateway.url()))?;
    /// assert_eq!(headers["link"], next);
    /// assert_eq!(body, br#"["milk"]"#);
    /// let (.., body) = github.get(&format!("{}/notes?page=2", gateway.url()))?;
    /// assert_eq!(body, br#"["bread"]"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upstream_response<B: Into<Vec<u8>>>(
        mut self,
        method: impl Into<String>,
        path: impl AsRef<str>,
        response: http::Response<B>,
    ) -> Self {
        let (mut head, body) = response.into_parts();
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        self.settings.routes.push(Route {
            method: method.into(),
            path: UpstreamPath::new(path.as_ref()),
            status: head.status,
            headers: head.headers,
            body: body.into(),
        });
        self
    }

    /// Makes the sample upstream require a scope at a path, whatever the method. The upstream responds with 403 to an OAuth 2
    /// token that was granted without this scope, until the user consents to a new connection that has it. A request
    /// without a working credential gets 401 as usual. Default: no path requires a scope.
    ///
    /// Like a route, the path also applies with any prefix. A path may require several scopes. A connection from
    /// [`connection`](Self::connection) or [`DevGateway::connect`] has the scopes `repo` and `user`. Static credentials
    /// have no scopes, and the upstream requires none of them.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, TokenCache};
    ///
    /// let builder = DevGateway::builder().upstream_scope("/user/repos", "admin");
    /// let gateway = builder.connection("workspace-1", "github").start()?;
    /// let repos = format!("{}/user/repos", gateway.url());
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let (status, ..) = client.fetcher(&TokenCache::new(), "workspace-1", "github").get(&repos)?;
    /// assert_eq!(status, 403);
    ///
    /// let scopes = ["repo", "admin"];
    /// let input = RequestConnectionInput::new("workspace-1", "github", scopes, "http://localhost/");
    /// let consent = client.request_connection(&input)?.auth_url;
    /// ureq::get(consent).config().max_redirects(0).build().call()?; // the user's browser
    /// let (status, ..) = client.fetcher(&TokenCache::new(), "workspace-1", "github").get(&repos)?;
    /// assert_eq!(status, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn upstream_scope(mut self, path: impl AsRef<str>, scope: impl Into<String>) -> Self {
        let upstream_path = UpstreamPath::new(path.as_ref());
        self.settings.scopes.push((upstream_path, scope.into()));
        self
    }

    /// Starts the gateway. Blocks for a few milliseconds.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the address is not a loopback address or a connection names an unknown provider. Otherwise the
    /// system's error if the port is not free or no thread can be started.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::testing::DevGateway;
    /// use std::io::ErrorKind;
    ///
    /// let unknown = DevGateway::builder().connection("workspace-1", "nobody").start();
    /// assert_eq!(unknown.unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn start(self) -> io::Result<DevGateway> {
        let (listener, url) = bind(self.bind)?;
        let providers = provider::defaults().into_iter().chain(self.providers);
        let clock = Clock::new();
        let mut connections = Connections::new(providers, self.token_lifetime);
        for (workspace_id, provider_name) in &self.connections {
            connections.connect(workspace_id, provider_name, clock.now())?;
        }
        for agent in self.agents {
            connections.register(agent);
        }
        let service = Arc::new(Service {
            url,
            upstream_url: Mutex::default(),
            settings: self.settings,
            clock,
            limits: Mutex::default(),
            connections: Mutex::new(connections),
            database_away: AtomicBool::new(false),
            faults: Mutex::default(),
            requests: Mutex::default(),
        });
        Ok(DevGateway {
            service: Arc::clone(&service),
            _server: Server::start(listener, LIMITS, service)?,
        })
    }
}

impl Default for DevGatewayBuilder {
    fn default() -> Self {
        Self {
            bind: (Ipv4Addr::LOCALHOST, 0).into(),
            token_lifetime: Duration::from_secs(3600),
            providers: Vec::new(),
            connections: Vec::new(),
            agents: Vec::new(),
            settings: Settings::default(),
        }
    }
}

debug_only!(DevGatewayBuilder: bind, token_lifetime, providers, connections);
