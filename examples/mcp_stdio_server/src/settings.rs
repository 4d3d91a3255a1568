//! The settings, from environment variables.

use std::env::{self, VarError};

use crate::nexus::Account;

/// Reads the account from the environment.
pub(crate) fn account() -> Result<Account, String> {
    let names = [
        "NEXUS_GATEWAY_URL",
        "WORKSPACE_ID",
        "PROVIDER",
        "UPSTREAM_URL",
    ];
    for name in names
        .into_iter()
        .chain(["NEXUS_API_KEY", "SCOPES", "CONNECT"])
    {
        if matches!(env::var(name), Err(VarError::NotUnicode(_))) {
            return Err(format!("{name} is not UTF-8; set it again"));
        }
    }
    let mut missing = names.to_vec();
    missing.retain(|name| variable(name).is_none());
    if !missing.is_empty() {
        let advice = "set each variable in the client's configuration (`env`), or try --demo";
        return Err(format!("not set: {}; {advice}", missing.join(", ")));
    }
    let [gateway_url, workspace_id, provider, upstream] =
        names.map(|name| variable(name).unwrap_or_default());
    Ok(Account {
        gateway_url,
        workspace_id,
        provider,
        upstream,
        scopes: scopes(),
    })
}

/// Returns an environment variable without surrounding white space, or `None` if it is not set or blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

pub(crate) fn scopes() -> Vec<String> {
    let scopes = variable("SCOPES").unwrap_or_default();
    let scopes = scopes.split(|c: char| c == ',' || c.is_whitespace());
    let scopes = scopes.filter(|scope| !scope.is_empty());
    scopes.map(str::to_owned).collect()
}
