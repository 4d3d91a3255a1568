//! `nexus token`: the token of a connection, or of a workspace and provider.

use clap::Args;

use crate::args::{self, Tenant, Timeout};
use crate::shown::{Form, Shown};
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Token {
    /// The connection's id, in place of a workspace and provider
    #[arg(value_parser = args::not_blank)]
    connection: Option<String>,
    #[command(flatten)]
    tenant: Tenant,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    timeout: Timeout,
}

impl Token {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let shown = match self.connection {
            Some(_) if self.tenant.is_given() => {
                let problem =
                    "a connection id excludes --workspace and --provider; give only one of the two";
                return Err(Stop::usage(problem));
            }
            Some(id) => {
                let token = self.timeout.client()?.get_token_by_connection_id(&id);
                Shown::of_connection(id, &token.map_err(Stop::no_token)?)
            }
            None => {
                let (workspace, provider) = self.tenant.resolve()?;
                let client = self.timeout.client()?;
                let token = client.resolve_token(&workspace, &provider)?;
                Shown::of_workspace(workspace, provider, &token)
            }
        };
        shown.print(self.form)
    }
}
