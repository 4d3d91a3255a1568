//! `nexus gateway`: runs a development gateway in the foreground.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use clap::Args;
use nexus_sdk::serde_json::json;
use nexus_sdk::testing::{DevGateway, Provider};

use crate::args;
use crate::output;
use crate::stop::Stop;
use crate::text::say;
use crate::times;

#[derive(Args)]
#[command(after_help = "\
The same address serves a sample API, which accepts the credentials of the connections:
  GET   /user           the workspace and the provider
  GET   /user/repos     up to three repositories; ?per_page=N limits their number
  POST  /user/repos     the new repository, which is not stored; the body is {\"name\": ..}
  POST  /tools/search   the tools that match; the body is {\"query\": ..}
  POST  /tools/execute  the result of a tool; the body is {\"name\": .., \"arguments\": {..}}

These paths may have a prefix, as in /v3/user. The sample API responds to all other paths with 404.")]
pub(crate) struct DevelopmentGateway {
    /// Connections that exist from the start. The providers github, weather and registry are built in. Any other name
    /// adds a provider, which uses OAuth 2 unless STRATEGY is header, basic_auth or aws_sigv4. A built-in name with
    /// STRATEGY replaces that provider
    #[arg(value_name = "WORKSPACE:PROVIDER[=STRATEGY]", value_parser = pair)]
    connections: Vec<Pair>,
    /// The port on 127.0.0.1 [default: any free port]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Require this key, or the key in a file, for requests to paths below /v1 and to /admin/v1/agents
    #[arg(long, value_name = "KEY|@FILE")]
    api_key: Option<String>,
    /// The lifetime of tokens [default: 3600]
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
}

impl DevelopmentGateway {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let gateway = self.start()?;
        let url = gateway.url();
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
        if self.json {
            output::print_json(&json!({"url": url, "connections": connections}))?;
        } else {
            output::print(text)?;
        }
        say(&format!(
            "set NEXUS_GATEWAY_URL={url} for the gateway's clients; press Ctrl-C to stop the gateway"
        ));
        loop {
            thread::park();
        }
    }

    fn start(&self) -> Result<DevGateway, Stop> {
        let mut builder = DevGateway::builder().bind((Ipv4Addr::LOCALHOST, self.port).into());
        if let Some(key) = &self.api_key {
            let key = String::from_utf8_lossy(&args::read(key)?).trim().to_owned();
            builder = builder.api_key(key);
        }
        if let Some(lifetime) = self.token_lifetime {
            builder = builder.token_lifetime(lifetime);
        }
        for provider in self
            .connections
            .iter()
            .filter_map(|pair| pair.provider.as_ref())
        {
            builder = builder.provider(provider.clone());
        }
        builder.start().map_err(|error| {
            Stop::failed(format!(
                "cannot start the gateway: {error}; try another --port"
            ))
        })
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
