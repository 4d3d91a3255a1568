//! `nexus status`: a connection's status, and why it is not active.

use clap::Args;
use nexus_sdk::{ConnectionStatus, NexusClient, NexusError};

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
    /// Print one line of JSON, with the status as the gateway reports it
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
            let fields = vec![
                ("connection_id", id.as_str().into()),
                ("status", status.as_str().into()),
            ];
            output::print_fields(fields, true)?;
        } else {
            output::print_line(one_line(format!("{status}{reason}")))?;
        }
        match code {
            0 => Ok(()),
            // The line on stdout has told the reason.
            _ => Err(Stop::new(code, "")),
        }
    }
}

/// Returns the exit code and the reason. The gateway reports `failed` for every refusal of the
/// token, so this asks for the token and takes the reason from that error.
fn why(client: &NexusClient, id: &str) -> (u8, String) {
    ending::checkpoint();
    match client.get_token_by_connection_id(id) {
        Ok(_) => (0, ": its token can still be used".to_owned()),
        Err(error) => {
            let reason = format!(": {}", reason(&error));
            (Stop::no_token(error).code, reason)
        }
    }
}

fn reason(error: &NexusError) -> String {
    let reason = match (error.code(), error.status_code()) {
        ("connection_not_active", _) => {
            "the user has not consented, the consent failed, or a newer connection has replaced it; \
             consent within 10 minutes of the request, or run `nexus connect`"
        }
        ("attention_required", _) => {
            "the provider no longer accepts its credential; run `nexus connect`"
        }
        ("connection_revoked", _) => "it was revoked; run `nexus connect`",
        ("connection_not_found" | "invalid_connection_id", _) => {
            "the gateway knows no such connection; check its id"
        }
        ("token_expired", _) => {
            "its token has expired, and the provider did not issue a new one just now; try again"
        }
        ("invalid_api_key", Some(403)) => {
            "the gateway has a wrong key for its broker; ask its operator"
        }
        _ => return error.to_string(),
    };
    reason.to_owned()
}
