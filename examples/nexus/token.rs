//! `nexus token`, `nexus refresh` and `nexus status`: what the gateway knows of a connection.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::serde_json::Value as Json;
use nexus_sdk::{CachedToken, TokenResponse};

use crate::args::{self, Tenant};
use crate::output::{self, Fields};
use crate::stop::Stop;

#[derive(Default)]
struct Query {
    connection: Option<String>,
    tenant: Tenant,
    timeout: Option<Duration>,
    show: bool,
    json: bool,
}

pub(crate) fn status(parser: &mut Parser) -> Result<(), Stop> {
    let query = parse(parser, &[])?;
    let id = args::required(query.connection, "connection id")?;
    let status = args::client(query.timeout)?.check_connection(&id)?;
    if !query.json {
        return output::print(format!("{}\n", crate::stop::one_line(&status)).as_bytes());
    }
    let fields = vec![
        ("connection_id", id.into()),
        ("status", status.as_str().into()),
    ];
    output::print_fields(fields, true)
}

pub(crate) fn refresh(parser: &mut Parser) -> Result<(), Stop> {
    let query = parse(parser, &["show"])?;
    let id = args::required(query.connection, "connection id")?;
    let token = args::client(query.timeout)?.refresh_connection(&id)?;
    of_connection(id, &token, query.show).print(query.show, query.json)
}

pub(crate) fn token(parser: &mut Parser) -> Result<(), Stop> {
    let query = parse(parser, &["show", "tenant"])?;
    let client = args::client(query.timeout);
    let shown = match query.connection {
        Some(_) if query.tenant.is_given() => {
            return Err(Stop::usage(
                "a connection id and a workspace or provider; give one of them",
            ));
        }
        Some(id) => {
            let id = args::required(Some(id), "connection id")?;
            let token = client?.get_token_by_connection_id(&id)?;
            of_connection(id, &token, query.show)
        }
        None => {
            let (workspace, provider) = query.tenant.resolve()?;
            let token = client?.resolve_token(&workspace, &provider)?;
            of_workspace(workspace, provider, &token, query.show)
        }
    };
    shown.print(query.show, query.json)
}

fn parse(parser: &mut Parser, also: &[&str]) -> Result<Query, Stop> {
    let mut query = Query::default();
    let (shows, by_tenant) = (also.contains(&"show"), also.contains(&"tenant"));
    while let Some(argument) = parser.next()? {
        match argument {
            Short('w') | Long("workspace") if by_tenant => query.tenant.set_workspace(parser)?,
            Short('p') | Long("provider") if by_tenant => query.tenant.set_provider(parser)?,
            Long("show") if shows => query.show = true,
            Long("json") => query.json = true,
            Long("timeout") => query.timeout = Some(args::seconds(parser)?),
            Value(id) if query.connection.is_none() => query.connection = Some(id.string()?),
            other => return Err(args::unexpected(other)),
        }
    }
    Ok(query)
}

/// A token as it is printed. Its secrets are among the fields only if they are to be shown.
struct Shown {
    fields: Fields,
    access_token: String,
}

impl Shown {
    fn print(mut self, show: bool, json: bool) -> Result<(), Stop> {
        match (show, json) {
            (true, false) if self.access_token.is_empty() => Err(Stop::failed(
                "the credential has several fields; `--show --json` prints them",
            )),
            (true, false) => output::print(format!("{}\n", self.access_token).as_bytes()),
            (_, true) => output::print_fields(self.fields, true),
            (false, false) => {
                let hidden = "(hidden; --show prints it)".into();
                self.fields.push(("access_token", hidden));
                output::print_fields(self.fields, false)
            }
        }
    }
}

fn of_connection(id: String, token: &TokenResponse, show: bool) -> Shown {
    let strategy = token.strategy.as_ref().and_then(|it| it.get("type"));
    let lifetime = token
        .expires_in
        .and_then(|left| SystemTime::now().checked_add(left));
    let mut fields = vec![
        ("connection_id", id.into()),
        ("provider", token.provider.clone().into()),
        ("token_type", token.token_type.clone().into()),
        ("scope", token.scope.clone().into()),
        ("strategy", strategy.cloned().unwrap_or_default()),
    ];
    fields.extend(expiry(token.expires_at.or(lifetime)));
    if show {
        fields.push(("access_token", token.access_token.clone().into()));
        fields.push(("id_token", token.id_token.clone().into()));
        fields.push(("refresh_token", token.refresh_token.clone().into()));
        fields.push(("credentials", token.credentials.clone().into()));
    }
    shown(fields, &token.access_token)
}

fn of_workspace(workspace: String, provider: String, token: &CachedToken, show: bool) -> Shown {
    let mut fields = vec![
        ("workspace", workspace.into()),
        ("provider", provider.into()),
        ("token_type", token.token_type.clone().into()),
        ("header", token.header_name.clone().into()),
    ];
    fields.extend(expiry(Some(token.expires_at)));
    if show {
        fields.push(("access_token", token.access_token.clone().into()));
    }
    shown(fields, &token.access_token)
}

/// What the gateway did not say is left out.
fn shown(mut fields: Fields, access_token: &str) -> Shown {
    fields.retain(|(_, value)| !value.is_null() && value != "");
    Shown {
        fields,
        access_token: access_token.to_owned(),
    }
}

/// In seconds since the epoch, and from now.
fn expiry(moment: Option<SystemTime>) -> [(&'static str, Json); 2] {
    let since = |start| moment?.duration_since(start).ok().map(|it| it.as_secs());
    [
        ("expires_at", since(UNIX_EPOCH).into()),
        (
            "expires_in",
            moment.map(|_| since(SystemTime::now()).unwrap_or(0)).into(),
        ),
    ]
}
