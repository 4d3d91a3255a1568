//! Connections: asking for one, and what becomes of it.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::url;

/// What [`NexusClient::request_connection`](crate::NexusClient::request_connection) asks for.
///
/// ```
/// use nexus_sdk::RequestConnectionInput;
///
/// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/done");
/// assert_eq!(input.scopes, ["repo"]);
/// assert_eq!(input.metadata, None);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RequestConnectionInput {
    /// The user or workspace that the connection is for.
    pub user_id: String,
    /// The provider's name, such as `github`.
    pub provider_name: String,
    /// The scopes to ask the provider for.
    pub scopes: Vec<String>,
    /// Where the user's browser goes after the consent.
    pub return_url: String,
    /// Stored with the connection; not sent when `None`.
    pub metadata: Option<Object>,
}

impl RequestConnectionInput {
    /// A request without metadata.
    ///
    /// ```
    /// use nexus_sdk::RequestConnectionInput;
    ///
    /// let scopes = vec!["repo".to_string(), "user".to_string()];
    /// let input = RequestConnectionInput::new("acme", "github", scopes, "http://localhost:3000/");
    /// assert_eq!(input.scopes.len(), 2);
    ///
    /// const SCOPES: &[&str] = &["repo"];
    /// let input = RequestConnectionInput::new("acme", "github", SCOPES, "http://localhost:3000/");
    /// assert_eq!(input.scopes, SCOPES);
    /// ```
    #[must_use]
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

    /// Stored with the connection. Default: none is sent.
    ///
    /// ```
    /// use nexus_sdk::{RequestConnectionInput, serde_json::Map};
    ///
    /// let metadata = Map::from_iter([("team".to_string(), "core".into())]);
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/")
    ///     .metadata(metadata);
    /// assert_eq!(input.metadata.unwrap()["team"], "core");
    /// ```
    #[must_use]
    pub fn metadata(mut self, metadata: Object) -> Self {
        self.metadata = Some(metadata);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        crate::error::not_blank("user_id", &self.user_id)?;
        crate::error::not_blank("provider_name", &self.provider_name)?;
        crate::error::not_blank("return_url", &self.return_url)
    }
}

impl Serialize for RequestConnectionInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("user_id", &self.user_id)?;
        map.serialize_entry("provider_name", &self.provider_name)?;
        map.serialize_entry("scopes", &self.scopes)?;
        map.serialize_entry("return_url", &self.return_url)?;
        if let Some(metadata) = &self.metadata {
            map.serialize_entry("metadata", metadata)?;
        }
        map.end()
    }
}

impl fmt::Debug for RequestConnectionInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestConnectionInput")
            .field("user_id", &self.user_id)
            .field("provider_name", &self.provider_name)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Texts of any kind, a `&[&str]` included, as a list of their own.
pub(crate) fn owned<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Vec<String> {
    texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect()
}

/// A connection that waits for its user's consent.
///
/// `Debug` leaves out `auth_url` and `state`: whoever has them can complete the connection.
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
    /// The page on which the user consents.
    pub auth_url: String,
    /// The connection's id, for every later call.
    pub connection_id: String,
    /// Ties the consent to this request; also read off `auth_url`, where some gateways have it.
    pub state: Option<String>,
    /// The scopes that are asked for.
    pub scopes: Option<Vec<String>>,
    /// The provider's id.
    pub provider_id: Option<String>,
}

impl RequestConnectionResponse {
    pub(crate) fn from_reply(reply: &Object) -> Result<Self> {
        let required = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| json::filled(reply, name))
                .ok_or_else(|| {
                    let problem = format!(
                        "the gateway's reply has no usable `{}`",
                        names.join("` or `")
                    );
                    NexusError::new(ErrorKind::InvalidResponse, problem)
                })
        };
        let auth_url = required(&["authUrl", "auth_url"])?;
        let connection_id = required(&["connection_id"])?;
        Ok(Self {
            state: json::filled(reply, "state").or_else(|| state_of(&auth_url)),
            auth_url,
            connection_id,
            scopes: json::strings(reply, "scopes"),
            provider_id: json::filled(reply, "provider_id"),
        })
    }
}

/// Gateways that leave the state out of the reply have it in the URL.
fn state_of(auth_url: &str) -> Option<String> {
    let (_, query) = auth_url.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == "state")?;
    String::from_utf8(url::decode(value, true))
        .ok()
        .filter(|state| !state.is_empty())
}

impl fmt::Debug for RequestConnectionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestConnectionResponse")
            .field("connection_id", &self.connection_id)
            .field("scopes", &self.scopes)
            .field("provider_id", &self.provider_id)
            .finish_non_exhaustive()
    }
}

/// What has become of a connection. Compares with text: `status == "active"`.
///
/// ```
/// use nexus_sdk::ConnectionStatus;
///
/// assert!(ConnectionStatus::Active == "active");
/// assert_eq!("active", ConnectionStatus::Active);
/// assert_eq!(ConnectionStatus::from("superseded"), ConnectionStatus::Superseded);
/// assert_eq!(ConnectionStatus::from("archived").as_str(), "archived");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionStatus {
    /// Usable.
    Active,
    /// Waits for the user's consent; gateways also say so while their broker is out of reach.
    Pending,
    /// The consent failed. Gateways may say so while it is still awaited: see
    /// [`WaitOptions::failed_grace`].
    Failed,
    /// The user has to connect again.
    Attention,
    /// Revoked, by the user or the workspace.
    Revoked,
    /// A newer connection has taken its place.
    Superseded,
    /// A status that this version does not know.
    Other(String),
}

