//! Cached credentials, and how they are put on requests.

use std::borrow::Cow;
use std::time::SystemTime;

use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::error::meaning::Next;
use crate::error::{ErrorKind, NexusError, Result};
use crate::header;
use crate::json::Object;
use crate::log::debug_only;
#[cfg(feature = "signing")]
use crate::signing::Signature;
use crate::url;

/// The part of a request that carries the credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header that the token names.
    Header,
    /// The query parameter with this name.
    Query(String),
    /// The `{field}` placeholders of the URL, filled with these fields.
    Path(Vec<(String, String)>),
    /// The signature of the request. The secret that signs it is not sent.
    #[cfg(feature = "signing")]
    Signature(Signature),
}

/// A credential, the header that carries it, and its expiry.
///
/// [`NexusClient::resolve_token`](crate::NexusClient::resolve_token) returns such a token, and
/// [`new`](Self::new) creates a token that a header carries. The `header_name` is empty if the URL carries
/// the credential (strategies `query_param` and `path`).
///
/// # Example
///
/// ```
/// use nexus_sdk::CachedToken;
/// use std::time::{Duration, SystemTime};
///
/// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
/// let token = CachedToken::new("t-1", "Bearer", in_an_hour);
/// assert_eq!((&*token.header_name, &*token.value_prefix), ("Authorization", "Bearer "));
/// assert_eq!(token.api_base_url, None);
/// assert_eq!(token.access_token, "t-1");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedToken {
    /// The credential itself. Empty for the strategy `path`, which puts several fields into the URL.
    pub access_token: String,
    /// The type that the gateway states, or `Bearer`. For the strategy `header` with a `value_prefix`, the type
    /// is that prefix, trimmed, or the header's name if the prefix is blank.
    pub token_type: String,
    /// The expiry, by the local clock. If the gateway states no expiry, the SDK assumes 5 minutes; see
    /// [`stated_expiry`](Self::stated_expiry).
    pub expires_at: SystemTime,
    /// The name of the header that carries the credential. Empty if the URL carries it. To move the credential into a header,
    /// call [`header`](Self::header): a name that is set here while the URL carries the credential makes a fetch fail with
    /// `invalid_input`.
    pub header_name: String,
    /// The text before the credential in the header, including any trailing space, such as `Bearer `. Unused, and so an
    /// error if it is set, while the URL carries the credential or a signature takes its place.
    pub value_prefix: String,
    /// The base URL of this connection's API, if the gateway states one, for example for a self-hosted
    /// instance. [`ProviderInfo`](crate::ProviderInfo) has the provider's base URL.
    pub api_base_url: Option<String>,
    /// The `credentials` of the gateway's response.
    pub(crate) credentials: Object,
    pub(crate) place: Place,
    /// Other secrets that belong to the credential, such as the password in a Basic token.
    pub(crate) other_secrets: Vec<String>,
    /// The assumed expiry, if the gateway stated no expiry. It is ignored if `expires_at` differs, because
    /// a program may have set `expires_at`.
    pub(crate) assumed_expiry: Option<SystemTime>,
}

impl CachedToken {
    /// Creates a token for the header `Authorization`, with the prefix `Bearer `. Use
    /// [`header`](Self::header) for another header.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::CachedToken;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// let token = CachedToken::new("t-1", "Bearer", soon);
    /// assert_eq!((&*token.access_token, &*token.token_type), ("t-1", "Bearer"));
    /// assert_eq!(token.expires_at, soon);
    /// ```
    #[must_use]
    pub fn new(
        access_token: impl Into<String>,
        token_type: impl Into<String>,
        expires_at: SystemTime,
    ) -> Self {
        Self {
            access_token: access_token.into(),
            token_type: token_type.into(),
            expires_at,
            header_name: "Authorization".to_owned(),
            value_prefix: "Bearer ".to_owned(),
            api_base_url: None,
            credentials: Object::new(),
            place: Place::Header,
            other_secrets: Vec::new(),
            assumed_expiry: None,
        }
    }

