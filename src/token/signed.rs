//! The strategies that sign each request.

use super::{CachedToken, Place, TokenResponse};
use crate::error::{ErrorKind, NexusError, Result};
use crate::header;
use crate::signing::{AwsKey, Signature};

impl TokenResponse {
    pub(super) fn hmac_payload(&self, token: &mut CachedToken) -> Result<()> {
        let name = self.config_needed("header_name")?;
        header::of_strategy(&name)?;
        let secret = self.needed(&self.config_or("secret_field", "api_secret"))?;
        let algo = self.config_or("algo", "sha256");
        let encoding = self.config_or("encoding", "hex");
        let sha1 = algo == "sha1";
        let base64 = encoding == "base64";
        if !sha1 && algo != "sha256" || !base64 && encoding != "hex" {
            let problem = format!(
                "the provider's strategy `hmac_payload` has an unsupported algo or encoding (`{algo}`, `{encoding}`); \
                 ask the gateway's operator to use sha1 or sha256, and hex or base64"
            );
            return Err(NexusError::new(ErrorKind::UnsupportedStrategy, problem));
        }
        token.put_in(Place::Signature(Signature::Hmac { sha1, base64 }), secret);
        token.header_name = name;
        Ok(())
    }

    pub(super) fn aws_sigv4(&self, token: &mut CachedToken) -> Result<()> {
        let key = AwsKey {
            region: self.config_or("region", "us-east-1"),
            service: self.config_needed("service")?,
            access_key: self.needed("access_key")?,
            session_token: self.field("session_token"),
        };
        token.other_secrets.push(key.access_key.clone());
        token.other_secrets.extend(key.session_token.clone());
        let secret = self.needed("secret_key")?;
        token.put_in(Place::Signature(Signature::Aws(key)), secret);
        "Authorization".clone_into(&mut token.header_name);
        Ok(())
    }
}
