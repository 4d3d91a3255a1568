//! Connections to providers: the request, the response and the status.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::error::{self, ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::log::{debug_only, is_unsafe_to_show};
use crate::time::date;
use crate::url;

/// An empty list of scopes. For a plain `[]`, the compiler cannot infer the type of the items.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NO_SCOPES, NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = RequestConnectionInput::new("acme", "weather", NO_SCOPES, "http://localhost:3000/done");
/// assert!(client.request_connection(&input).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub const NO_SCOPES: [&str; 0] = [];

/// The input of [`NexusClient::request_connection`](crate::NexusClient::request_connection).
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/done");
/// let connection = client.request_connection(&input)?;
/// assert_eq!(connection.scopes, Some(vec!["repo".to_string()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct RequestConnectionInput {
    /// The user or workspace that owns the connection.
    pub user_id: String,
    /// The provider's name.
    pub provider_name: String,
    /// The scopes to request from the provider.
    pub scopes: Vec<String>,
    /// The page to which the gateway sends the user's browser after consent.
    pub return_url: String,
    /// The metadata to send with the request.
    pub metadata: Option<Object>,
}

impl RequestConnectionInput {
    /// Creates a request without metadata.
    ///
    /// `user_id` is the user or workspace that owns the connection. Other methods call it `workspace_id`.
    /// `provider_name` is the provider's name, such as `github`. `scopes` are the scopes to request from the
    /// provider: an array, a `Vec`, a slice or any other collection of strings, or [`NO_SCOPES`].
    /// `return_url` is the page to which the gateway sends the user's browser after consent.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::RequestConnectionInput;
    ///
    /// const SCOPES: &[&str] = &["repo", "user"];
    /// let input = RequestConnectionInput::new("acme", "github", SCOPES, "http://localhost:3000/");
    ///
    /// let scopes = vec!["repo".to_string(), "user".to_string()];
    /// let same = RequestConnectionInput::new("acme", "github", scopes, "http://localhost:3000/");
    /// assert_eq!(input, same);
    /// ```
    pub fn new<S: AsRef<str>>(
        user_id: impl Into<String>,
        provider_name: impl Into<String>,
        scopes: impl IntoIterator<Item = S>,
        return_url: impl Into<String>,
    ) -> Self {
        Self {
            user_id: user_id.into(),
            provider_name: provider_name.into(),
            scopes: owned(scopes),
            return_url: return_url.into(),
            metadata: None,
        }
    }

    /// Sets metadata to send with the request. The gateway's API accepts metadata, but no known gateway stores it.
    /// Default: none.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    /// # let gateway = DevGateway::start()?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// use nexus_sdk::{RequestConnectionInput, serde_json::Map};
    ///
    /// let metadata = Map::from_iter([("team".to_string(), "core".into())]);
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/")
    ///     .metadata(metadata);
    /// client.request_connection(&input)?;
    /// let sent = String::from_utf8(gateway.requests().pop().unwrap().body)?;
    /// assert!(sent.contains(r#""metadata":{"team":"core"}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metadata(mut self, metadata: Object) -> Self {
        self.metadata = Some(metadata);
        self
    }

    pub(crate) fn body(&self) -> Result<Value> {
        error::not_blank("user_id", &self.user_id)?;
        error::not_blank("provider_name", &self.provider_name)?;
        error::not_blank("return_url", &self.return_url)?;
        Ok(json::without_nulls(json!({
            "user_id": self.user_id,
            "provider_name": self.provider_name,
            "scopes": self.scopes,
            "return_url": self.return_url,
            "metadata": self.metadata,
        })))
    }
}

debug_only!(RequestConnectionInput: user_id, provider_name, scopes);

