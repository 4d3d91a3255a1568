//! The options and the result of revoking a connection.

use std::time::SystemTime;

use serde_json::Value;

use super::ConnectionStatus;
use crate::error::{self, Result};
use crate::json;
use crate::time::date;
use crate::url;

/// Options of [`NexusClient::revoke_connection`](crate::NexusClient::revoke_connection).
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let id = gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let options = RevokeOptions::default().workspace_id("acme").reason("left the team");
/// assert!(!client.revoke_connection(&id, options)?.already_revoked);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RevokeOptions {
    pub(crate) workspace_id: Option<String>,
    reason: Option<String>,
}

impl RevokeOptions {
    /// Revokes the connection only if it belongs to this workspace. Default: any workspace.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = RevokeOptions::default().workspace_id("somebody-else");
    /// let error = client.revoke_connection(&id, options).unwrap_err();
    /// assert_eq!(error.code(), "connection_not_found");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn workspace_id(mut self, workspace_id: impl Into<String>) -> Self {
        self.workspace_id = Some(workspace_id.into());
        self
    }

    /// Sets the reason that the gateway stores, at most 512 characters. Default: none.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let id = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = RevokeOptions::default().reason("x".repeat(513));
    /// let error = client.revoke_connection(&id, options).unwrap_err();
    /// assert_eq!(error.code(), "reason_too_long");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Appends the options to a path as its query.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank workspace. Gateways would treat an empty `workspace_id` as any workspace.
    pub(crate) fn append_to(&self, path: &str) -> Result<String> {
        if let Some(workspace_id) = &self.workspace_id {
            error::not_blank("workspace_id", workspace_id)?;
        }
        let parameters = [
            ("workspace_id", self.workspace_id.as_deref()),
            ("reason", self.reason.as_deref()),
        ];
        Ok(url::with_query(path, &parameters))
    }
}

/// The result of a revocation. Revoking a connection again succeeds and sets `already_revoked`.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let connection = gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let result = client.revoke_connection(&connection, RevokeOptions::default())?;
/// assert!(result.token_deleted && !result.already_revoked);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeResult {
    /// The connection's id.
    pub connection_id: Option<String>,
    /// The name of the connection's provider.
    pub provider_name: Option<String>,
    /// The connection's status, normally `revoked`.
    pub status: ConnectionStatus,
    /// The time of the first revocation.
    pub revoked_at: Option<SystemTime>,
    /// True if the connection had already been revoked before this call.
    pub already_revoked: bool,
    /// True if the gateway has deleted the token.
    pub token_deleted: bool,
    /// True if the provider has revoked the grant.
    pub provider_revoked: bool,
    /// The reason why the provider has not revoked the grant, or has revoked only a part of it.
    pub provider_revocation_error: Option<String>,
    /// The number of agent sessions that the gateway has closed.
    pub sessions_closed: u64,
}

impl RevokeResult {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// ```
    /// use nexus_sdk::{RevokeResult, serde_json::json};
    ///
    /// let response = json!({"status": "revoked"});
    /// assert_eq!(RevokeResult::from_json(response)?.status, "revoked");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let response = &json::into_object(response)?;
        let closed = response.get("sessions_closed").and_then(Value::as_u64);
        let status = json::filled(response, "status").unwrap_or_else(|| "revoked".to_owned());
        Ok(Self {
            connection_id: json::filled(response, "connection_id"),
            provider_name: json::filled(response, "provider_name"),
            status: ConnectionStatus::from(status.as_str()),
            revoked_at: response.get("revoked_at").and_then(date::moment),
            already_revoked: json::flag(response, "already_revoked"),
            token_deleted: json::flag(response, "token_deleted"),
            provider_revoked: json::flag(response, "provider_revoked"),
            provider_revocation_error: json::filled(response, "provider_revocation_error"),
            sessions_closed: closed.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NexusError;
    use crate::json::Object;
    use serde_json::json;

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_a_revocation_asks_for() {
        let options = RevokeOptions::default;
        let table = [
            (options(), Some(String::new())),
            (
                options().workspace_id("a b&c"),
                Some("?workspace_id=a%20b%26c".into()),
            ),
            (options().reason("x=y"), Some("?reason=x%3Dy".into())),
            (options().reason(""), Some("?reason=".into())),
            (
                options().reason("r").workspace_id("w"),
                Some("?workspace_id=w&reason=r".into()),
            ),
            (options().workspace_id(""), None),
            (options().workspace_id(" \t"), None),
        ];
        for (options, expected) in table {
            let query = options.append_to("");
            let code = query.as_ref().err().map(NexusError::code);
            assert_eq!(
                code,
                expected.is_none().then_some("invalid_input"),
                "{options:?}"
            );
            assert_eq!(query.ok(), expected);
        }
    }

    #[test]
    fn a_revocation_that_says_little_was_one() {
        let fields = [
            "connection_id",
            "provider_name",
            "status",
            "revoked_at",
            "already_revoked",
            "token_deleted",
            "provider_revoked",
            "provider_revocation_error",
            "sessions_closed",
        ];
        let bare = RevokeResult::from_json(json!({})).unwrap();
        assert!(bare.status == "revoked" && !bare.already_revoked && !bare.token_deleted);
        assert_eq!(
            (&bare.connection_id, bare.revoked_at, bare.sessions_closed),
            (&None, None, 0)
        );
        for odd in [Value::Null, json!({}), json!([1]), json!("")] {
            let response = Object::from_iter(fields.map(|name| (name.to_owned(), odd.clone())));
            assert_eq!(
                RevokeResult::from_json(response.into()).unwrap(),
                bare,
                "{odd}"
            );
        }
        for count in [json!(-1), json!(1.5), json!("3"), json!(true)] {
            let response = object(json!({"sessions_closed": count}));
            assert_eq!(
                RevokeResult::from_json(response.into())
                    .unwrap()
                    .sessions_closed,
                0,
                "{count}"
            );
        }
    }

    #[test]
    fn a_revocation_is_read_in_full() {
        let result = RevokeResult::from_json(json!({
            "connection_id": "c", "provider_name": "p", "status": "revoked", "revoked_at": 1_769_849_377,
            "already_revoked": true, "token_deleted": true, "provider_revoked": false,
            "provider_revocation_error": "unreachable", "sessions_closed": 3, "more": {},
        }))
        .unwrap();
        assert_eq!(result.connection_id.as_deref(), Some("c"));
        assert_eq!(result.provider_name.as_deref(), Some("p"));
        assert!(result.revoked_at.is_some() && result.already_revoked && result.token_deleted);
        assert_eq!(
            result.provider_revocation_error.as_deref(),
            Some("unreachable")
        );
        assert!(!result.provider_revoked && result.sessions_closed == 3);
    }
}
