//! Development gateways, and calls to them.

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{NexusError, RequestConnectionInput, TokenCache};

use super::client;

/// A gateway where `acme` has connected `github`, `weather` and `registry`: connections 1 to 3.
pub(crate) fn connected() -> DevGateway {
    let names = ["github", "weather", "registry"];
    let builder = DevGateway::builder();
    let builder = names.iter().fold(builder, |builder, name| builder.connection("acme", *name));
    builder.start().unwrap()
}

/// Returns the code and the status of an error.
pub(crate) fn said(error: &NexusError) -> (&str, Option<u16>) {
    (error.code(), error.status_code())
}

/// Fetches the sample upstream's `/user` for a pair, and returns the status.
pub(crate) fn user(
    gateway: &DevGateway,
    workspace: &str,
    provider: &str,
) -> Result<u16, NexusError> {
    let fetcher = client(gateway).fetcher(&TokenCache::new(), workspace, provider);
    let url = format!("{}/user", gateway.url());
    fetcher.get(&url).map(|(status, ..)| status)
}

/// Requests a connection, which then waits for its credential or consent, and returns its state.
pub(crate) fn requested(gateway: &DevGateway, provider: &str) -> String {
    let input = RequestConnectionInput::new("new", provider, ["read"], "http://localhost:3000/");
    let connection = client(gateway).request_connection(&input).unwrap();
    connection.state.unwrap()
}
