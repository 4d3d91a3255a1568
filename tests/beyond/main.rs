//! What the client can do beyond the Python SDK, against the development gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod admin;
mod errors;
mod fetcher;
mod redirects;
mod sessions;

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{
    LogLevel, NexusClient, NexusClientOptions, NexusError, RequestConnectionInput, TokenCache,
};

/// A gateway where `acme` has connected `github`, `weather` and `registry`: connections 1 to 3.
fn gateway() -> DevGateway {
    let names = ["github", "weather", "registry"];
    let builder = DevGateway::builder();
    let builder = names
        .iter()
        .fold(builder, |builder, name| builder.connection("acme", *name));
    builder.start().unwrap()
}

fn client(gateway: &DevGateway) -> NexusClient {
    client_of(gateway.url())
}

fn client_of(url: &str) -> NexusClient {
    NexusClient::new(NexusClientOptions::new(url).log_level(LogLevel::Off)).unwrap()
}

/// Code and status of an error.
fn said(error: &NexusError) -> (&str, Option<u16>) {
    (error.code(), error.status_code())
}

/// The status of the sample upstream's `/user` for a pair.
fn user(gateway: &DevGateway, workspace: &str, provider: &str) -> Result<u16, NexusError> {
    let fetcher = client(gateway).fetcher(&TokenCache::new(), workspace, provider);
    let url = format!("{}/user", gateway.url());
    fetcher.get(&url).map(|(status, ..)| status)
}

/// The state of a connection that waits for its credential or consent.
fn requested(gateway: &DevGateway, provider: &str) -> String {
    let input = RequestConnectionInput::new("new", provider, ["read"], "http://localhost:3000/");
    let connection = client(gateway).request_connection(&input).unwrap();
    connection.state.unwrap()
}
