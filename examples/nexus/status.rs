//! `nexus status`: what has become of a connection, and why.

use clap::Args;
use nexus_sdk::{ConnectionStatus, NexusClient, NexusError};

use crate::args::{self, Timeout};
use crate::landing;
use crate::output;
use crate::stop::{Stop, one_line};

#[derive(Args)]
pub(crate) struct Query {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    pub(crate) connection: String,
    #[command(flatten)]
    pub(crate) timeout: Timeout,
    /// One line of JSON, with the status as the gateway says it
    #[arg(long)]
    pub(crate) json: bool,
}

impl Query {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let client = self.timeout.client()?;
        let id = &self.connection;
        let status = client.check_connection(id)?;
        if self.json {
            let fields = vec![
                ("connection_id", id.as_str().into()),
                ("status", status.as_str().into()),
            ];
            return output::print_fields(fields, true);
        }
        let line = match status {
            ConnectionStatus::Active => status.to_string(),
            _ => format!("{status}: {}", why(&client, id)),
        };
        output::print(format!("{}\n", one_line(line)).as_bytes())
    }
}

/// `failed` says nothing: the gateway infers it from any refusal of the token, so that is asked for.
fn why(client: &NexusClient, id: &str) -> String {
    landing::go_on();
    match client.get_token_by_connection_id(id) {
        Ok(_) => "its token is usable all the same".to_owned(),
        Err(error) => reason(&error),
    }
}

pub(crate) fn reason(error: &NexusError) -> String {
    let reason = match (error.code(), error.status_code()) {
        ("connection_not_active", _) => {
            "the user has not consented (there are 10 minutes), the consent failed, or a newer \
             connection has taken its place; run `nexus connect`"
        }
        ("attention_required", _) => {
            "the provider no longer accepts its credential; run `nexus connect`"
        }
        ("connection_revoked", _) => "it was revoked; run `nexus connect`",
        ("connection_not_found", _) => "the gateway knows no such connection; check its id",
        ("token_expired", _) => {
            "its token has expired, and the provider did not give a new one just now; try again"
        }
        ("invalid_api_key", Some(403)) => {
            "the gateway has a wrong key for its broker; its operator can fix that"
        }
        _ => return error.to_string(),
    };
    reason.to_owned()
}
