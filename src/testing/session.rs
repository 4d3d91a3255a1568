//! Agent sessions, as they are kept.

use serde_json::{Map, Value, json};

use super::clock;

/// A session of an agent with a connection.
pub(super) struct Session {
    pub(super) id: String,
    pub(super) agent_id: String,
    pub(super) connection_id: String,
    pub(super) workspace_id: String,
    pub(super) scopes: Vec<String>,
    /// Whom the agent acts for.
    pub(super) user: Option<String>,
    pub(super) token: String,
    /// Whether the token comes as `session_token`.
    pub(super) own_type: bool,
    pub(super) expires: u64,
    pub(super) closed: bool,
}

impl Session {
    pub(super) fn is_open(&self, now: u64) -> bool {
        !self.closed && now < self.expires
    }

    pub(super) fn is_opened_by(&self, token: &str, now: u64) -> bool {
        self.token == token && self.is_open(now)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// All but the token.
    pub(super) fn described(&self, active: bool) -> Map<String, Value> {
        let of_user = |value: &str| self.user.as_ref().map(|_| value.to_owned());
        let fields = [
            ("session_id", json!(self.id)),
            ("agent_id", json!(self.agent_id)),
            ("connection_id", json!(self.connection_id)),
            ("scopes_granted", json!(self.scopes)),
            ("expires_at", json!(clock::rfc3339(self.expires))),
            ("active", json!(active)),
            ("token_type", json!(self.token_place().0)),
            ("obo", json!(self.user.is_some())),
            ("acting_for", json!(self.user)),
            ("tenant_id", json!(of_user(&self.workspace_id))),
            ("clearance_level", json!(of_user("standard"))),
        ];
        let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
        fields.into_iter().map(owned).collect()
    }

    pub(super) fn with_token(&self) -> Map<String, Value> {
        let mut fields = self.described(true);
        let field = self.token_place().1.to_owned();
        fields.insert(field, self.token.clone().into());
        fields
    }

    /// The token's type, and the field that it comes in.
    fn token_place(&self) -> (&'static str, &'static str) {
        if self.own_type {
            ("session", "session_token")
        } else {
            ("bearer", "access_token")
        }
    }
}
