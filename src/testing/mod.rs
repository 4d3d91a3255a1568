//! An in-process Nexus Gateway for tests and examples.
//!
//! [`DevGateway`] serves the gateway's v1 paths and a small sample upstream over HTTP on a loopback port. It keeps its
//! state in memory, starts within milliseconds and ends when it is dropped.
//!
//! # Example
//!
//! ```
//! use nexus_sdk::serde_json::Value;
//! use nexus_sdk::testing::DevGateway;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, json};
//!
//! let gateway = DevGateway::start()?;
//! gateway.connect("acme", "github")?;
//!
//! let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! // The sample upstream has the gateway's URL.
//! let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
//! let user: Value = json(github.get("/user")?)?;
//! assert_eq!(user["login"], "acme");
//! assert_eq!(gateway.count("/v1/resolve"), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Behaviour
//!
//! It behaves like gateway 0.4. Its own tests compare it with recorded exchanges of a real gateway. The recorded
//! gateway had no agent sessions, but `DevGateway` serves them by default, as a broker does.
//!
//! It is not secure. Unless it requires an [API key](DevGatewayBuilder::api_key), any program that can reach the port
//! can consent in the user's place. Its generated credentials work only with its own sample upstream.
//!
//! | path | effect |
//! |---|---|
//! | `POST /v1/request-connection` | creates a connection that waits for consent for up to 10 minutes; its `authUrl` is one of the next two paths |
//! | `GET /consent?state=..` | activates the connection and redirects to `return_url?connection_id=..&provider=..&status=success`; with `&deny=1`, denies consent and shows a page instead of redirecting |
//! | `GET /auth/capture-schema?state=..` | returns the JSON Schema of the form for a static credential, like `GET /v1/capture-schema` |
//! | `GET /v1/check-connection/{id}` | returns `active` if a token call would succeed, `failed` if it would get a 4xx (as it does before the user's consent), and `pending` if the refresh of an expired token times out |
//! | `GET /v1/resolve?workspace_id=..&provider_name=..`, `GET /v1/token/{id}` | returns the credential of an active connection |
//! | `POST /v1/refresh/{id}` | returns a new token |
//! | `DELETE /v1/connections/{id}` | revokes the connection, at the provider first; with `workspace_id=..`, only a connection of that workspace; `reason=..` may have up to 512 characters |
//! | `POST /admin/v1/agents` | registers an agent, with `{"agent_id": .., "allowed_scopes": [..]}` |
//! | `POST /v1/agent-sessions`, `GET` and `DELETE /v1/agent-sessions/{id}` | agent sessions, see below |
//! | `GET /v1/providers` | lists the providers by auth type and name |
//! | `POST /v1/capture-credential` | stores a static credential, which the upstream then accepts |
//! | `GET /health` | returns `{"status": "healthy"}` |
//! | `GET /user`, `GET` and `POST /user/repos` | the sample upstream; 401 without a working credential, and 403 for a token that lacks a [scope](DevGatewayBuilder::upstream_scope) |
//! | `POST /tools/search`, `POST /tools/execute` | the upstream's tools, as an MCP gateway offers them over REST; `{"query": ..}` finds tools by name or description, and `{"name": .., "arguments": {..}}` runs a tool |
//! | [`DevGatewayBuilder::upstream`], [`upstream_response`](DevGatewayBuilder::upstream_response) | responses that a test sets up |
//!
//! The upstream's paths may have any prefix outside of `/v1`, so that a URL such as `/key/{api_key}/user` works with
//! the strategy `path`. Request bodies are limited to 100 MiB, headers to 64 KiB, and open TCP connections to 2,048. A
//! TCP connection closes after 5 minutes without a request.
//!
//! A pair of workspace and provider may have several connections. Only one of them is active: a new consent, or a new
//! captured credential, supersedes the connection that was active before. The upstream accepts a credential only while its
//! connection is active and its grant at the provider has not ended.
//!
//! # Recipes
//!
//! No recipe waits longer than a fraction of a second. For a token that lacks a scope, see
//! [`upstream_scope`](DevGatewayBuilder::upstream_scope).
//!
//! ## An expiry
//!
//! [`advance`](DevGateway::advance) moves the gateway's clock, and the upstream then refuses the token. The
//! client has a clock of its own, which does not move, so it learns of the expiry from the upstream's 401.
//!
//! ```
//! use nexus_sdk::testing::DevGateway;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
//! use std::time::Duration;
//!
//! let gateway = DevGateway::builder().connection("acme", "github").start()?;
//! let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! let github = client.fetcher(&TokenCache::new(), "acme", "github");
//! let user = format!("{}/user", gateway.url());
//! assert_eq!(github.get(&user)?.0, 200);
//!
//! gateway.advance(Duration::from_secs(3600)); // the default lifetime of a token
//! assert_eq!(github.get(&user)?.0, 200);
//! assert_eq!(gateway.count("/v1/resolve"), 2);
//! assert_eq!(gateway.count("/user"), 3); // the second request got 401 and was sent again
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## A revoked consent
//!
//! [`end_grant`](DevGateway::end_grant) revokes the consent at the provider, which the gateway does not notice until its
//! next refresh. [`set_status`](DevGateway::set_status) makes the gateway notice.
//!
//! ```
//! use nexus_sdk::testing::DevGateway;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
//!
//! let gateway = DevGateway::start()?;
//! let connection = gateway.connect("acme", "github")?;
//! let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! let github = client.fetcher(&TokenCache::new(), "acme", "github");
//! let user = format!("{}/user", gateway.url());
//!
//! gateway.end_grant("acme", "github");
//! assert_eq!(github.get(&user)?.0, 401);
//! assert!(client.get_token_by_connection_id(&connection).is_ok()); // the refused token
//!
//! gateway.set_status(&connection, "revoked");
//! let error = client.get_token_by_connection_id(&connection).unwrap_err();
//! assert!(error.needs_reconnect());
//!
//! gateway.connect("acme", "github")?; // the user connects again
//! let github = client.fetcher(&TokenCache::new(), "acme", "github");
//! assert_eq!(github.get(&user)?.0, 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## A database that is away
//!
//! [`database_away`](DevGateway::database_away) makes the gateway deny connections that exist. A
//! fetch with a cached token does not ask the gateway.
//!
//! ```
//! use nexus_sdk::testing::DevGateway;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
//!
//! let builder = DevGateway::builder().connection("acme", "github");
//! let gateway = builder.connection("other", "github").start()?;
//! let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! let github = client.fetcher(&TokenCache::new(), "acme", "github");
//! let user = format!("{}/user", gateway.url());
//! assert_eq!(github.get(&user)?.0, 200);
//!
//! gateway.database_away(true);
//! assert!(client.resolve_token("other", "github").is_err());
//! assert_eq!(github.get(&user)?.0, 200);
//!
//! gateway.database_away(false);
//! assert!(client.resolve_token("other", "github").is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## A rate limit
//!
//! [`Fault::RetryAfter`] plays the limit of the gateway or of the API, depending on the path.
//! [`rate_limits`](DevGatewayBuilder::rate_limits) turns on the limits of a real gateway.
//!
//! ```
//! use nexus_sdk::testing::{DevGateway, Fault};
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache};
//! use std::time::Duration;
//!
//! let gateway = DevGateway::builder().connection("acme", "github").start()?;
//! let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! let limit = Fault::RetryAfter { status: 429, value: "7".to_owned() };
//!
//! gateway.fail_next_at("/v1/resolve", 1, limit.clone());
//! let error = client.resolve_token("acme", "github").unwrap_err();
//! assert!(error.is_retryable());
//! assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
//!
//! gateway.fail_next_at("/user", 1, limit);
//! let github = client.fetcher(&TokenCache::new(), "acme", "github");
//! let (status, headers, _) = github.get(&format!("{}/user", gateway.url()))?;
//! assert_eq!(status, 429);
//! assert_eq!(headers["retry-after"], "7");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## A slow gateway
//!
//! [`Fault::Delay`] makes a response late. For a slow refresh or revocation, see
//! [`refresh_time`](Provider::refresh_time) and [`revocation_time`](Provider::revocation_time).
//!
//! ```
//! use nexus_sdk::testing::{DevGateway, Fault};
//! use nexus_sdk::{NexusClient, NexusClientOptions};
//! use std::time::Duration;
//!
//! let gateway = DevGateway::builder().connection("acme", "github").start()?;
//! let options = NexusClientOptions::new(gateway.url()).timeout(Duration::from_millis(50));
//! let client = NexusClient::new(options)?;
//! gateway.fail_next_at("/v1/resolve", 1, Fault::Delay(Duration::from_millis(200)));
//! assert_eq!(client.resolve_token("acme", "github").unwrap_err().code(), "timeout");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Refreshes
//!
//! When a resolve, token or check-connection call finds that the token has expired, a real gateway refreshes it within
//! the call, without a lock. So does a broker in a request for an agent session. The gateway abandons the refresh when
//! the caller hangs up. With a provider that rotates refresh tokens, as many do, the connection is lost if two calls
//! refresh at the same time, or if a caller hangs up during the refresh. One of the two calls, or the first call after
//! the hang-up, gets 409
//! `token_expired`, or the status `failed` from check-connection. Later calls get 404 from resolve and 409
//! `attention_required` from the token call, and the upstream accepts none of the earlier tokens. `DevGateway` does the
//! same. With [`rotating(false)`](Provider::rotating), the connection survives both cases. To cut a refresh short in a
//! test, make the refresh slow with [`refresh_time`](Provider::refresh_time).
//!
//! # Lock files
//!
//! A client creates empty lock files and never removes them (see
//! [`lock_dir`](crate::NexusClientOptions::lock_dir)). Their names depend on the gateway's port, which usually differs
//! for each `DevGateway`, so the files accumulate. To leave no files, set `NEXUS_LOCK_DIR` to an empty string, or use
//! [`without_lock`](crate::NexusClientOptions::without_lock).
//!
//! # Agent sessions
//!
//! A broker of version 0.4 serves agents and their sessions, but no gateway does so yet. `DevGateway` behaves like that
//! broker. The token of a session is the connection's own access token, so it can still work after the session has been
//! closed or has expired. A session ends when it is closed, when `DELETE` revokes its connection, or after its
//! `ttl_seconds` (default 15 minutes) by the gateway's clock. Sessions on behalf of a user do not exist: `POST
//! /v1/agent-sessions/obo` gets 405. The most important errors are:
//!
//! - 404 `agent_not_found` for an agent that is not registered, and 403 `scope_not_allowed` for a scope that is not among
//!   the agent's `allowed_scopes`.
//! - 403 `scope_not_granted` for a scope that the connection was not requested with. A connection that was requested
//!   without scopes allows all.
//! - 400 `unsupported_agent_session_provider` for a provider other than [`oauth2`](Provider::oauth2), and 400
//!   `provider_mismatch` for a connection of another provider.

mod builder;
mod call;
mod clock;
mod connections;
mod encoding;
mod fault;
mod gateway;
mod grant;
mod provider;
mod rate_limit;
mod received;
mod response;
mod routes;
mod service;
mod session;
mod upstream;
mod upstream_server;

pub use builder::DevGatewayBuilder;
pub use fault::Fault;
pub use gateway::DevGateway;
pub use provider::Provider;
pub use received::ReceivedRequest;
pub use upstream_server::UpstreamServer;
