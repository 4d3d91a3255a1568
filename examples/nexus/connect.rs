//! `nexus connect`: from asking for a connection to the user's consent.

use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::{
    ConnectionStatus, NexusClient, RequestConnectionInput, RequestConnectionResponse, WaitOptions,
};

use crate::args::{self, Tenant};
use crate::output;
use crate::stop::{Stop, one_line};

struct Connect {
    tenant: Tenant,
    scopes: Vec<String>,
    return_url: String,
    wait: bool,
    interval: Duration,
    timeout: Duration,
    failed_grace: Duration,
    json: bool,
}

impl Default for Connect {
    fn default() -> Self {
        let wait = WaitOptions::default();
        Self {
            tenant: Tenant::default(),
            scopes: Vec::new(),
            return_url: "http://localhost/".to_owned(),
            wait: true,
            interval: wait.interval,
            timeout: wait.timeout,
            // Not the timeout: the last poll can end a moment after it.
            failed_grace: Duration::MAX,
            json: false,
        }
    }
}

pub(crate) fn run(parser: &mut Parser) -> Result<(), Stop> {
    let connect = parse(parser)?;
    let (workspace, provider) = connect.tenant.resolve()?;
    let client = args::client(None)?;
    let input =
        RequestConnectionInput::new(workspace, provider, connect.scopes, connect.return_url);
    let connection = client.request_connection(&input)?;
    say(&format!(
        "to consent, open {}",
        one_line(&connection.auth_url)
    ));
    let mut status = ConnectionStatus::Pending;
    if connect.wait {
        let options = WaitOptions::default()
            .interval(connect.interval)
            .timeout(connect.timeout)
            .failed_grace(connect.failed_grace);
        status = wait(&client, &connection, options)?;
    }
    print(&connection, &status, connect.json)
}

fn parse(parser: &mut Parser) -> Result<Connect, Stop> {
    let mut connect = Connect::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('w') | Long("workspace") => connect.tenant.set_workspace(parser)?,
            Short('p') | Long("provider") => connect.tenant.set_provider(parser)?,
            Long("scope") => connect.scopes.push(args::text(parser)?),
            Long("return-url") => connect.return_url = args::text(parser)?,
            Long("no-wait") => connect.wait = false,
            Long("interval") => connect.interval = args::seconds(parser)?,
            Long("timeout") => connect.timeout = args::seconds(parser)?,
            Long("failed-grace") => connect.failed_grace = args::seconds(parser)?,
            Long("json") => connect.json = true,
            other => return Err(args::unexpected(other)),
        }
    }
    Ok(connect)
}

fn wait(
    client: &NexusClient,
    connection: &RequestConnectionResponse,
    options: WaitOptions<'_>,
) -> Result<ConnectionStatus, Stop> {
    let mut progress = Progress::start();
    let options = options.on_poll(|status| {
        progress.show(status);
        ControlFlow::Continue(())
    });
    let outcome = client.wait_for_active(&connection.connection_id, options);
    progress.end();
    let status = outcome?;
    if status == ConnectionStatus::Active {
        return Ok(status);
    }
    Err(Stop::unconnected(format!(
        "connection {} is {status}; run `nexus connect` again, and consent",
        connection.connection_id
    )))
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

/// Where the wait has got to: on a terminal one line that changes, elsewhere a line a status.
struct Progress {
    on_terminal: bool,
    since: Instant,
    shown: Option<ConnectionStatus>,
}

impl Progress {
    fn start() -> Self {
        Self {
            on_terminal: io::stderr().is_terminal(),
            since: Instant::now(),
            shown: None,
        }
    }

    fn show(&mut self, status: &ConnectionStatus) {
        let line = format!("waiting for consent: {}", one_line(status));
        if self.on_terminal {
            let seconds = self.since.elapsed().as_secs();
            // To the start of the line, and clear what was there.
            let _ = write!(io::stderr(), "\r\x1b[K{line}, {seconds} s");
        } else if self.shown.as_ref() != Some(status) {
            say(&line);
        }
        self.shown = Some(status.clone());
    }

    fn end(&self) {
        if self.on_terminal && self.shown.is_some() {
            say("");
        }
    }
}

/// A closed stderr is no reason to stop waiting.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
