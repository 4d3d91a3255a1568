//! `nexus env`: shows the configuration and checks it.

use std::env;

use clap::Args;
use nexus_sdk::serde_json::Value as Json;

use crate::args::Timeout;
use crate::output;
use crate::stop::Stop;

const URL: &str = "NEXUS_GATEWAY_URL";
const SECRET: &str = "NEXUS_API_KEY";
const VARIABLES: &str =
    "NEXUS_GATEWAY_URL NEXUS_API_KEY WORKSPACE_ID PROVIDER NEXUS_LOG NEXUS_LOCK_DIR";
/// Proxy variables are shown only if they are set. They hold URLs, with or without a scheme.
const PROXIES: &str =
    "ALL_PROXY all_proxy HTTPS_PROXY https_proxy HTTP_PROXY http_proxy NO_PROXY no_proxy";

#[derive(Args)]
pub(crate) struct Env {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Env {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let unset: Json = if self.json { Json::Null } else { "(not set)".into() };
        let variables = VARIABLES.split(' ');
        let variables = variables.map(|name| (name, value(name).unwrap_or_else(|| unset.clone())));
        let proxies = PROXIES.split(' ');
        let proxies = proxies.filter_map(|name| Some((name, value(name)?)));
        let fields = variables.chain(proxies).collect();
        output::print_fields(fields, self.json)?;
        Timeout::default().client().map(drop)
    }
}

/// An empty `NEXUS_LOCK_DIR` turns the lock off, and any other empty variable counts as not set.
fn value(name: &str) -> Option<Json> {
    let value = env::var_os(name)?;
    let shown = match name {
        "NEXUS_LOCK_DIR" if value.is_empty() => "(empty: no lock)".to_owned(),
        _ if value.is_empty() => return None,
        SECRET => "(hidden)".to_owned(),
        _ if name == URL || PROXIES.contains(name) => without_password(&value.to_string_lossy()),
        _ => value.to_string_lossy().into_owned(),
    };
    Some(shown.into())
}

/// Hides everything before the last `@`, and the query, because both can contain secrets.
fn without_password(url: &str) -> String {
    let shown = match url.rsplit_once('@') {
        Some((_, rest)) => format!("(hidden)@{rest}"),
        None => url.to_owned(),
    };
    match shown.split_once('?') {
        Some((url, _)) => format!("{url}?(hidden)"),
        None => shown,
    }
}
