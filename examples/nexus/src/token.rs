//! `nexus token`: describes the token of a connection, or of a workspace and provider. `--show` prints the token itself.

use clap::Args;

use crate::args::{self, Gateway, Tenant, Timeout};
use crate::report::{Format, Report};
use crate::stop::Stop;

#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus token --workspace acme --provider github
  nexus token --json 00000000-0000-4000-8000-000000000001
  nexus token -w acme -p github --show | wc -c

To pass the token to a program, `nexus exec` and `nexus git-credential`
are safer, because they print it neither on the terminal nor into a log.")]
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
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let report = if let Some(id) = self.connection {
            let token = self
                .timeout
                .client(gateway)?
                .get_token_by_connection_id(&id);
            Report::of_connection(id, &token?)
        } else {
            let (workspace, provider) = self.tenant.resolve(gateway)?;
            let token = self
                .timeout
                .client(gateway)?
                .resolve_token(&workspace, &provider);
            Report::of_workspace(workspace, provider, &token?)
        };
        report.print(self.format)
    }
}
