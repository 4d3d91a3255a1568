//! The account of `--demo`: a gateway and an API in this process, for one that has neither.

use nexus_sdk::NexusClientOptions;
use nexus_sdk::testing::DevGateway;

use crate::server::api::Account;

/// They live as long as the value. Without a connection, the user has to make one.
pub(crate) fn start(connected: bool) -> Result<DevGateway, String> {
    let mut gateway = DevGateway::builder();
    if connected {
        gateway = gateway.connection("demo", "github");
    }
    let gateway = gateway.start();
    gateway.map_err(|error| format!("the demo gateway did not start: {error}"))
}

/// What the environment says elsewhere.
pub(crate) fn configured(
    gateway: &DevGateway,
    provider: &str,
    scopes: Vec<String>,
) -> (NexusClientOptions, Account) {
    let account = Account {
        gateway_url: gateway.url().to_owned(),
        workspace_id: "demo".to_owned(),
        provider: provider.to_owned(),
        upstream: gateway.url().to_owned(),
        scopes,
    };
    (NexusClientOptions::new(gateway.url()), account)
}
