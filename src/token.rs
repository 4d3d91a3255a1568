//! Tokens: the gateway's responses, and the credentials that are cached and put on requests.

mod cached;

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::secret::debug_only;
use crate::time::date;

pub use cached::CachedToken;
pub(crate) use cached::Place;

/// A token response of the gateway. A field in `credentials` takes precedence over the same field at the
/// top level.
///
/// `Debug` shows no secret.
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let connection = gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let token = client.get_token_by_connection_id(&connection)?;
/// assert!(!token.access_token.is_empty());
/// assert!(!format!("{token:?}").contains(&token.access_token));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The token, or the key of a provider with the strategy `header` or `query_param`. Normally empty
    /// for `basic_auth`, `path` and signatures, because their secrets are in `credentials`.
    pub access_token: String,
    /// The type of the token, such as `Bearer`.
    pub token_type: Option<String>,
    /// The lifetime from `expires_in`, which starts at the response.
    pub expires_in: Option<Duration>,
    /// The expiry from `expires_at` or `expiry`, by the gateway's clock.
    pub expires_at: Option<SystemTime>,
    /// The scopes that were granted, space-separated.
    pub scope: Option<String>,
    /// The `OpenID` Connect id token.
    pub id_token: Option<String>,
    /// The refresh token. Most gateways do not return it.
    pub refresh_token: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// The strategy for putting the credential on a request: an object with `type` and `config`.
    pub strategy: Option<Object>,
    /// The credential's fields.
    pub credentials: Option<Object>,
    /// The whole response.
    pub raw: Object,
}

impl TokenResponse {
    /// Reads the JSON of a gateway's response, for a mock of your own.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that a call of the client would not accept either.
    ///
    /// ```
    /// use nexus_sdk::{TokenResponse, serde_json::json};
    ///
    /// let response = json!({"access_token": "t-1", "expires_in": 3600});
    /// assert_eq!(TokenResponse::from_json(response)?.access_token, "t-1");
    /// # Ok::<(), nexus_sdk::NexusError>(())
    /// ```
    pub fn from_json(response: Value) -> Result<Self> {
        let raw = json::into_object(response)?;
        let credentials = json::object(&raw, "credentials")
            .filter(|fields| !fields.is_empty())
            .cloned();
        let both: Vec<&Object> = credentials.iter().chain([&raw]).collect();
        let filled = |field| both.iter().find_map(|fields| json::filled(fields, field));
        let access_token = filled("access_token");
        if credentials.is_none() && access_token.is_none() {
            let problem = "the gateway's response has neither an access_token nor credentials";
            return Err(NexusError::new(ErrorKind::InvalidResponse, problem));
        }
        let moments = both.iter().map(|fields| fields.get("expires_at"));
        let moments = moments.chain([raw.get("expiry")]);
        let expires_at = moments.flatten().find_map(date::moment);
        let mut response = Self {
            access_token: access_token.unwrap_or_default(),
            token_type: filled("token_type"),
            expires_in: raw.get("expires_in").and_then(date::seconds),
            expires_at,
            scope: filled("scope"),
            id_token: filled("id_token"),
            refresh_token: filled("refresh_token"),
            provider: json::filled(&raw, "provider"),
            strategy: strategy_of(&raw),
            credentials,
            raw,
        };
        if response.access_token.is_empty() {
            response.access_token = response.static_key().unwrap_or_default();
        }
        Ok(response)
    }

    /// Returns the key of a provider with the strategy `header` or `query_param`.
    fn static_key(&self) -> Option<String> {
        let is_static = matches!(self.kind().as_deref(), Some("header" | "query_param"));
        let key = || self.field(&self.config_or("credential_field", "api_key"));
        is_static.then(key)?
    }

    /// Returns the strategy's type in lower case, or `None` if there is no strategy: the type is missing,
    /// `null` or empty. A type that is not a string is returned as JSON, which no known strategy matches.
    pub(crate) fn kind(&self) -> Option<String> {
        match self.strategy.as_ref()?.get("type")? {
            Value::Null => None,
            Value::String(kind) => Some(kind.to_ascii_lowercase()).filter(|kind| !kind.is_empty()),
            other => Some(json::written(other)),
        }
    }

    /// Returns a field of the strategy's config.
    pub(crate) fn config(&self, field: &str) -> Option<String> {
        json::text(json::object(self.strategy.as_ref()?, "config")?, field)
    }

    pub(crate) fn config_or(&self, field: &str, default: &str) -> String {
        let found = self.config(field).filter(|text| !text.is_empty());
        found.unwrap_or_else(|| default.to_owned())
    }

    /// Returns a field of the credentials.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        json::filled(self.credentials.as_ref()?, name)
    }
}

/// Returns the strategy object. Some gateways write only its type, as a string. Any other value becomes the
/// type as well, and is later refused as an unknown strategy.
fn strategy_of(raw: &Object) -> Option<Object> {
    match raw.get("strategy")? {
        Value::Null => None,
        Value::Object(strategy) => Some(strategy.clone()),
        kind => {
            let mut strategy = Object::new();
            strategy.insert("type".to_owned(), kind.clone());
            Some(strategy)
        }
    }
}

debug_only!(TokenResponse: token_type, expires_in, expires_at, scope, provider);

#[cfg(test)]
mod tests;
