//! What the gateway says about itself and its providers, and how a connection is made without a
//! browser, or ended.

use std::fmt;
use std::time::SystemTime;

use serde_json::Value;

use crate::connection::ConnectionStatus;
use crate::error::{self, ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::timestamp;
use crate::url;

/// The longest reason for a revocation that gateways take, in characters.
const LONGEST_REASON: usize = 512;

/// What [`NexusClient::health`](crate::NexusClient::health) says.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// assert_eq!(client.health()?.status, "healthy");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// `healthy`, if all is well.
    pub status: String,
    /// The gateway's version, if it tells.
    pub version: Option<String>,
}

impl Health {
    pub(crate) fn from_reply(reply: &Object) -> Result<Self> {
        Ok(Self {
            status: json::filled(reply, "status").ok_or_else(|| without("status"))?,
            version: json::filled(reply, "version"),
        })
    }
}

/// Whose connection is revoked, and why.
///
/// ```
/// let options = nexus_sdk::RevokeOptions::default();
/// assert_eq!((options.workspace_id, options.reason), (None, None));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RevokeOptions {
    /// Revoke only if the connection is this workspace's. Default: whoever's it is.
    pub workspace_id: Option<String>,
    /// Kept with the revocation; at most 512 characters. Default: none.
    pub reason: Option<String>,
}

impl RevokeOptions {
    /// Revoke only if the connection is this workspace's. Default: whoever's it is.
    ///
    /// ```
    /// let options = nexus_sdk::RevokeOptions::default().workspace_id("acme");
    /// assert_eq!(options.workspace_id.as_deref(), Some("acme"));
    /// ```
    #[must_use]
    pub fn workspace_id(mut self, workspace_id: impl Into<String>) -> Self {
        self.workspace_id = Some(workspace_id.into());
        self
    }

    /// Kept with the revocation; at most 512 characters. Default: none.
    ///
    /// ```
    /// let options = nexus_sdk::RevokeOptions::default().reason("left the team");
    /// assert_eq!(options.reason.as_deref(), Some("left the team"));
    /// ```
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The query of the request, with its question mark.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a reason that is too long, and for a blank workspace: gateways take that
    /// for none, and would revoke whoever's connection it is.
    pub(crate) fn query(&self) -> Result<String> {
        if let Some(workspace_id) = &self.workspace_id {
            error::not_blank("workspace_id", workspace_id)?;
        }
        if self
            .reason
            .as_ref()
            .is_some_and(|reason| reason.chars().count() > LONGEST_REASON)
        {
            return Err(NexusError::invalid_input(
                "reason",
                "longer than 512 characters",
            ));
        }
        let pairs = [
            ("workspace_id", &self.workspace_id),
            ("reason", &self.reason),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let pairs: Vec<_> = given
            .map(|(name, value)| format!("{name}={}", url::encode(value)))
            .collect();
        Ok(if pairs.is_empty() {
            String::new()
        } else {
            format!("?{}", pairs.join("&"))
        })
    }
}

/// What a revocation did. Revoking again does no harm and says so.
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
    /// Its provider.
    pub provider_name: Option<String>,
    /// Its status now, `revoked`.
    pub status: ConnectionStatus,
    /// When it was revoked.
    pub revoked_at: Option<SystemTime>,
    /// Whether it had been revoked before.
    pub already_revoked: bool,
    /// Whether the gateway has deleted the token.
    pub token_deleted: bool,
    /// Whether the provider has revoked the grant.
    pub provider_revoked: bool,
    /// Why the provider has not.
    pub provider_revocation_error: Option<String>,
    /// How many agent sessions were closed with it.
    pub sessions_closed: u64,
}

impl RevokeResult {
    pub(crate) fn from_reply(reply: &Object) -> Self {
        let status = json::filled(reply, "status").unwrap_or_else(|| "revoked".to_owned());
        Self {
            connection_id: json::filled(reply, "connection_id"),
            provider_name: json::filled(reply, "provider_name"),
            status: ConnectionStatus::from(status.as_str()),
            revoked_at: reply.get("revoked_at").and_then(timestamp::moment),
            already_revoked: json::flag(reply, "already_revoked"),
            token_deleted: json::flag(reply, "token_deleted"),
            provider_revoked: json::flag(reply, "provider_revoked"),
            provider_revocation_error: json::filled(reply, "provider_revocation_error"),
            sessions_closed: reply
                .get("sessions_closed")
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        }
    }
}

/// The providers that a gateway knows.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let providers = client.providers()?;
/// assert_eq!(providers.get("github").unwrap().auth_type, "oauth2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Providers {
    /// All of them, ordered by auth type and name. A name may occur with several auth types.
    pub all: Vec<ProviderInfo>,
}

