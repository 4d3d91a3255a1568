//! What the Python SDK has no method for.

use std::ops::Deref;

use serde::Serialize;
use ureq::http::HeaderMap;

use super::{NexusClient, with_id};
use crate::admin::{
    CaptureSchema, CapturedCredential, Health, Providers, RevokeOptions, RevokeResult,
};
use crate::error::{self, ErrorKind, NexusError, Result};
use crate::fetcher::Fetcher;
use crate::json::Object;
use crate::native;
use crate::resolve::Tenant;
use crate::session::{AgentSession, AgentSessionInput, OboSessionInput};
use crate::token_cache::TokenCache;
use crate::url;

impl NexusClient {
    /// A fetcher for one workspace and provider. Does not block; blank names are the error
    /// `invalid_input` of its fetches.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let github = client.fetcher(&TokenCache::new(), "acme", "github");
    /// assert_eq!(github.get(&format!("{}/user", gateway.url()))?.0, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fetcher(&self, cache: &TokenCache, workspace_id: &str, provider: &str) -> Fetcher {
        let tenant = Tenant {
            workspace_id,
            provider,
        };
        Fetcher::of_tenant(self.0.clone(), cache.clone(), tenant)
    }

    /// A `ureq::Agent` that puts the credential on every request, for code and libraries that take
    /// an agent, and for bodies that stream in either direction.
    ///
    /// It has the settings of the client's agent and uses its connections. Making one does not
    /// block; each request first gets the token as [`get_cached_token`](Self::get_cached_token)
    /// does, before the request's own timeouts begin. The client's timeout (30 s) bounds the
    /// connecting, the wait for the response's headers, and every single read and write; a stream
    /// as a whole is not bounded, unless the request says so. With
    /// [`NexusClientOptions::agent`](crate::NexusClientOptions::agent) that agent's own timeouts
    /// hold instead. Any method but `CONNECT` and `TRACE` is sent. Redirects are not followed: the
    /// 3xx is the response, whatever the request's settings say. Statuses of 400 and above are
    /// errors if the client's agent or the request's settings make them so, as ever with ureq (its
    /// default).
    ///
    /// What it cannot do: send a streamed body again, so only `GET` and `HEAD` are replayed after a
    /// 401 to a cached token; sign a streamed body; try a pooled connection again that the server
    /// closes just as it is used, as a fetch does. With a `query_param` provider, the response's
    /// own URI (ureq's `get_uri`) holds the credential.
    ///
    /// A 401 to a cached token drops it. `GET` and `HEAD` are then sent once more if there is
    /// another token; other methods are not, because their body may be gone: the next request has
    /// the new one. A strategy that signs bodies signs those of `GET` and `HEAD` alone. What the SDK
    /// refuses is `ureq::Error::Other` with a [`NexusError`](crate::NexusError) inside: besides the
    /// errors of [`get_cached_token`](Self::get_cached_token) `insecure_url`, `invalid_input` and
    /// `unsupported_strategy`.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let agent = client.authenticated_agent(&TokenCache::new(), "acme", "github");
    /// let mut response = agent.get(format!("{}/user", gateway.url())).call()?;
    /// let user = nexus_sdk::serde_json::from_reader::<_, nexus_sdk::serde_json::Value>(
    ///     response.body_mut().as_reader(),
    /// )?;
    /// assert_eq!(user["login"], "acme");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn authenticated_agent(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> ureq::Agent {
        let tenant = Tenant {
            workspace_id,
            provider,
        };
        native::authenticated_agent(self.0.clone(), cache.clone(), tenant)
    }

    /// The headers that carry the credential, for a connection that the SDK does not make itself: a
    /// WebSocket, an MCP client. They are marked sensitive, so that `Debug` does not show them.
    ///
    /// Blocks as [`get_cached_token`](Self::get_cached_token) does.
    ///
    /// # Errors
    ///
    /// As [`get_cached_token`](Self::get_cached_token), and `unsupported_strategy` for a credential
    /// that does not go into headers alone.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let headers = client.auth_headers(&TokenCache::new(), "acme", "github")?;
    /// assert!(headers["authorization"].to_str()?.starts_with("Bearer "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn auth_headers(
        &self,
        cache: &TokenCache,
        workspace_id: &str,
        provider: &str,
    ) -> Result<HeaderMap> {
        let token = self.get_cached_token(cache, workspace_id, provider)?;
        let (name, value) = token.header()?.ok_or_else(|| {
            let problem =
                "this provider's credential does not go into headers alone; fetch with it";
            NexusError::new(ErrorKind::UnsupportedStrategy, problem)
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        Ok(headers)
    }

    /// Whether the gateway is well. Asks `/health`, and `/v1/health` if there is no such path.
    ///
    /// Blocks for two requests to the gateway at most.
    ///
    /// # Errors
    ///
    /// Those of every call to the gateway.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert_eq!(client.health()?.status, "healthy");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn health(&self) -> Result<Health> {
        let answer = match self.get("/health") {
            Err(error) if error.status_code() == Some(404) => self.get("/v1/health"),
            answer => answer,
        };
        Health::from_reply(&answer?)
    }

    /// Revokes a connection: the gateway deletes its token, tells the provider and closes its agent
    /// sessions. Needs a gateway of version 0.4 or later. Tokens in a cache are not touched.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id or a reason of more than 512 characters. Of the gateway:
    /// `connection_not_found` (404, also when it is another workspace's), `invalid_connection_id`
    /// (400), `token_delete_failed`, `revoke_failed` (500).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = RevokeOptions::default().workspace_id("acme").reason("left the team");
    /// assert!(client.revoke_connection(&connection, options)?.status == "revoked");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "options are passed by value, here as everywhere"
    )]
    pub fn revoke_connection(
        &self,
        connection_id: &str,
        options: RevokeOptions,
    ) -> Result<RevokeResult> {
        let path = format!(
            "{}{}",
            with_id("/v1/connections/", connection_id)?,
            options.query()?
        );
        let answer = self.0.delete(&path, self.0.longest_call())?;
        Ok(RevokeResult::from_reply(&answer.body))
    }

    /// The providers that the gateway knows.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// Those of every call to the gateway.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.providers()?.get("github").is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn providers(&self) -> Result<Providers> {
        self.get("/v1/providers")
            .map(|reply| Providers::from_reply(&reply))
    }

    /// The form in which a provider's credential is entered, for a connection that was requested.
    /// `state` is that of [`request_connection`](Self::request_connection)'s reply.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state; of the gateway `invalid_state` (400).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "weather", ["read"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// let form = client.capture_schema(connection.state.as_deref().unwrap())?;
    /// assert_eq!(form.fields(), ["api_key"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_schema(&self, state: &str) -> Result<CaptureSchema> {
        error::not_blank("state", state)?;
        let path = format!("/v1/capture-schema?state={}", url::encode(state));
        self.get(&path).map(CaptureSchema::from_reply)
    }

    /// Gives the gateway the credential of a connection that was requested, in place of a consent.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state; of the gateway `invalid_state` (400) and `broker_error`
    /// (502), whose message is the broker's own.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    /// use nexus_sdk::serde_json::Map;
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "weather", ["read"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// let credentials = Map::from_iter([("api_key".to_string(), "k-1".into())]);
    /// let state = connection.state.as_deref().unwrap();
    /// assert!(client.capture_credential(state, &credentials)?.status == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_credential(
        &self,
        state: &str,
        credentials: &Object,
    ) -> Result<CapturedCredential> {
        error::not_blank("state", state)?;
        let mut body = Object::new();
        body.insert("state".to_owned(), state.into());
        body.insert("credentials".to_owned(), credentials.clone().into());
        CapturedCredential::from_reply(&self.send("/v1/capture-credential", &body)?)
    }

    /// Opens a session for an agent, with no more than the scopes that it needs.
    ///
    /// Blocks for one request to the gateway. [`AgentSessionGuard`] closes it again by itself.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id, or without just one of connection and provider. Of the
    /// gateway: `scope_not_allowed`, `agent_inactive` (403), `agent_not_found`,
    /// `connection_not_found` (404), `invalid_ttl` (400), and `sessions_not_supported` (404) from
    /// one that does not have agent sessions yet.
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_agent_session(&input)?;
    /// let (status, _headers, _body) =
    ///     client.session_fetcher(&session)?.get(&format!("{}/user", gateway.url()))?;
    /// assert_eq!(status, 200);
    /// client.close_agent_session(&session.session_id)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_agent_session(&self, input: &AgentSessionInput) -> Result<AgentSession> {
        input.check()?;
        let reply = self
            .send("/v1/agent-sessions", input)
            .map_err(without_sessions)?;
        AgentSession::from_reply(reply)
    }

    /// Opens a session in which an agent acts on behalf of a user.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// As [`request_agent_session`](Self::request_agent_session), and of the gateway
    /// `invalid_user_context_token` (401), `user_not_authorized_for_scope` (403),
    /// `backend_auth_unavailable` (503).
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, OboSessionInput};
    /// use nexus_sdk::testing::DevGateway;
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_obo_session(&OboSessionInput::new(session, "user:ada"))?;
    /// assert!(session.obo);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_obo_session(&self, input: &OboSessionInput) -> Result<AgentSession> {
        input.check()?;
        let reply = self
            .send("/v1/agent-sessions/obo", input)
            .map_err(without_sessions)?;
        AgentSession::from_reply(reply)
    }

    /// A session as the gateway sees it now, without its token.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; of the gateway `session_not_found` (404).
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).connection_id(connection);
    /// let session = client.request_agent_session(&input)?;
    /// let session = client.get_agent_session(&session.session_id)?;
    /// assert!(session.active && session.token.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_agent_session(&self, session_id: &str) -> Result<AgentSession> {
        let reply = self
            .get(&session_path(session_id)?)
            .map_err(without_sessions)?;
        AgentSession::from_reply(reply)
    }

    /// Closes a session; its token is of no more use.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; of the gateway `session_not_found` (404).
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_agent_session(&input)?;
    /// client.close_agent_session(&session.session_id)?;
    /// assert!(!client.get_agent_session(&session.session_id)?.active);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_agent_session(&self, session_id: &str) -> Result<()> {
        let path = session_path(session_id)?;
        self.0
            .delete(&path, self.0.longest_call())
            .map_err(without_sessions)?;
        Ok(())
    }

    /// A fetcher with a session's token. Does not block.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a session without its token, as
    /// [`get_agent_session`](Self::get_agent_session) returns it.
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_agent_session(&input)?;
    /// let fetcher = client.session_fetcher(&session)?.allow_hosts(["127.0.0.1"]);
    /// assert_eq!(fetcher.get(&format!("{}/user", gateway.url()))?.0, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session_fetcher(&self, session: &AgentSession) -> Result<Fetcher> {
        Ok(Fetcher::of_session(self.0.clone(), session.credential()?))
    }

    /// Takes over the duty to close a session. Does not block.
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.guard_agent_session(client.request_agent_session(&input)?);
    /// let id = session.session_id.clone();
    /// drop(session);
    /// assert!(!client.get_agent_session(&id)?.active);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn guard_agent_session(&self, session: AgentSession) -> AgentSessionGuard {
        AgentSessionGuard {
            client: self.clone(),
            session,
        }
    }

    fn get(&self, path: &str) -> Result<Object> {
        self.0
            .get(path, self.0.longest_call())
            .map(|answer| answer.body)
    }

    fn send(&self, path: &str, body: &impl Serialize) -> Result<Object> {
        let body =
            serde_json::to_vec(body).map_err(|error| NexusError::invalid_input("body", error))?;
        self.post(path, Some(&body)).map(|answer| answer.body)
    }
}

