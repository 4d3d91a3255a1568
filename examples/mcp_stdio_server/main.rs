//! An MCP server over stdin and stdout: threads, `serde_json` and `nexus_sdk`; no framework, no async.
//!
//! This is the file to change: its tools, and how it is configured. `server` stays as it is; README.md is the manual.

mod bench;
mod demo;
mod server;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use nexus_sdk::{NexusClient, NexusClientOptions};
use serde_json::json;

use server::api::{self, Account, Api};
use server::mcp::{Content, Server, Tool, note};
use server::process;

fn tools(api: &Arc<Api>) -> Vec<Tool> {
    let [repos, user, any] = [api, api, api].map(Arc::clone);
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
            .run(move |call| {
                let limit = call.integer("limit").unwrap_or(30);
                let list = repos.json(call, "GET", &format!("/user/repos?per_page={limit}"))?;
                Ok(Content::Json(json!({"repositories": list})))
            }),
        Tool::new("get_user", "Tells who the connected user is.")
            .returns(json!({"type": "object"}))
            .run(move |call| user.json(call, "GET", "/user").map(Content::Json)),
        Tool::new("fetch", "Sends a request to the provider's API.")
            .required("path", path)
            .optional("method", method)
            .optional("body", json!({"description": "sent as JSON"}))
            .writes()
            .run(move |call| {
                let method = call.text("method").unwrap_or("GET");
                let path = call.text("path").unwrap_or_default();
                let text = any.text(call, method, path, call.argument("body"))?;
                Ok(Content::Text(text))
            }),
    ]
}

const HELP: &str = "\
An MCP server over stdin and stdout.

  --demo         serve a sample account from a built-in gateway; needs no configuration
  --unconnected  with --demo: the account has yet to be connected
  --form         with --demo: so has one with an API key, which the user enters in a form
  --bench        also offer `echo`, `slow`, `panic` and `bare`, to measure and test the server with

Environment: NEXUS_GATEWAY_URL, NEXUS_API_KEY (if the gateway asks for one), WORKSPACE_ID,
PROVIDER (as the gateway names it), UPSTREAM_URL (the provider's API, https://api.github.com),
SCOPES (what to ask for when the user has to connect, as in `repo user`), CONNECT=off (do not ask).";

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
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if given("--help") || given("-h") {
        note(HELP);
        return Ok(());
    }
    let flags = ["--demo", "--unconnected", "--form", "--bench"];
    let is_unknown = |argument: &&OsString| !flags.iter().any(|flag| **argument == **flag);
    if let Some(unknown) = arguments.iter().find(is_unknown) {
        let unknown = unknown.to_string_lossy();
        return Err(format!("unknown argument {unknown}; see --help"));
    }
    let provider = if given("--form") { "weather" } else { "github" };
    let connected = !given("--unconnected") && !given("--form");
    let demo = given("--demo").then(|| demo::start(connected));
    let demo = demo.transpose()?;
    let (options, account) = match &demo {
        Some(gateway) => demo::configured(gateway, provider, scopes()),
        None => configured()?,
    };
    let client = NexusClient::new(limited(options)).map_err(|error| error.message().to_owned())?;
    let connects = variable("CONNECT").is_none_or(|value| value != "off");
    let user = format!("{}/user", account.upstream.trim_end_matches('/'));
    let mut tools = tools(&Api::new(&client, account, connects));
    if given("--bench") {
        tools.extend(bench::tools(user));
    }
    // A refresh that is cut short can cost the user's connection.
    let server = Server::new(tools, move |time| client.drain(time));
    process::end_on_signals(&server)
        .map_err(|error| format!("cannot watch for signals: {error}"))?;
    server.run()
}

/// What the environment says.
fn configured() -> Result<(NexusClientOptions, Account), String> {
    let mut missing = Vec::new();
    let mut required = |name| {
        let value = variable(name);
        if value.is_none() {
            missing.push(name);
        }
        value.unwrap_or_default()
    };
    let gateway_url = required("NEXUS_GATEWAY_URL");
    let workspace_id = required("WORKSPACE_ID");
    let provider = required("PROVIDER");
    let upstream = required("UPSTREAM_URL");
    if !missing.is_empty() {
        let missing = missing.join(", ");
        let advice = "set it in the client's configuration (`env`), or try --demo";
        return Err(format!("{missing} not set; {advice}"));
    }
    if !api::is_address(&upstream) {
        let advice = "write it as https://api.example.com";
        return Err(format!(
            "UPSTREAM_URL is not the address of an API; {advice}"
        ));
    }
    let options = NexusClientOptions::from_env().map_err(|error| error.message().to_owned())?;
    let account = Account {
        gateway_url,
        workspace_id,
        provider,
        upstream,
        scopes: scopes(),
    };
    Ok((process::take_turns(options), account))
}

fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok()?;
    Some(value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn scopes() -> Vec<String> {
    let scopes = variable("SCOPES").unwrap_or_default();
    let scopes = scopes.split([' ', ',']).filter(|scope| !scope.is_empty());
    scopes.map(str::to_owned).collect()
}

/// A model cannot read more, and clients give a call up after a minute or less.
fn limited(options: NexusClientOptions) -> NexusClientOptions {
    options
        .max_body_bytes(4 << 20)
        .timeout(Duration::from_secs(30))
}
