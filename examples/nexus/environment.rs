//! `nexus env`: what is configured, and whether it can be used.

use std::env;

use clap::Args;
use nexus_sdk::serde_json::Value as Json;

use crate::args::{self, Timeout};
use crate::output::{self, Fields};
use crate::stop::Stop;

const SECRET: &str = "NEXUS_API_KEY";
const VARIABLES: [&str; 14] = [
    "NEXUS_GATEWAY_URL",
    SECRET,
    args::WORKSPACE,
    args::PROVIDER,
    "NEXUS_LOG",
    "NEXUS_LOCK_DIR",
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
];

#[derive(Args)]
pub(crate) struct Env {
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

impl Env {
    pub(crate) fn run(self) -> Result<(), Stop> {
        output::print_fields(listed(self.json), self.json)?;
        Timeout::default().client().map(drop)
    }
}

fn listed(json: bool) -> Fields {
    let fields = VARIABLES.map(|name| (name, configured(name)));
    // Proxies are worth a line only when there are any.
    let listed = fields
        .into_iter()
        .filter(|(name, value)| !is_proxy(name) || !value.is_null());
    let unset = |value: Json| {
        if value.is_null() && !json {
            "(not set)".into()
        } else {
            value
        }
    };
    let listed = listed.map(|(name, value)| (name, unset(value)));
    listed.chain([("host_lock", host_lock())]).collect()
}

/// Whether this program takes turns with the others of this machine, and where.
fn host_lock() -> Json {
    let said = match crate::locks::directory() {
        Some(directory) => directory.display().to_string(),
        None => "switched off".to_owned(),
    };
    said.into()
}

fn is_proxy(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with("_proxy")
}

fn configured(name: &str) -> Json {
    let value = env::var_os(name).filter(|value| !value.is_empty());
    let masked = value.map(|value| match name {
        SECRET => "(hidden)".to_owned(),
        _ => without_password(&value.to_string_lossy()),
    });
    masked.into()
}

/// Hides what stands before an `@`, and a query: both can hold secrets.
fn without_password(url: &str) -> String {
    let (front, rest) = url.rsplit_once('@').unwrap_or(("", url));
    let scheme = front.find("://").and_then(|end| front.get(..end));
    let shown = match scheme {
        Some(scheme) => format!("{scheme}://(hidden)@{rest}"),
        None if front.is_empty() => rest.to_owned(),
        None => format!("(hidden)@{rest}"),
    };
    match shown.split_once('?') {
        Some((url, _)) => format!("{url}?(hidden)"),
        None => shown,
    }
}
