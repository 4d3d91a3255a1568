//! `nexus gateway`: a development gateway in the foreground.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::thread;

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::serde_json::{Value as Json, json};
use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Provider};

use crate::args;
use crate::output;
use crate::stop::Stop;

pub(crate) fn run(parser: &mut Parser) -> Result<(), Stop> {
    let (builder, pairs, json) = parse(parser)?;
    let gateway = start(builder, &pairs)?;
    let mut connections = Vec::new();
    for (workspace, provider) in pairs {
        let id = gateway
            .connect(&workspace, &provider)
            .map_err(|error| Stop::failed(error.to_string()))?;
        connections.push([workspace, provider, id]);
    }
    announce(gateway.url(), &connections, json)?;
    loop {
        thread::park();
    }
}

type Pair = (String, String);

fn parse(parser: &mut Parser) -> Result<(DevGatewayBuilder, Vec<Pair>, bool), Stop> {
    let (mut builder, mut pairs, mut json) = (DevGateway::builder(), Vec::new(), false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => {
                let port = parser.value()?.parse()?;
                builder = builder.bind((Ipv4Addr::LOCALHOST, port).into());
            }
            Long("api-key") => builder = builder.api_key(args::text(parser)?),
            Long("token-lifetime") => builder = builder.token_lifetime(args::seconds(parser)?),
            Long("json") => json = true,
            Value(connection) => pairs.push(pair(&connection.string()?)?),
            other => return Err(args::unexpected(other)),
        }
    }
    Ok((builder, pairs, json))
}

/// At the last colon, because a workspace may hold one.
fn pair(text: &str) -> Result<Pair, Stop> {
    match text.rsplit_once(':') {
        Some((workspace, provider)) if !workspace.is_empty() && !provider.is_empty() => {
            Ok((workspace.to_owned(), provider.to_owned()))
        }
        _ => Err(Stop::usage(format!(
            "{text:?}: write it as WORKSPACE:PROVIDER"
        ))),
    }
}

fn start(mut builder: DevGatewayBuilder, pairs: &[Pair]) -> Result<DevGateway, Stop> {
    for (_, provider) in pairs {
        if !Provider::DEFAULTS.contains(&provider.as_str()) {
            builder = builder.provider(Provider::oauth2(provider));
        }
    }
    builder.start().map_err(|error| {
        Stop::failed(format!(
            "cannot start the gateway: {error}; try another --port"
        ))
    })
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
