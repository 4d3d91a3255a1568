//! What a model, or the user behind it, can do when there is no good response.

use nexus_sdk::http::header::{LOCATION, RETRY_AFTER};
use nexus_sdk::http::{HeaderMap, HeaderName, StatusCode};
use nexus_sdk::{ConnectionStatus, ErrorKind, NexusError};

use super::Account;

/// How much of an API's error page is shown.
const MAX_SHOWN: usize = 2000;

/// The API was not asked, or there was no response.
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
        (_, ErrorKind::BodyTooLarge) => "Ask for less, for instance a smaller page.".to_owned(),
        _ if error.status_code() == Some(401) => {
            "The gateway refuses this server: check NEXUS_API_KEY.".to_owned()
        }
        _ => later(error),
    }
}

/// Whether only the user can help. Some gateways say `connection_not_active` while the consent is awaited.
pub(super) fn needs_connection(error: &NexusError) -> bool {
    error.needs_reconnect() || error.code() == "connection_not_active"
}

/// Why the user is sent to a page.
pub(super) fn unconnected(error: &NexusError, account: &Account) -> String {
    let Account {
        workspace_id,
        provider,
        ..
    } = account;
    format!("{provider} has to be connected for {workspace_id} ({error}).")
}

/// The user cannot be sent to a page.
pub(super) fn not_asked(reason: &NexusError, problem: &NexusError, account: &Account) -> String {
    let mut text = format!("{reason}\nAsking the gateway for a connection failed: {problem}\n");
    if problem.message().contains("return_url") {
        text.push_str(
            "The gateway may not allow return URLs on http://127.0.0.1, which it has to. ",
        );
    }
    // Nobody can connect such a provider.
    let is_wrong = ["provider_not_found", "provider_ambiguous"].contains(&problem.code());
    text + &advice(if is_wrong { problem } else { reason }, account)
}

/// Whether the gateway knows no usable connection. It finds a provider whatever the case of its name, but a connection by
/// the very name.
pub(super) fn is_missing(error: &NexusError) -> bool {
    error.code() == "connection_not_found"
}

/// The user has consented, and it did not help.
pub(super) fn after_consent(error: &NexusError, account: &Account) -> String {
    if !is_missing(error) {
        return explain(error, account);
    }
    let provider = &account.provider;
    format!(
        "{error}\nThe user has connected {provider}, and the gateway still finds no connection: check PROVIDER, whose \
         case matters. To connect once more will not help."
    )
}

/// The user's consent came to nothing.
pub(super) fn not_active(status: &ConnectionStatus, account: &Account) -> String {
    let provider = &account.provider;
    format!(
        "Connecting {provider} did not work: the gateway says that the connection is {status}. Call the tool again if \
         the user wants to try once more."
    )
}

/// The user did not consent in time.
pub(super) fn too_late(account: &Account) -> String {
    let provider = &account.provider;
    format!("The page to connect {provider} has expired. Call the tool again for a new one.")
}

fn later(error: &NexusError) -> String {
    match error.retry_after() {
        Some(wait) => format!("Retry in {} s.", wait.as_secs().max(1)),
        None if error.is_retryable() => {
            "Retry in a moment; if that does not help, check that gateway and API can be reached."
                .to_owned()
        }
        None => "Retrying will not help; see the gateway's log.".to_owned(),
    }
}

/// The consent flow, as a command of the `nexus` example.
fn command(account: &Account) -> String {
    let Account {
        gateway_url,
        workspace_id,
        provider,
        ..
    } = account;
    format!(
        "NEXUS_GATEWAY_URL={} nexus connect --workspace {} --provider {}",
        quoted(gateway_url),
        quoted(workspace_id),
        quoted(provider)
    )
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The API did not do what it was asked for.
pub(super) fn refusal(status: u16, headers: &HeaderMap, text: &str) -> String {
    let hint = hint(status, headers);
    let text = format!(
        "The API responded with {}. {hint}\n{}",
        name(status),
        shown(text)
    );
    text.trim_end().to_owned()
}

fn hint(status: u16, headers: &HeaderMap) -> String {
    let wait = header(headers, RETRY_AFTER);
    match status {
        // The query may hold a credential.
        300..=399 => match header(headers, LOCATION).split('?').next() {
            Some(place) if !place.is_empty() => format!("It redirects to {place}; if that is the same API, fetch that path."),
            _ => "It does not say where to go instead.".to_owned(),
        },
        401 => "It refuses the credential; if it keeps doing so, the user has to connect the account again.".to_owned(),
        403 => "The connected user is not permitted to do this; it may need a connection with more scopes.".to_owned(),
        404 => "Check the path; what the connected user may not see is also not found.".to_owned(),
        429 if !wait.is_empty() => format!("Too many requests; retry after {wait}."),
        429 => "Too many requests; retry in a minute.".to_owned(),
        500.. => "The API failed; retry later.".to_owned(),
        _ => "Check method, path and body.".to_owned(),
    }
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

pub(super) fn header(headers: &HeaderMap, name: HeaderName) -> &str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

pub(super) fn name(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason());
    format!("HTTP {status} {}", reason.unwrap_or_default())
        .trim_end()
        .to_owned()
}
