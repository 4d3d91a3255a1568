//! `nexus providers`, `nexus revoke` and `nexus health`.

use clap::Args;
use nexus_sdk::serde_json::{Value as Json, json};
use nexus_sdk::{NexusError, ProviderInfo, RevokeOptions, RevokeResult};

use crate::args::{self, Timeout};
use crate::output::{self, Fields};
use crate::stop::{Stop, one_line};
use crate::times;

#[derive(Args)]
pub(crate) struct Providers {
    #[command(flatten)]
    timeout: Timeout,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

impl Providers {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let providers = self.timeout.client()?.providers()?.all;
        if self.json {
            let all: Json = providers.iter().map(as_json).collect();
            return output::print_fields(vec![("providers", all)], true);
        }
        output::print(table(&providers).as_bytes())
    }
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

#[derive(Args)]
pub(crate) struct Revoke {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    connection: String,
    /// Only if the connection is this workspace's
    #[arg(short, long, value_name = "ID")]
    workspace: Option<String>,
    /// Kept with the revocation
    #[arg(long, allow_hyphen_values = true)]
    reason: Option<String>,
    #[command(flatten)]
    timeout: Timeout,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let mut options = RevokeOptions::default();
        if let Some(workspace) = self.workspace {
            options = options.workspace_id(workspace);
        }
        if let Some(reason) = self.reason {
            options = options.reason(reason);
        }
        let client = self.timeout.client()?;
        let done = client.revoke_connection(&self.connection, options);
        let done = done.map_err(|error| unrevoked(&error))?;
        output::print_fields(outcome(self.connection, &done, self.json), self.json)
    }
}

fn outcome(id: String, done: &RevokeResult, json: bool) -> Fields {
    let at = done.revoked_at;
    let revoked_at: Json = if json {
        at.and_then(times::since_epoch).into()
    } else {
        at.and_then(times::date).into()
    };
    let mut fields: Fields = vec![
        ("connection_id", id.into()),
        ("provider", done.provider_name.clone().into()),
        ("status", done.status.as_str().into()),
        ("revoked_at", revoked_at),
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
    fields
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

#[derive(Args)]
pub(crate) struct Health {
    #[command(flatten)]
    timeout: Timeout,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

impl Health {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let health = self.timeout.client()?.health()?;
        let mut fields: Fields = vec![
            ("status", health.status.as_str().into()),
            ("version", health.version.into()),
        ];
        fields.retain(|(_, value)| !value.is_null());
        output::print_fields(fields, self.json)?;
        match health.status.as_str() {
            "healthy" | "ok" => Ok(()),
            other => Err(Stop::failed(format!(
                "the gateway says that it is {other:?}; ask its operator"
            ))),
        }
    }
}
