//! `nexus status`: prints a connection's status, and the reason if it is not active.

use clap::Args;
use nexus_sdk::{ConnectionStatus, NexusClient};

use crate::args::{self, Timeout};
use crate::stop::Stop;
use crate::text::one_line;
use crate::{ending, output};

#[derive(Args)]
pub(crate) struct Status {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    connection: String,
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON, with the status, and the reason if it is not active
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let client = self.timeout.client()?;
        let id = &self.connection;
        let status = client.check_connection(id)?;
        let (code, reason) = match status {
            ConnectionStatus::Active => (0, String::new()),
            _ => why(&client, id),
        };
        if self.json {
            let mut fields = vec![
                ("connection_id", id.as_str().into()),
                ("status", status.as_str().into()),
            ];
            if !reason.is_empty() {
                fields.push(("reason", reason.into()));
            }
            output::print_fields(fields, true)?;
        } else if reason.is_empty() {
            output::print_line(one_line(status))?;
        } else {
            output::print_line(one_line(format!("{status}: {reason}")))?;
        }
        match code {
            0 => Ok(()),
            // The line on stdout has the reason.
            _ => Err(Stop::new(code, "")),
        }
    }
}

/// Returns the exit code and the reason. The gateway reports `failed` whatever the reason, so this asks
/// for the token and takes the reason from the error.
fn why(client: &NexusClient, id: &str) -> (u8, String) {
    ending::checkpoint();
    match client.get_token_by_connection_id(id) {
        Ok(_) => (0, "its token can still be used".to_owned()),
        Err(error) => {
            let stop = Stop::no_token(error);
            (stop.code, stop.line)
        }
    }
}
