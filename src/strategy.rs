//! The gateway's `strategy`, which defines how a credential is put on a request.

use std::time::{Duration, SystemTime};

use crate::base64::base64;
use crate::error::{ErrorKind, NexusError, Result};
#[cfg(feature = "signing")]
use crate::header;
use crate::json::{self, Object};
#[cfg(feature = "signing")]
use crate::signing::{AwsKey, Signature};
use crate::time::ResponseClock;
use crate::token::{CachedToken, Place, TokenResponse};

/// The assumed lifetime of a token without a usable expiry.
const DEFAULT_TTL: Duration = Duration::from_secs(5 * 60);

impl TokenResponse {
    /// Converts the response to the form that is cached and put on requests.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` if a field that the strategy needs is missing. `invalid_response` for an
    /// incomplete strategy. `unsupported_strategy` for a strategy that this build does not support.
    pub(crate) fn to_cached(&self, clock: ResponseClock) -> Result<CachedToken> {
        let token = match self.kind().as_deref() {
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
        if token.place == Place::Header {
            token.to_header()?;
        }
        let stated = self.local_expiry(clock);
        let assumed = clock.at.after(DEFAULT_TTL).wall;
        let api_base_url = json::filled(&self.raw, "api_base_url");
        Ok(CachedToken {
            expires_at: stated.unwrap_or(assumed),
            assumed_expiry: stated.is_none().then_some(assumed),
            // The credentials of a self-hosted instance contain its base URL.
            api_base_url: self.field("base_url").or(api_base_url),
            ..token
        })
    }

    /// Returns the expiry that the response states, converted to the local clock.
    fn local_expiry(&self, clock: ResponseClock) -> Option<SystemTime> {
        let credentials = self.credentials.as_ref();
        if credentials.is_some_and(|fields| json::flag(fields, "expired")) {
            return Some(clock.at.wall);
        }
        let counted = self.expires_in.map(|left| clock.at.after(left).wall);
        self.expires_at
            .map(|moment| clock.local(moment))
            .or(counted)
    }

    fn config_needed(&self, strategy: &str, field: &str) -> Result<String> {
        let found = self.config(field).filter(|name| !name.is_empty());
        found.ok_or_else(|| {
            let problem =
                format!("the gateway's strategy `{strategy}` has no `{field}` in its config");
            NexusError::new(ErrorKind::InvalidResponse, problem)
        })
    }

    fn needed(&self, field: &str) -> Result<String> {
        self.field(field)
            .ok_or_else(|| NexusError::no_credential(field))
    }

    fn access_token(&self) -> Option<String> {
        Some(self.access_token.clone()).filter(|token| !token.is_empty())
    }

    fn placed(&self, secret: String, place: Place) -> CachedToken {
        let token_type = self.token_type.as_deref().unwrap_or("Bearer");
        let token = CachedToken::new(secret, token_type, SystemTime::UNIX_EPOCH).header("", "");
        CachedToken { place, ..token }
    }

    fn in_header(&self, name: &str, prefix: &str, secret: String) -> CachedToken {
        self.placed(secret, Place::Header).header(name, prefix)
    }

    fn oauth2(&self) -> Result<CachedToken> {
        let secret = self.access_token();
        let secret = secret.ok_or_else(|| NexusError::no_credential("access_token"))?;
        let scheme = self.token_type.as_deref();
        let scheme = scheme.filter(|scheme| !scheme.eq_ignore_ascii_case("bearer"));
        let prefix = [scheme.unwrap_or("Bearer"), " "].concat();
        Ok(self.in_header("Authorization", &prefix, secret))
    }

    fn header(&self) -> Result<CachedToken> {
        let name = self.config_or("header_name", "Authorization");
        let field = self.config_or("credential_field", "api_key");
        let secret = self.field(&field).or_else(|| self.access_token());
        let secret = secret.ok_or_else(|| NexusError::no_credential(&field))?;
        let Some(prefix) = self.config("value_prefix") else {
            let is_standard = name.eq_ignore_ascii_case("authorization");
            let prefix = if is_standard { "Bearer " } else { "" };
            return Ok(self.in_header(&name, prefix, secret));
        };
        let token_type = match prefix.trim() {
            "" => name.clone(),
            prefix => prefix.to_owned(),
        };
        Ok(CachedToken {
            token_type,
            ..self.in_header(&name, &prefix, secret)
        })
    }

    /// RFC 7617 section 2 allows no colon in the user name, and no control character in the user name or the
    /// password.
    fn basic_auth(&self) -> Result<CachedToken> {
        let user = self.needed(&self.config_or("username_field", "username"))?;
        let password = self.field(&self.config_or("password_field", "password"));
        let password = password.unwrap_or_default();
        let has_control = |text: &str| text.contains(char::is_control);
        if user.contains(':') || has_control(&user) || has_control(&password) {
            let problem =
                "Basic cannot carry this user name or password; connect the provider again";
            return Err(NexusError::new(ErrorKind::InvalidCredentials, problem));
        }
        let pair = base64(format!("{user}:{password}").as_bytes());
        Ok(self.in_header("Authorization", "Basic ", pair))
    }

    fn query_param(&self) -> Result<CachedToken> {
        let name = self.config_needed("query_param", "param_name")?;
        let secret = self.needed(&self.config_or("credential_field", "api_key"))?;
        Ok(self.placed(secret, Place::Query(name)))
    }

    fn path(&self) -> CachedToken {
        let none = Object::new();
        let fields = self.credentials.as_ref().unwrap_or(&none);
        let named = fields
            .keys()
            .filter_map(|name| Some((name.clone(), json::text(fields, name)?)));
        self.placed(String::new(), Place::Path(named.collect()))
    }

    #[cfg(feature = "signing")]
    fn hmac_payload(&self) -> Result<CachedToken> {
        let name = self.config_needed("hmac_payload", "header_name")?;
        let secret = self.needed(&self.config_or("secret_field", "api_secret"))?;
        let sha1 = match self.config_or("algo", "sha256").as_str() {
            "sha256" => false,
            "sha1" => true,
            _ => return Err(unsupported("hmac_payload with this algo")),
        };
        let base64 = match self.config_or("encoding", "hex").as_str() {
            "hex" => false,
            "base64" => true,
            _ => return Err(unsupported("hmac_payload with this encoding")),
        };
        header::of_credential(&name, "", "")?;
        let place = Place::Signature(Signature::Hmac { sha1, base64 });
        Ok(CachedToken {
            header_name: name,
            ..self.placed(secret, place)
        })
    }

    #[cfg(feature = "signing")]
    fn aws_sigv4(&self) -> Result<CachedToken> {
        let key = AwsKey {
            region: self.config_or("region", "us-east-1"),
            service: self.config_needed("aws_sigv4", "service")?,
            access_key: self.needed("access_key")?,
            secret_key: self.needed("secret_key")?,
            session_token: self.field("session_token"),
        };
        let secret = key.secret_key.clone();
        Ok(CachedToken {
            header_name: "Authorization".to_owned(),
            ..self.placed(secret, Place::Signature(Signature::Aws(key)))
        })
    }
}

fn unsupported(kind: &str) -> NexusError {
    let advice = match kind {
        "hmac_payload" | "aws_sigv4" => "; build it with the feature `signing`",
        _ => "",
    };
    let kind: String = kind.chars().take(64).collect();
    let message = format!("this build does not support the provider's strategy `{kind}`{advice}");
    NexusError::new(ErrorKind::UnsupportedStrategy, message)
}

#[cfg(test)]
mod tests;
