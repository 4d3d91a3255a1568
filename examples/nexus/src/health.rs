//! `nexus health`: prints the gateway's health.

use clap::Args;

use crate::args::{Gateway, Timeout};
use crate::output;
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Health {
    #[command(flatten)]
    timeout: Timeout,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

impl Health {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let health = self.timeout.client(gateway)?.health()?;
        let fields = vec![
            ("status", health.status.as_str().into()),
            ("version", health.version.into()),
        ];
        output::print_fields(fields, self.json)?;
        match health.status.as_str() {
            "healthy" | "ok" => Ok(()),
            other => Err(Stop::failed(format!(
                "the gateway reports {other:?}; ask its operator"
            ))),
        }
    }
}
