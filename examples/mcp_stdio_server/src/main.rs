//! A multi-threaded MCP server over stdin and stdout, without a framework. Its tools need no async.
//!
//! To make a server of your own, copy this folder and replace `tools`. `mcp` speaks the protocol, and `nexus` sends
//! requests and connects the user. README.md is the manual.

mod bench;
mod demo;
mod mcp;
mod nexus;
mod parent;
mod settings;
mod signals;
mod tools;

use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nexus_sdk::{NexusClient, NexusClientOptions};

use mcp::{Server, note};
use nexus::{Account, Api};
use settings::variable;

/// The time that the calls under way get to finish when the server stops, not counting the time of token refreshes.
/// Clients that use the Python or TypeScript SDK send SIGTERM 2 s after they have closed the server's stdin, and SIGKILL
/// 2 s later. On Windows, they kill the server after 2 s.
const MAX_CALLS: Duration = Duration::from_millis(1500);
/// The time from the end of the input until the client is drained. Until then, a call may still ask the gateway, which the
/// SDK does a second time, after 0.5 s, if a connection is missing.
const BEFORE_DRAIN: Duration = Duration::from_secs(1);
/// The longest time from the end of the input to the end of the wait for token refreshes. If a refresh is interrupted, the
/// provider may revoke the user's grant.
const MAX_DRAIN: Duration = Duration::from_millis(3500);
/// The longest time from the end of the input to the end of the process.
const MAX_END: Duration = Duration::from_secs(5);
/// The interval at which the server looks for refreshes that calls have caused while it waits for these calls.
const STEP: Duration = Duration::from_millis(50);

const FLAGS: [&str; 4] = ["--demo", "--unconnected", "--form", "--bench"];
const HELP: &str = "\
An MCP server over stdin and stdout.

  --demo         use a sample account on a built-in gateway; needs no configuration
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
    let account = if has("--demo") {
        demo::account(has("--unconnected"), has("--form"))?
    } else {
        settings::account()?
    };
    run(account, has("--bench"))
}

fn run(account: Account, has_bench: bool) -> Result<(), String> {
    let client = client(&account.gateway_url)?;
    let user_url = format!("{}/user", account.upstream.trim_end_matches('/'));
    let connects = variable("CONNECT").is_none_or(|value| value != "off");
    let api = Api::new(&client, account, connects);
    let api = api.map_err(|error| format!("UPSTREAM_URL is not usable: {error}"))?;
    // The tools need the API until the process ends.
    let mut tools = tools::all(Box::leak(Box::new(api)));
    if has_bench {
        tools.extend(bench::tools(user_url));
    }
    let server = Server::new(tools);
    let watched = signals::watch(&server, client.clone());
    watched.map_err(|error| format!("cannot watch for signals: {error}"))?;
    let watched = parent::watch(&server);
    watched.map_err(|error| format!("cannot watch the parent process: {error}"))?;
    let run = server.run();
    run.map_err(|error| format!("cannot start a thread: {error}"))?;
    end(&server, &client)
}

/// Waits for calls, and drains the client after [`BEFORE_DRAIN`], so that none waits longer for a lock. A call that waits
/// for a token refresh can still finish afterwards.
fn end(server: &Server, client: &NexusClient) -> Result<(), String> {
    let start = Instant::now();
    let left = |longest: Duration| longest.saturating_sub(start.elapsed());
    let mut waited = Duration::ZERO;
    while waited < MAX_CALLS {
        let is_late = start.elapsed() >= BEFORE_DRAIN;
        if is_late {
            let _ = client.drain(left(MAX_DRAIN));
        }
        // Until then, the time of a token refresh is not counted.
        let is_counted = is_late || client.is_idle();
        if server.wait_for_calls(STEP) {
            break;
        }
        if is_counted {
            waited = waited.saturating_add(STEP);
        }
    }
    let closed = server.close(left(MAX_END));
    if !client.drain(left(MAX_END)) {
        note("ended during a request to the gateway; the user may have to connect again");
    }
    closed
}

fn client(gateway_url: &str) -> Result<NexusClient, String> {
    let options = NexusClientOptions::new(gateway_url)
        .api_key(variable("NEXUS_API_KEY").unwrap_or_default())
        // A model cannot read larger responses.
        .max_body_bytes(4 << 20)
        // Clients that use the TypeScript SDK cancel a call after 60 s by default.
        .timeout(Duration::from_secs(30));
    NexusClient::new(options).map_err(|error| error.message().to_owned())
}