/// A connection that waits for its user's consent.
///
/// `Debug` leaves out `auth_url` and `state`, because whoever has them can complete the connection.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/");
/// let connection = client.request_connection(&input)?;
/// assert!(connection.auth_url.starts_with("http"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestConnectionResponse {
    /// The URL of the page on which the user consents. For a provider of static credentials, the URL returns
    /// JSON instead of a page: see `capture_schema`, with the feature `consent`.
    pub auth_url: String,
    /// The connection's id, for later calls.
    pub connection_id: String,
    /// The value that links the consent to this request. It is read from `auth_url` if the response lacks it.
    pub state: Option<String>,
    /// The requested scopes, as the gateway repeats them.
    pub scopes: Option<Vec<String>>,
    /// The provider's id.
    pub provider_id: Option<String>,
}

impl RequestConnectionResponse {
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{RequestConnectionResponse, serde_json::json};
    ///
    /// let response = json!({"authUrl": "https://idp.example/?state=s-1", "connection_id": "c-1"});
    /// assert_eq!(RequestConnectionResponse::from_json(response)?.connection_id, "c-1");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let fields = json::into_object(response)?;
        let auth_url = json::required(&fields, &["authUrl", "auth_url"])?;
        check_page(&auth_url)?;
        let connection_id = json::required(&fields, &["connection_id"])?;
        Ok(Self {
            state: json::filled(&fields, "state").or_else(|| state_of(&auth_url)),
            auth_url,
            connection_id,
            scopes: json::strings(&fields, "scopes"),
            provider_id: json::filled(&fields, "provider_id"),
        })
    }
}

/// Collects owned copies of strings of any string type.
pub(crate) fn owned<S: AsRef<str>>(strings: impl IntoIterator<Item = S>) -> Vec<String> {
    let all = strings.into_iter();
    all.map(|string| string.as_ref().to_owned()).collect()
}

/// Refuses an address that a program must not hand to a browser or show on a terminal.
fn check_page(auth_url: &str) -> Result<()> {
    let scheme = auth_url
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_page = matches!(scheme.as_deref(), Some("https" | "http"));
    if is_page && !auth_url.contains(is_unsafe_to_show) {
        return Ok(());
    }
    let problem = "the gateway's response has an auth_url that is not an http or https address, or that contains a \
                   control or invisible character; check that gateway_url is the gateway's own address";
    Err(NexusError::new(ErrorKind::InvalidResponse, problem))
}

/// Reads the state from the query of `auth_url`.
fn state_of(auth_url: &str) -> Option<String> {
    let (_, query) = auth_url.split_once('?')?;
    let mut parts = query.split(['&', '#']);
    let value = parts.find_map(|part| part.strip_prefix("state="))?;
    String::from_utf8(url::decode(value, true))
        .ok()
        .filter(|state| !state.is_empty())
}

debug_only!(RequestConnectionResponse: connection_id, scopes, provider_id);

/// The status of a connection. It can be compared with a string: `status == "active"`.
///
/// # Example
///
/// ```
/// use nexus_sdk::ConnectionStatus;
///
/// assert!(ConnectionStatus::Active == "active");
/// assert_eq!(ConnectionStatus::from("superseded"), ConnectionStatus::Superseded);
/// assert_eq!(ConnectionStatus::from("archived").as_str(), "archived");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// The connection can be used.
    Active,
    /// The user has not consented yet. Gateways up to version 0.4 report `failed` instead. They report `pending`
    /// while the broker (the service behind the gateway) responds with a 5xx status.
    Pending,
    /// The gateway's broker has refused to return a token, for example because the user has not consented yet.
    /// [`wait_for_active`](crate::NexusClient::wait_for_active) treats `failed` as `pending` while the connection
    /// may still become active.
    Failed,
    /// The provider has refused to renew the token. The user has to connect again.
    Attention,
    /// The token has expired and cannot be renewed. The user has to connect again.
    Expired,
    /// The connection was revoked, for example with [`revoke_connection`](crate::NexusClient::revoke_connection).
    Revoked,
    /// A newer connection has replaced this one.
    Superseded,
    /// A status that this version of the SDK does not know.
    Other(String),
}

const STATUSES: [(&str, ConnectionStatus); 7] = [
    ("active", ConnectionStatus::Active),
    ("pending", ConnectionStatus::Pending),
    ("failed", ConnectionStatus::Failed),
    ("attention", ConnectionStatus::Attention),
    ("expired", ConnectionStatus::Expired),
    ("revoked", ConnectionStatus::Revoked),
    ("superseded", ConnectionStatus::Superseded),
];

