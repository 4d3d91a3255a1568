//! Development gateways.

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{NexusError, ureq};

/// A gateway where `acme` has connected `github`, `weather` and `registry`: connections 1 to 3.
pub(crate) fn connected() -> DevGateway {
    let names = ["github", "weather", "registry"];
    let builder = DevGateway::builder();
    let builder = names
        .iter()
        .fold(builder, |builder, name| builder.connection("acme", *name));
    builder.start().unwrap()
}

/// Returns the code and the status of an error.
pub(crate) fn said(error: &NexusError) -> (&str, Option<u16>) {
    (error.code(), error.status_code())
}

/// Opens a consent page as the user's browser does, but does not follow it to the return URL.
pub(crate) fn visit(url: &str) {
    ureq::get(url)
        .config()
        .max_redirects(0)
        .build()
        .call()
        .unwrap();
}
