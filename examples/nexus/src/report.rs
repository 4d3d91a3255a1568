//! The output of `nexus token` and `nexus refresh`. It hides secrets by default.

use std::time::SystemTime;

use clap::Args;
use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{CachedToken, TokenResponse};

use crate::output::{self, Fields};
use crate::stop::Stop;
use crate::times;

#[derive(Args, Clone, Copy)]
pub(crate) struct Format {
    /// Print only the access token. With --json, add the access token to the output, or all secrets if the connection's
    /// id is given
    #[arg(long)]
    show: bool,
    /// Print one line of JSON. If the gateway states an expiry, the line has the expiry in seconds since 1970, and the
    /// seconds until then
    #[arg(long)]
    json: bool,
}

pub(crate) struct Report {
    fields: Fields,
    expires_at: Option<SystemTime>,
    access_token: String,
    other_secrets: Fields,
}

impl Report {
    pub(crate) fn of_connection(id: String, token: &TokenResponse) -> Self {
        let strategy = token.strategy.as_ref().and_then(|it| it.get("type"));
        Self {
            fields: vec![
                ("connection_id", id.into()),
                ("provider", token.provider.clone().into()),
                ("token_type", token.token_type.clone().into()),
                ("scope", token.scope.clone().into()),
                ("strategy", strategy.cloned().unwrap_or(Json::Null)),
            ],
            expires_at: times::expiry(token),
            access_token: token.access_token.clone(),
            other_secrets: vec![
                ("id_token", token.id_token.clone().into()),
                ("refresh_token", token.refresh_token.clone().into()),
                ("credentials", token.credentials.clone().into()),
            ],
        }
    }

    pub(crate) fn of_workspace(workspace: String, provider: String, token: &CachedToken) -> Self {
        Self {
            fields: vec![
                ("workspace", workspace.into()),
                ("provider", provider.into()),
                ("token_type", token.token_type.clone().into()),
                ("header", token.header_name.clone().into()),
            ],
            expires_at: token.stated_expiry(),
            access_token: token.access_token.clone(),
            other_secrets: Vec::new(),
        }
    }

    pub(crate) fn print(self, format: Format) -> Result<(), Stop> {
        let Format { show, json } = format;
        if show && !json {
            if self.access_token.is_empty() {
                let problem = "the credential is not a single token; to print its fields, give the connection's id and `--show --json`";
                return Err(Stop::failed(problem));
            }
            return output::print_line(self.access_token);
        }
        let mut fields = self.fields;
        if json {
            fields.extend(times::exact(self.expires_at));
        } else {
            let shown = |moment| times::shown(moment, SystemTime::now());
            let expires = self.expires_at.map_or("(not stated)".to_owned(), shown);
            fields.push(("expires", expires.into()));
            fields.push(match &*self.access_token {
                "" => (
                    "credentials",
                    "(hidden; --show --json with the connection's id prints them)".into(),
                ),
                _ => ("access_token", "(hidden; --show prints it)".into()),
            });
        }
        if show {
            fields.push(("access_token", self.access_token.into()));
            fields.extend(self.other_secrets);
        }
        fields.retain(|(_, value)| value != "");
        output::print_fields(fields, json)
    }
}
