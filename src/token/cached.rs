//! The form of a token that is cached and put on requests.

use std::borrow::Cow;
use std::time::SystemTime;

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::base64;
use crate::error::{ErrorKind, NexusError, Result};
use crate::header;
use crate::hiding::MIN_LENGTH;
use crate::secret::shows;
#[cfg(feature = "signing")]
use crate::strategy::Signature;
use crate::strategy::{self, Place};

/// A credential, the header that carries it, and when it expires.
///
/// Made by [`NexusClient::resolve_token`](crate::NexusClient::resolve_token), or by hand for a
/// header. A credential that does not go into a header (strategies `query_param` and `path`) has an
/// empty `header_name`; only the SDK knows where it goes.
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
/// assert!(!format!("{token:?}").contains("t-1"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedToken {
    /// The credential itself.
    pub access_token: String,
    /// Its type, as the gateway writes it, or else `Bearer`. For a strategy with a `value_prefix` of its
    /// own it is that prefix without its spaces, or the header's name where the prefix is empty.
    pub token_type: String,
    /// The moment at which it expires, by the local clock.
    pub expires_at: SystemTime,
    /// The header that carries it.
    pub header_name: String,
    /// What stands before it in the header, with the space: `Bearer `.
    pub value_prefix: String,
    /// Where the API of this very connection begins, if the gateway knows it, such as that of a
    /// self-hosted instance; [`ProviderInfo`](crate::ProviderInfo) has the provider's.
    pub api_base_url: Option<String>,
    pub(crate) place: Place,
    /// Where the gateway gave no usable expiry: the guess. Whoever sets `expires_at` knows better.
    pub(crate) assumed_expiry: Option<SystemTime>,
}

impl CachedToken {
    /// A token for the header `Authorization`, after the prefix `Bearer `; [`header`](Self::header)
    /// names another.
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
            place: Place::Header,
            assumed_expiry: None,
        }
    }

    /// The header that carries it, and what stands before it there. Default `Authorization` and
    /// `Bearer `.
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

    /// The URL as this credential wants it: with its query parameter, with its placeholders filled.
    pub(crate) fn target<'a>(&self, url: &'a str) -> Result<Cow<'a, str>> {
        let bare = || url.split_once('#').map_or(url, |(before, _)| before);
        match &self.place {
            Place::Header => Ok(url.into()),
            Place::Query(name) => {
                Ok(strategy::with_query_param(bare(), name, &self.access_token).into())
            }
            Place::Path(fields) => Ok(strategy::fill_placeholders(bare(), fields)?.into()),
            #[cfg(feature = "signing")]
            Place::Signature(_) => Ok(url.into()),
        }
    }

    /// The target of a redirect within the origin. Only the caller writes placeholders, so those that a
    /// server sends are not filled.
    pub(crate) fn redirect_target(&self, url: Uri) -> Result<Uri> {
        let Place::Query(name) = &self.place else {
            return Ok(url);
        };
        let target = strategy::with_query_param(&url.to_string(), name, &self.access_token);
        let problem = "the URL of a redirect is too long with the credential";
        target
            .parse()
            .map_err(|_| NexusError::new(ErrorKind::InvalidResponse, problem))
    }

    /// Every text of the credential that a server may send back; of a call to this URL, those that must
    /// not leave its origin: no field that it has no placeholder for, and no user name. What stands
    /// beside the key counts from a certain length, as an account's region is no secret.
    pub(crate) fn secrets(&self, call: Option<&str>) -> Vec<Vec<u8>> {
        let mut beside: Vec<Vec<u8>> = Vec::new();
        match &self.place {
            Place::Path(fields) => {
                let is_in =
                    |name: &str| call.is_none_or(|url| url.contains(&format!("{{{name}}}")));
                let used = fields.iter().filter(|(name, _)| is_in(name));
                beside.extend(used.map(|(_, value)| value.clone().into()));
            }
            #[cfg(feature = "signing")]
            Place::Signature(Signature::Aws(keys)) => {
                beside.push(keys.access_key.clone().into());
                beside.extend(keys.session_token.iter().map(|token| token.clone().into()));
            }
            _ => {}
        }
        // What the base64 of Basic says: the pair, the name and the password (RFC 7617 section 2);
        // and itself without the padding, which some leave out.
        if self.value_prefix.trim_end().eq_ignore_ascii_case("basic") {
            let pair = base64::decoded(&self.access_token).unwrap_or_default();
            let parts = pair.splitn(2, |byte| *byte == b':').map(<[u8]>::to_vec);
            beside.extend(parts.skip(usize::from(call.is_some())));
            beside.extend([pair, self.access_token.trim_end_matches('=').into()]);
        }
        beside.retain(|text| text.len() >= MIN_LENGTH);
        let key = self.access_token.as_bytes().to_vec();
        beside.extend(Some(key).filter(|key| !key.is_empty()));
        beside
    }

    /// The header that carries it; `None` when it is in the URL.
    ///
    /// # Errors
    ///
    /// `unsupported_strategy` for a credential that signs whole requests.
    pub(crate) fn to_header(&self) -> Result<Option<(HeaderName, HeaderValue)>> {
        match &self.place {
            Place::Header => {
                header::of_credential(&self.header_name, &self.value_prefix, &self.access_token)
                    .map(Some)
            }
            Place::Query(_) | Place::Path(_) => Ok(None),
            #[cfg(feature = "signing")]
            Place::Signature(signature) => {
                let problem = format!(
                    "strategy {} signs each request with its body; use authenticated_fetch",
                    signature.strategy()
                );
                Err(NexusError::new(ErrorKind::UnsupportedStrategy, problem))
            }
        }
    }

    /// Puts the credential, or its signature, into the headers of a request to its target; what an
    /// earlier hop had is replaced.
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
        if let Some((name, value)) = self.to_header()? {
            header::put(headers, name, value)?;
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

shows!(CachedToken: expires_at, header_name, api_base_url);
