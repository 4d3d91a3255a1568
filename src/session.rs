//! Agent sessions, for AI agents that an operator has registered with the scopes that they may request.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::connection::owned;
use crate::error::{self, NexusError, Result};
use crate::json::{self, Object};
use crate::log::debug_only;
use crate::time::date;
use crate::token::CachedToken;

/// The input of
/// [`NexusClient::request_agent_session`](crate::NexusClient::request_agent_session): an AI agent, scopes and a
/// connection. The connection is named by its id, or by workspace and provider.
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
/// assert_eq!(client.request_agent_session(&input)?.scopes_granted, ["repo"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct AgentSessionInput {
    /// The agent's id.
    pub agent_id: String,
    /// The scopes to request.
    pub scopes: Vec<String>,
    /// The workspace that owns the connection.
    pub workspace_id: Option<String>,
    /// The connection's provider.
    pub provider_name: Option<String>,
    /// The connection's id.
    pub connection_id: Option<String>,
    /// The lifetime of the session.
    pub ttl: Option<Duration>,
    /// The token of the user on whose behalf the agent acts.
    pub user_token: Option<String>,
}

impl AgentSessionInput {
    /// Creates the input for an agent. Name its connection next, with [`provider`](Self::provider) or
    /// [`connection_id`](Self::connection_id).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]);
    /// let error = client.request_agent_session(&input).unwrap_err();
    /// assert_eq!(error.code(), "invalid_input", "no connection is named");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new<S: AsRef<str>>(
        agent_id: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            agent_id: agent_id.into(),
            scopes: owned(scopes),
            workspace_id: None,
            provider_name: None,
            connection_id: None,
            ttl: None,
            user_token: None,
        }
    }

    /// Uses a workspace's connection to a provider.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    /// assert_eq!(client.request_agent_session(&input)?.connection_id, Some(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn provider(
        mut self,
        workspace_id: impl Into<String>,
        provider_name: impl Into<String>,
    ) -> Self {
        self.workspace_id = Some(workspace_id.into());
        self.provider_name = Some(provider_name.into());
        self
    }

    /// Uses the connection with this id.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).connection_id(&id);
    /// assert_eq!(client.request_agent_session(&input)?.connection_id, Some(id));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connection_id(mut self, connection_id: impl Into<String>) -> Self {
        self.connection_id = Some(connection_id.into());
        self
    }

    /// Sets the lifetime of the session, rounded down to whole seconds. Default: chosen by the gateway,
    /// normally 900 s.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let gateway = DevGateway::builder().agent("agent-7", ["repo"]).start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let ttl = Duration::from_secs(60);
    /// let input = AgentSessionInput::new("agent-7", ["repo"]).connection_id(id).ttl(ttl);
    /// let end = client.request_agent_session(&input)?.expires_at.unwrap();
    /// assert!(end <= SystemTime::now() + ttl);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Lets the agent act on behalf of the user to whom this token belongs. Default: no user.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions};
    ///
    /// let client = NexusClient::new(NexusClientOptions::from_env()?)?;
    /// let input = AgentSessionInput::new("agent-7", ["repo"])
    ///     .provider("acme", "github")
    ///     .on_behalf_of("the user's own token");
    /// let session = client.request_agent_session(&input)?;
    /// println!("acts for {:?}", session.acting_for);
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn on_behalf_of(mut self, user_token: impl Into<String>) -> Self {
        self.user_token = Some(user_token.into());
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        error::not_blank("agent_id", &self.agent_id)?;
        match (&self.connection_id, &self.workspace_id, &self.provider_name) {
            (Some(connection_id), None, None) => error::not_blank("connection_id", connection_id)?,
            (None, Some(workspace_id), Some(provider_name)) => {
                error::not_blank("workspace_id", workspace_id)?;
                error::not_blank("provider_name", provider_name)?;
            }
            _ => {
                let problem = "give either a connection_id, or a workspace and a provider";
                return Err(NexusError::invalid_input("session", problem));
            }
        }
        if self.ttl.is_some_and(|ttl| ttl.as_secs() == 0) {
            return Err(NexusError::invalid_input(
                "ttl",
                "is less than a second; set a longer ttl",
            ));
        }
        match self.user_token.as_deref() {
            Some(token) => error::not_blank("user_token", token),
            None => Ok(()),
        }
    }

    pub(crate) fn body(&self) -> Value {
        json::without_nulls(json!({
            "agent_id": self.agent_id,
            "scopes": self.scopes,
            "workspace_id": self.workspace_id,
            "provider_name": self.provider_name,
            "connection_id": self.connection_id,
            "ttl_seconds": self.ttl.map(|ttl| ttl.as_secs()),
            "user_context_token": self.user_token,
        }))
    }
}

