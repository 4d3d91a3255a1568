//! A credential that is a single token, for programs that accept nothing else.

use std::sync::Arc;

use clap::Args;
use nexus_sdk::{CachedToken, NexusError, TokenCache};

use crate::args::{Gateway, Tenant, Timeout};
use crate::ending;
use crate::stop::{self, Stop};

#[derive(Args)]
pub(crate) struct Single {
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    timeout: Timeout,
}

impl Single {
    /// Resolves the token of the workspace and provider.
    ///
    /// # Errors
    ///
    /// The errors of a resolve, and an error that says why the credential is not a single token.
    pub(crate) fn token(self, gateway: &Gateway) -> Result<Arc<CachedToken>, Stop> {
        let (workspace, provider) = self.tenant.resolve(gateway)?;
        let client = self.timeout.client(gateway)?;
        let cache = TokenCache::new();
        let token = client.get_cached_token(&cache, &workspace, &provider);
        ending::checkpoint();
        let token = token?;
        let problem = match &*token.value_prefix {
            "Basic " => "strategy basic_auth",
            _ if token.access_token.is_empty() => "strategy path",
            _ => "",
        };
        if !problem.is_empty() {
            return Err(several(&provider, problem));
        }
        if !token.header_name.is_empty() {
            // A credential that signs requests has a header name but no fixed value. `auth_headers` refuses it.
            let headers = client.auth_headers(&cache, &workspace, &provider);
            headers.map_err(|error| unsupported(error, &provider))?;
        }
        Ok(token)
    }
}

fn unsupported(error: NexusError, provider: &str) -> Stop {
    match error.code() {
        "unsupported_strategy" => several(provider, &stop::problem(&error)),
        _ => error.into(),
    }
}

fn several(provider: &str, problem: &str) -> Stop {
    Stop::failed(format!(
        "the credential of {provider:?} is not a single token ({problem}); use `nexus fetch`"
    ))
}
