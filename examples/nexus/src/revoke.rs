//! `nexus revoke`: revokes a connection.

use std::io::{self, IsTerminal as _};

use clap::Args;
use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{NexusError, RevokeOptions, RevokeResult};

use crate::args::{self, Gateway, Timeout};
use crate::output::{self, Fields};
use crate::stop::{self, Stop};
use crate::text::one_line;
use crate::{terminal, times};

#[derive(Args)]
pub(crate) struct Revoke {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    connection: String,
    /// Revoke the connection only if it belongs to this workspace
    #[arg(short, long, value_name = "ID")]
    workspace: Option<String>,
    /// The reason, which the gateway stores
    #[arg(long, allow_hyphen_values = true)]
    reason: Option<String>,
    /// Revoke without asking. Needed if stdin or stderr is not a terminal
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        if !self.yes {
            confirm(&self.connection)?;
        }
        let mut options = RevokeOptions::default();
        if let Some(workspace) = self.workspace {
            options = options.workspace_id(workspace);
        }
        if let Some(reason) = self.reason {
            options = options.reason(reason);
        }
        let client = self.timeout.client(gateway)?;
        let revoked = client.revoke_connection(&self.connection, options);
        let revoked = revoked.map_err(unrevoked)?;
        output::print_fields(fields(self.connection, revoked, self.json), self.json)
    }
}

/// Asks at the terminal. Where nobody can be asked, fails, so that a script says with `--yes` that it means it.
fn confirm(id: &str) -> Result<(), Stop> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let problem = "`nexus revoke` asks first, and there is no terminal; give --yes";
        return Err(Stop::usage(problem));
    }
    let id = one_line(id);
    let question = format!("revoke connection {id}? The user will have to connect again. [y/N] ");
    let answer = terminal::ask(&question).unwrap_or_default();
    match &*answer.trim().to_lowercase() {
        "y" | "yes" => Ok(()),
        _ => Err(Stop::failed("nothing was revoked")),
    }
}

fn fields(id: String, revoked: RevokeResult, json: bool) -> Fields {
    let at = revoked.revoked_at;
    let revoked_at: Json = if json {
        at.and_then(times::since_epoch).into()
    } else {
        at.and_then(times::date).into()
    };
    let error = revoked.provider_revocation_error;
    vec![
        ("connection_id", id.into()),
        ("provider", revoked.provider_name.into()),
        ("status", revoked.status.as_str().into()),
        ("revoked_at", revoked_at),
        ("already_revoked", revoked.already_revoked.into()),
        ("token_deleted", revoked.token_deleted.into()),
        ("provider_revoked", revoked.provider_revoked.into()),
        ("provider_revocation_error", error.into()),
        ("sessions_closed", revoked.sessions_closed.into()),
    ]
}

/// Replaces the usual advice to connect, which does not help to revoke a connection.
fn unrevoked(error: NexusError) -> Stop {
    let advice = match (error.code(), error.status_code()) {
        ("connection_not_found" | "invalid_connection_id", _) => {
            let problem = stop::problem(&error);
            let advice = "check the connection id, and --workspace if given";
            return Stop::failed(format!("{problem}; {advice}")).caused_by(&error);
        }
        (_, Some(404 | 405)) => "; the gateway may be older than 0.4 and unable to revoke",
        _ => return error.into(),
    };
    Stop::failed(format!("{error}{advice}")).caused_by(&error)
}
