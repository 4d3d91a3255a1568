//! A blocking client for the [Nexus Gateway](https://github.com/Prescott-Data/nexus-framework).
//!
//! The gateway is a server that you run. It keeps your users' OAuth grants and API keys, and refreshes OAuth tokens. This
//! crate asks the gateway for the current token or key, caches it, and adds it to your requests in the way that the API
//! expects.
//!
//! # Example
//!
//! ```no_run
//! use nexus_sdk::serde_json::Value;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, json};
//!
//! // Reads NEXUS_GATEWAY_URL, and NEXUS_API_KEY if the gateway requires a key.
//! let nexus = NexusClient::new(NexusClientOptions::from_env()?)?;
//! let cache = TokenCache::new();
//! let github = nexus.fetcher(&cache, "acme", "github").base_url("https://api.github.com")?;
//! let user: Value = json(github.get("user")?)?;
//! println!("connected as {}", user["login"]);
//! # Ok::<(), nexus_sdk::NexusError>(())
//! ```
//!
//! Three terms occur throughout:
//!
//! - A *workspace*, here `acme`, is the user, team or tenant that a credential belongs to. You choose its id.
//! - A *provider*, here `github`, is an API that is registered at the gateway under this name.
//! - A *connection* gives one workspace access to one provider, once the user has consented or entered a key. Each
//!   connection has an id, which the gateway chooses.
//!
//! With the feature `testing`, a program or a test can run a gateway of its own. The following example needs this
//! feature, as do most examples in this documentation:
//!
//! ```
//! # #[cfg(feature = "testing")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use nexus_sdk::serde_json::Value;
//! use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, json, testing::DevGateway};
//!
//! let gateway = DevGateway::start()?;
//! gateway.connect("acme", "github")?;
//!
//! let nexus = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
//! let cache = TokenCache::new();
//! // The gateway's URL is also the URL of a sample API.
//! let github = nexus.fetcher(&cache, "acme", "github").base_url(gateway.url())?;
//! let user: Value = json(github.get("user")?)?;
//! assert_eq!(user["login"], "acme");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! ```
//!
//! # Where to start
//!
//! - [`recipes`] has short solutions to copy: JSON, errors, paging, files, certificates and proxies, tokio, many tenants.
//! - [`NexusClient`] talks to one gateway. Create one client and share it between threads. If you know the Python SDK,
//!   see [the differences](python).
//! - [`TokenCache`] holds tokens by workspace and provider. A client gets only the tokens of its own gateway from it.
//! - [`Fetcher`] bundles a client, a cache, a workspace and a provider. It can limit the credential to the hosts of one
//!   API, so that a URL from a model cannot send the credential elsewhere. Its page lists the errors of a fetch.
//!   [`json`](fn@json) parses a response.
//! - [`Fetcher::download`] writes a response to a file. [`Fetcher::agent`] returns a ureq agent that adds the credential,
//!   for bodies that stream and for libraries that accept such an agent.
//! - [`NexusError`] is the error type of clients, fetchers and listeners. [`ErrorKind`] lists the SDK's codes, and the
//!   known codes of gateways with what to do about each.
//! - [`refreshes`] says how processes and hosts share a connection, and how to learn its state. [`security`] says where
//!   credentials go. [`changes`] lists the changes of each version.
//! - [`RequestConnectionInput`], [`WaitOptions`] and [`ConsentListener`](struct.ConsentListener.html)
//!   are for connecting a user.
//! - `request_agent_session`, with the feature `sessions`, opens a session for an AI agent that an operator has registered.
//! - [`testing`](testing/index.html) has a gateway for your own tests.
//!
//! # Errors
//!
//! A [`NexusError`] says what happened, to whose connection, and what to do. A program decides by four methods: the user has
//! to connect, the gateway or API asks to wait, the call can be repeated, or somebody has to read the message.
//! [The page of `NexusError`](NexusError#what-to-do) has a table of failures, and [`ErrorKind`] the codes.
//!
//! ```
//! use nexus_sdk::{NexusError, Origin};
//! use std::time::Duration;
//!
//! #[derive(Debug, PartialEq)]
//! enum Step {
//!     /// Send the user to `request_connection`.
//!     Connect,
//!     /// Call again after this time.
//!     Repeat(Duration),
//!     /// Report the error. Another attempt would fail in the same way, or could act twice.
//!     GiveUp,
//! }
//!
//! fn next_step(error: &NexusError, is_get: bool) -> Step {
//!     let has_arrived = error.origin() == Origin::Api && error.may_have_been_sent();
//!     match error {
//!         error if error.needs_reconnect() => Step::Connect,
//!         error if !error.is_retryable() => Step::GiveUp,
//!         // A 429 was not acted on. Anything else that reached the API may have been.
//!         error if has_arrived && !is_get && error.status_code() != Some(429) => Step::GiveUp,
//!         error => Step::Repeat(error.retry_after().unwrap_or(Duration::from_secs(5))),
//!     }
//! }
//!
//! let step = |code: &'static str| next_step(&NexusError::with_code(code, "no"), false);
//! assert_eq!(step("connection_not_found"), Step::Connect);
//! assert_eq!(step("broker_unavailable"), Step::Repeat(Duration::from_secs(5)));
//! assert_eq!(step("invalid_input"), Step::GiveUp);
//! ```
//!
//! # Watching a program
//!
//! By default, stderr gets a warning when a token cannot be renewed, once for each workspace and provider, and another line
//! when it can be renewed again. [`NexusClientOptions::on_call`] reports each attempt to reach the gateway, for counters and
//! alarms, as in `examples/watch.rs`. The level [`Info`](LogLevel::Info) logs each attempt that failed.
//!
//! # Blocking, time and threads
//!
//! Every method that sends a request blocks the calling thread. The documentation of the method, or of its type, states
//! for how long. By default, the requests of an [authenticated agent](NexusClient::authenticated_agent) have no limit for
//! the whole request, so that bodies can stream.
//!
//! All types are `Send`, and all but [`WaitOptions`] are `Sync`. A clone of a [`NexusClient`] or a [`TokenCache`] is a handle
//! to the same client or cache. So that the first tool call of a server does not wait for a token, call
//! [`get_cached_token`](NexusClient::get_cached_token) in a thread when the server starts. A request that may refresh a
//! token continues after its caller has timed out: see [`refreshes`].
//!
//! # Configuration
//!
//! | option | default | what |
//! |---|---|---|
//! | [`api_key`](NexusClientOptions::api_key) | none | sent to the gateway as `X-API-Key` |
//! | [`timeout`](NexusClientOptions::timeout) | 30 s | how long a call waits for each request to the gateway, and how long a fetch may take as a whole |
//! | [`retry_policy`](NexusClientOptions::retry_policy) | no retries | retries of requests to the gateway; [`FetchOptions::retry_policy`] is for requests to an API |
//! | [`stale_if_error`](NexusClientOptions::stale_if_error) | `true` | while the gateway cannot return a new token, keeps using the cached token until it expires |
//! | [`lock_dir`](NexusClientOptions::lock_dir), [`without_lock`](NexusClientOptions::without_lock), [`refresh_lock`](NexusClientOptions::refresh_lock) | a directory of the user's own | the lock with which processes take turns: see [`refreshes`] |
//! | [`agent`](NexusClientOptions::agent) | the SDK's own | a ureq agent with your root certificates, client certificate or proxy |
//! | [`max_body_bytes`](NexusClientOptions::max_body_bytes) | 100 MiB | the largest response body of a fetch |
//! | [`allow_insecure_http`](NexusClientOptions::allow_insecure_http) | `false` | allows sending a credential to an API on another machine over plain http |
//! | [`log_level`](NexusClientOptions::log_level) | `Warn` | the least severe level that is logged |
//! | [`on_call`](NexusClientOptions::on_call) | none | a function that is called after each attempt to reach the gateway |
//!
//! # What the SDK does without being asked
//!
//! | what | how to turn it off |
//! |---|---|
//! | writes warnings to stderr, on lines that begin with `[NexusSDK]` (never to stdout) | [`log_level`](NexusClientOptions::log_level) with [`LogLevel::Off`], or `NEXUS_LOG=off` |
//! | reads `NEXUS_LOG`, which overrides `log_level` | leave the variable unset |
//! | creates empty lock files below the user's home directory, so that processes do not refresh the same token at once | [`without_lock`](NexusClientOptions::without_lock); [`lock_dir`](NexusClientOptions::lock_dir) sets another directory |
//! | reads `NEXUS_LOCK_DIR`, the directory for these files (set it for all programs of a user or for none). A blank value turns the lock off | `lock_dir`, `without_lock` or [`refresh_lock`](NexusClientOptions::refresh_lock) |
//! | uses the [proxies](#proxies) in the environment, except for requests to this machine | `NO_PROXY=*`, or an [`agent`](NexusClientOptions::agent) built with `.proxy(None)` |
//! | waits up to 5 s when the last handle of a client is dropped while the gateway may be [refreshing](refreshes) a token | call [`drain`](NexusClient::drain) yourself, and keep a clone in a `static` or end with [`std::process::exit`] |
//!
//! `NEXUS_GATEWAY_URL` and `NEXUS_API_KEY` are read only by [`NexusClientOptions::from_env`].
//!
//! # Proxies
//!
//! Environment variables name the proxies. `https_proxy` or `HTTPS_PROXY` names the proxy for https URLs, and
//! `http_proxy` or `HTTP_PROXY` the proxy for http URLs. If both of a pair are missing, `all_proxy` or `ALL_PROXY` applies.
//! The lower-case name takes precedence. If the variable `REQUEST_METHOD` is set, as in a CGI program, `HTTP_PROXY` is
//! ignored, because a web server sets that variable from a header of the request. White space around a value is removed.
//! A value without a scheme is an http proxy. A proxy without a port has port 80 or, for `https://`, 443 (curl uses 1080).
//! Special characters in a user name or password have to be percent-encoded. If a value is not a proxy's URL, the requests that
//! would use it fail with `invalid_input`. Without the feature `socks-proxy`, this includes a `socks5://` URL.
//!
//! An http proxy is asked for a connection to the server with the method `CONNECT`, for http URLs as well. Many proxies allow
//! `CONNECT` only to port 443 (Squid by default): a request to an http URL then fails with `request_failed`, although curl,
//! which sends such a request to the proxy itself, gets a response.
//!
//! `no_proxy` or `NO_PROXY` lists the hosts that are reached directly, separated by commas or spaces. `example.com` and
//! `.example.com` stand for that host and its subdomains, `*.example.com` only for the subdomains, `::1` and `[::1]`
//! for that address (in its shortest form), and `*` for all hosts. Unlike in curl, a range such as `10.0.0.0/8` matches
//! nothing. An entry with a port matches nothing either.
//!
//! Requests to this machine (`localhost` and loopback addresses) never go through a proxy. With the feature
//! `win-system-proxy`, the proxy in the Windows settings is used if no variable names a proxy. An
//! [`agent`](NexusClientOptions::agent) of your own gets the proxies of the environment if it has ureq's default proxy, or
//! if it has no proxy and ureq can read none of them. Otherwise, it keeps its own settings. An
//! [authenticated agent](NexusClient::authenticated_agent) uses the same proxies as its client.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `rustls` | yes | https through rustls, with Mozilla's root certificates built in |
//! | `gzip` | yes | gzip-compressed responses |
//! | `consent` | no | `ConsentListener`, which notices that a user's browser has come back from the consent page, and serves a form for static credentials; also `capture_schema` and `capture_credential` |
//! | `sessions` | no | agent sessions, for AI agents that an operator has registered. A broker of version 0.4 supports them, but no gateway does yet |
//! | `signing` | no | the strategies `hmac_payload` and `aws_sigv4` |
//! | `platform-verifier` | no | trusts the system's root certificates instead of Mozilla's; on Linux, the certificates in `SSL_CERT_FILE` replace the system's |
//! | `native-tls` | no | https through the system's TLS library, but with Mozilla's root certificates unless `platform-verifier` is enabled too; overrides `rustls` |
//! | `socks-proxy` | no | `socks5://` proxies |
//! | `win-system-proxy` | no | the proxy in the Windows settings, if no variable names a proxy |
//! | `log` | no | diagnostics go to the `log` facade instead of stderr, once the program has set a logger |
//! | `testing` | no | `testing::DevGateway` |
//!
//! # Examples
//!
//! The repository's folder `examples` has complete programs: `quickstart.rs`; two MCP servers over stdio,
//! `mcp_minimal.rs` and `mcp_stdio_server`; `build_script`; `rest_tools.rs`, which finds and executes tools over REST; and
//! `watch.rs`, which counts the gateway's failures.
//! Two packages are meant to be copied: `redis_lock`, a [`RefreshLock`] for several hosts, and `lookup_cache`, an agent for
//! slow name servers. The command line tool `nexus` is in `examples/nexus`.
//!
//! # Stability
//!
//! Version numbers follow [Cargo's rules](https://doc.rust-lang.org/cargo/reference/semver.html). A version can break a program
//! only if its first number is new or, before 1.0, its second number. [`changes`] says what breaks.
//!
//! | part | promise |
//! |---|---|
//! | the items on these pages, and the features | public: removing or changing one is a breaking change |
//! | the crates `ureq` 3, `http` 1 and `serde_json` 1 | public, because signatures contain their types. A change to `ureq` 4, `http` 2 or `serde_json` 2 is a breaking change: after 1.0, it makes this crate 2.0 |
//! | all other dependencies | private: any version can change them |
//! | error [codes](NexusError::code) and [kinds](NexusError::kind) | public: a code keeps its meaning, and an error that a page lists keeps its code. Any version can add codes. The gateway chooses the codes of its own errors |
//! | the texts of error messages, log lines, `Debug` output, and the pages of `ConsentListener` | for people: any version can change them, so compare codes instead |
//! | defaults, such as the timeout | public: a change that a program would notice is a breaking change |
//! | the oldest supported Rust, `rust-version` in `Cargo.toml` | rises only with a new second number, and only to a Rust that is at least six months old |
//!
//! A fix for a vulnerability can be an exception to all of this. Only the latest version gets fixes.
// Most examples in the documentation need this feature. Plain `cargo test` of the published package, which lacks the feature,
// runs those of this page only.
#![cfg(any(not(doctest), feature = "testing"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a failing test panics"
    )
)]

