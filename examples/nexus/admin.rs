//! `nexus providers` and `nexus revoke`: what there is to connect to, and the end of a connection.

use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::serde_json::{Value as Json, json};
use nexus_sdk::{NexusError, ProviderInfo, RevokeOptions, RevokeResult};

use crate::args;
use crate::output::{self, Fields};
use crate::stop::{Stop, one_line};

pub(crate) fn providers(parser: &mut Parser) -> Result<(), Stop> {
    let (mut timeout, mut json) = (None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("timeout") => timeout = Some(args::seconds(parser)?),
            Long("json") => json = true,
            other => return Err(args::unexpected(other)),
        }
    }
    let providers = args::client(timeout)?.providers()?.all;
    if json {
        let all: Json = providers.iter().map(as_json).collect();
        return output::print_fields(vec![("providers", all)], true);
    }
    output::print(table(&providers).as_bytes())
}

fn as_json(provider: &ProviderInfo) -> Json {
    json!({
        "name": provider.name,
        "auth_type": provider.auth_type,
        "id": provider.id,
        "api_base_url": provider.api_base_url,
        "user_info_endpoint": provider.user_info_endpoint,
        "scopes": provider.scopes,
        "description": provider.description,
        "category": provider.category,
    })
}

fn table(providers: &[ProviderInfo]) -> String {
    let heading = ["NAME", "AUTH TYPE", "SCOPES", "DESCRIPTION"].map(str::to_owned);
    let rows: Vec<_> = [heading]
        .into_iter()
        .chain(providers.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let line = |[name, kind, scopes, description]: &[String; 4]| {
        let line = format!("{name:first$}  {kind:second$}  {scopes:third$}  {description}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(provider: &ProviderInfo) -> [String; 4] {
    let scopes = provider.scopes.as_deref().unwrap_or_default().join(",");
    let description = provider.description.as_deref().unwrap_or_default();
    [&provider.name, &provider.auth_type, &*scopes, description].map(one_line)
}

#[derive(Default)]
struct Revoke {
    connection: Option<String>,
    options: RevokeOptions,
    json: bool,
}

pub(crate) fn revoke(parser: &mut Parser) -> Result<(), Stop> {
    let (mut revoke, mut timeout) = (Revoke::default(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('w') | Long("workspace") => {
                revoke.options = revoke.options.workspace_id(args::text(parser)?);
            }
            Long("reason") => revoke.options = revoke.options.reason(args::text(parser)?),
            Long("timeout") => timeout = Some(args::seconds(parser)?),
            Long("json") => revoke.json = true,
            Value(id) if revoke.connection.is_none() => revoke.connection = Some(id.string()?),
            other => return Err(args::unexpected(other)),
        }
    }
    let id = args::required(revoke.connection, "connection id")?;
    let outcome = args::client(timeout)?.revoke_connection(&id, revoke.options);
    print(
        id,
        &outcome.map_err(|error| unrevoked(&error))?,
        revoke.json,
    )
}

fn print(id: String, done: &RevokeResult, json: bool) -> Result<(), Stop> {
    let since = |moment: SystemTime| moment.duration_since(UNIX_EPOCH).ok();
    let revoked_at = done.revoked_at.and_then(since).map(|since| since.as_secs());
    let mut fields: Fields = vec![
        ("connection_id", id.into()),
        ("provider", done.provider_name.clone().into()),
        ("status", done.status.as_str().into()),
        ("revoked_at", revoked_at.into()),
        ("already_revoked", done.already_revoked.into()),
        ("token_deleted", done.token_deleted.into()),
        ("provider_revoked", done.provider_revoked.into()),
        (
            "provider_revocation_error",
            done.provider_revocation_error.clone().into(),
        ),
        ("sessions_closed", done.sessions_closed.into()),
    ];
    fields.retain(|(_, value)| !value.is_null());
    output::print_fields(fields, json)
}

/// Connecting, which is the advice elsewhere, is of no use to somebody who wants the opposite.
fn unrevoked(error: &NexusError) -> Stop {
    let advice = match (error.code(), error.status_code()) {
        ("connection_not_found" | "invalid_connection_id", _) => {
            "check the connection id, and the --workspace if one is given"
        }
        (_, Some(404 | 405)) => "the gateway may be older than 0.4, and cannot revoke",
        _ => return error.clone().into(),
    };
    Stop::failed(format!("{error}; {advice}"))
}
