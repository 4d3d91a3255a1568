//! `nexus`, a command line tool that connects users through a Nexus Gateway and sends requests with their credentials.
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
mod faults;
mod fetch;
mod gateway;
mod git_credential;
mod health;
mod man;
mod new_file;
mod output;
mod progress;
mod providers;
mod refresh;
mod report;
mod revoke;
mod single;
mod ssh;
mod status;
mod stop;
mod streams;
mod terminal;
mod text;
mod times;
mod token;
mod usage;
mod verbose;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use nexus_sdk::LogLevel;

use args::Gateway;
use stop::Stop;

const AFTER: &str = "\
Environment:
  NEXUS_GATEWAY_URL  the gateway's address
  NEXUS_API_KEY      the gateway's API key, if it requires one
  WORKSPACE_ID       the default of --workspace; revoke ignores it
  PROVIDER           the default of --provider
  NEXUS_LOG          the log on stderr: off, warn (default), info, debug;
                     with --json, the default is off
  NEXUS_LOCK_DIR     the directory of the lock files; if empty, no lock

Exit codes:
  0         success; with status, the connection has a usable token
  1         a failure without an exit code of its own; with health, the
            gateway is not healthy
  2         wrong usage or configuration
  3, 4, 5   with fetch --fail, the API's status was 3xx, 4xx or 5xx
  6         there is no usable connection, so the user has to connect
  7         a timeout; a refused consent usually ends in a timeout too,
            because gateways do not report it
  126, 127  exec could not run its command, or did not find it; once its
            command runs, exec ends with the command's exit code";

/// The widest lines of the help. Longer lines are hard to read.
const WIDTH: usize = 100;

/// Connect users through a Nexus Gateway, and send requests with their credentials
#[derive(Parser)]
#[command(name = "nexus", version, after_help = AFTER, arg_required_else_help = false, max_term_width = WIDTH)]
struct Cli {
    #[command(flatten)]
    gateway: Gateway,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Request a connection, open the consent page, wait for the user, and print the connection's id
    Connect(connect::Connect),
    /// Print a connection's status, and the reason if it is not active
    Status(status::Status),
    /// Print a token's type and expiry, or with --show the token itself
    Token(token::Token),
    /// Make the gateway refresh a token now, and print the new token's type, or with --show the token itself
    Refresh(refresh::Refresh),
    /// Revoke a connection: the gateway deletes its token and, if the provider supports it, has the provider revoke the grant
    Revoke(revoke::Revoke),
    /// List the gateway's providers
    Providers(providers::Providers),
    /// Print the gateway's health
    Health(health::Health),
    /// Send a request with the credential, and print the response body
    Fetch(fetch::Fetch),
    /// Run a command with the token in an environment variable
    Exec(exec::Exec),
    /// Pass the token to git, which runs this command as a credential helper
    GitCredential(git_credential::GitCredential),
    /// Pass a connection's keys to AWS tools, which run this command as a `credential_process`
    AwsCredentials(aws_credentials::AwsCredentials),
    /// Print the configuration with secrets hidden, and check it
    Env(env::Env),
    /// Run a development gateway with a sample API until Ctrl-C
    Gateway(gateway::DevelopmentGateway),
    /// Print a script that makes a shell complete commands and options
    Completions(completions::Completions),
    /// Print a manual page, or write all of them into a directory
    Man(man::Man),
}

fn main() -> ExitCode {
    let mut as_json = false;
    let outcome = match Cli::command().try_get_matches() {
        Ok(matches) => {
            as_json = output::wants_json(&matches);
            Cli::from_arg_matches(&matches).map(|cli| run(cli, as_json))
        }
        Err(error) => Err(error),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) if !error.use_stderr() => output::print(error.to_string()),
        // `nexus` alone prints its help, as git and gh do.
        Err(error) if error.kind() == ErrorKind::MissingSubcommand => {
            output::print(Cli::command().render_help().to_string())
        }
        Err(error) => {
            as_json = usage::wants_json(&Cli::command());
            Err(usage::stop(&error, &Cli::command()))
        }
    };
    ending::checkpoint();
    // Reports the problem before the wait for calls that are still under way.
    let code = outcome.map_or_else(|stop| stop.report(as_json), |()| ExitCode::SUCCESS);
    ending::finish();
    code
}

fn run(cli: Cli, as_json: bool) -> Result<(), Stop> {
    let Cli {
        mut gateway,
        command,
    } = cli;
    if as_json && std::env::var_os("NEXUS_LOG").is_none() {
        gateway.log_level = LogLevel::Off;
    }
    match command {
        Command::Connect(it) => it.run(&gateway),
        Command::Status(it) => it.run(&gateway),
        Command::Token(it) => it.run(&gateway),
        Command::Refresh(it) => it.run(&gateway),
        Command::Revoke(it) => it.run(&gateway),
        Command::Providers(it) => it.run(&gateway),
        Command::Health(it) => it.run(&gateway),
        Command::Fetch(it) => it.run(&gateway),
        Command::Exec(it) => it.run(&gateway),
        Command::GitCredential(it) => it.run(&gateway),
        Command::AwsCredentials(it) => it.run(&gateway),
        Command::Env(it) => it.run(&gateway),
        Command::Gateway(it) => it.run(),
        Command::Completions(it) => it.run(Cli::command()),
        Command::Man(it) => it.run(Cli::command()),
    }
}
