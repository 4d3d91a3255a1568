//! `nexus gateway`: runs a development gateway in the foreground.

use std::fmt::Write as _;
use std::io::BufRead;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use clap::Args;
use nexus_sdk::serde_json::json;
use nexus_sdk::testing::{DevGateway, Provider, UpstreamServer};

use crate::args;
use crate::faults::{self, Scheduled};
use crate::stop::Stop;
use crate::text::{one_line, say};
use crate::{output, streams, times};

#[derive(Args)]
#[command(after_help = "\
The sample API accepts the credentials of the connections:
  GET   /user           the workspace and the provider
  GET   /user/repos     up to three repositories, or ?per_page=N
  POST  /user/repos     the new repository, which is not stored;
                        the body is {\"name\": ..}
  POST  /tools/search   the tools that match; the body is {\"query\": ..}
  POST  /tools/execute  the result of a tool;
                        the body is {\"name\": .., \"arguments\": {..}}

These paths may have a prefix, as in /v3/user. The sample API responds to
all other paths with 404. Without --api-port, it has the gateway's address.

The FAULT of --fail is one of these:
  503            respond with this status
  2s             respond after this time
  cut            close the connection without a response
  broker-down    the gateway cannot reach its broker
  provider-down  the provider cannot be reached to refresh a token

With --control, stdin has one command on each line: stop gateway, stop api,
or fail and a fault. The answer is a line on stdout: done, or the problem.

Examples:
  nexus gateway --port 8787 acme:github
  nexus gateway --token-lifetime 1m --refresh-time 5s acme:github
  nexus gateway --fail /v1/resolve=503:2 --fail /user=2s acme:github")]
pub(crate) struct DevelopmentGateway {
    /// Connections that exist from the start. The providers github, weather and registry are built in. Any other name
    /// adds a provider, which uses OAuth 2 unless STRATEGY is header, basic_auth or aws_sigv4. A built-in name with
    /// STRATEGY replaces that provider
    #[arg(value_name = "WORKSPACE:PROVIDER[=STRATEGY]", value_parser = pair)]
    connections: Vec<Pair>,
    /// The port on 127.0.0.1 [default: any free port]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Serve the sample API on this port of 127.0.0.1, in addition to the gateway's port; 0 means any free port
    #[arg(long, value_name = "PORT")]
    api_port: Option<u16>,
    /// Require this key, or the key in a file, for requests to paths below /v1 and to /admin/v1/agents
    #[arg(long, value_name = "KEY|@FILE")]
    api_key: Option<String>,
    /// Let requests fail whose path begins with PATH, or all requests; with N, only the next N; may be repeated
    #[arg(long, value_name = "[PATH=]FAULT[:N]", value_parser = faults::fault)]
    fail: Vec<Scheduled>,
    /// The time that a refresh takes at the provider, such as 5s [default: 0]
    #[arg(long, value_name = "TIME", value_parser = times::duration)]
    refresh_time: Option<Duration>,
    /// Read commands from stdin, so that a test can stop the gateway or the sample API while the other runs on
    #[arg(long)]
    control: bool,
    /// The lifetime of tokens, in seconds, or with a unit as in 1m [default: 3600]
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = times::duration)]
    token_lifetime: Option<Duration>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone)]
struct Pair {
    workspace: String,
    name: String,
    /// The provider to add, or `None` if a built-in provider is used.
    provider: Option<Provider>,
    is_oauth2: bool,
}

