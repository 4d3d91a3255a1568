//! Tokens: what the gateway answers, and the form that is cached and put on requests.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::clock::Received;
use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
use crate::strategy::{self, Granted, Injection, Place};
use crate::timestamp;

/// How long a token without a usable expiry is taken to live.
const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

/// A token reply of the gateway, field by field.
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
    /// The token, or the key of a `header` provider. Empty for a provider whose credential is no
    /// single value (`basic_auth`, `path`): then it is in `credentials`.
    pub access_token: String,
    /// How the token is meant to be used, such as `Bearer`.
    pub token_type: Option<String>,
    /// The lifetime that the reply states as `expires_in`, counted from the reply.
    pub expires_in: Option<Duration>,
    /// The moment that the reply states as `expires_at` or `expiry`, by the gateway's clock.
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
    /// The whole reply.
    pub raw: Object,
}

impl TokenResponse {
    /// Reads a reply of resolve, token or refresh.
    ///
    /// # Errors
    ///
    /// `invalid_response` when it has neither an access token nor credentials.
    pub(crate) fn from_reply(raw: Object) -> Result<Self> {
        let credentials = json::object(&raw, "credentials")
            .filter(|fields| !fields.is_empty())
            .cloned();
        let of_both = |field| {
            json::filled(&raw, field).or_else(|| json::filled(credentials.as_ref()?, field))
        };
        if credentials.is_none() && of_both("access_token").is_none() {
            let problem = "the gateway's reply has neither an access_token nor credentials";
            return Err(NexusError::new(ErrorKind::InvalidResponse, problem));
        }
        let moments = [
            credentials
                .as_ref()
                .and_then(|fields| fields.get("expires_at")),
            raw.get("expires_at"),
            raw.get("expiry"),
        ];
        let expires_at = moments.into_iter().flatten().find_map(timestamp::moment);
        let mut response = Self {
            access_token: of_both("access_token").unwrap_or_default(),
            token_type: of_both("token_type"),
            expires_in: raw.get("expires_in").and_then(timestamp::seconds),
            expires_at,
            scope: of_both("scope"),
            id_token: of_both("id_token"),
            refresh_token: of_both("refresh_token"),
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
        if self.access_token.is_empty() {
            let key = self
                .injection()
                .ok()
                .filter(|injection| injection.prefix != "Basic ");
            self.access_token = key.map(|injection| injection.secret).unwrap_or_default();
        }
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
        Ok(CachedToken {
            access_token: injection.secret,
            token_type: self
                .token_type
                .clone()
                .unwrap_or_else(|| "Bearer".to_owned()),
            expires_at: self.local_expiry(received),
            header_name: injection.header_name,
            value_prefix: injection.prefix,
            place: injection.place,
        })
    }

    fn local_expiry(&self, received: Received) -> SystemTime {
        let credentials = self.credentials.as_ref();
        if credentials.is_some_and(|fields| json::flag(fields, "expired")) {
            return received.at.wall;
        }
        match (self.expires_at, self.expires_in) {
            (Some(moment), _) => received.local(moment),
            (None, lifetime) => received.at.after(lifetime.unwrap_or(DEFAULT_TTL)).wall,
        }
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
        let kind = self
            .strategy
            .as_ref()
            .and_then(|strategy| json::text(strategy, "type"));
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
            .field("strategy", &kind)
            .field("credentials", &self.credentials.as_ref().map(|_| Redacted))
            .finish_non_exhaustive()
    }
}

/// A credential with the header that carries it and the moment at which it expires.
///
/// Made by [`NexusClient::resolve_token`](crate::NexusClient::resolve_token), or by hand for a
/// header. A credential that does not go into a header (strategies `query_param` and `path`) has an
/// empty `header_name`; where it goes is known to the SDK alone.
///
/// ```
/// use nexus_sdk::CachedToken;
/// use std::time::{Duration, SystemTime};
///
/// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
/// let token = CachedToken::new("t-1", "Bearer", in_an_hour, "Authorization", "Bearer ");
/// assert_eq!(token.access_token, "t-1");
/// assert!(!format!("{token:?}").contains("t-1"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedToken {
    /// The credential itself.
    pub access_token: String,
    /// Its type, as the gateway says it; `Bearer` when it does not.
    pub token_type: String,
    /// The moment at which it expires, by the local clock.
    pub expires_at: SystemTime,
    /// The header that carries it.
    pub header_name: String,
    /// What stands before it in the header, with the space: `Bearer `.
    pub value_prefix: String,
    pub(crate) place: Place,
}

