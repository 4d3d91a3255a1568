//! Advice for a model, or its user, when a request or the consent fails.

use nexus_sdk::{ConnectionStatus, ErrorKind, NexusError};

use super::Account;

/// Explains an error from a fetch, and says what to do.
pub(super) fn explain(error: &NexusError, account: &Account) -> String {
    format!("{error}\n{}", advice(error, account))
}

fn advice(error: &NexusError, account: &Account) -> String {
    let provider = &account.provider;
    if needs_connection(error) {
        let command = command(account);
        return format!("The user has to connect {provider}. Run: {command}");
    }
    match (error.code(), error.kind()) {
        ("provider_not_found", _) => {
            format!("The gateway does not know the provider {provider}: check PROVIDER.")
        }
        ("provider_ambiguous", _) => {
            format!("The gateway knows several providers named {provider}: check PROVIDER.")
        }
        (_, ErrorKind::InvalidInput) => "Check the arguments.".to_owned(),
        (_, ErrorKind::InsecureUrl) => "Set UPSTREAM_URL to an https address.".to_owned(),
        (_, ErrorKind::BodyTooLarge) => "Ask for less, for example a smaller page.".to_owned(),
        _ if error.status_code() == Some(401) => {
            "The gateway refuses this server: check NEXUS_API_KEY.".to_owned()
        }
        _ if error.retry_after().is_some() => {
            let wait = error.retry_after().unwrap_or_default().as_secs();
            format!("Retry in {} s.", wait.max(1))
        }
        _ if error.is_retryable() => {
            "Retry in a moment. If that fails, check that the gateway and the API are reachable."
                .to_owned()
        }
        _ => "Do not retry. If the error gives no advice, see the gateway's log.".to_owned(),
    }
}

/// Returns whether the user has to connect. Some gateways return `connection_not_active` while they wait for the
/// consent.
pub(super) fn needs_connection(error: &NexusError) -> bool {
    error.needs_reconnect() || error.code() == "connection_not_active"
}

/// Tells the user the reason for the consent page.
pub(super) fn unconnected(error: &NexusError, account: &Account) -> String {
    let (provider, workspace_id, code) = (&account.provider, &account.workspace_id, error.code());
    format!(
        "Connect {provider} to the workspace {workspace_id} to continue (the gateway reported {code})."
    )
}

/// Explains why the server cannot send the user to a consent page.
pub(super) fn not_asked(reason: &NexusError, problem: &NexusError, account: &Account) -> String {
    let mut text = format!("{reason}\nRequesting a new connection failed: {problem}\n");
    if problem.message().contains("return_url") {
        text.push_str("Configure the gateway to allow return URLs on http://127.0.0.1. ");
    }
    // `nexus connect` cannot connect such a provider either.
    let is_wrong = ["provider_not_found", "provider_ambiguous"].contains(&problem.code());
    text + &advice(if is_wrong { problem } else { reason }, account)
}

/// Returns whether the gateway found no connection.
pub(super) fn is_missing(error: &NexusError) -> bool {
    error.code() == "connection_not_found"
}

/// Explains an error that the user's consent did not fix. The gateway ignores the case of a provider's name in a
/// connection request, but not when it looks for a connection.
pub(super) fn after_consent(error: &NexusError, account: &Account) -> String {
    if !is_missing(error) {
        return explain(error, account);
    }
    let provider = &account.provider;
    format!(
        "{error}\nThe user has connected {provider}, but the gateway does not find the connection. Do not ask the user \
         to connect again. Check PROVIDER: upper and lower case must match the provider's name on the gateway."
    )
}

/// Explains a connection request that ended without an active connection.
pub(super) fn not_active(status: &ConnectionStatus, account: &Account) -> String {
    let provider = &account.provider;
    format!(
        "Connecting {provider} failed: the gateway says that the connection is {status}. Call the tool again if the \
         user wants to try again."
    )
}

/// Explains a connection request that has timed out.
pub(super) fn too_late(account: &Account) -> String {
    let provider = &account.provider;
    format!("The page to connect {provider} has expired. Call the tool again for a new page.")
}

/// Returns the `nexus` command that connects the user.
fn command(account: &Account) -> String {
    let gateway_url = quoted(&account.gateway_url);
    let mut words = vec![format!("NEXUS_GATEWAY_URL={gateway_url} nexus connect")];
    // With `=`, a value that begins with a hyphen is not taken for an option.
    let mut option = |name, value| words.push(format!("{name}={}", quoted(value)));
    option("--workspace", &account.workspace_id);
    option("--provider", &account.provider);
    for scope in &account.scopes {
        option("--scope", scope);
    }
    words.join(" ")
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
