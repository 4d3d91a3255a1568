//! What a model, or the user behind it, can do when there is no answer of the API.

use nexus_sdk::{ErrorKind, NexusError};

use crate::config::Config;

pub(crate) fn explain(error: &NexusError, config: &Config) -> String {
    format!("{error}\n{}", advice(error, config))
}

fn advice(error: &NexusError, config: &Config) -> String {
    let provider = &config.provider;
    if error.needs_reconnect() {
        return format!(
            "The connection to {provider} no longer works: the user has to reconnect it. Run: {}",
            connect(config)
        );
    }
    match (error.code(), error.kind()) {
        ("connection_not_found" | "token_not_found" | "connection_not_active", _) => {
            format!(
                "There is no active connection to {provider}: the user has to consent to one. Run: {}",
                connect(config)
            )
        }
        ("provider_not_found", _) => {
            format!("The gateway knows no provider {provider}: check PROVIDER.")
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

fn later(error: &NexusError) -> String {
    match error.retry_after() {
        Some(wait) => format!("Retry in {} s.", wait.as_secs().max(1)),
        None if error.is_retryable() => {
            "Retry in a moment; if it stays so, check that gateway and API can be reached."
                .to_owned()
        }
        None => "Retrying will not help; see the gateway's log.".to_owned(),
    }
}

/// The consent flow, as a command of the `nexus` example.
fn connect(config: &Config) -> String {
    let Config {
        gateway_url,
        workspace_id,
        provider,
        ..
    } = config;
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