    /// Sets the header that carries the credential, and the prefix in the header's value. Default
    /// `Authorization` and `Bearer `.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::CachedToken;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let soon = SystemTime::now() + Duration::from_secs(60);
    /// let token = CachedToken::new("k-1", "X-API-Key", soon).header("X-API-Key", "");
    /// assert_eq!((&*token.header_name, &*token.value_prefix), ("X-API-Key", ""));
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value_prefix: impl Into<String>) -> Self {
        self.header_name = name.into();
        self.value_prefix = value_prefix.into();
        self.place = Place::Header;
        self
    }

    /// Returns a field of the credentials that the gateway has sent with the token, such as Salesforce's `instance_url`. The
    /// field may be a secret, and `Debug` shows none of them. `None` for a token that was made with [`new`](Self::new), and
    /// from a gateway that sends no `credentials`.
    ///
    /// # Example
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::{DevGateway, Fault}};
    /// # let gateway = DevGateway::start()?;
    /// # let sent = nexus_sdk::serde_json::json!({"access_token": "t-1", "expires_in": 3600,
    /// #     "credentials": {"access_token": "t-1", "instance_url": gateway.url()}});
    /// # gateway.fail_next_at("/v1/resolve", 1, Fault::reply(200, "application/json", sent.to_string()));
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// use nexus_sdk::serde_json::Value;
    ///
    /// let salesforce = client.fetcher(&TokenCache::new(), "acme", "salesforce");
    /// let token = salesforce.get_cached_token()?;
    /// let instance = token.credential("instance_url").and_then(Value::as_str);
    /// let salesforce = salesforce.base_url(instance.ok_or("no instance_url")?)?;
    /// # assert_eq!(salesforce.get("https://evil.example/").unwrap_err().code(), "host_not_allowed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn credential(&self, field: &str) -> Option<&Value> {
        self.credentials.get(field)
    }

    /// Returns `expires_at`, or `None` if the gateway states no expiry and `expires_at` is the SDK's assumption.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// gateway.connect("acme", "weather")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let token = client.resolve_token("acme", "github")?;
    /// assert_eq!(token.stated_expiry(), Some(token.expires_at));
    /// let key = client.resolve_token("acme", "weather")?;
    /// assert_eq!(key.stated_expiry(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stated_expiry(&self) -> Option<SystemTime> {
        (self.assumed_expiry != Some(self.expires_at)).then_some(self.expires_at)
    }

    /// Puts the token's type before the token in the header. Any spelling of `bearer` becomes `Bearer`, and so does a blank
    /// type.
    pub(super) fn use_type_as_prefix(&mut self) {
        let is_bearer = self.token_type.eq_ignore_ascii_case("bearer");
        if !is_bearer && !self.token_type.is_empty() {
            self.value_prefix = [&self.token_type, " "].concat();
        }
    }

    /// Replaces the credential, and moves it from the header to another place.
    pub(super) fn put_in(&mut self, place: Place, secret: String) {
        self.access_token = secret;
        self.header_name.clear();
        self.value_prefix.clear();
        self.place = place;
    }

    /// Refuses a credential with a line break, wherever it would go: no header and no Basic credential (RFC 7617 section 2)
    /// can carry a line break, and elsewhere it comes from copying. The fields of a path are checked when they are used,
    /// because a field that is not used may have several lines.
    pub(super) fn check_line_breaks(&self) -> Result<()> {
        self.secrets("").into_iter().try_for_each(check_line_break)
    }

    /// Refuses a header that a program has set although no header carries the credential.
    fn check_header(&self) -> Result<()> {
        let is_named = self.is_in_url() && !self.header_name.is_empty();
        let is_unused = self.place != Place::Header && (is_named || !self.value_prefix.is_empty());
        if is_unused {
            let problem = "is set, but no header carries this credential; call CachedToken::header to put it into one";
            return Err(NexusError::invalid_input(
                "header_name or value_prefix",
                problem,
            ));
        }
        Ok(())
    }

    /// Puts the credential into a URL, as a query parameter or in place of the placeholders. Returns the URL
    /// unchanged if the credential does not belong there.
    pub(crate) fn target<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        self.check_header()?;
        let bare = url::without_fragment(url);
        match &self.place {
            Place::Query(name) => {
                let others = url::without_parameter(bare, name);
                Ok(url::with_parameter(&others, name, &self.access_token).into())
            }
            Place::Path(fields) => Ok(fill_placeholders(bare, fields)?.into()),
            Place::Header => Ok(url.into()),
            #[cfg(feature = "signing")]
            Place::Signature(_) => Ok(url.into()),
        }
    }

    /// Sets the query parameter in the target of a redirect or, if the request no longer carries the
    /// credential, removes it. Placeholders are not filled, because the server wrote this URL.
    pub(crate) fn redirect_target(&self, url: Uri, authenticated: bool) -> Result<Uri> {
        let Place::Query(name) = &self.place else {
            return Ok(url);
        };
        let mut target = url::without_parameter(&url.to_string(), name);
        if authenticated {
            target = url::with_parameter(&target, name, &self.access_token);
        }
        let problem = "with the credential, the redirect's URL is too long; set Redirects::Manual";
        let parsed = target.parse();
        parsed.map_err(|_| NexusError::new(ErrorKind::InvalidResponse, problem))
    }

    /// Returns whether the credential fills placeholders in the URL.
    pub(crate) fn is_in_path(&self) -> bool {
        matches!(self.place, Place::Path(_))
    }

    /// Returns whether the URL carries the credential.
    pub(crate) fn is_in_url(&self) -> bool {
        matches!(self.place, Place::Query(_) | Place::Path(_))
    }

    /// Returns the secrets that a request carries or is signed with. `call` is the URL of the call, before placeholders
    /// are filled. A field without a placeholder in this URL is not sent, so it is left out.
    pub(crate) fn secrets(&self, call: &str) -> Vec<&str> {
        if let Place::Path(fields) = &self.place {
            let is_used = |name: &str| call.contains(&format!("{{{name}}}"));
            let used = fields.iter().filter(|(name, _)| is_used(name));
            return used.map(|(_, value)| &**value).collect();
        }
        let others = self.other_secrets.iter().map(|secret| &**secret);
        others.chain([&*self.access_token]).collect()
    }

    /// Returns the header that carries the credential, or `None` if the URL carries it.
    ///
    /// # Errors
    ///
    /// `unsupported_strategy` for a credential that signs requests. `invalid_response` for an invalid header
    /// name. `invalid_credentials` if a header cannot carry the credential. `invalid_input` for a header that a program has
    /// set although the URL carries the credential.
    pub(crate) fn to_header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        self.check_header()?;
        match &self.place {
            Place::Header => {
                header::of_credential(&self.header_name, &self.value_prefix, &self.access_token)
                    .map(Some)
            }
            Place::Query(_) | Place::Path(_) => Ok(None),
            #[cfg(feature = "signing")]
            Place::Signature(_) => {
                let problem =
                    "this provider's credential signs each request; use authenticated_fetch";
                Err(NexusError::new(ErrorKind::UnsupportedStrategy, problem))
            }
        }
    }

    /// Sets the header that carries the credential, or the headers of the request's signature, and replaces their
    /// earlier values. Does nothing if the URL carries the credential.
    pub(crate) fn authorize(
        &self,
        method: &Method,
        url: &Uri,
        headers: &mut HeaderMap,
        body: &[u8],
    ) -> Result<()> {
        #[cfg(feature = "signing")]
        if let Place::Signature(signature) = &self.place {
            let name = &self.header_name;
            let secret = &self.access_token;
            let now = SystemTime::now();
            return signature.sign(name, secret, (method, url, body), headers, now);
        }
        #[cfg(not(feature = "signing"))]
        let _ = (method, url, body);
        if let Some((name, value)) = self.to_header()? {
            header::put(headers, name, value)?;
        }
        Ok(())
    }

    /// Returns whether both tokens hold the same credential for the same place. Does not compare the header's name
    /// and prefix.
    pub(crate) fn same_credential(&self, other: &Self) -> bool {
        self.access_token == other.access_token && self.place == other.place
    }
}