fn session_path(session_id: &str) -> Result<String> {
    error::not_blank("session_id", session_id)?;
    Ok(format!("/v1/agent-sessions/{}", url::encode(session_id)))
}

/// A gateway that does not route these paths yet answers 404 as text, that is without a code.
fn without_sessions(error: NexusError) -> NexusError {
    if error.code() != "http_404" {
        return error;
    }
    let message = "this gateway does not have agent sessions; ask its operator for a newer one";
    NexusError::new(ErrorKind::Gateway, message)
        .with_code("sessions_not_supported")
        .with_status(404)
}

/// An agent session that is closed when this is dropped.
///
/// Dropping it blocks for one request to the gateway; it never panics, and a failure is a line on
/// stderr: the session then ends by itself at its `expires_at`.
///
/// ```
/// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
/// let session = client.guard_agent_session(client.request_agent_session(&input)?);
/// assert_eq!(session.fetcher()?.get(&format!("{}/user", gateway.url()))?.0, 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AgentSessionGuard {
    client: NexusClient,
    session: AgentSession,
}

impl AgentSessionGuard {
    /// A fetcher with the session's token. Does not block.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a session without its token.
    ///
    /// ```
    /// # use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.guard_agent_session(client.request_agent_session(&input)?);
    /// let fetcher = session.fetcher()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fetcher(&self) -> Result<Fetcher> {
        self.client.session_fetcher(&self.session)
    }
}

impl Deref for AgentSessionGuard {
    type Target = AgentSession;

    fn deref(&self) -> &AgentSession {
        &self.session
    }
}

impl Drop for AgentSessionGuard {
    fn drop(&mut self) {
        if let Err(error) = self.client.close_agent_session(&self.session.session_id) {
            self.client
                .0
                .log
                .warn(|| format!("an agent session was not closed: {error}"));
        }
    }
}
