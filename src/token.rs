//! Tokens: the gateway's responses, and the credentials that are cached and put on requests.

mod cached;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::secret::Redacted;
use crate::time::date;

pub use cached::CachedToken;
pub(crate) use cached::Place;

/// A token response of the gateway. A field in `credentials` takes precedence over the same field at the
/// top level.
///
/// `Debug` shows which fields are set, and no secret.
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
    /// The token, or the key of a provider with the strategy `header` or `query_param`. Empty for other
    /// strategies (`basic_auth`, `path`, signatures), whose credential is in `credentials`.
    pub access_token: String,
    /// The type of the token, such as `Bearer`.
    pub token_type: Option<String>,
    /// The lifetime from `expires_in`, counted from the response.
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
    /// How to put the credential on a request: `type` and `config`.
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
        let [access_token, token_type, scope, id_token, refresh_token] = json::filled_in(
            &both,
            [
                "access_token",
                "token_type",
                "scope",
                "id_token",
                "refresh_token",
            ],
        );
        if credentials.is_none() && access_token.is_none() {
            let problem = "the gateway's response has neither an access_token nor credentials";
            return Err(NexusError::new(ErrorKind::InvalidResponse, problem));
        }
        let moments = both.iter().map(|fields| fields.get("expires_at"));
        let moments = moments.chain([raw.get("expiry")]);
        let expires_at = moments.flatten().find_map(date::moment);
        let strategy = strategy_of(&raw);
        let access_token =
            access_token.or_else(|| static_key(strategy.as_ref()?, credentials.as_ref()?));
        Ok(Self {
            access_token: access_token.unwrap_or_default(),
            token_type,
            expires_in: raw.get("expires_in").and_then(date::seconds),
            expires_at,
            scope,
            id_token,
            refresh_token,
            provider: json::filled(&raw, "provider"),
            strategy,
            credentials,
            raw,
        })
    }

    pub(crate) fn strategy_type(&self) -> Option<String> {
        json::text(self.strategy.as_ref()?, "type")
    }
}

/// Returns the key of a provider with the strategy `header` or `query_param`.
fn static_key(strategy: &Object, credentials: &Object) -> Option<String> {
    let kind = json::text(strategy, "type")?.to_ascii_lowercase();
    if !["header", "query_param"].contains(&&*kind) {
        return None;
    }
    let config = json::object(strategy, "config");
    let field = config.and_then(|config| json::filled(config, "credential_field"));
    json::filled(credentials, field.as_deref().unwrap_or("api_key"))
}

/// Returns the strategy object. Some gateways write only its type. Any other value is kept as an unknown
/// type.
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

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("access_token", &Redacted)
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("expires_at", &self.expires_at)
            .field("scope", &self.scope)
            .field("id_token", &self.id_token.as_ref().map(|_| Redacted))
            .field(
                "refresh_token",
                &self.refresh_token.as_ref().map(|_| Redacted),
            )
            .field("provider", &self.provider)
            .field("strategy", &self.strategy_type())
            .field("credentials", &self.credentials.as_ref().map(|_| Redacted))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
