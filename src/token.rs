//! Token responses from the gateway, and the strategies that turn them into credentials.

mod cached;
#[cfg(feature = "signing")]
mod signed;

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{ErrorKind, NexusError, Result};
use crate::header::base64;
use crate::json::{self, Object};
use crate::log::debug_only;
use crate::time::ResponseClock;
use crate::time::date;

pub use cached::CachedToken;
pub(crate) use cached::Place;

/// The assumed lifetime of a token without a usable expiry.
const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

/// A token response from the gateway.
///
/// `access_token`, `token_type`, `scope`, `id_token`, `refresh_token` and `expires_at` are read from
/// `credentials`, or from the top level if `credentials` has no usable value. Other fields are read from the
/// top level only.
///
/// `Debug` shows no secret.
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
///
/// let gateway = DevGateway::start()?;
/// let connection = gateway.connect("acme", "github")?;
/// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
/// let token = client.get_token_by_connection_id(&connection)?;
/// assert!(!token.access_token.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The token, or the key of a provider with the strategy `header` or `query_param`. Normally empty for
    /// `basic_auth`, `path` and the strategies that sign requests, because their secrets are in `credentials`.
    pub access_token: String,
    /// The type of the token, such as `Bearer`.
    pub token_type: Option<String>,
    /// The lifetime from `expires_in`. The SDK counts it from the time at which it sent the request.
    pub expires_in: Option<Duration>,
    /// The expiry from `expires_at` or `expiry`, by the gateway's clock.
    pub expires_at: Option<SystemTime>,
    /// The scopes that were granted, space-separated.
    pub scope: Option<String>,
    /// The `OpenID` Connect ID token.
    pub id_token: Option<String>,
    /// The refresh token, if the gateway returns it. The SDK does not use it.
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
    /// Parses the JSON of a gateway's response, for example in a mock.
    ///
    /// # Errors
    ///
    /// `invalid_response` for JSON that the client would reject as well.
    ///
    /// # Example
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
        let given = json::object(&raw, "credentials");
        let credentials = given.filter(|fields| !fields.is_empty()).cloned();
        let both: Vec<&Object> = credentials.iter().chain([&raw]).collect();
        let filled = |field| both.iter().find_map(|fields| json::filled(fields, field));
        let end_in = |fields: &&Object| date::moment(fields.get("expires_at")?);
        let expires_at = both.iter().find_map(end_in);
        let mut response = Self {
            access_token: filled("access_token").unwrap_or_default(),
            token_type: filled("token_type"),
            expires_in: raw.get("expires_in").and_then(date::seconds),
            expires_at: expires_at.or_else(|| date::moment(raw.get("expiry")?)),
            scope: filled("scope"),
            id_token: filled("id_token"),
            refresh_token: filled("refresh_token"),
            provider: json::filled(&raw, "provider"),
            strategy: json::object(&raw, "strategy").cloned(),
            credentials,
            raw,
        };
        if response.access_token.is_empty() {
            if response.credentials.is_none() {
                return Err(json::unusable("has no access_token and no credentials"));
            }
            if let Some("header" | "query_param") = response.kind().as_deref() {
                response.access_token = response.static_key().unwrap_or_default();
            }
        }
        Ok(response)
    }

    /// Converts the response to the token that is cached and sent with requests.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` if a field that the strategy needs is missing, if the credential has a line break, or if
    /// a header cannot carry it. `invalid_response` if the strategy's config lacks a required field or names an invalid header.
    /// `unsupported_strategy` for a strategy that this build does not support, or whose type is not a string.
    pub(crate) fn to_cached(&self, clock: ResponseClock) -> Result<CachedToken> {
        let credentials = self.credentials.as_ref();
        let is_expired = credentials.is_some_and(|fields| json::flag(fields, "expired"));
        let stated = match self.expires_at {
            _ if is_expired => Some(clock.at.wall),
            Some(moment) => Some(clock.local(moment)),
            None => self.expires_in.map(|left| clock.at.after(left).wall),
        };
        let assumed = clock.at.after(DEFAULT_TTL).wall;
        let token_type = self.token_type.as_deref().unwrap_or("Bearer");
        let end = stated.unwrap_or(assumed);
        let mut token = CachedToken::new(&*self.access_token, token_type, end);
        token.credentials = credentials.cloned().unwrap_or_default();
        token.assumed_expiry = stated.is_none().then_some(assumed);
        // The credentials of a self-hosted instance may contain its base URL.
        let base_url = self.field("base_url");
        token.api_base_url = base_url.or_else(|| json::filled(&self.raw, "api_base_url"));
        match self.kind().as_deref() {
            None | Some("oauth2") if token.access_token.is_empty() => {
                return Err(NexusError::no_credential("access_token"));
            }
            None | Some("oauth2") => token.use_type_as_prefix(),
            Some("header") => self.header(&mut token)?,
            Some("basic_auth") => self.basic_auth(&mut token)?,
            Some("query_param") => self.query_param(&mut token)?,
            Some("path") => self.path(&mut token),
            #[cfg(feature = "signing")]
            Some("hmac_payload") => self.hmac_payload(&mut token)?,
            #[cfg(feature = "signing")]
            Some("aws_sigv4") => self.aws_sigv4(&mut token)?,
            Some(other) => return Err(unsupported(other)),
        }
        token.check_line_breaks()?;
        if token.place == Place::Header {
            token.to_header()?;
        }
        Ok(token)
    }

    fn header(&self, token: &mut CachedToken) -> Result<()> {
        match self.static_key() {
            Err(error) if token.access_token.is_empty() => return Err(error),
            Err(_) => {}
            Ok(key) => token.access_token = key,
        }
        token.header_name = self.config_or("header_name", "Authorization");
        if let Some(prefix) = self.raw_config("value_prefix") {
            token.token_type = match prefix.trim() {
                "" => token.header_name.clone(),
                prefix => prefix.to_owned(),
            };
            token.value_prefix = prefix;
        } else if token.header_name.eq_ignore_ascii_case("authorization") {
            token.use_type_as_prefix();
        } else {
            token.value_prefix.clear();
        }
        Ok(())
    }

    fn basic_auth(&self, token: &mut CachedToken) -> Result<()> {
        let user = self.needed(&self.config_or("username_field", "username"))?;
        let password_field = self.config_or("password_field", "password");
        // A password may begin or end with a space.
        let fields = self.credentials.as_ref();
        let given = fields.and_then(|fields| json::text(fields, &password_field));
        let password = given.unwrap_or_default();
        let pair = [&user, ":", &password].concat();
        token.access_token = base64(pair.as_bytes());
        "Basic ".clone_into(&mut token.value_prefix);
        let unpadded = token.access_token.trim_end_matches('=').to_owned();
        token.other_secrets = vec![user, password, pair, unpadded];
        Ok(())
    }

    fn query_param(&self, token: &mut CachedToken) -> Result<()> {
        let name = self.config_needed("param_name")?;
        token.put_in(Place::Query(name), self.static_key()?);
        Ok(())
    }

    fn path(&self, token: &mut CachedToken) {
        let mut named = Vec::new();
        for name in self.credentials.iter().flat_map(Object::keys) {
            named.extend(self.field(name).map(|value| (name.clone(), value)));
        }
        token.put_in(Place::Path(named), String::new());
    }

    /// Returns the strategy's type in lower case and without spaces around it, or `None` if it is missing, `null` or empty. A
    /// response may have the type in place of the strategy object. A type that is not a string is returned as an empty
    /// string, which is not the type of any strategy.
    fn kind(&self) -> Option<String> {
        let kind = match self.raw.get("strategy")? {
            Value::Object(strategy) => strategy.get("type")?,
            bare => bare,
        };
        match kind {
            Value::Null => None,
            Value::String(kind) => {
                Some(json::trimmed(kind).to_ascii_lowercase()).filter(|kind| !kind.is_empty())
            }
            _ => Some(String::new()),
        }
    }

    /// Returns a field of the strategy's config as it is, because a prefix normally ends with a space.
    fn raw_config(&self, field: &str) -> Option<String> {
        json::text(json::object(self.strategy.as_ref()?, "config")?, field)
    }

    /// Returns a field of the strategy's config.
    fn config(&self, field: &str) -> Option<String> {
        json::filled(json::object(self.strategy.as_ref()?, "config")?, field)
    }

    fn config_or(&self, field: &str, default: &str) -> String {
        self.config(field).unwrap_or_else(|| default.to_owned())
    }

    fn config_needed(&self, field: &str) -> Result<String> {
        self.config(field).ok_or_else(|| {
            let problem = format!(
                "the provider's strategy has no `{field}` in its config; ask the gateway's operator to add it"
            );
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })
    }

    /// Returns the key of a provider with the strategy `header` or `query_param`.
    fn static_key(&self) -> Result<String> {
        self.needed(&self.config_or("credential_field", "api_key"))
    }

    /// Returns a field of the credentials.
    fn field(&self, name: &str) -> Option<String> {
        json::filled(self.credentials.as_ref()?, name)
    }

    fn needed(&self, field: &str) -> Result<String> {
        let found = self.field(field);
        found.ok_or_else(|| NexusError::no_credential(field))
    }
}

fn unsupported(kind: &str) -> NexusError {
    let advice = match kind {
        "hmac_payload" | "aws_sigv4" => "; rebuild with the feature `signing`",
        _ => "; ask the gateway's operator to use another strategy",
    };
    let message = format!("this build does not support the provider's strategy `{kind}`{advice}");
    NexusError::new(ErrorKind::UnsupportedStrategy, message)
}

debug_only!(TokenResponse: token_type, expires_in, expires_at, scope, provider);

#[cfg(test)]
mod tests;
