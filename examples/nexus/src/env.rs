//! `nexus env`: shows the configuration and checks it.

use std::env;

use clap::Args;

use crate::args::{Gateway, Timeout};
use crate::output;
use crate::stop::Stop;

const URL: &str = "NEXUS_GATEWAY_URL";
const SECRET: &str = "NEXUS_API_KEY";
const VARIABLES: &str =
    "NEXUS_GATEWAY_URL NEXUS_API_KEY WORKSPACE_ID PROVIDER NEXUS_LOG NEXUS_LOCK_DIR";
/// Proxy variables are shown only if they are set. All but `NO_PROXY` hold a URL, with or without a scheme.
const PROXIES: &str =
    "ALL_PROXY all_proxy HTTPS_PROXY https_proxy HTTP_PROXY http_proxy NO_PROXY no_proxy";

#[derive(Args)]
pub(crate) struct Env {
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Env {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let given = gateway.url().map(without_password);
        let value_of = |name| match name {
            URL if given.is_some() => given.clone(),
            _ => value(name),
        };
        let variables = VARIABLES.split(' ').map(|name| (name, value_of(name)));
        let proxies = PROXIES.split(' ').map(|name| (name, value(name)));
        let shown = variables.chain(proxies.filter(|(_, value)| value.is_some()));
        if self.json {
            output::print_json(&shown.collect())?;
        } else {
            let unset = || "(not set)".to_owned();
            let shown = shown.map(|(name, value)| (name, value.unwrap_or_else(unset).into()));
            output::print_fields(shown.collect(), false)?;
        }
        Timeout::default().client(gateway).map(drop)
    }
}

/// Returns a variable without its secrets. An empty `NEXUS_LOCK_DIR` turns the lock off, and any other empty variable
/// counts as not set.
fn value(name: &str) -> Option<String> {
    let value = env::var_os(name)?;
    Some(match name {
        "NEXUS_LOCK_DIR" if value.is_empty() => "(empty: no lock)".to_owned(),
        _ if value.is_empty() => return None,
        SECRET => "(hidden)".to_owned(),
        _ if name == URL || PROXIES.contains(name) => without_password(&value.to_string_lossy()),
        _ => value.to_string_lossy().into_owned(),
    })
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
