//! How a credential is put on a request: the gateway's `strategy`, as one of the places that a
//! credential can go to.

use serde_json::Value;
#[cfg(feature = "signing")]
use {
    std::time::SystemTime,
    ureq::http::{HeaderMap, Method, Uri},
};

use crate::base64::base64;
use crate::error::{ErrorKind, NexusError, Result};
use crate::header;
use crate::json::{self, Object};
#[cfg(feature = "signing")]
use crate::signing::sigv4::{AwsKey, sign_aws};
#[cfg(feature = "signing")]
use crate::signing::{self, Digest, Encoding};

mod target;

pub(crate) use target::{fill_placeholders, param_name, with_query_param};

/// Where the credential goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The header that the token names, after its prefix.
    Header,
    /// This query parameter.
    Query(String),
    /// The `{field}` placeholders of the URL.
    Path(Vec<(String, String)>),
    /// Nowhere: it signs the request and is not sent.
    #[cfg(feature = "signing")]
    Signature(Signature),
}

/// What makes a signature, besides the secret.
#[cfg(feature = "signing")]
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Signature {
    /// An HMAC of the body.
    Hmac(Digest, Encoding),
    /// AWS Signature Version 4.
    Aws(AwsKey),
}

#[cfg(feature = "signing")]
impl Signature {
    pub(crate) fn strategy(&self) -> &'static str {
        match self {
            Self::Hmac(..) => "hmac_payload",
            Self::Aws(..) => "aws_sigv4",
        }
    }
}

/// A credential and the way to put it on a request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Injection {
    pub(crate) secret: String,
    pub(crate) header_name: String,
    pub(crate) prefix: String,
    /// The type of the credential, where the strategy has one of its own.
    pub(crate) token_type: Option<String>,
    pub(crate) place: Place,
}

/// What a token response says about its credential.
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
            header::of_credential(&injection.header_name, &injection.prefix, &injection.secret)?;
        }
        Ok(injection)
    }

    /// Missing, `null` and empty mean that there is no strategy. One that cannot be read is an unknown
    /// strategy, which is not the same.
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

    fn config_needed(&self, strategy: &str, field: &str) -> Result<String> {
        self.config(field)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                let problem =
                    format!("the gateway's strategy `{strategy}` has no `{field}` in its config");
                NexusError::new(ErrorKind::InvalidResponse, problem)
            })
    }

    fn credential(&self, field: &str) -> Result<String> {
        json::filled(self.credentials, field).ok_or_else(|| NexusError::no_credential(field))
    }

    fn oauth2(&self) -> Result<Injection> {
        let secret = self
            .access_token
            .clone()
            .ok_or_else(|| NexusError::no_credential("access_token"))?;
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
        let own = self.config("value_prefix");
        let token_type = own.as_ref().map(|prefix| match prefix.trim() {
            "" => name.clone(),
            prefix => prefix.to_owned(),
        });
        let secret = secret.ok_or_else(|| NexusError::no_credential(&field))?;
        Ok(Injection {
            token_type,
            ..in_header(&name, own.unwrap_or_else(|| bearer.to_owned()), secret)
        })
    }

    /// RFC 7617 section 2: no colon in the user name, no control characters in either.
    fn basic_auth(&self) -> Result<Injection> {
        let user_field = self.config_or("username_field", "username");
        let password_field = self.config_or("password_field", "password");
        let user = self.credential(&user_field)?;
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
        let name = self.config_needed("query_param", "param_name")?;
        let secret = self.credential(&self.config_or("credential_field", "api_key"))?;
        Ok(Injection::new(secret, Place::Query(name)))
    }

    #[cfg(feature = "signing")]
    fn hmac_payload(&self) -> Result<Injection> {
        let name = self.config_needed("hmac_payload", "header_name")?;
        let secret = self.credential(&self.config_or("secret_field", "api_secret"))?;
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
        header::of_credential(&name, "", "")?;
        let place = Place::Signature(Signature::Hmac(digest, encoding));
        Ok(Injection {
            header_name: name,
            ..Injection::new(secret, place)
        })
    }

    #[cfg(feature = "signing")]
    fn aws_sigv4(&self) -> Result<Injection> {
        let key = AwsKey {
            region: self.config_or("region", "us-east-1"),
            service: self.config_needed("aws_sigv4", "service")?,
            access_key: self.credential("access_key")?,
            secret_key: self.credential("secret_key")?,
            session_token: json::filled(self.credentials, "session_token"),
        };
        let secret = key.secret_key.clone();
        Ok(Injection {
            header_name: "Authorization".to_owned(),
            ..Injection::new(secret, Place::Signature(Signature::Aws(key)))
        })
    }

    fn path(&self) -> Injection {
        let fields = self.credentials.keys();
        let fields =
            fields.filter_map(|name| Some((name.clone(), json::text(self.credentials, name)?)));
        Injection::new(String::new(), Place::Path(fields.collect()))
    }
}

impl Injection {
    fn new(secret: String, place: Place) -> Self {
        Self {
            secret,
            header_name: String::new(),
            prefix: String::new(),
            token_type: None,
            place,
        }
    }
}

fn in_header(name: &str, prefix: String, secret: String) -> Injection {
    Injection {
        header_name: name.to_owned(),
        prefix,
        ..Injection::new(secret, Place::Header)
    }
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
            let (name, value) = header::of_credential(header_name, "", &mac)?;
            header::put(headers, name, value)
        }
        Signature::Aws(key) => sign_aws(key, method, url, headers, body, now),
    }
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