impl CachedToken {
    /// A token that goes into a header, the fields in the Python SDK's order.
    ///
    /// ```
    /// use nexus_sdk::CachedToken;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// let token = CachedToken::new("k-1", "api_key", soon, "X-API-Key", "");
    /// assert_eq!((&*token.header_name, &*token.value_prefix), ("X-API-Key", ""));
    /// ```
    #[must_use]
    pub fn new(
        access_token: impl Into<String>,
        token_type: impl Into<String>,
        expires_at: SystemTime,
        header_name: impl Into<String>,
        value_prefix: impl Into<String>,
    ) -> Self {
        Self {
            access_token: access_token.into(),
            token_type: token_type.into(),
            expires_at,
            header_name: header_name.into(),
            value_prefix: value_prefix.into(),
            place: Place::Header,
        }
    }

    /// The URL as this credential wants it: with its query parameter, with its placeholders filled.
    pub(crate) fn target<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        let bare = url.split_once('#').map_or(url, |(before, _)| before);
        match &self.place {
            Place::Header => Ok(url.into()),
            Place::Query(name) => {
                Ok(strategy::with_query_param(bare, name, &self.access_token).into())
            }
            Place::Path(fields) => Ok(strategy::fill_placeholders(bare, fields)?.into()),
            #[cfg(feature = "signing")]
            Place::Signature(_) => Ok(url.into()),
        }
    }

    /// The target of a redirect within the origin. Placeholders are the caller's to write, so none
    /// are filled in what a server says.
    pub(crate) fn redirect_target(&self, url: Uri) -> Result<Uri> {
        let Place::Query(name) = &self.place else {
            return Ok(url);
        };
        let target = strategy::with_query_param(&url.to_string(), name, &self.access_token);
        target
            .parse()
            .map_err(|_| NexusError::invalid_input("url", "too long with its credential"))
    }

    /// Every text that must not leave the origin. The fields of a path are not all secrets: an
    /// account's region stands beside its key, and no key is as short.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let fields: &[(String, String)] = match &self.place {
            Place::Path(fields) => fields,
            _ => &[],
        };
        let fields = fields
            .iter()
            .map(|(_, value)| value.as_str())
            .filter(|value| value.len() >= 8);
        fields
            .chain([self.access_token.as_str()])
            .filter(|secret| !secret.is_empty())
    }

    /// The header that carries it; `None` when it is in the URL.
    ///
    /// # Errors
    ///
    /// `unsupported_strategy` for a credential that signs whole requests.
    pub(crate) fn header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        match &self.place {
            Place::Header => {
                strategy::header(&self.header_name, &self.value_prefix, &self.access_token)
                    .map(Some)
            }
            Place::Query(_) | Place::Path(_) => Ok(None),
            #[cfg(feature = "signing")]
            Place::Signature(_) => {
                let problem = "this provider's requests are signed with their bodies; use authenticated_fetch";
                Err(NexusError::new(ErrorKind::UnsupportedStrategy, problem))
            }
        }
    }

    /// Puts the credential, or its signature, into the headers of a request to its target; what an
    /// earlier hop of the request had is replaced.
    pub(crate) fn authorize(
        &self,
        method: &Method,
        url: &Uri,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<()> {
        #[cfg(feature = "signing")]
        if let Place::Signature(signature) = &self.place {
            let request = (method, url, body);
            let (name, secret) = (&self.header_name, &self.access_token);
            return strategy::sign(signature, name, secret, request, headers, SystemTime::now());
        }
        #[cfg(not(feature = "signing"))]
        let _ = (method, url, body);
        if let Some((name, value)) = self.header()? {
            strategy::put(headers, name, value)?;
        }
        Ok(())
    }

    /// Whether requests carry the same credential in the same place with either.
    pub(crate) fn same_credential(&self, other: &Self) -> bool {
        self.access_token == other.access_token
            && self.header_name == other.header_name
            && self.value_prefix == other.value_prefix
            && self.place == other.place
    }
}

impl fmt::Debug for CachedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedToken")
            .field("access_token", &Redacted)
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at)
            .field("header_name", &self.header_name)
            .finish_non_exhaustive()
    }
}

/// Stands for a secret in `Debug`.
struct Redacted;

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
