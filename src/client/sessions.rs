//! Agent sessions, and the guard that closes one.

use std::ops::Deref;

use super::{NexusClient, with_id};
use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::fetcher::Fetcher;
use crate::gateway::Request;
use crate::json::Object;
use crate::session::{AgentSession, AgentSessionInput, OboSessionInput};

impl NexusClient {
    /// Opens a session for an agent, with the scopes that it needs and no others.
    ///
    /// Blocks for one request to the gateway. [`AgentSessionGuard`] closes it again by itself.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id, or unless exactly one of connection and provider is given. Of the
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
        let request = Request::post("/v1/agent-sessions").json(input)?;
        let request = request.of_workspace(input.workspace_id.as_deref());
        AgentSession::from_response(self.send_of_session(&request)?)
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
        let request = Request::post("/v1/agent-sessions/obo").json(input)?;
        let request = request.of_workspace(input.session.workspace_id.as_deref());
        AgentSession::from_response(self.send_of_session(&request)?)
    }

    /// Asks for a session as it is now; the response never has its token.
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
        let request = Request::get(session_path(session_id)?);
        AgentSession::from_response(self.send_of_session(&request)?)
    }

    /// Closes a session, so that its token no longer works.
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
        let request = Request::delete(session_path(session_id)?);
        self.send_of_session(&request).map(drop)
    }

    /// Returns a fetcher with a session's token. Does not block.
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
        Ok(Fetcher::of_session(&self.0, session.credential()?))
    }

    /// Returns a guard that closes the session when it is dropped. Does not block.
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

    /// A call to a path that the gateway may not have.
    fn send_of_session(&self, request: &Request<'_>) -> Result<Object> {
        self.send(request).map_err(without_sessions)
    }
}

fn session_path(session_id: &str) -> Result<String> {
    with_id("/v1/agent-sessions/", "session_id", session_id)
}

/// A gateway without these paths responds with 404 and text, so without a code.
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
/// Dropping it blocks for one request to the gateway. It never panics; a failure is logged at
/// [`LogLevel::Error`](crate::LogLevel::Error), and the session then ends at its `expires_at`.
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
    /// Returns a fetcher with the session's token. Does not block.
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
                .gateway
                .log
                .error(|| format!("an agent session was not closed: {error}"));
        }
    }
}
