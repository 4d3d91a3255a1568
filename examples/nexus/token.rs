//! `nexus token` and `nexus refresh`: a token, its secrets hidden unless they are asked for.

use std::time::SystemTime;

use clap::Args;
use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{CachedToken, NexusClient, NexusError, TokenResponse};

use crate::args::{self, Tenant, Timeout};
use crate::landing;
use crate::output::{self, Fields};
use crate::stop::Stop;
use crate::times;

#[derive(Args, Clone, Copy)]
struct Form {
    /// Print the access token and nothing else; with --json, all of the secrets
    #[arg(long)]
    show: bool,
    /// One line of JSON; times in seconds since 1970, and from now
    #[arg(long)]
    json: bool,
}

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
        match self.connection {
            Some(_) if self.tenant.is_given() => Err(Stop::usage(
                "a connection id and a workspace or provider; give one of them",
            )),
            Some(id) => {
                let token = self.timeout.client()?.get_token_by_connection_id(&id);
                let token = token.map_err(Stop::no_token)?;
                of_connection(id, &token).print(self.form)
            }
            None => {
                let (workspace, provider) = self.tenant.resolve()?;
                let token = self
                    .timeout
                    .client()?
                    .resolve_token(&workspace, &provider)?;
                of_workspace(workspace, provider, &token).print(self.form)
            }
        }
    }
}

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
        let token = client
            .refresh_connection(&id)
            .map_err(|error| unrefreshed(&client, &id, error))?;
        of_connection(id, &token).print(self.form)
    }
}

/// A refresh is refused as `upstream_error`, whatever the reason; a call for the token names it.
fn unrefreshed(client: &NexusClient, id: &str, error: NexusError) -> Stop {
    if error.code() != "upstream_error" {
        return Stop::no_token(error);
    }
    landing::go_on();
    match client.get_token_by_connection_id(id) {
        Err(reason) => Stop::no_token(reason),
        Ok(token) => {
            let until = times::expiry(&token)
                .map(|moment| format!(" (it expires {})", times::shown(moment, SystemTime::now())));
            let until = until.unwrap_or_default();
            Stop::failed(format!("{error}; the connection has a usable token{until}"))
        }
    }
}

/// A token as it is printed.
struct Shown {
    fields: Fields,
    expires_at: Option<SystemTime>,
    secrets: Fields,
    access_token: String,
}

impl Shown {
    fn print(mut self, form: Form) -> Result<(), Stop> {
        match (form.show, form.json) {
            (true, false) if self.access_token.is_empty() => Err(Stop::failed(
                "the credential has several fields; `--show --json` prints them",
            )),
            (true, false) => output::print(format!("{}\n", self.access_token).as_bytes()),
            (show, true) => {
                self.fields.extend(times::exact(self.expires_at));
                self.fields
                    .extend(if show { self.secrets } else { Fields::new() });
                output::print_fields(told(self.fields), true)
            }
            (false, false) => {
                let shown = |moment| times::shown(moment, SystemTime::now());
                let expiry = self.expires_at.map(shown);
                self.fields.push(("expires", expiry.into()));
                let hidden = "(hidden; --show prints it)".into();
                self.fields.push(("access_token", hidden));
                output::print_fields(told(self.fields), false)
            }
        }
    }
}

/// What the gateway did not say is left out.
fn told(mut fields: Fields) -> Fields {
    fields.retain(|(_, value)| !value.is_null() && value != "");
    fields
}

fn of_connection(id: String, token: &TokenResponse) -> Shown {
    let strategy = token.strategy.as_ref().and_then(|it| it.get("type"));
    Shown {
        fields: vec![
            ("connection_id", id.into()),
            ("provider", token.provider.clone().into()),
            ("token_type", token.token_type.clone().into()),
            ("scope", token.scope.clone().into()),
            ("strategy", strategy.cloned().unwrap_or(Json::Null)),
        ],
        expires_at: times::expiry(token),
        secrets: vec![
            ("access_token", token.access_token.clone().into()),
            ("id_token", token.id_token.clone().into()),
            ("refresh_token", token.refresh_token.clone().into()),
            ("credentials", token.credentials.clone().into()),
        ],
        access_token: token.access_token.clone(),
    }
}

fn of_workspace(workspace: String, provider: String, token: &CachedToken) -> Shown {
    Shown {
        fields: vec![
            ("workspace", workspace.into()),
            ("provider", provider.into()),
            ("token_type", token.token_type.clone().into()),
            ("header", token.header_name.clone().into()),
        ],
        expires_at: Some(token.expires_at),
        secrets: vec![("access_token", token.access_token.clone().into())],
        access_token: token.access_token.clone(),
    }
}
