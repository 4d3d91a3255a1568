//! `nexus refresh`: makes the gateway refresh a token now.

use clap::Args;
use nexus_sdk::{NexusClient, NexusError};

use crate::args::{self, Gateway, Timeout};
use crate::ending;
use crate::report::{Format, Report};
use crate::stop::{self, Stop};

#[derive(Args)]
pub(crate) struct Refresh {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    connection: String,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    timeout: Timeout,
}

impl Refresh {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let client = self.timeout.client(gateway)?;
        let id = self.connection;
        let token = client.refresh_connection(&id);
        let token = token.map_err(|error| unrefreshed(&client, &id, error))?;
        Report::of_connection(id, &token).print(self.format)
    }
}

/// Returns the reason why a refresh failed. If the gateway reports only `upstream_error`, the reason comes from the error
/// of a token request.
fn unrefreshed(client: &NexusClient, id: &str, error: NexusError) -> Stop {
    if error.code() != "upstream_error" {
        return error.into();
    }
    ending::checkpoint();
    match client.get_token_by_connection_id(id) {
        Err(reason) => reason.into(),
        Ok(_) => Stop::failed(format!(
            "{}; the connection still has a usable token",
            stop::problem(&error)
        ))
        .caused_by(&error),
    }
}
