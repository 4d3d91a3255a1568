//! The provider's API for the tools. Requests carry the connected user's credential. If a request fails, the model gets
//! advice.
//!
//! The SDK sends the credential only to the scheme, host and port of the API. [`Api::text`] also refuses full URLs, so
//! that requests stay below the API's address.

mod advice;
mod connect;
mod response;

use std::sync::Arc;
use std::time::Instant;

use nexus_sdk::{FetchOptions, Fetcher, NexusClient, Redirects, TokenCache};
use serde_json::Value;

use crate::mcp::{Call, Problem};
use connect::Connect;

/// The connection that the tools use, and the API that they call with it.
pub(crate) struct Account {
    pub(crate) gateway_url: String,
    pub(crate) workspace_id: String,
    pub(crate) provider: String,
    /// The address of the provider's API. It has placeholders such as `{token}` if the provider expects its credential
    /// in the path.
    pub(crate) upstream: String,
    /// The scopes of a new connection. If the list is empty, the server requests the scopes that the gateway lists for
    /// the provider.
    pub(crate) scopes: Vec<String>,
}

pub(crate) struct Api {
    fetcher: Fetcher,
    account: Arc<Account>,
    connect: Option<Connect>,
}

impl Api {
    /// With `connects`, the server sends the user to the consent page when a connection is missing. Otherwise it gives
    /// the model a command that connects the user.
    pub(crate) fn new(
        client: &NexusClient,
        account: Account,
        connects: bool,
    ) -> nexus_sdk::Result<Self> {
        let fetcher = client
            .fetcher(&TokenCache::new(), &account.workspace_id, &account.provider)
            .base_url(&account.upstream)?
            // Some APIs repeat the credential in a response, and a model must not see it.
            .hide_credential(true);
        let account = Arc::new(account);
        Ok(Self {
            fetcher,
            connect: connects.then(|| Connect::new(client, &account)),
            account,
        })
    }

    /// Fetches `path` with GET, and reads the response as JSON.
    pub(crate) fn json(&self, call: &Call, path: &str) -> Result<Value, Problem> {
        let text = self.text(call, "GET", path, None)?;
        serde_json::from_str(&text).map_err(|error| {
            let shown = response::shown(&text);
            format!("The API's response to GET {path} is not JSON ({error}): {shown}").into()
        })
    }

    /// Sends a request, and returns the body of a response with a status from 200 to 299. Any other status is a
    /// problem. `path` begins with a slash and may have a query. `body` is sent as JSON.
    ///
    /// Blocks up to 30 s for the response. If the user has to connect, a call that arrived before the consent page was
    /// first shown returns the page as a `Problem`. So does a repeated call without the user's answer. Other calls wait
    /// for the consent until 45 s after their arrival, and send the request again if the user has connected.
    pub(crate) fn text(
        &self,
        call: &Call,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, Problem> {
        // The SDK keeps a relative path below the API's address, but accepts a full URL elsewhere on the same host.
        if !path.starts_with('/') {
            let problem = "it must begin with a slash, as in /user/repos";
            return Err(format!("path {path:?} is refused: {problem}").into());
        }
        if let Some(connect) = &self.connect {
            connect.respect_refusal(call)?;
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
        Ok(response::read(status, &headers, body)?)
    }
}

fn options(method: &str, body: Option<&Value>) -> FetchOptions {
    let options = FetchOptions::default()
        .method(method)
        // A redirect could lead away from the API, so the model gets the redirect itself.
        .redirects(Redirects::Manual);
    match body {
        Some(body) => options.json(body),
        None => options,
    }
}
