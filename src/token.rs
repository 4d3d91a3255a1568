//! Tokens as the gateway's responses have them, and as they are cached and put on requests.

mod cached;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::secret::Redacted;
use crate::strategy::{Granted, Injection};
use crate::time::Received;
use crate::time::date;

pub use cached::CachedToken;

/// How long a token without a usable expiry is assumed to live.
const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

/// A token response of the gateway, field by field. Those in `credentials` win over those at the top
/// level.
///
/// `Debug` shows which fields are there and none of their secrets.
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
    /// The token, or the key of a `header` or `query_param` provider. Empty for a provider of another
    /// kind (`basic_auth`, `path`, those that sign): then the credential is in `credentials`.
    pub access_token: String,
    /// How the token is meant to be used, such as `Bearer`.
    pub token_type: Option<String>,
    /// The lifetime that the response states as `expires_in`, counted from the response.
    pub expires_in: Option<Duration>,
    /// The moment that the response states as `expires_at` or `expiry`, by the gateway's clock.
    pub expires_at: Option<SystemTime>,
    /// The scopes that were granted, space-separated.
    pub scope: Option<String>,
    /// The `OpenID` Connect id token.
    pub id_token: Option<String>,
    /// The refresh token; most gateways keep it to themselves.
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
    /// Reads a response of resolve, token or refresh.
    ///
    /// # Errors
    ///
    /// `invalid_response` when it has neither an access token nor credentials.
    pub(crate) fn from_response(raw: Object) -> Result<Self> {
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
        let mut response = Self {
            access_token: access_token.unwrap_or_default(),
            token_type,
            expires_in: raw.get("expires_in").and_then(date::seconds),
            expires_at,
            scope,
            id_token,
            refresh_token,
            provider: json::filled(&raw, "provider"),
            strategy: strategy_of(&raw),
            credentials,
            raw,
        };
        response.fill_access_token();
        Ok(response)
    }

    /// A static key is the access token of its provider, as in the Python SDK.
    fn fill_access_token(&mut self) {
        let kind = self.strategy_type().unwrap_or_default();
        let is_key = ["header", "query_param"].contains(&&*kind.to_ascii_lowercase());
        if self.access_token.is_empty() && is_key {
            let key = self.injection().map(|injection| injection.secret);
            self.access_token = key.unwrap_or_default();
        }
    }

    fn strategy_type(&self) -> Option<String> {
        json::text(self.strategy.as_ref()?, "type")
    }

    fn injection(&self) -> Result<Injection> {
        let none = Object::new();
        let granted = Granted {
            strategy: self.strategy.as_ref(),
            credentials: self.credentials.as_ref().unwrap_or(&none),
            access_token: Some(self.access_token.clone()).filter(|token| !token.is_empty()),
            token_type: self.token_type.clone(),
        };
        granted.injection()
    }

    /// The form that is cached: the credential, where it goes, and until when.
    pub(crate) fn to_cached(&self, received: Received) -> Result<CachedToken> {
        let injection = self.injection()?;
        let stated = self.local_expiry(received);
        let assumed = received.at.after(DEFAULT_TTL).wall;
        Ok(CachedToken {
            access_token: injection.secret,
            token_type: injection
                .token_type
                .or_else(|| self.token_type.clone())
                .unwrap_or_else(|| "Bearer".to_owned()),
            expires_at: stated.unwrap_or(assumed),
            header_name: injection.header_name,
            value_prefix: injection.prefix,
            api_base_url: self.api_base_url(),
            place: injection.place,
            assumed_expiry: stated.is_none().then_some(assumed),
        })
    }

    /// The expiry that the response states, by the local clock.
    fn local_expiry(&self, received: Received) -> Option<SystemTime> {
        let credentials = self.credentials.as_ref();
        if credentials.is_some_and(|fields| json::flag(fields, "expired")) {
            return Some(received.at.wall);
        }
        let counted = self.expires_in.map(|left| received.at.after(left).wall);
        self.expires_at
            .map(|moment| received.local(moment))
            .or(counted)
    }

    /// A self-hosted instance's own is among its credentials.
    fn api_base_url(&self) -> Option<String> {
        let own = self.credentials.as_ref();
        own.and_then(|fields| json::filled(fields, "base_url"))
            .or_else(|| json::filled(&self.raw, "api_base_url"))
    }
}

/// The strategy object; some gateways write only its type. Anything else is kept as an unknown type.
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
