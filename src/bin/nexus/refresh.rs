//! `nexus refresh`: makes the gateway refresh a token now.

use std::time::SystemTime;

use clap::Args;
use nexus_sdk::{NexusClient, NexusError};

use crate::args::{self, Timeout};
use crate::shown::{Form, Shown};
use crate::stop::Stop;
use crate::{ending, times};

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

/// The gateway refuses every refresh as `upstream_error`; a call for the token has the reason.
fn unrefreshed(client: &NexusClient, id: &str, error: NexusError) -> Stop {
    if error.code() != "upstream_error" {
        return Stop::no_token(error);
    }
    ending::checkpoint();
    match client.get_token_by_connection_id(id) {
        Err(reason) => Stop::no_token(reason),
        Ok(token) => {
            let until = |moment| {
                let shown = times::shown(moment, SystemTime::now());
                format!(" (it expires {shown})")
            };
            let until = times::expiry(&token).map(until).unwrap_or_default();
            Stop::failed(format!("{error}; the connection has a usable token{until}"))
        }
    }
}
