//! Agent sessions: short-lived credentials of few scopes, for an agent.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::connection;
use crate::error::{self, NexusError, Result};
use crate::json::{self, Object};
use crate::secret::shows;
use crate::time::date;
use crate::token::CachedToken;

/// What [`NexusClient::request_agent_session`](crate::NexusClient::request_agent_session) asks for:
/// an agent, its scopes, and the connection to act through, named by its id or by workspace and
/// provider.
///
/// ```
/// use nexus_sdk::AgentSessionInput;
///
/// let input = AgentSessionInput::new("agent-7", ["repo:read"]).provider("acme", "github");
/// assert_eq!(input.provider_name.as_deref(), Some("github"));
/// assert_eq!(input.ttl, None, "the gateway's default, 15 minutes");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentSessionInput {
    /// The agent's id.
    pub agent_id: String,
    /// The scopes that it needs.
    pub scopes: Vec<String>,
    /// The workspace whose connection it acts through, with `provider_name`.
    pub workspace_id: Option<String>,
    /// The provider of that connection.
    pub provider_name: Option<String>,
    /// The connection itself, in place of workspace and provider.
    pub connection_id: Option<String>,
    /// How long the session lasts, in whole seconds; the gateway's default is 900 s.
    pub ttl: Option<Duration>,
}

impl AgentSessionInput {
    /// A session for an agent; call [`provider`](Self::provider) or
    /// [`connection_id`](Self::connection_id) next.
    ///
    /// ```
    /// let input = nexus_sdk::AgentSessionInput::new("agent-7", ["repo:read"]);
    /// assert_eq!(input.agent_id, "agent-7");
    /// ```
    #[must_use]
    pub fn new<S: AsRef<str>>(
        agent_id: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
    ) -> Self {
        Self {
            agent_id: agent_id.into(),
            scopes: connection::owned(scopes),
            workspace_id: None,
            provider_name: None,
            connection_id: None,
            ttl: None,
        }
    }

    /// Acts through a workspace's connection to a provider.
    ///
    /// ```
    /// let input = nexus_sdk::AgentSessionInput::new("a", ["s"]).provider("acme", "github");
    /// assert_eq!(input.workspace_id.as_deref(), Some("acme"));
    /// ```
    #[must_use]
    pub fn provider(
        mut self,
        workspace_id: impl Into<String>,
        provider_name: impl Into<String>,
    ) -> Self {
        self.workspace_id = Some(workspace_id.into());
        self.provider_name = Some(provider_name.into());
        self
    }

    /// Acts through this connection.
    ///
    /// ```
    /// let input = nexus_sdk::AgentSessionInput::new("a", ["s"]).connection_id("connection-1");
    /// assert_eq!(input.connection_id.as_deref(), Some("connection-1"));
    /// ```
    #[must_use]
    pub fn connection_id(mut self, connection_id: impl Into<String>) -> Self {
        self.connection_id = Some(connection_id.into());
        self
    }

    /// How long the session lasts, in whole seconds. Default: the gateway's, 900 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let input = nexus_sdk::AgentSessionInput::new("a", ["s"]).ttl(Duration::from_secs(60));
    /// assert_eq!(input.ttl, Some(Duration::from_secs(60)));
    /// ```
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
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
        match self.ttl {
            Some(ttl) if ttl.as_secs() == 0 => {
                Err(NexusError::invalid_input("ttl", "less than a second"))
            }
            _ => Ok(()),
        }
    }

    fn body(&self) -> Vec<(&'static str, Value)> {
        let given = |name, text: &Option<String>| Some((name, text.as_deref()?.into()));
        let ttl = self.ttl.map(|ttl| ("ttl_seconds", ttl.as_secs().into()));
        let body = [
            Some(("agent_id", self.agent_id.as_str().into())),
            Some(("scopes", self.scopes.as_slice().into())),
            given("workspace_id", &self.workspace_id),
            given("provider_name", &self.provider_name),
            given("connection_id", &self.connection_id),
            ttl,
        ];
        body.into_iter().flatten().collect()
    }
}

impl Serialize for AgentSessionInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.body())
    }
}

/// What [`NexusClient::request_obo_session`](crate::NexusClient::request_obo_session) asks for: an
/// agent session on behalf of a user, whose own token says who that is.
///
/// ```
/// use nexus_sdk::{AgentSessionInput, OboSessionInput};
///
/// let session = AgentSessionInput::new("agent-7", ["repo:read"]).provider("acme", "github");
/// let input = OboSessionInput::new(session, "the user's own token");
/// assert!(!format!("{input:?}").contains("own token"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OboSessionInput {
    /// The session that is asked for.
    pub session: AgentSessionInput,
    /// The token of the user on whose behalf the agent acts.
    pub user_context_token: String,
}

impl OboSessionInput {
    /// A session on behalf of the user whose token this is.
    ///
    /// ```
    /// use nexus_sdk::{AgentSessionInput, OboSessionInput};
    ///
    /// let session = AgentSessionInput::new("a", ["s"]).connection_id("connection-1");
    /// assert_eq!(OboSessionInput::new(session, "u-1").user_context_token, "u-1");
    /// ```
    #[must_use]
    pub fn new(session: AgentSessionInput, user_context_token: impl Into<String>) -> Self {
        Self {
            session,
            user_context_token: user_context_token.into(),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.session.check()?;
        error::not_blank("user_context_token", &self.user_context_token)
    }
}

impl Serialize for OboSessionInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = self.session.body();
        body.push((
            "user_context_token",
            self.user_context_token.as_str().into(),
        ));
        serializer.collect_map(body)
    }
}

shows!(OboSessionInput: session);

/// An agent's session, as the gateway describes it.
///
/// Only the response that makes the session has its token. `Debug` shows neither the token nor the
/// user.
///
/// ```
/// use nexus_sdk::{AgentSessionInput, NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
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
    /// The connection that it acts through.
    pub connection_id: Option<String>,
    /// The scopes that were granted; they may be fewer than were asked for.
    pub scopes_granted: Vec<String>,
    /// When it ends.
    pub expires_at: Option<SystemTime>,
    /// Whether it can be used.
    pub active: bool,
    /// `bearer` for a token of the provider, `session` for one of the gateway.
    pub token_type: Option<String>,
    /// The token: the provider's `access_token`, or the gateway's `session_token`.
    pub token: Option<String>,
    /// Whether it acts on behalf of a user.
    pub obo: bool,
    /// That user.
    pub acting_for: Option<String>,
    /// The user's tenant.
    pub tenant_id: Option<String>,
    /// The user's clearance.
    pub clearance_level: Option<String>,
    /// The whole response.
    pub raw: Object,
}

impl AgentSession {
    pub(crate) fn from_response(raw: Object) -> Result<Self> {
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

    /// The form in which the token goes on requests: as a bearer token (RFC 6750 section 2.1).
    pub(crate) fn credential(&self) -> Result<CachedToken> {
        let Some(token) = &self.token else {
            let problem =
                "this session came without its token; only the response that makes one has it";
            return Err(NexusError::invalid_input("session", problem));
        };
        let expires_at = self.expires_at.unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(CachedToken::new(token, "Bearer", expires_at))
    }
}

shows!(
    AgentSession: session_id, agent_id, connection_id, scopes_granted, expires_at, active,
    token_type, obo
);

#[cfg(test)]
mod tests;
