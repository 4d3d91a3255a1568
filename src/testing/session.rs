//! Agents, and their sessions.

use serde_json::{Map, Value, json};

use super::clock;

/// A registered agent.
#[derive(Clone)]
pub(super) struct Agent {
    pub(super) id: String,
    pub(super) allowed_scopes: Vec<String>,
}

/// An agent's use of a connection.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) agent_id: String,
    pub(super) connection_id: String,
    pub(super) scopes: Vec<String>,
    /// Milliseconds since 1970.
    pub(super) expires: u64,
    pub(super) closed: bool,
}

impl Session {
    pub(super) fn is_open(&self, now: u64) -> bool {
        !self.closed && now < self.expires
    }

    /// Returns the session as JSON, without its token.
    pub(super) fn described(&self, now: u64) -> Map<String, Value> {
        let fields = json!({
            "session_id": self.id,
            "agent_id": self.agent_id,
            "connection_id": self.connection_id,
            "scopes_granted": self.scopes,
            "expires_at": clock::rfc3339(self.expires),
            "active": self.is_open(now),
            "obo": false,
            "clearance_level": 1,
        });
        fields.as_object().cloned().unwrap_or_default()
    }
}