impl ConnectionStatus {
    /// Returns the status as the gateway writes it.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(nexus_sdk::ConnectionStatus::Pending.as_str(), "pending");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        if let Self::Other(text) = self {
            return text;
        }
        let known = STATUSES.iter().find(|(_, status)| status == self);
        known.map_or("", |(text, _)| text)
    }

    /// Returns whether the status is final. True for every known status except `pending`.
    ///
    /// [`wait_for_active`](crate::NexusClient::wait_for_active) polls until the status is final, but treats `failed`
    /// as `pending` while the connection may still become active.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::ConnectionStatus;
    ///
    /// assert!(ConnectionStatus::Revoked.is_terminal());
    /// assert!(!ConnectionStatus::Pending.is_terminal());
    /// assert!(!ConnectionStatus::from("archived").is_terminal());
    /// ```
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !matches!(self, Self::Pending | Self::Other(_))
    }

    pub(crate) fn of(response: &Object) -> Result<Self> {
        Ok(json::required(response, &["status"])?.as_str().into())
    }
}

impl From<&str> for ConnectionStatus {
    fn from(status: &str) -> Self {
        let known = STATUSES.iter().find(|(text, _)| *text == status);
        known.map_or_else(
            || Self::Other(status.to_owned()),
            |(_, known)| known.clone(),
        )
    }
}

/// Never fails: a status that this version does not know is [`ConnectionStatus::Other`].
impl FromStr for ConnectionStatus {
    type Err = Infallible;

    fn from_str(status: &str) -> Result<Self, Infallible> {
        Ok(status.into())
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq<str> for ConnectionStatus {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ConnectionStatus {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

/// Options of [`NexusClient::revoke_connection`](crate::NexusClient::revoke_connection).
///
/// # Example
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
#[must_use]
pub struct RevokeOptions {
    /// The workspace that the connection has to belong to, or `None` for any workspace.
    pub workspace_id: Option<String>,
    /// The reason that the gateway stores.
    pub reason: Option<String>,
}

impl RevokeOptions {
    /// Revokes the connection only if it belongs to this workspace. Default: any workspace.
    ///
    /// # Example
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
    pub fn workspace_id(mut self, workspace_id: impl Into<String>) -> Self {
        self.workspace_id = Some(workspace_id.into());
        self
    }

    /// Sets the reason that the gateway stores, at most 512 characters. Default: none.
    ///
    /// # Example
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
        let mut target = path.to_owned();
        if let Some(workspace_id) = &self.workspace_id {
            error::not_blank("workspace_id", workspace_id)?;
            target = url::with_parameter(&target, "workspace_id", workspace_id);
        }
        if let Some(reason) = &self.reason {
            target = url::with_parameter(&target, "reason", reason);
        }
        Ok(target)
    }
}

/// The result of a revocation. Revoking a connection again succeeds and sets `already_revoked`.
///
/// # Example
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
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{RevokeResult, serde_json::json};
    ///
    /// let response = json!({"status": "revoked"});
    /// assert_eq!(RevokeResult::from_json(response)?.status, "revoked");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let fields = &json::into_object(response)?;
        let closed = fields.get("sessions_closed").and_then(Value::as_u64);
        let status = json::filled(fields, "status").unwrap_or_else(|| "revoked".to_owned());
        Ok(Self {
            connection_id: json::filled(fields, "connection_id"),
            provider_name: json::filled(fields, "provider_name"),
            status: ConnectionStatus::from(status.as_str()),
            revoked_at: fields.get("revoked_at").and_then(date::moment),
            already_revoked: json::flag(fields, "already_revoked"),
            token_deleted: json::flag(fields, "token_deleted"),
            provider_revoked: json::flag(fields, "provider_revoked"),
            provider_revocation_error: json::filled(fields, "provider_revocation_error"),
            sessions_closed: closed.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests;
