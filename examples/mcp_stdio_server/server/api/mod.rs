//! The provider's API, as the tools use it: one request with the connected user's credential, and what to say when
//! there is no good response.
//!
//! The gateway has the credential, and the SDK puts it on each request below this API's address and on no other.

mod advice;
mod connect;

use std::sync::Arc;
use std::time::Instant;

use nexus_sdk::http::header::CONTENT_TYPE;
use nexus_sdk::http::{HeaderMap, Uri};
use nexus_sdk::{FetchOptions, Fetcher, NexusClient, Redirects, TokenCache};
use serde_json::Value;

use super::mcp::{Call, Problem};
use connect::Connect;

/// Whose credential is used, and where.
pub(crate) struct Account {
    pub(crate) gateway_url: String,
    pub(crate) workspace_id: String,
    pub(crate) provider: String,
    /// The address of the provider's API. It may have placeholders, such as `{token}`, for a provider whose credential
    /// belongs into the path.
    pub(crate) upstream: String,
    /// What a connection is asked for with.
    pub(crate) scopes: Vec<String>,
}

pub(crate) struct Api {
    fetcher: Fetcher,
    account: Arc<Account>,
    connect: Option<Connect>,
}

impl Api {
    /// `connects` sends the user to a page when a connection is missing; else the model is told of a command.
    pub(crate) fn new(client: &NexusClient, account: Account, connects: bool) -> Arc<Self> {
        let cache = TokenCache::new();
        let fetcher = client
            .fetcher(&cache, &account.workspace_id, &account.provider)
            .base_url(&account.upstream);
        let account = Arc::new(account);
        Arc::new(Self {
            fetcher,
            connect: connects.then(|| Connect::new(client, &account)),
            account,
        })
    }

    /// The body of a response that must be JSON.
    pub(crate) fn json(&self, call: &Call, method: &str, path: &str) -> Result<Value, Problem> {
        let text = self.text(call, method, path, None)?;
        serde_json::from_str(&text).map_err(|error| {
            let shown = advice::shown(&text);
            format!("The API's response to {method} {path} is not JSON ({error}): {shown}").into()
        })
    }

    /// The body of a response with a status from 200 to 299.
    pub(crate) fn text(
        &self,
        call: &Call,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, Problem> {
        // The SDK keeps what is relative below the API's address; a URL in full could be elsewhere on its host.
        if !path.starts_with('/') {
            return Err(
                format!("path {path:?} is refused: begin it with /, as in /user/repos").into(),
            );
        }
        if let Some(connect) = &self.connect {
            connect.respect(call)?;
        }
        let fetch = || self.fetcher.fetch(path, options(method, body));
        let start = Instant::now();
        let fetched = match (fetch(), &self.connect) {
            (Err(error), Some(connect)) if advice::needs_connection(&error) => {
                connect.connect(call, &error, start)?;
                fetch().map_err(|error| advice::after_consent(&error, &self.account))
            }
            (fetched, _) => fetched.map_err(|error| advice::explain(&error, &self.account)),
        };
        let (status, headers, body) = fetched?;
        Ok(read(status, &headers, body)?)
    }
}

/// Whether this can be the address of an API; the SDK says more of one that it refuses.
pub(crate) fn is_address(text: &str) -> bool {
    let Ok(url) = text.parse::<Uri>() else {
        return false;
    };
    let has_user = url.authority().is_some_and(|it| it.as_str().contains('@'));
    matches!(url.scheme_str(), Some("https" | "http")) && !has_user && !text.contains(['?', '#'])
}

fn options(method: &str, body: Option<&Value>) -> FetchOptions {
    let options = FetchOptions::default().method(method);
    // A redirect could lead away from the API's host: it is reported, not followed.
    let options = options.redirects(Redirects::Manual);
    // Some APIs repeat the credential in their responses; a model has no use for it.
    let options = options.hide_credential(true);
    match body {
        Some(body) => options
            .header(CONTENT_TYPE, "application/json")
            .data(body.to_string()),
        None => options,
    }
}

/// A response as the model gets it.
fn read(status: u16, headers: &HeaderMap, body: Vec<u8>) -> Result<String, String> {
    let size = body.len();
    let text = String::from_utf8(body).unwrap_or_else(|_| {
        let kind = advice::header(headers, CONTENT_TYPE);
        format!("({size} bytes of {kind}, which is not text)")
    });
    match status {
        200..=299 if text.is_empty() => Ok(format!("{}, no body", advice::name(status))),
        200..=299 => Ok(text),
        _ => Err(advice::refusal(status, headers, &text)),
    }
}
