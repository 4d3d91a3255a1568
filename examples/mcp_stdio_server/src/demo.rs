//! The sample account of `--demo`, with a gateway and an API in this process.

use nexus_sdk::testing::DevGateway;

use crate::nexus::Account;
use crate::settings::scopes;

/// Starts the gateway, which runs until the process ends.
pub(crate) fn account(is_unconnected: bool, has_form: bool) -> Result<Account, String> {
    let mut gateway = DevGateway::builder();
    if !is_unconnected && !has_form {
        gateway = gateway.connection("demo", "github");
    }
    for repository in ["hello-world", "notes", "dotfiles"] {
        let path = format!("/user/starred/demo/{repository}");
        gateway = gateway.upstream_route("PUT", path, 204, "text/plain", "");
    }
    let started = gateway.start();
    let gateway = started.map_err(|error| format!("cannot start the demo gateway: {error}"))?;
    let gateway_url = Box::leak(Box::new(gateway)).url().to_owned();
    Ok(Account {
        upstream: gateway_url.clone(),
        gateway_url,
        workspace_id: "demo".to_owned(),
        provider: if has_form { "weather" } else { "github" }.to_owned(),
        scopes: scopes(),
    })
}
