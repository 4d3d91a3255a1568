//! `nexus status`: prints a connection's status, and the reason if it is not active.

use clap::Args;
use nexus_sdk::{ConnectionStatus, NexusClient};

use crate::args::{self, Tenant, Timeout};
use crate::stop::{CONNECT, Stop};
use crate::text::one_line;
use crate::{ending, output};

#[derive(Args)]
pub(crate) struct Status {
    /// The connection's id. To look at an active connection that others use, give its workspace and provider instead:
    /// polling by id beside them can cost the user's grant
    #[arg(value_parser = args::not_blank)]
    connection: Option<String>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON, with the status, and the reason if it is not active
    #[arg(long)]
    json: bool,
}

/// A status, and the exit code and reason if it is not active.
struct Found {
    status: String,
    code: u8,
    reason: String,
}

impl Status {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let (fields, found) = match self.connection {
            Some(_) if self.tenant.is_given() => return Err(Stop::usage(args::NOT_BOTH)),
            Some(id) => {
                let client = self.timeout.client()?;
                let found = by_id(&client, &id)?;
                (vec![("connection_id", id.into())], found)
            }
            None => {
                let (workspace, provider) = self.tenant.resolve()?;
                let client = self.timeout.client()?;
                let found = by_tenant(&client, &workspace, &provider)?;
                let fields = vec![
                    ("workspace", workspace.into()),
                    ("provider", provider.into()),
                ];
                (fields, found)
            }
        };
        if self.json {
            let mut fields = fields;
            fields.push(("status", found.status.into()));
            if !found.reason.is_empty() {
                fields.push(("reason", found.reason.into()));
            }
            output::print_fields(fields, true)?;
        } else if found.reason.is_empty() {
            output::print_line(one_line(found.status))?;
        } else {
            output::print_line(one_line(format!("{}: {}", found.status, found.reason)))?;
        }
        match found.code {
            0 => Ok(()),
            // The line on stdout has the reason.
            code => Err(Stop::new(code, "")),
        }
    }
}

fn by_tenant(client: &NexusClient, workspace: &str, provider: &str) -> Result<Found, Stop> {
    let status = client.connection_status(workspace, provider)?;
    let (code, reason) = match status {
        ConnectionStatus::Active => (0, ""),
        _ => (CONNECT, "run `nexus connect`"),
    };
    Ok(Found {
        status: status.to_string(),
        code,
        reason: reason.to_owned(),
    })
}

/// The gateway reports `failed` whatever the reason, so this asks for the token and takes the reason from the error.
fn by_id(client: &NexusClient, id: &str) -> Result<Found, Stop> {
    let status = client.check_connection(id)?;
    let (code, reason) = if status == ConnectionStatus::Active {
        (0, String::new())
    } else {
        ending::checkpoint();
        match client.get_token_by_connection_id(id) {
            Ok(_) => (0, "its token can still be used".to_owned()),
            Err(error) => {
                let stop = Stop::from(error);
                (stop.code, stop.line)
            }
        }
    };
    Ok(Found {
        status: status.to_string(),
        code,
        reason,
    })
}
