//! `nexus refresh`: makes the gateway refresh a token now.

use clap::Args;
use nexus_sdk::{NexusClient, NexusError};

use crate::args::{self, Timeout};
use crate::ending;
use crate::shown::{Form, Shown};
use crate::stop::{self, Stop};

#[derive(Args)]
pub(crate) struct Refresh {
    /// The connection's id
    #[arg(value_parser = args::not_blank)]
    connection: String,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    timeout: Timeout,
}

impl Refresh {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let client = self.timeout.client()?;
        let id = self.connection;
        let token = client.refresh_connection(&id);
        let token = token.map_err(|error| unrefreshed(&client, &id, error))?;
        Shown::of_connection(id, &token).print(self.form)
    }
}

/// The gateway reports every failed refresh as `upstream_error`, so a call for the token finds out the reason.
fn unrefreshed(client: &NexusClient, id: &str, error: NexusError) -> Stop {
    if error.code() != "upstream_error" {
        return Stop::no_token(error);
    }
    ending::checkpoint();
    match client.get_token_by_connection_id(id) {
        Err(reason) => Stop::no_token(reason),
        Ok(_) => Stop::failed(format!(
            "{}; the connection still has a usable token",
            stop::problem(&error)
        )),
    }
}