impl DevelopmentGateway {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let gateway = self.start()?;
        let url = gateway.url().to_owned();
        let (mut text, mut connections) = (format!("{url}\n"), Vec::new());
        for pair in &self.connections {
            let (workspace, name) = (&pair.workspace, &pair.name);
            let id = gateway.connect(workspace, name);
            let id = id.map_err(|error| Stop::failed(error.to_string()))?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{workspace}\t{name}\t{id}");
            connections
                .push(json!({"workspace": workspace, "provider": name, "connection_id": id}));
        }
        let api = self.start_api(&gateway)?;
        let api_url = api.as_ref().map(UpstreamServer::url);
        if let Some(url) = api_url {
            let _ = writeln!(text, "api\t{url}");
        }
        for fault in &self.fail {
            fault.schedule(&gateway);
        }
        if self.json {
            let fields = vec![
                ("url", url.as_str().into()),
                ("connections", connections.into()),
                ("api_url", api_url.into()),
            ];
            output::print_fields(fields, true)?;
        } else {
            output::print(text)?;
        }
        say(&format!(
            "set NEXUS_GATEWAY_URL={url} for the gateway's clients; press Ctrl-C to stop the gateway"
        ));
        let mut running = Running {
            gateway: Some(gateway),
            api,
        };
        if self.control {
            running.obey(&mut streams::stdin())?;
        }
        loop {
            thread::park();
        }
    }

    fn start_api(&self, gateway: &DevGateway) -> Result<Option<UpstreamServer>, Stop> {
        let Some(port) = self.api_port else {
            return Ok(None);
        };
        let api = gateway.serve_upstream((Ipv4Addr::LOCALHOST, port).into());
        api.map(Some).map_err(|error| {
            let problem = format!("cannot start the sample API: {error}");
            Stop::failed(format!("{problem}; try another --api-port"))
        })
    }

    fn start(&self) -> Result<DevGateway, Stop> {
        let mut builder = DevGateway::builder().bind((Ipv4Addr::LOCALHOST, self.port).into());
        if let Some(key) = &self.api_key {
            let lines = streams::lines(&args::read(key)?)
                .map_err(|problem| Stop::usage(format!("--api-key: {problem}")))?;
            builder = builder.api_key(lines.join("\n").trim());
        }
        if let Some(lifetime) = self.token_lifetime {
            builder = builder.token_lifetime(lifetime);
        }
        for provider in self.providers() {
            builder = builder.provider(provider);
        }
        builder.start().map_err(|error| {
            Stop::failed(format!(
                "cannot start the gateway: {error}; try another --port"
            ))
        })
    }

    /// Returns the providers to add, and the built-in ones that are replaced by slower ones.
    fn providers(&self) -> Vec<Provider> {
        let mut providers = Vec::new();
        if let Some(time) = self.refresh_time {
            providers.push(Provider::oauth2("github").refresh_time(time));
        }
        for pair in &self.connections {
            let provider = pair.provider.clone();
            providers.extend(match self.refresh_time {
                Some(time) if pair.is_oauth2 => provider.map(|it| it.refresh_time(time)),
                _ => provider,
            });
        }
        providers
    }
}

/// The servers that have not been stopped.
struct Running {
    gateway: Option<DevGateway>,
    api: Option<UpstreamServer>,
}

impl Running {
    /// Follows the commands of a test until the input ends.
    fn obey(&mut self, input: &mut impl BufRead) -> Result<(), Stop> {
        loop {
            let line = streams::read_line(input);
            let line = line.map_err(|error| Stop::file("read", "stdin", &error))?;
            let Some(line) = line else { return Ok(()) };
            let line = String::from_utf8_lossy(&line);
            let done = self.follow(line.trim());
            output::print_line(done.map_or_else(one_line, |()| "done".to_owned()))?;
        }
    }

    fn follow(&mut self, command: &str) -> Result<(), String> {
        match command.split_once(' ') {
            Some(("stop", "gateway")) => self.gateway = None,
            Some(("stop", "api")) if self.api.is_some() => self.api = None,
            Some(("stop", "api")) => return Err("there is no api; give --api-port".to_owned()),
            Some(("fail", fault)) => {
                let fault = faults::fault(fault)?;
                let gateway = self.gateway.as_ref().ok_or("the gateway is stopped")?;
                fault.schedule(gateway);
            }
            _ => return Err("write stop gateway, stop api, or fail [PATH=]FAULT[:N]".to_owned()),
        }
        Ok(())
    }
}

/// Splits at the last colon, because a workspace may contain a colon.
fn pair(text: &str) -> Result<Pair, String> {
    let problem = "write it as WORKSPACE:PROVIDER, or add =header, =basic_auth or =aws_sigv4";
    let (workspace, rest) = text.rsplit_once(':').ok_or(problem)?;
    let (name, strategy) = rest.split_once('=').unwrap_or((rest, "oauth2"));
    if workspace.is_empty() || name.is_empty() {
        return Err(problem.to_owned());
    }
    let provider = match strategy {
        // A built-in provider without `=STRATEGY` is not replaced.
        "oauth2" if Provider::DEFAULTS.contains(&rest) => None,
        "oauth2" => Some(Provider::oauth2(name)),
        "header" => Some(Provider::api_key(name)),
        "basic_auth" => Some(Provider::basic(name)),
        "aws_sigv4" => Some(aws(name)),
        _ => return Err(problem.to_owned()),
    };
    Ok(Pair {
        workspace: workspace.to_owned(),
        name: name.to_owned(),
        provider,
        is_oauth2: strategy == "oauth2",
    })
}

/// Returns a provider with the example keys from AWS's documentation.
fn aws(name: &str) -> Provider {
    let config = json!({"service": "execute-api", "region": "us-east-1"});
    let keys = json!({
        "access_key": "AKIAIOSFODNN7EXAMPLE",
        "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    });
    Provider::api_key(name)
        .strategy(json!({"type": "aws_sigv4", "config": config}))
        .credentials(keys.as_object().cloned().unwrap_or_default())
}
