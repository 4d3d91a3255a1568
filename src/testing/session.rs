//! Agent sessions.

use serde_json::{Value, json};

use super::clock;

/// An agent's use of a connection.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) agent_id: String,
    pub(super) connection_id: String,
    pub(super) workspace_id: String,
    pub(super) scopes: Vec<String>,
    /// The user on whose behalf the agent acts.
    pub(super) user: Option<String>,
    pub(super) token: String,
    /// Milliseconds since 1970.
    pub(super) expires: u64,
    pub(super) closed: bool,
}

impl Session {
    pub(super) fn is_open(&self, now: u64) -> bool {
        !self.closed && now < self.expires
    }

    /// Returns the session as JSON, without its token.
    pub(super) fn described(&self, active: bool, token_type: &str) -> Value {
        let with_user = |value: &str| self.user.as_ref().map(|_| value.to_owned());
        json!({
            "session_id": self.id,
            "agent_id": self.agent_id,
            "connection_id": self.connection_id,
            "scopes_granted": self.scopes,
            "expires_at": clock::rfc3339(self.expires),
            "active": active,
            "token_type": token_type,
            "obo": self.user.is_some(),
            "acting_for": self.user,
            "tenant_id": with_user(&self.workspace_id),
            "clearance_level": with_user("standard"),
        })
    }
}
