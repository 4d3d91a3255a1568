//! `nexus gateway`: a development gateway in the foreground.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::thread;

use std::time::Duration;

use clap::Args;
use nexus_sdk::serde_json::{Map, Value as Json, json};
use nexus_sdk::testing::{DevGateway, Provider};

use crate::args;
use crate::output;
use crate::stop::Stop;

const STRATEGIES: [&str; 4] = ["oauth2", "header", "basic_auth", "aws_sigv4"];

#[derive(Args)]
pub(crate) struct Gateway {
    /// Connections to start with; a provider other than github, weather and registry is an OAuth 2
    /// provider, or has the STRATEGY header, basic_auth or aws_sigv4
    #[arg(value_name = "WORKSPACE:PROVIDER[=STRATEGY]", value_parser = pair)]
    connections: Vec<Pair>,
    /// The port on 127.0.0.1 [default: any free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Refuse requests without this key
    #[arg(long, value_name = "KEY")]
    api_key: Option<String>,
    /// How long tokens live [default: 3600]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = args::seconds)]
    token_lifetime: Option<Duration>,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone)]
struct Pair {
    workspace: String,
    provider: String,
    strategy: Option<String>,
}

impl Gateway {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let gateway = self.start()?;
        let mut connections = Vec::new();
        for Pair {
            workspace,
            provider,
            ..
        } in self.connections
        {
            let id = gateway
                .connect(&workspace, &provider)
                .map_err(|error| Stop::failed(error.to_string()))?;
            connections.push([workspace, provider, id]);
        }
        announce(gateway.url(), &connections, self.json)?;
        loop {
            thread::park();
        }
    }

    fn start(&self) -> Result<DevGateway, Stop> {
        let mut builder = DevGateway::builder().bind((Ipv4Addr::LOCALHOST, self.port).into());
        if let Some(key) = &self.api_key {
            builder = builder.api_key(key);
        }
        if let Some(lifetime) = self.token_lifetime {
            builder = builder.token_lifetime(lifetime);
        }
        for provider in self.connections.iter().filter_map(made) {
            builder = builder.provider(provider);
        }
        builder.start().map_err(|error| {
            Stop::failed(format!(
                "cannot start the gateway: {error}; try another --port"
            ))
        })
    }
}

/// At the last colon, because a workspace may hold one.
fn pair(text: &str) -> Result<Pair, String> {
    let named = |(workspace, rest): (&str, &str)| {
        let (provider, strategy) = match rest.split_once('=') {
            Some((provider, strategy)) => (provider, Some(strategy.to_owned())),
            None => (rest, None),
        };
        let pair = Pair {
            workspace: workspace.to_owned(),
            provider: provider.to_owned(),
            strategy,
        };
        let is_known = |kind: &String| STRATEGIES.contains(&kind.as_str());
        let is_whole = !workspace.is_empty() && !provider.is_empty();
        (is_whole && pair.strategy.as_ref().is_none_or(is_known)).then_some(pair)
    };
    let form = || {
        let strategies = STRATEGIES.join(", ");
        format!(
            "write it as WORKSPACE:PROVIDER, or with one of {strategies} as `=STRATEGY` behind it"
        )
    };
    text.rsplit_once(':').and_then(named).ok_or_else(form)
}

/// The provider of a pair, unless the gateway has it anyway.
fn made(pair: &Pair) -> Option<Provider> {
    let name = &pair.provider;
    match pair.strategy.as_deref() {
        None if Provider::DEFAULTS.contains(&name.as_str()) => None,
        Some("header") => Some(Provider::api_key(name)),
        Some("basic_auth") => Some(Provider::basic(name)),
        Some("aws_sigv4") => Some(aws(name)),
        _ => Some(Provider::oauth2(name)),
    }
}

/// With the example keys of AWS's documentation.
fn aws(name: &str) -> Provider {
    let config = json!({"service": "execute-api", "region": "us-east-1"});
    let keys = [
        ("access_key", "AKIAIOSFODNN7EXAMPLE"),
        ("secret_key", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.into()));
    Provider::api_key(name)
        .strategy(json!({"type": "aws_sigv4", "config": config}))
        .credentials(Map::from_iter(keys))
}

fn announce(url: &str, connections: &[[String; 3]], json: bool) -> Result<(), Stop> {
    let text = if json {
        as_json(url, connections)
    } else {
        as_text(url, connections)
    };
    output::print(text.as_bytes())?;
    let hint = format!("NEXUS_GATEWAY_URL={url} is what its clients need; Ctrl-C ends it");
    let _ = writeln!(io::stderr(), "{hint}");
    Ok(())
}

fn as_text(url: &str, connections: &[[String; 3]]) -> String {
    let line = |[workspace, provider, id]: &[String; 3]| format!("{workspace}\t{provider}\t{id}\n");
    let lines: String = connections.iter().map(line).collect();
    format!("{url}\n{lines}")
}

fn as_json(url: &str, connections: &[[String; 3]]) -> String {
    let entry = |[workspace, provider, id]: &[String; 3]| json!({"workspace": workspace, "provider": provider, "connection_id": id});
    let connections: Json = connections.iter().map(entry).collect();
    format!("{}\n", json!({"url": url, "connections": connections}))
}
