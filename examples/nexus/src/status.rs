//! `nexus status`: prints a connection's status, and the reason if it is not active.

use clap::Args;
use nexus_sdk::{ConnectionStatus, NexusClient};

use crate::args::{self, Gateway, Tenant, Timeout};
use crate::stop::Stop;
use crate::text::one_line;
use crate::{ending, output};

#[derive(Args)]
pub(crate) struct Status {
    /// The connection's id. To look at an active connection that others use, give its workspace and provider instead:
    /// polling by id at the same time can cost the user's grant
    #[arg(value_parser = args::not_blank, conflicts_with_all = ["workspace", "provider"])]
    connection: Option<String>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON with the status and, by id, the reason if it is not active. By workspace and provider,
    /// print only an active connection
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let (mut fields, (status, stop)) = if let Some(id) = self.connection {
            let found = by_id(&self.timeout.client(gateway)?, &id)?;
            (vec![("connection_id", id.into())], found)
        } else {
            let (workspace, provider) = self.tenant.resolve(gateway)?;
            let found = by_tenant(&self.timeout.client(gateway)?, &workspace, &provider)?;
            (
                vec![
                    ("workspace", workspace.into()),
                    ("provider", provider.into()),
                ],
                found,
            )
        };
        let Stop {
            code, line: reason, ..
        } = stop;
        if self.json {
            fields.push(("status", status.as_str().into()));
            if !reason.is_empty() {
                fields.push(("reason", reason.into()));
            }
            output::print_fields(fields, true)?;
        } else {
            let separator = if reason.is_empty() { "" } else { ": " };
            output::print_line(one_line(format!("{status}{separator}{reason}")))?;
        }
        match code {
            0 => Ok(()),
            // The line on stdout has the reason.
            code => Err(Stop::new(code, "")),
        }
    }
}

/// A status, and the exit code and reason if it is not active.
type Found = (ConnectionStatus, Stop);

fn by_tenant(client: &NexusClient, workspace: &str, provider: &str) -> Result<Found, Stop> {
    if client.is_connected(workspace, provider)? {
        return Ok((ConnectionStatus::Active, Stop::new(0, "")));
    }
    Err(Stop::unconnected(format!(
        "{workspace} has no active connection to {provider} (run `nexus connect`)"
    )))
}

/// Returns the status of a connection by its id. Gateways report `failed` for any reason, so for an inactive connection
/// the reason comes from a token request.
fn by_id(client: &NexusClient, id: &str) -> Result<Found, Stop> {
    let status = client.check_connection(id)?;
    if status == ConnectionStatus::Active {
        return Ok((status, Stop::new(0, "")));
    }
    ending::checkpoint();
    let stop = match client.get_token_by_connection_id(id) {
        Ok(_) => Stop::new(0, "its token can still be used"),
        Err(error) => error.into(),
    };
    Ok((status, stop))
}