debug_only!(AgentSessionInput: agent_id, scopes, workspace_id, provider_name, connection_id, ttl);

/// An agent's session, as the gateway describes it.
///
/// Only [`request_agent_session`](crate::NexusClient::request_agent_session) returns the session's token.
/// `Debug` shows neither the token nor the user.
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
/// assert!(session.active);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AgentSession {
    /// The session's id.
    pub session_id: String,
    /// The agent's id.
    pub agent_id: Option<String>,
    /// The id of the connection that the agent uses.
    pub connection_id: Option<String>,
    /// The scopes that were granted.
    pub scopes_granted: Vec<String>,
    /// The time at which the session ends.
    pub expires_at: Option<SystemTime>,
    /// True if the session can be used.
    pub active: bool,
    /// `bearer` for a token from the provider, `session` for a token from the gateway.
    pub token_type: Option<String>,
    /// The provider's `access_token`, or the gateway's `session_token`.
    pub token: Option<String>,
    /// True if the agent acts on behalf of a user.
    pub obo: bool,
    /// The user on whose behalf the agent acts.
    pub acting_for: Option<String>,
    /// The user's tenant.
    pub tenant_id: Option<String>,
    /// The user's clearance level.
    pub clearance_level: Option<String>,
    /// The whole response.
    pub raw: Object,
}

impl AgentSession {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{AgentSession, serde_json::json};
    ///
    /// let response = json!({"session_id": "s-1", "access_token": "t-1"});
    /// assert_eq!(AgentSession::from_json(response)?.session_id, "s-1");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let raw = json::into_object(response)?;
        let session_id = json::required(&raw, &["session_id"])?;
        let token =
            json::filled(&raw, "access_token").or_else(|| json::filled(&raw, "session_token"));
        Ok(Self {
            session_id,
            agent_id: json::filled(&raw, "agent_id"),
            connection_id: json::filled(&raw, "connection_id"),
            scopes_granted: json::strings(&raw, "scopes_granted").unwrap_or_default(),
            expires_at: raw.get("expires_at").and_then(date::moment),
            active: json::flag(&raw, "active"),
            token_type: json::filled(&raw, "token_type"),
            token,
            obo: json::flag(&raw, "obo"),
            acting_for: json::filled(&raw, "acting_for"),
            tenant_id: json::filled(&raw, "tenant_id"),
            clearance_level: json::filled(&raw, "clearance_level"),
            raw,
        })
    }

    /// Returns the session's token as a bearer token (RFC 6750 section 2.1).
    pub(crate) fn credential(&self) -> Result<CachedToken> {
        let token = self.token.as_deref().map(json::trimmed);
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            let problem = "has no token; use the session that request_agent_session returned";
            return Err(NexusError::invalid_input("session", problem));
        };
        let expires_at = self.expires_at.unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(CachedToken::new(token, "Bearer", expires_at))
    }
}

debug_only!(
    AgentSession: session_id, agent_id, connection_id, scopes_granted, expires_at, active,
    token_type, obo
);

#[cfg(test)]
mod tests;
