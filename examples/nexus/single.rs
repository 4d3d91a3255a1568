//! A credential that is a single text, for programs that take one.

use clap::Args;
use nexus_sdk::{CachedToken, NexusClient, NexusError, TokenCache};

use std::sync::Arc;

use crate::args::{Tenant, Timeout};
use crate::landing;
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Single {
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    timeout: Timeout,
}

impl Single {
    /// # Errors
    ///
    /// Names the strategy of a credential that is no single text.
    pub(crate) fn token(self) -> Result<Arc<CachedToken>, Stop> {
        let (workspace, provider) = self.tenant.resolve()?;
        let client = self.timeout.client()?;
        let cache = TokenCache::new();
        let token = client.get_cached_token(&cache, &workspace, &provider);
        landing::go_on();
        let token = token.map_err(|error| unsupported(error, &provider))?;
        if token.value_prefix == "Basic " {
            return Err(several("basic_auth", &provider));
        }
        if token.access_token.is_empty() {
            return Err(several("path", &provider));
        }
        if !token.header_name.is_empty() {
            check_header(&client, &cache, &workspace, &provider)?;
        }
        Ok(token)
    }
}

/// A credential that signs requests names a header, and is none that a header could carry.
fn check_header(
    client: &NexusClient,
    cache: &TokenCache,
    workspace: &str,
    provider: &str,
) -> Result<(), Stop> {
    let headers = client.auth_headers(cache, workspace, provider);
    headers
        .map_err(|error| unsupported(error, provider))
        .map(drop)
}

fn unsupported(error: NexusError, provider: &str) -> Stop {
    match error.code() {
        "unsupported_strategy" => Stop::failed(format!(
            "the credential of {provider:?} is not a single token: {error}; use `nexus fetch`"
        )),
        _ => error.into(),
    }
}

fn several(strategy: &str, provider: &str) -> Stop {
    Stop::failed(format!(
        "the credential of {provider:?} is not a single token (strategy {strategy}); use `nexus fetch`"
    ))
}