/// One provider; what the gateway does not say is `None`.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// for provider in &client.providers()?.all {
///     println!("{} ({}): {:?}", provider.name, provider.auth_type, provider.description);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its name, for `request_connection` and `resolve_token`.
    pub name: String,
    /// The kind of its credentials, such as `oauth2` or `api_key`.
    pub auth_type: String,
    /// Its id.
    pub id: Option<String>,
    /// Where its API begins.
    pub api_base_url: Option<String>,
    /// Where it says who the user is.
    pub user_info_endpoint: Option<String>,
    /// The scopes that it knows.
    pub scopes: Option<Vec<String>>,
    /// What it is.
    pub description: Option<String>,
    /// What it is for.
    pub category: Option<String>,
}

impl Providers {
    pub(crate) fn from_reply(reply: &Object) -> Self {
        let mut all = Vec::new();
        for (auth_type, names) in reply {
            for (name, leaf) in names.as_object().into_iter().flatten() {
                let nothing = Object::new();
                let leaf = leaf.as_object().unwrap_or(&nothing);
                all.push(ProviderInfo::from_leaf(auth_type, name, leaf));
            }
        }
        all.sort_unstable_by(|a, b| (&a.auth_type, &a.name).cmp(&(&b.auth_type, &b.name)));
        Self { all }
    }

    /// The first provider of this name.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.providers()?.get("nobody").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ProviderInfo> {
        self.all.iter().find(|provider| provider.name == name)
    }
}

impl ProviderInfo {
    fn from_leaf(auth_type: &str, name: &str, leaf: &Object) -> Self {
        Self {
            name: name.to_owned(),
            auth_type: auth_type.to_owned(),
            id: json::filled(leaf, "id"),
            api_base_url: json::filled(leaf, "api_base_url"),
            user_info_endpoint: json::filled(leaf, "user_info_endpoint"),
            scopes: json::strings(leaf, "scopes"),
            description: json::filled(leaf, "description"),
            category: json::filled(leaf, "category"),
        }
    }
}

/// The form that a provider's credential has to be entered in.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let scopes: [&str; 0] = [];
/// let input = RequestConnectionInput::new("acme", "weather", scopes, "http://localhost:3000/");
/// let connection = client.request_connection(&input)?;
/// let form = client.capture_schema(connection.state.as_deref().unwrap())?;
/// assert_eq!(form.fields(), ["api_key"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CaptureSchema {
    /// The provider that the form is for.
    pub provider_name: Option<String>,
    /// A JSON Schema of the credentials object.
    pub schema: Object,
}

impl CaptureSchema {
    pub(crate) fn from_reply(mut reply: Object) -> Self {
        let provider_name = json::filled(&reply, "provider_name");
        let schema = match reply.remove("schema") {
            Some(Value::Object(schema)) => schema,
            _ => reply,
        };
        Self {
            provider_name,
            schema,
        }
    }

    /// The names of the credential's fields, in alphabetical order.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let input = RequestConnectionInput::new("acme", "registry", ["pull"], "http://localhost:3000/");
    /// # let state = client.request_connection(&input)?.state.unwrap();
    /// assert_eq!(client.capture_schema(&state)?.fields(), ["password", "username"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        let properties = json::object(&self.schema, "properties")
            .into_iter()
            .flatten();
        let mut names: Vec<&str> = properties.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// A credential that the gateway has taken.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
/// use nexus_sdk::serde_json::Map;
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let scopes: [&str; 0] = [];
/// let input = RequestConnectionInput::new("acme", "weather", scopes, "http://localhost:3000/");
/// let connection = client.request_connection(&input)?;
/// let credentials = Map::from_iter([("api_key".to_string(), "k-1".into())]);
/// let captured = client.capture_credential(connection.state.as_deref().unwrap(), &credentials)?;
/// assert_eq!(captured.connection_id, connection.connection_id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedCredential {
    /// The connection that it belongs to.
    pub connection_id: String,
    /// The connection's status now.
    pub status: ConnectionStatus,
    /// Where a browser would go next.
    pub redirect_url: Option<String>,
}

impl CapturedCredential {
    pub(crate) fn from_reply(reply: &Object) -> Result<Self> {
        Ok(Self {
            connection_id: json::filled(reply, "connection_id")
                .ok_or_else(|| without("connection_id"))?,
            status: ConnectionStatus::from_reply(reply)?,
            redirect_url: json::filled(reply, "redirect_url"),
        })
    }
}

impl fmt::Debug for CapturedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedCredential")
            .field("connection_id", &self.connection_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

fn without(field: &str) -> NexusError {
    let message = format!("the gateway's reply has no `{field}`");
    NexusError::new(ErrorKind::InvalidResponse, message)
}

#[cfg(test)]
mod tests;
