//! `nexus`: connections, tokens and requests of a Nexus Gateway, from the command line.
//!
//! Each command has its own file, which begins with the command's options. `README.md` is the manual.

#![allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "clap turns comments into help, and fields into options"
)]

mod args;
mod aws_credentials;
mod browser;
mod completions;
mod connect;
mod credential;
mod ending;
mod env;
mod exec;
mod fetch;
mod gateway;
mod git_credential;
mod health;
mod output;
mod providers;
mod refresh;
mod revoke;
mod shown;
mod single;
mod status;
mod stop;
mod terminal;
mod text;
mod times;
mod token;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use stop::Stop;

const AFTER: &str = "\
Environment:
  NEXUS_GATEWAY_URL   the gateway's address, such as https://nexus.example.com
  NEXUS_API_KEY       the gateway's API key, if it requires one
  WORKSPACE_ID, PROVIDER
                      the defaults of --workspace and --provider
  NEXUS_LOG           off, error, warn, info or debug: diagnostics on stderr
  NEXUS_LOCK_DIR      the directory of the lock for refreshes; empty: no lock

Exit codes:
  0  done; with status, the connection has a usable token
  1  failed: the network, the gateway, a file; with health, the gateway is not healthy
  2  wrong usage or configuration
  3, 4, 5  with fetch --fail: the upstream's status was 3xx, 4xx or 5xx
  6  the user has to connect: there is no usable connection, or consent was refused
  7  timed out
  `nexus exec` ends with the exit code of its command, or with 126 or 127 if COMMAND cannot run";

/// Connections, tokens and requests of a Nexus Gateway
#[derive(Parser)]
#[command(name = "nexus", version, after_help = AFTER, arg_required_else_help = false)]
#[command(max_term_width = 100, infer_long_args = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Request a connection, take the user to the consent, and print the connection's id
    Connect(connect::Connect),
    /// Print a connection's status, and why it is not active
    Status(status::Status),
    /// Show a token, of a connection or of a workspace and provider
    Token(token::Token),
    /// Make the gateway refresh a token now, and show the new one
    Refresh(refresh::Refresh),
    /// End a connection: the gateway deletes its token and tells the provider
    Revoke(revoke::Revoke),
    /// List the providers that the gateway knows
    Providers(providers::Providers),
    /// Ask the gateway for its health
    Health(health::Health),
    /// Send a request with the credential; the body goes to stdout
    Fetch(fetch::Fetch),
    /// Run a command with the token in its environment
    Exec(exec::Exec),
    /// Give git the token: a credential helper for https
    GitCredential(git_credential::GitCredential),
    /// Give AWS tools the keys of a connection: a `credential_process`
    AwsCredentials(aws_credentials::AwsCredentials),
    /// Show the configuration with secrets hidden, and check it
    Env(env::Env),
    /// Run a development gateway until Ctrl-C
    Gateway(gateway::Gateway),
    /// Print a script that completes commands and options in a shell
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) if !error.use_stderr() => output::print(error.to_string()),
        Err(error) => Err(usage::stop(&error)),
    };
    ending::checkpoint();
    // The message comes before the wait for calls that are still under way.
    let code = outcome.map_or_else(Stop::report, |()| ExitCode::SUCCESS);
    ending::finish();
    code
}

fn run(command: Command) -> Result<(), Stop> {
    match command {
        Command::Connect(it) => it.run(),
        Command::Status(it) => it.run(),
        Command::Token(it) => it.run(),
        Command::Refresh(it) => it.run(),
        Command::Revoke(it) => it.run(),
        Command::Providers(it) => it.run(),
        Command::Health(it) => it.run(),
        Command::Fetch(it) => it.run(),
        Command::Exec(it) => it.run(),
        Command::GitCredential(it) => it.run(),
        Command::AwsCredentials(it) => it.run(),
        Command::Env(it) => it.run(),
        Command::Gateway(it) => it.run(),
        Command::Completions(it) => it.run(Cli::command()),
    }
}
