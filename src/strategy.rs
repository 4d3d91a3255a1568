//! How a credential is put on a request: what the gateway's `strategy` says, as one of the three
//! places that a credential can go to.

use serde_json::Value;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
#[cfg(feature = "signing")]
use {
    std::time::SystemTime,
    ureq::http::{Method, Uri},
};

use crate::base64::base64;
use crate::error::{ErrorKind, NexusError, Result};
use crate::json::{self, Object};
#[cfg(feature = "signing")]
use crate::signing::{self, AwsCredentials, AwsScope, Digest, Encoding};
use crate::url;

/// Headers that frame the message or name its target; no strategy may set them.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The longest header that is sent; servers take much less.
pub(crate) const LONGEST_HEADER: usize = 64 * 1024;

/// Where the credential goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header that the token names, after its prefix.
    Header,
    /// This query parameter.
    Query(String),
    /// The `{field}` placeholders of the URL.
    Path(Vec<(String, String)>),
    /// Nowhere: it signs the request and stays at home.
    #[cfg(feature = "signing")]
    Signature(Signature),
}

/// What a signature is made with besides the secret.
#[cfg(feature = "signing")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Signature {
    /// An HMAC of the body.
    Hmac(Digest, Encoding),
    /// AWS Signature Version 4.
    Aws(AwsCredentials, AwsScope),
}

/// A credential and the way to put it on a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Injection {
    pub(crate) secret: String,
    pub(crate) header_name: String,
    pub(crate) prefix: String,
    pub(crate) place: Place,
}

/// What a token reply says about its credential.
pub(crate) struct Granted<'a> {
    pub(crate) strategy: Option<&'a Object>,
    pub(crate) credentials: &'a Object,
    pub(crate) access_token: Option<String>,
    pub(crate) token_type: Option<String>,
}