impl ConnectionStatus {
    /// The status as the gateway writes it.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::ConnectionStatus::Pending.as_str(), "pending");
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Attention => "attention",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
            Self::Other(status) => status,
        }
    }

    /// Whether waiting will not change it: every known status but `pending`.
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

    pub(crate) fn from_reply(reply: &Object) -> Result<Self> {
        let status = json::filled(reply, "status").ok_or_else(|| {
            NexusError::new(
                ErrorKind::InvalidResponse,
                "the gateway's reply has no `status`",
            )
        })?;
        Ok(Self::from(status.as_str()))
    }
}

impl From<&str> for ConnectionStatus {
    fn from(status: &str) -> Self {
        match status {
            "active" => Self::Active,
            "pending" => Self::Pending,
            "failed" => Self::Failed,
            "attention" => Self::Attention,
            "revoked" => Self::Revoked,
            "superseded" => Self::Superseded,
            other => Self::Other(other.to_owned()),
        }
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

impl PartialEq<ConnectionStatus> for str {
    fn eq(&self, other: &ConnectionStatus) -> bool {
        other == self
    }
}

impl PartialEq<ConnectionStatus> for &str {
    fn eq(&self, other: &ConnectionStatus) -> bool {
        other == self
    }
}

type OnPoll<'a> = Box<dyn FnMut(&ConnectionStatus) -> ControlFlow<()> + 'a>;

/// How [`NexusClient::wait_for_active`](crate::NexusClient::wait_for_active) polls.
///
/// ```
/// use nexus_sdk::WaitOptions;
/// use std::time::Duration;
///
/// let options = WaitOptions::default();
/// assert_eq!(options.interval, Duration::from_millis(1500));
/// assert_eq!(options.timeout, Duration::from_secs(300));
/// assert_eq!(options.failed_grace, Duration::ZERO);
/// ```
#[non_exhaustive]
pub struct WaitOptions<'a> {
    /// The pause between two polls. Default 1.5 s.
    pub interval: Duration,
    /// How long to wait in all. Default 300 s.
    pub timeout: Duration,
    /// How long a `failed` is taken for `pending`. Default 0.
    pub failed_grace: Duration,
    pub(crate) on_poll: Option<OnPoll<'a>>,
}

impl Default for WaitOptions<'_> {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(1500),
            timeout: Duration::from_secs(300),
            failed_grace: Duration::ZERO,
            on_poll: None,
        }
    }
}

impl<'a> WaitOptions<'a> {
    /// The pause between two polls. Default 1.5 s; less than 10 ms counts as 10 ms.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::WaitOptions::default().interval(Duration::from_millis(100));
    /// assert_eq!(options.interval, Duration::from_millis(100));
    /// ```
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long to wait in all. Default 300 s.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::WaitOptions::default().timeout(Duration::from_secs(60));
    /// assert_eq!(options.timeout, Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// For this long from the start of the wait, `failed` is taken for `pending`. Default 0.
    ///
    /// Many gateways infer the status from a token call, and answer `failed` for a connection whose
    /// user has not consented yet. Behind such a gateway, set this to the time that you give the
    /// user, or to `Duration::MAX` to wait until the timeout.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let options = nexus_sdk::WaitOptions::default().failed_grace(Duration::from_secs(120));
    /// assert_eq!(options.failed_grace, Duration::from_secs(120));
    /// ```
    #[must_use]
    pub fn failed_grace(mut self, grace: Duration) -> Self {
        self.failed_grace = grace;
        self
    }

    /// Called with the status after every poll that brought one, for a progress line or to end the
    /// wait: [`ControlFlow::Break`] makes it the error `aborted`. Default: nothing is called.
    ///
    /// ```
    /// use nexus_sdk::WaitOptions;
    /// use std::ops::ControlFlow;
    ///
    /// let mut polls = 0;
    /// let options = WaitOptions::default().on_poll(|_status| {
    ///     polls += 1;
    ///     if polls < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    /// });
    /// ```
    #[must_use]
    pub fn on_poll(
        mut self,
        on_poll: impl FnMut(&ConnectionStatus) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.on_poll = Some(Box::new(on_poll));
        self
    }
}

impl fmt::Debug for WaitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitOptions")
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("failed_grace", &self.failed_grace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_reply_to_a_request_has_to_hold() {
        let table = [
            (
                json!({"authUrl": "https://a/x?state=s%201&y=2#f", "connection_id": "c"}),
                Ok(Some("s 1")),
            ),
            (
                json!({"auth_url": "https://a/?state=u", "connection_id": "c", "state": "s"}),
                Ok(Some("s")),
            ),
            (
                json!({"authUrl": "https://a/?xstate=1", "connection_id": 7}),
                Ok(None),
            ),
            (
                json!({"authUrl": "https://a/?state=", "connection_id": "c", "state": null}),
                Ok(None),
            ),
            (
                json!({"authUrl": "https://a/?state=%FF", "connection_id": "c"}),
                Ok(None),
            ),
            (
                json!({"authUrl": "", "connection_id": "c"}),
                Err("invalid_response"),
            ),
            (
                json!({"authUrl": null, "auth_url": 1, "connection_id": ""}),
                Err("invalid_response"),
            ),
            (json!({"authUrl": "https://a/"}), Err("invalid_response")),
        ];
        for (reply, expected) in table {
            let read = RequestConnectionResponse::from_reply(reply.as_object().unwrap());
            let state = read
                .as_ref()
                .map(|read| read.state.as_deref())
                .map_err(NexusError::code);
            assert_eq!(state, expected, "{reply}");
        }
    }
}
