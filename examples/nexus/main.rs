//! `nexus`: connections, tokens and requests of a Nexus Gateway, from the command line.
//!
//! Install it with `cargo install --locked --path . --example nexus`; `nexus --help` says the rest.

mod admin;
mod args;
mod connect;
mod credential;
mod environment;
mod fetch;
mod gateway;
mod output;
mod progress;
mod stop;
mod token;

use std::process::ExitCode;

use lexopt::prelude::*;

use stop::Stop;

const HELP: &str = "\
nexus: connections, tokens and requests of a Nexus Gateway

Usage: nexus <command> [options]

Commands:
  connect             ask for a connection: shows the URL where the user consents, waits, and prints
                      the connection's id on stdout
    --scope SCOPE       a scope to ask for; may be repeated
    --field NAME=-      for a provider of API keys or passwords: enter this field of the credential
                        here, at a prompt or as a line of stdin; may be repeated
    --return-url URL    where the browser goes after consent (default http://localhost/)
    --no-wait           print the id at once
    --interval SECONDS  between two looks at the status (default 1.5)
    --failed-grace SECONDS
                        gateways can report `failed` until the user consents: how long to take it
                        for pending (default: until the timeout, with --field not at all)
  status CONNECTION   print a connection's status, such as pending, active or attention
  token CONNECTION    show a connection's token; nothing secret without --show
  token               the same for a workspace's connection to a provider
    --show              print the access token and nothing else, with --json all the secrets
  refresh CONNECTION  make the gateway refresh a token now; shows the new one as `token` does
  revoke CONNECTION   end a connection: the gateway deletes its token and tells the provider
    -w, --workspace ID    only if the connection is this workspace's
    --reason REASON       kept with the revocation
  providers           list the providers that the gateway knows
  fetch URL           send a request with the credential on it; the body goes to stdout
    -X, --method METHOD   default GET, with -d POST
    -H, --header 'NAME: VALUE'
                          may be repeated
    -d, --data DATA       the body as it is: DATA itself, @FILE, or @- for stdin
    -i, --include         the status line and headers before the body
    -o, --output FILE     write to FILE in place of stdout
    -f, --fail            exit with 3, 4 or 5 for a status 3xx, 4xx or 5xx
    --no-redirect         return a redirect in place of following it
    --allow-insecure-http send the credential over plain http to another machine
  env                 show what is configured, secrets masked, and whether it can be used
  gateway [WORKSPACE:PROVIDER]...
                      run a development gateway with these connections until Ctrl-C; a provider
                      other than github, weather and registry becomes an OAuth 2 provider
    --port PORT           default: any free one
    --api-key KEY         refuse requests without this key
    --token-lifetime SECONDS
                          default 3600

Options of several commands:
  -w, --workspace ID    for connect, token and fetch (default WORKSPACE_ID)
  -p, --provider NAME   for connect, token and fetch (default PROVIDER)
  --timeout SECONDS     default 30, for connect 300
  --json                one line of JSON on stdout, for all but fetch
  -h, --help   -V, --version

Environment:
  NEXUS_GATEWAY_URL   the gateway's address, such as https://nexus.example.com
  NEXUS_API_KEY       its API key, if it asks for one
  NEXUS_LOG           off, error, warn, info or debug: diagnostics on stderr

Exit codes:
  0  done
  1  failed: the network, the gateway, a file
  2  wrong usage or configuration
  3, 4, 5  with fetch --fail: the upstream's status was 3xx, 4xx or 5xx
  6  the user has to connect: there is no usable connection, or consent was refused
  7  timed out
";

fn main() -> ExitCode {
    let mut parser = lexopt::Parser::from_env();
    // So that `-d=x` sends `=x`, as with curl.
    parser.set_short_equals(false);
    let outcome = match run(&mut parser) {
        Err(Stop::Help) => output::print(HELP.as_bytes()),
        outcome => outcome,
    };
    outcome.map_or_else(Stop::report, |()| ExitCode::SUCCESS)
}

fn run(parser: &mut lexopt::Parser) -> Result<(), Stop> {
    let Some(argument) = parser.next()? else {
        return Err(Stop::usage("no command; `nexus --help` lists them"));
    };
    let command = match argument {
        Short('V') | Long("version") => {
            return output::print(concat!("nexus ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
        }
        Value(command) => command.string()?,
        other => return Err(args::unexpected(other)),
    };
    match command.as_str() {
        "connect" => connect::run(parser),
        "providers" => admin::providers(parser),
        "revoke" => admin::revoke(parser),
        "status" => token::status(parser),
        "token" => token::token(parser),
        "refresh" => token::refresh(parser),
        "fetch" => fetch::run(parser),
        "env" => environment::run(parser),
        "gateway" => gateway::run(parser),
        "help" => Err(Stop::Help),
        other => Err(Stop::usage(format!(
            "no command {other:?}; `nexus --help` lists them"
        ))),
    }
}
