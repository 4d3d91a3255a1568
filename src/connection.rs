//! Connections: asking for one, and what becomes of it.

mod revoke;
mod status;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::error::Result;
use crate::json::{self, Object};
use crate::secret::shows;
use crate::url;

pub use revoke::{RevokeOptions, RevokeResult};
pub use status::ConnectionStatus;

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
    /// The user or workspace that the connection is for: the `workspace_id` of later calls.
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

shows!(RequestConnectionInput: user_id, provider_name, scopes);

/// Texts of any kind, a `&[&str]` included, as a list of their own.
pub(crate) fn owned<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Vec<String> {
    texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect()
}

/// A connection that waits for its user's consent.
///
/// `Debug` leaves out `auth_url` and `state`, because they suffice to complete the connection.
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
    pub(crate) fn from_response(response: &Object) -> Result<Self> {
        let auth_url = json::required(response, &["authUrl", "auth_url"])?;
        let connection_id = json::required(response, &["connection_id"])?;
        Ok(Self {
            state: json::filled(response, "state").or_else(|| state_of(&auth_url)),
            auth_url,
            connection_id,
            scopes: json::strings(response, "scopes"),
            provider_id: json::filled(response, "provider_id"),
        })
    }
}

/// Gateways that leave the state out of the response have it in the URL.
fn state_of(auth_url: &str) -> Option<String> {
    let (_, query) = auth_url.split_once('?')?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == "state")?;
    String::from_utf8(url::decode(value, true))
        .ok()
        .filter(|state| !state.is_empty())
}

shows!(RequestConnectionResponse: connection_id, scopes, provider_id);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::NexusError;
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
        for (response, expected) in table {
            let read = RequestConnectionResponse::from_response(response.as_object().unwrap());
            let state = read
                .as_ref()
                .map(|read| read.state.as_deref())
                .map_err(NexusError::code);
            assert_eq!(state, expected, "{response}");
        }
    }
}
