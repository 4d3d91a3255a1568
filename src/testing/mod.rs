//! An in-process Nexus Gateway for tests and examples.
//!
//! [`DevGateway`] serves the gateway's v1 paths and a small sample upstream over real HTTP on a loopback port. It keeps
//! everything in memory, starts within milliseconds and is gone when dropped.
//!
//! It is a twin of gateway 0.4, not a friendlier one: exchanges recorded with a real one are played against it in its
//! tests. [`DevGatewayBuilder::like_v0_2`] makes it behave as gateway 0.2 does.
//!
//! It is a development gateway and not a secure one: anybody who can reach the port can consent, and the credentials it
//! makes up are good for its own sample upstream only.
//!
//! | path | what |
//! |---|---|
//! | `POST /v1/request-connection` | a connection that waits for consent, 10 minutes at most; its `authUrl` is one of the two below |
//! | `GET /consent?state=..` | makes the connection active and sends the browser to `return_url?connection_id=..&provider=..&status=success`; with `&deny=1` it ends on a page of its own |
//! | `GET /auth/capture-schema?state=..` | for static credentials: the form's schema as JSON, as `GET /v1/capture-schema` |
//! | `GET /v1/check-connection/{id}` | `active`, or `failed` for everything else, also for a connection that waits for consent |
//! | `GET /v1/resolve?workspace_id=..&provider_name=..`, `GET /v1/token/{id}` | its credential; resolve knows active connections only |
//! | `POST /v1/refresh/{id}` | a new token at once |
//! | `DELETE /v1/connections/{id}` | revokes; with `workspace_id=..` only that workspace's, `reason=..` up to 512 characters |
//! | `POST /v1/agent-sessions` and `/obo`, `GET` and `DELETE /v1/agent-sessions/{id}` | agent sessions, see below |
//! | `GET /v1/providers` | the providers there are, by auth type and name |
//! | `POST /v1/capture-credential` | a static credential that was entered: the upstream then takes that one |
//! | `GET /health` | `{"status": "healthy"}` |
//! | `GET /user`, `GET` and `POST /user/repos` | the sample upstream, 401 without a working credential |
//! | `POST /tools/search`, `POST /tools/execute` | its tools, as an MCP gateway offers them over REST: `{"query": ..}` finds them by name or description, `{"name": .., "arguments": {..}}` runs one |
//! | [`DevGatewayBuilder::upstream`], [`upstream_route`](DevGatewayBuilder::upstream_route) | responses that a test sets up |
//!
//! The upstream's paths may have any prefix, so that a URL such as `/key/{api_key}/user` serves the strategy `path`.
//! Request bodies are limited to 1 MiB and header sections to 64 KiB.
//!
//! A pair of workspace and provider may have several connections, of which one is active: the one that was consented
//! to last supersedes the one before.
//!
//! # Refreshes
//!
//! As gateways do it, a token is refreshed only once it has expired, inside the call that asks (resolve, token,
//! check-connection), without a lock, and the refresh is given up when the caller hangs up. Providers rotate refresh
//! tokens, so two calls at once after the expiry, or one that hangs up while the provider works
//! ([`Provider::refresh_time`]), cost the connection: 409 `token_expired` once, then 404 from resolve and 409
//! `attention_required` from the token call, and the upstream takes none of the tokens that were handed out. With
//! [`Provider::rotating`] `(false)` neither does any harm.
//!
//! # Agent sessions
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

mod builder;
mod call;
mod clock;
mod connections;
mod credential;
mod encoding;
mod fault;
mod gateway;
mod grant;
mod method;
mod provider;
mod rate_limit;
mod received;
mod response;
mod routes;
mod server;
mod service;
mod session;
mod upstream;
mod wire;

use std::io;

pub use builder::DevGatewayBuilder;
pub use fault::Fault;
pub use gateway::DevGateway;
pub use provider::Provider;
pub use received::ReceivedRequest;

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
}
