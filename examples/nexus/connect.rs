//! `nexus connect`: from asking for a connection to the user's consent, or the user's credential.

use std::mem;
use std::ops::ControlFlow;
use std::time::Duration;

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::{
    ConnectionStatus, NexusClient, RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};

use crate::args::{self, Tenant};
use crate::credential::{self, Fields};
use crate::output;
use crate::progress::{Progress, say};
use crate::stop::{Stop, one_line};

struct Connect {
    tenant: Tenant,
    scopes: Vec<String>,
    fields: Fields,
    return_url: String,
    wait: bool,
    interval: Duration,
    timeout: Duration,
    failed_grace: Option<Duration>,
    json: bool,
}

impl Default for Connect {
    fn default() -> Self {
        let wait = WaitOptions::default();
        Self {
            tenant: Tenant::default(),
            scopes: Vec::new(),
            fields: Fields::default(),
            return_url: "http://localhost/".to_owned(),
            wait: true,
            interval: wait.interval,
            timeout: wait.timeout,
            failed_grace: None,
            json: false,
        }
    }
}

pub(crate) fn run(parser: &mut Parser) -> Result<(), Stop> {
    let mut connect = parse(parser)?;
    let (workspace, provider) = mem::take(&mut connect.tenant).resolve()?;
    let client = args::client(None)?;
    let scopes = mem::take(&mut connect.scopes);
    let input = RequestConnectionInput::new(workspace, &provider, scopes, &connect.return_url);
    let connection = client.request_connection(&input)?;
    let status = if connect.fields.is_empty() {
        connect.consent(&client, &provider, &connection)?
    } else {
        connect.enter(&client, &connection)?
    };
    print(&connection, &status, connect.json)
}

impl Connect {
    /// The user goes to the browser.
    fn consent(
        &self,
        client: &NexusClient,
        provider: &str,
        connection: &RequestConnectionResponse,
    ) -> Result<ConnectionStatus, Stop> {
        say(&format!(
            "to consent, open {}",
            one_line(&connection.auth_url)
        ));
        if let Some(options) = credential::options(client, provider, connection) {
            say(&format!("or enter the credential here, with {options}"));
        }
        if !self.wait {
            return Ok(ConnectionStatus::Pending);
        }
        // Not the timeout: the last poll can end a moment after it.
        let grace = self.failed_grace.unwrap_or(Duration::MAX);
        let id = &connection.connection_id;
        self.wait_for(client, id, grace, ("consent", "and consent"))
    }

    /// The user has the credential, and enters it here.
    fn enter(
        &self,
        client: &NexusClient,
        connection: &RequestConnectionResponse,
    ) -> Result<ConnectionStatus, Stop> {
        let captured = self.fields.capture(client, connection)?;
        if !self.wait || captured.status == ConnectionStatus::Active {
            return Ok(captured.status);
        }
        // Nothing but the credential can be to blame, so `failed` is final.
        let grace = self.failed_grace.unwrap_or_default();
        let id = &captured.connection_id;
        self.wait_for(
            client,
            id,
            grace,
            ("the gateway", "with another credential"),
        )
    }

    fn wait_for(
        &self,
        client: &NexusClient,
        id: &str,
        failed_grace: Duration,
        (what, remedy): (&'static str, &str),
    ) -> Result<ConnectionStatus, Stop> {
        let mut progress = Progress::start(what);
        let options = WaitOptions::default()
            .interval(self.interval)
            .timeout(self.timeout)
            .failed_grace(failed_grace)
            .on_poll(|status| {
                progress.show(status);
                ControlFlow::Continue(())
            });
        let outcome = client.wait_for_active(id, options);
        progress.end();
        let status = outcome?;
        if status == ConnectionStatus::Active {
            return Ok(status);
        }
        Err(Stop::unconnected(format!(
            "connection {id} is {status}; run `nexus connect` again, {remedy}"
        )))
    }
}

fn parse(parser: &mut Parser) -> Result<Connect, Stop> {
    let mut connect = Connect::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('w') | Long("workspace") => connect.tenant.set_workspace(parser)?,
            Short('p') | Long("provider") => connect.tenant.set_provider(parser)?,
            Long("scope") => connect.scopes.push(args::text(parser)?),
            Long("field") => connect.fields.add(parser)?,
            Long("return-url") => connect.return_url = args::text(parser)?,
            Long("no-wait") => connect.wait = false,
            Long("interval") => connect.interval = args::seconds(parser)?,
            Long("timeout") => connect.timeout = args::seconds(parser)?,
            Long("failed-grace") => connect.failed_grace = Some(args::seconds(parser)?),
            Long("json") => connect.json = true,
            // Not repeated: it may be a secret whose `--field` was forgotten.
            Value(_) => {
                return Err(Stop::usage(
                    "an argument without an option; see `nexus --help`",
                ));
            }
            other => return Err(args::unexpected(other)),
        }
    }
    Ok(connect)
}

fn print(
    connection: &RequestConnectionResponse,
    status: &ConnectionStatus,
    json: bool,
) -> Result<(), Stop> {
    if !json {
        return output::print(format!("{}\n", one_line(&connection.connection_id)).as_bytes());
    }
    let fields = vec![
        ("connection_id", connection.connection_id.as_str().into()),
        ("status", status.as_str().into()),
        ("auth_url", connection.auth_url.as_str().into()),
    ];
    output::print_fields(fields, true)
}