impl Granted<'_> {
    /// What the strategy makes of the credential.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` without the fields that the strategy needs, `invalid_response` for a
    /// strategy that is incomplete, `unsupported_strategy` for one that this build cannot do.
    pub(crate) fn injection(&self) -> Result<Injection> {
        let injection = match self.kind().as_deref() {
            None | Some("oauth2") => self.oauth2(),
            Some("header") => self.header(),
            Some("basic_auth") => self.basic_auth(),
            Some("query_param") => self.query_param(),
            Some("path") => Ok(self.path()),
            #[cfg(feature = "signing")]
            Some("hmac_payload") => self.hmac_payload(),
            #[cfg(feature = "signing")]
            Some("aws_sigv4") => self.aws_sigv4(),
            Some(other) => Err(unsupported(other)),
        }?;
        if injection.place == Place::Header {
            header(&injection.header_name, &injection.prefix, &injection.secret)?;
        }
        Ok(injection)
    }

    /// Missing, `null` and empty are no strategy; what cannot be read is an unknown one, not none.
    fn kind(&self) -> Option<String> {
        match self.strategy?.get("type")? {
            Value::Null => None,
            Value::String(kind) => Some(kind.to_ascii_lowercase()).filter(|kind| !kind.is_empty()),
            other => Some(json::written(other)),
        }
    }

    fn config(&self, field: &str) -> Option<String> {
        json::text(json::object(self.strategy?, "config")?, field)
    }

    fn config_or(&self, field: &str, default: &str) -> String {
        self.config(field)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| default.to_owned())
    }

    fn oauth2(&self) -> Result<Injection> {
        let secret = self
            .access_token
            .clone()
            .ok_or_else(|| missing("access_token"))?;
        let scheme = self
            .token_type
            .as_deref()
            .filter(|kind| !kind.eq_ignore_ascii_case("bearer"));
        Ok(in_header(
            "Authorization",
            format!("{} ", scheme.unwrap_or("Bearer")),
            secret,
        ))
    }

    fn header(&self) -> Result<Injection> {
        let name = self.config_or("header_name", "Authorization");
        let field = self.config_or("credential_field", "api_key");
        let secret = json::filled(self.credentials, &field).or_else(|| self.access_token.clone());
        let bearer = if name.eq_ignore_ascii_case("authorization") {
            "Bearer "
        } else {
            ""
        };
        let prefix = self
            .config("value_prefix")
            .unwrap_or_else(|| bearer.to_owned());
        Ok(in_header(
            &name,
            prefix,
            secret.ok_or_else(|| missing(&field))?,
        ))
    }

    /// RFC 7617 section 2: no colon in the user name, no control characters in either.
    fn basic_auth(&self) -> Result<Injection> {
        let user_field = self.config_or("username_field", "username");
        let password_field = self.config_or("password_field", "password");
        let user =
            json::filled(self.credentials, &user_field).ok_or_else(|| missing(&user_field))?;
        let password = json::text(self.credentials, &password_field).unwrap_or_default();
        let broken =
            user.contains(':') || user.chars().chain(password.chars()).any(char::is_control);
        if broken {
            let problem = "the user name or password has a character that Basic cannot carry";
            return Err(NexusError::new(ErrorKind::InvalidCredentials, problem));
        }
        let pair = base64(format!("{user}:{password}").as_bytes());
        Ok(in_header("Authorization", "Basic ".to_owned(), pair))
    }

    fn query_param(&self) -> Result<Injection> {
        let name = self.config("param_name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| incomplete("query_param", "param_name"))?;
        let field = self.config_or("credential_field", "api_key");
        let secret = json::filled(self.credentials, &field).ok_or_else(|| missing(&field))?;
        Ok(Injection {
            secret,
            header_name: String::new(),
            prefix: String::new(),
            place: Place::Query(name),
        })
    }

    #[cfg(feature = "signing")]
    fn hmac_payload(&self) -> Result<Injection> {
        let name = self
            .config("header_name")
            .filter(|name| !name.is_empty())
            .ok_or_else(|| incomplete("hmac_payload", "header_name"))?;
        let field = self.config_or("secret_field", "api_secret");
        let secret = json::filled(self.credentials, &field).ok_or_else(|| missing(&field))?;
        let digest = match self.config_or("algo", "sha256").as_str() {
            "sha256" => Digest::Sha256,
            "sha1" => Digest::Sha1,
            _ => return Err(unsupported("hmac_payload with this algo")),
        };
        let encoding = match self.config_or("encoding", "hex").as_str() {
            "hex" => Encoding::Hex,
            "base64" => Encoding::Base64,
            _ => return Err(unsupported("hmac_payload with this encoding")),
        };
        header(&name, "", "")?;
        Ok(signed(name, secret, Signature::Hmac(digest, encoding)))
    }

    #[cfg(feature = "signing")]
    fn aws_sigv4(&self) -> Result<Injection> {
        let required = |field| json::filled(self.credentials, field).ok_or_else(|| missing(field));
        let service = self.config("service").filter(|name| !name.is_empty());
        let scope = AwsScope {
            region: self.config_or("region", "us-east-1"),
            service: service.ok_or_else(|| incomplete("aws_sigv4", "service"))?,
        };
        let credentials = AwsCredentials {
            access_key: required("access_key")?,
            secret_key: required("secret_key")?,
            session_token: json::filled(self.credentials, "session_token"),
        };
        let secret = credentials.secret_key.clone();
        let signature = Signature::Aws(credentials, scope);
        Ok(signed("Authorization".to_owned(), secret, signature))
    }

    fn path(&self) -> Injection {
        let fields = self.credentials.keys();
        let fields =
            fields.filter_map(|name| Some((name.clone(), json::text(self.credentials, name)?)));
        Injection {
            secret: String::new(),
            header_name: String::new(),
            prefix: String::new(),
            place: Place::Path(fields.collect()),
        }
    }
}

#[cfg(feature = "signing")]
fn signed(header_name: String, secret: String, signature: Signature) -> Injection {
    Injection {
        secret,
        header_name,
        prefix: String::new(),
        place: Place::Signature(signature),
    }
}

fn in_header(name: &str, prefix: String, secret: String) -> Injection {
    Injection {
        secret,
        header_name: name.to_owned(),
        prefix,
        place: Place::Header,
    }
}

/// The header that carries a credential, checked and marked so that it does not show in `Debug`.
pub(crate) fn header(name: &str, prefix: &str, secret: &str) -> Result<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .ok()
        .filter(|name| !FRAMING.contains(&name.as_str()))
        .ok_or_else(|| {
            let problem = "the strategy's header_name is no header that may carry a credential";
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })?;
    let value = HeaderValue::try_from([prefix, secret].concat()).ok();
    let mut value = value
        .filter(|value| can_carry(&name, value))
        .ok_or_else(|| {
            let problem = "the credential has a line break, a control character or, for \
                           Authorization, one beyond ASCII, or is longer than 64 KiB, which its \
                           header cannot carry; store it again without";
            NexusError::new(ErrorKind::InvalidCredentials, problem)
        })?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Puts the credential's header among a request's, in the place of one of its name.