debug_only!(CachedToken: expires_at, header_name, api_base_url);

/// Replaces the `{field}` placeholders in a URL. They can only be in its path and query, because a URL with
/// braces in its host is rejected earlier.
fn fill_placeholders(url: &str, fields: &[(String, String)]) -> Result<String> {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, tail)) = rest.split_once('{') {
        let Some((name, after)) = tail.split_once('}') else {
            break;
        };
        let field = fields.iter().find(|(field, _)| field == name);
        // The error leaves out the name, because text between braces may be a secret in the caller's URL.
        let (_, value) = field.ok_or_else(|| {
            let problem = "url: a placeholder names a field that the credential does not have; write \
                           literal braces as %7B and %7D";
            NexusError::new(ErrorKind::InvalidCredentials, problem)
        })?;
        check_line_break(value)?;
        filled.push_str(before);
        filled.push_str(&url::encode_credential(value, filled.contains('?')));
        rest = after;
    }
    if filled.is_empty() {
        let problem = "has no {field} placeholder; the provider's strategy `path` needs one in the path or query";
        return Err(NexusError::invalid_input("url", problem));
    }
    Ok(filled + rest)
}

fn check_line_break(secret: &str) -> Result<()> {
    if secret.contains(['\r', '\n']) {
        let problem = "the credential has a line break; let the user connect the provider again, with the credential on a single line";
        let error = NexusError::new(ErrorKind::InvalidCredentials, problem);
        return Err(error.with(|inner| inner.next = Next::Reconnect));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
