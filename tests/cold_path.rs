//! One cold `authenticated_fetch`: `.ci/cold-path` runs it in a debugger and counts how often it changes file.
#![allow(clippy::unwrap_used)]

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{FetchOptions, LogLevel, NexusClient, NexusClientOptions, TokenCache};

#[test]
fn a_cold_fetch() {
    let gateway = DevGateway::builder()
        .connection("acme", "github")
        .start()
        .unwrap();
    let options = NexusClientOptions::new(gateway.url()).log_level(LogLevel::Off);
    let client = NexusClient::new(options).unwrap();
    let (cache, url) = (TokenCache::new(), format!("{}/user", gateway.url()));
    let options = FetchOptions::default();
    let (status, ..) = client
        .authenticated_fetch(&cache, "acme", "github", &url, options)
        .unwrap();
    assert_eq!((status, gateway.count("/v1/resolve")), (200, 1));
    // What follows, the end of the client too, is no part of the path.
    if std::env::var_os("COLD_PATH").is_some() {
        std::process::exit(0);
    }
}