pub(crate) fn put(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<()> {
    let put = headers.try_insert(name, value);
    put.map_err(|_| NexusError::invalid_input("headers", "too many, with the credential's own"))?;
    Ok(())
}

/// Whether this header can be sent: it is not too long, and RFC 9110 section 11.4 has `Authorization` in ASCII, and ureq
/// refuses to send it otherwise.
pub(crate) fn can_carry(name: &HeaderName, value: &HeaderValue) -> bool {
    value.len() <= LONGEST_HEADER && (name != AUTHORIZATION || value.to_str().is_ok())
}

/// Signs a request: its method, URL and body, and its headers, to which the signature is added.
#[cfg(feature = "signing")]
pub(crate) fn sign(
    signature: &Signature,
    header_name: &str,
    secret: &str,
    (method, url, body): (&Method, &Uri, &[u8]),
    headers: &mut HeaderMap,
    now: SystemTime,
) -> Result<()> {
    match signature {
        Signature::Hmac(digest, encoding) => {
            let mac = signing::hmac(*digest, *encoding, secret.as_bytes(), body);
            let (name, value) = header(header_name, "", &mac)?;
            put(headers, name, value)
        }
        Signature::Aws(credentials, scope) => {
            signing::sign_aws(credentials, scope, method, url, headers, body, now)
        }
    }
}

/// Puts the credential's fields in the place of the `{field}` placeholders of the URL's path and
/// query; a host name is never made from a credential.
pub(crate) fn fill_placeholders(url: &str, fields: &[(String, String)]) -> Result<String> {
    let (head, mut rest) = split_authority(url);
    let mut filled = head.to_owned();
    while let Some((before, name, after)) = next_placeholder(rest) {
        filled.push_str(before);
        filled.push_str(&url::encode(field_named(fields, name)?));
        rest = after;
    }
    if filled == head {
        let problem = "the path strategy needs a {field} placeholder in the URL's path or query";
        return Err(NexusError::invalid_input("url", problem));
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Scheme and authority, and what comes after them.
fn split_authority(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let end = url
        .bytes()
        .skip(start)
        .position(|byte| matches!(byte, b'/' | b'?'));
    let end = end.map_or(url.len(), |length| start.saturating_add(length));
    url.split_at_checked(end).unwrap_or((url, ""))
}

/// The next `{field}`, with what stands before and after it.
fn next_placeholder(url: &str) -> Option<(&str, &str, &str)> {
    let (before, tail) = url.split_once('{')?;
    let (name, after) = tail.split_once('}')?;
    Some((before, name, after))
}

fn field_named<'a>(fields: &'a [(String, String)], name: &str) -> Result<&'a str> {
    let found = fields
        .iter()
        .find(|(field, value)| field == name && !value.is_empty());
    found
        .map(|(_, value)| value.as_str())
        .ok_or_else(|| missing(shown(name)))
}

/// A placeholder's name, if it can be one: other text between braces is the caller's query, which
/// no error shows.
fn shown(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let named = name.len() <= 64 && name.bytes().all(plain);
    if named { name } else { "{..}" }
}

/// The URL with one query parameter set to `value`, in the place of any others of that name.
pub(crate) fn with_query_param(url: &str, name: &str, value: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty() && param_name(pair) != name.as_bytes());
    let own = format!("{}={}", url::encode(name), url::encode(value));
    let pairs: Vec<&str> = others.chain([own.as_str()]).collect();
    format!("{base}?{}", pairs.join("&"))
}

/// The decoded name of a `name=value` pair of a query.
pub(crate) fn param_name(pair: &str) -> Vec<u8> {
    url::decode(pair.split_once('=').map_or(pair, |(name, _)| name), true)
}

fn missing(field: &str) -> NexusError {
    let message =
        format!("the gateway's credentials have no usable `{field}`; connect the provider again");
    NexusError::new(ErrorKind::InvalidCredentials, message)
}

fn incomplete(strategy: &str, field: &str) -> NexusError {
    let message = format!("the gateway's strategy `{strategy}` has no `{field}` in its config");
    NexusError::new(ErrorKind::InvalidResponse, message)
}

fn unsupported(kind: &str) -> NexusError {
    let kind: String = kind.chars().filter(|c| !c.is_control()).take(64).collect();
    let signing = matches!(&*kind, "hmac_payload" | "aws_sigv4") && !cfg!(feature = "signing");
    let advice = if signing {
        "; the feature `signing` can"
    } else {
        ""
    };
    let message = format!(
        "the provider's strategy `{kind}` is not one that this build can put on a request{advice}"
    );
    NexusError::new(ErrorKind::UnsupportedStrategy, message)
}

#[cfg(test)]
mod tests;
