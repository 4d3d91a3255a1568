//! `nexus token`: describes the token of a connection, or of a workspace and provider. `--show` prints the token itself.

use clap::Args;

use crate::args::{self, Tenant, Timeout};
use crate::report::{Format, Report};
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Token {
    /// The connection's id, instead of a workspace and provider
    #[arg(value_parser = args::not_blank, conflicts_with_all = ["workspace", "provider"])]
    connection: Option<String>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    timeout: Timeout,
}

impl Token {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let report = if let Some(id) = self.connection {
            let token = self.timeout.client()?.get_token_by_connection_id(&id);
            Report::of_connection(id, &token?)
        } else {
            let (workspace, provider) = self.tenant.resolve()?;
            let token = self.timeout.client()?.resolve_token(&workspace, &provider);
            Report::of_workspace(workspace, provider, &token?)
        };
        report.print(self.format)
    }
}
