//! A multi-threaded MCP server over stdin and stdout that uses no framework and no async.
//!
//! This file has the tools and the configuration. To make a server of your own, copy this folder and change only this
//! file. `mcp` speaks the protocol, and `nexus` connects the user and sends requests. README.md is the manual.

mod bench;
mod demo;
mod mcp;
mod nexus;
mod signals;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use nexus_sdk::{NexusClient, NexusClientOptions, path_segment};
use serde_json::{Value, json};

use mcp::{Server, Tool, note};
use nexus::{Account, Api};

/// Returns the tools. They share a `'static` reference to the API, because the server runs until the process ends.
fn tools(api: &'static Api) -> Vec<Tool> {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30});
    let path = json!({"type": "string", "description": "such as /user/repos?page=2"});
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = json!({"type": "string", "enum": methods, "default": "GET"});
    vec![
        Tool::new("list_repos", "Lists the connected user's repositories.")
            .optional("limit", limit)
            .returns(json!({
                "type": "object",
                "properties": {"repositories": {"type": "array", "items": {"type": "object"}}},
                "required": ["repositories"],
            }))
            .run(|call| {
                let limit = call.integer("limit").unwrap_or(30);
                let list = api.json(call, &format!("/user/repos?per_page={limit}"))?;
                Ok(json!({"repositories": list}))
            }),
        Tool::new("get_user", "Returns the connected user.")
            .returns(json!({"type": "object"}))
            .run(|call| api.json(call, "/user")),
        Tool::new("star", "Stars a repository for the connected user.")
            .required("owner", json!({"type": "string"}))
            .required("repository", json!({"type": "string"}))
            .writes()
            .run(|call| {
                let [owner, repository] = ["owner", "repository"]
                    .map(|name| path_segment(call.text(name).unwrap_or_default()));
                let path = format!("/user/starred/{owner}/{repository}");
                api.text(call, "PUT", &path, None).map(Value::String)
            }),
        Tool::new("fetch", "Sends a request to the provider's API.")
            .required("path", path)
            .optional("method", method)
            .optional("body", json!({"description": "sent as JSON"}))
            .writes()
            .run(|call| {
                let method = call.text("method").unwrap_or("GET");
                let path = call.text("path").unwrap_or_default();
                let body = call.argument("body");
                api.text(call, method, path, body).map(Value::String)
            }),
    ]
}

/// The longest wait for a token refresh, after calls have had 1.5 s to finish. The sum is 5 s.
const MAX_DRAIN: Duration = Duration::from_millis(3500);

const FLAGS: [&str; 4] = ["--demo", "--unconnected", "--form", "--bench"];
const HELP: &str = "\
An MCP server over stdin and stdout.

  --demo         serve a sample account from a built-in gateway; needs no configuration
  --unconnected  with --demo: the user has to connect the account first
  --form         with --demo: the account needs an API key, which the user enters in a form
  --bench        add the tools `echo`, `slow`, `panic` and `bare`, for benchmarks and tests of the server

Environment: NEXUS_GATEWAY_URL, NEXUS_API_KEY (if the gateway requires one), WORKSPACE_ID,
PROVIDER (as the gateway names it), UPSTREAM_URL (the provider's API, such as https://api.github.com),
SCOPES (of a new connection, such as `repo user`), CONNECT (`off`: do not ask the user to connect).";

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            note(problem);
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), String> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--help") || has("-h") {
        note(HELP);
        return Ok(());
    }
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    if let Some(unknown) = arguments.find(|argument| !FLAGS.contains(&&**argument)) {
        return Err(format!("unknown argument {unknown}; see --help"));
    }
    // The demo's gateway is leaked, so that it runs until the process ends.
    let account = if has("--demo") {
        let is_connected = !has("--unconnected") && !has("--form");
        let gateway = Box::leak(Box::new(demo::start(is_connected)?));
        Account {
            gateway_url: gateway.url().to_owned(),
            workspace_id: "demo".to_owned(),
            provider: if has("--form") { "weather" } else { "github" }.to_owned(),
            upstream: gateway.url().to_owned(),
            scopes: scopes(),
        }
    } else {
        account()?
    };
    let options = NexusClientOptions::new(&account.gateway_url)
        .api_key(variable("NEXUS_API_KEY").unwrap_or_default())
        // A model cannot read larger responses.
        .max_body_bytes(4 << 20)
        // Clients that use the TypeScript SDK cancel a call after 60 s by default.
        .timeout(Duration::from_secs(30));
    let client = NexusClient::new(options).map_err(|error| error.message().to_owned())?;
    let connects = variable("CONNECT").is_none_or(|value| value != "off");
    let user_url = format!("{}/user", account.upstream.trim_end_matches('/'));
    let mut tools = tools(Box::leak(Box::new(Api::new(&client, account, connects))));
    if has("--bench") {
        tools.extend(bench::tools(user_url));
    }
    let server = Server::new(tools);
    let watched = signals::watch(&server, client.clone());
    watched.map_err(|error| format!("cannot watch for signals: {error}"))?;
    let run = server.run();
    run.map_err(|error| format!("cannot start a thread: {error}"))?;
    // If a token refresh is interrupted, the provider may revoke the user's grant.
    if !client.drain(MAX_DRAIN) {
        note("ended during a request to the gateway; the user may have to connect again");
    }
    Ok(())
}

/// Reads the account from the environment.
fn account() -> Result<Account, String> {
    let names = [
        "NEXUS_GATEWAY_URL",
        "WORKSPACE_ID",
        "PROVIDER",
        "UPSTREAM_URL",
    ];
    let mut missing = names.to_vec();
    missing.retain(|name| variable(name).is_none());
    if !missing.is_empty() {
        let advice = "set each variable in the client's configuration (`env`), or try --demo";
        return Err(format!("not set: {}; {advice}", missing.join(", ")));
    }
    let [gateway_url, workspace_id, provider, upstream] =
        names.map(|name| variable(name).unwrap_or_default());
    if !nexus::is_address(&upstream) {
        let problem = "UPSTREAM_URL is not the address of an API";
        return Err(format!("{problem}; write it as https://api.example.com"));
    }
    Ok(Account {
        gateway_url,
        workspace_id,
        provider,
        upstream,
        scopes: scopes(),
    })
}

/// Returns an environment variable without surrounding white space, or `None` if it is empty.
fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn scopes() -> Vec<String> {
    let scopes = variable("SCOPES").unwrap_or_default();
    let scopes = scopes.split([' ', ',']).filter(|scope| !scope.is_empty());
    scopes.map(str::to_owned).collect()
}
