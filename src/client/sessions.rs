//! Agent sessions.

use serde_json::Value;

use super::NexusClient;
use crate::error::{NexusError, Result};
use crate::fetch::access::Credential;
use crate::fetch::fetcher::Fetcher;
use crate::gateway::{Request, with_id};
use crate::session::{AgentSession, AgentSessionInput};

/// The name of a request for a session.
const OPERATION: &str = "request_agent_session";

impl NexusClient {
    /// Opens a session for an AI agent, with the requested scopes. If one of the scopes is not allowed, the gateway
    /// refuses the session. With [`on_behalf_of`](AgentSessionInput::on_behalf_of), the agent acts on behalf of
    /// a user.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
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
    ///
    /// # Details
    ///
    /// A broker of version 0.4 serves agent sessions, except sessions on behalf of a user (`http_405`). No gateway passes
    /// these requests on to its broker yet. An operator has to register the agent first, with `POST /admin/v1/agents`.
    ///
    /// If the session's `token_type` is `bearer`, its token is normally the connection's own token. Such a token has all
    /// scopes of the connection, and can still work after the session has been closed or has expired.
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt. The request may [refresh](crate::refreshes) the
    /// connection's token, so it waits its turn, and continues after its caller has timed out. The session
    /// that it opens then stays open until it expires, unless [`revoke_connection`](Self::revoke_connection) revokes the
    /// connection.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id, name or user token, for a `ttl` of less than a second, and if the input
    /// names both a connection id and a provider, or neither. `sessions_not_supported` (404) if the gateway has no agent
    /// sessions. From the gateway: `scope_not_allowed`, `scope_not_granted` (403), `agent_not_found`,
    /// `connection_not_found` (404), `connection_not_active`, `unsupported_agent_session_provider` (400) and
    /// `token_expired` (409). For a session on behalf of a user, also `invalid_user_context_token` (401),
    /// `user_not_authorized_for_scope` (403) and `backend_auth_unavailable` (503).
    #[doc(alias = "request_obo_session")]
    pub fn request_agent_session(&self, input: &AgentSessionInput) -> Result<AgentSession> {
        input.check()?;
        let post = match &input.user_token {
            Some(token) => Request::post(OPERATION, "/v1/agent-sessions/obo").secret(token.clone()),
            None => Request::post(OPERATION, "/v1/agent-sessions"),
        };
        let for_tenant = post
            .of_tenant(
                input.workspace_id.as_deref(),
                input.provider_name.as_deref(),
            )
            .json(&input.body());
        let request = match &input.connection_id {
            Some(id) => self.0.connections.by_id(id, for_tenant),
            None => for_tenant,
        };
        let subject = request.subject.clone();
        let response = self.0.call(request, self.0.gateway.longest_call());
        let session = response
            .map_err(of_session)
            .and_then(|response| AgentSession::from_json(response.body.clone().into()));
        session.map_err(|error| error.about(&subject))
    }

    /// Returns the current state of a session, without its token.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id. From the gateway: `session_not_found` (404).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).connection_id(connection);
    /// let session = client.request_agent_session(&input)?;
    /// let session = client.get_agent_session(&session.session_id)?;
    /// assert!(session.active && session.token.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_agent_session(&self, session_id: &str) -> Result<AgentSession> {
        let path = with_id("/v1/agent-sessions/", "session_id", session_id)?;
        let request = Request::get("get_agent_session", path).of_session(session_id);
        AgentSession::from_json(self.send_of_session(&request)?)
            .map_err(|error| error.about(&request.subject))
    }

    /// Closes a session. The gateway then reports the session as inactive. A `bearer` token may still work,
    /// because it comes from the provider.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id. From the gateway: `session_not_found` (404).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_agent_session(&input)?;
    /// client.close_agent_session(&session.session_id)?;
    /// assert!(!client.get_agent_session(&session.session_id)?.active);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_agent_session(&self, session_id: &str) -> Result<()> {
        let path = with_id("/v1/agent-sessions/", "session_id", session_id)?;
        let request = Request::delete("close_agent_session", path).of_session(session_id);
        self.send_of_session(&request).map(drop)
    }

    /// Returns a fetcher that uses a session's token. Does not block.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a session without its token. Only
    /// [`request_agent_session`](Self::request_agent_session) returns a session with its token.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// let session = client.request_agent_session(&input)?;
    /// let fetcher = client.session_fetcher(&session)?.allow_hosts(["127.0.0.1"])?;
    /// assert_eq!(fetcher.get(&format!("{}/user", gateway.url()))?.0, 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session_fetcher(&self, session: &AgentSession) -> Result<Fetcher> {
        let (token, id) = (session.credential()?.into(), &*session.session_id);
        let credential = Credential::Session(token, id.into());
        Ok(Fetcher::new(&self.0, credential))
    }

    /// Sends a request. A gateway without agent sessions returns a 404 without a code, which becomes the error
    /// `sessions_not_supported`.
    fn send_of_session(&self, request: &Request) -> Result<Value> {
        let sent = self.send(request);
        sent.map_err(|error| of_session(error).about(&request.subject))
    }
}

fn of_session(error: NexusError) -> NexusError {
    if error.code() != "http_404" {
        return error;
    }
    let message = "this gateway has no agent sessions; check gateway_url, or ask the gateway's operator for them";
    NexusError::with_code("sessions_not_supported", message).with(|inner| inner.status = Some(404))
}