mod cache;
#[cfg(feature = "consent")]
mod capture;
mod client;
mod connection;
#[cfg(feature = "consent")]
mod consent;
mod error;
mod fetch;
mod flights;
#[cfg(any(test, fuzzing))]
#[cfg(all(feature = "consent", feature = "sessions"))]
#[doc(hidden)]
#[path = "../tests/properties/mod.rs"]
pub mod fuzzing;
mod gateway;
mod header;
mod hiding;
mod inner;
mod json;
mod lock;
mod log;
#[cfg(any(feature = "consent", feature = "testing"))]
mod loopback;
mod options;
mod panics;
mod providers;
mod resolve;
mod retry;
#[cfg(test)]
#[cfg_attr(not(differential), expect(dead_code))]
#[path = "../tests/properties/seeded.rs"]
mod seeded;
#[cfg(feature = "sessions")]
mod session;
#[cfg(feature = "signing")]
mod signing;
mod slot;
mod sync;
mod tenant;
mod time;
mod token;
mod transport;
mod url;
mod wait;

#[cfg(feature = "testing")]
#[doc(alias("fake", "mock"))]
pub mod testing;

#[cfg(doc)]
#[doc = include_str!("python.md")]
pub mod python {}
// The examples of this page need these features.
#[cfg(doc)]
#[cfg(any(not(doctest), all(feature = "consent", feature = "testing")))]
#[doc(alias("async", "multipart", "pagination", "paging", "tokio"))]
#[doc = include_str!("recipes.md")]
pub mod recipes {}
#[cfg(doc)]
#[doc = include_str!("refreshes.md")]
pub mod refreshes {}
#[cfg(doc)]
#[doc = include_str!("security.md")]
pub mod security {}
#[cfg(doc)]
#[doc = include_str!("changes.md")]
pub mod changes {}

// The README's examples need these features.
#[cfg(all(doctest, feature = "consent", feature = "testing"))]
#[doc = include_str!("../README.md")]
mod readme {}

pub use serde_json;
pub use ureq::{self, http};

pub use cache::TokenCache;
#[cfg(feature = "consent")]
pub use capture::{CaptureSchema, CapturedCredential};
pub use client::NexusClient;
pub use connection::{
    ConnectionStatus, NO_SCOPES, RequestConnectionInput, RequestConnectionResponse, RevokeOptions,
    RevokeResult,
};
#[cfg(feature = "consent")]
pub use consent::ConsentListener;
pub use error::{ErrorKind, NexusError, Origin, Result};
pub use fetch::fetcher::Fetcher;
pub use fetch::options::{FetchOptions, Redirects};
pub use fetch::result::json;
pub use lock::RefreshLock;
pub use log::LogLevel;
pub use options::{GatewayCall, NexusClientOptions};
pub use providers::{Health, ProviderInfo, Providers};
pub use retry::RetryPolicy;
#[cfg(feature = "sessions")]
pub use session::{AgentSession, AgentSessionInput};
pub use token::{CachedToken, TokenResponse};
pub use url::path_segment;
pub use wait::WaitOptions;
