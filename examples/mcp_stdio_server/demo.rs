//! The sample account of `--demo`, with a gateway and an API in this process.

use nexus_sdk::testing::DevGateway;

/// Starts the gateway. Dropping the returned value stops it.
pub(crate) fn start(is_connected: bool) -> Result<DevGateway, String> {
    let mut gateway = DevGateway::builder();
    if is_connected {
        gateway = gateway.connection("demo", "github");
    }
    for repository in ["hello-world", "notes", "dotfiles"] {
        let path = format!("/user/starred/demo/{repository}");
        gateway = gateway.upstream_route("PUT", path, 204, "text/plain", "");
    }
    let started = gateway.start();
    started.map_err(|error| format!("cannot start the demo gateway: {error}"))
}
