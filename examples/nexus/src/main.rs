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
mod fetch;
mod gateway;
mod git_credential;
mod health;
mod new_file;
mod output;
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

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use stop::Stop;

const AFTER: &str = "\
Environment:
  NEXUS_GATEWAY_URL       the gateway's address, such as https://nexus.example.com
  NEXUS_API_KEY           the gateway's API key, if it requires one
  WORKSPACE_ID, PROVIDER  the defaults of --workspace and --provider; revoke ignores them
  NEXUS_LOG               the log level on stderr: off, warn (default), info or debug
  NEXUS_LOCK_DIR          the directory of the lock files; if set but empty, there is no lock

Exit codes:
  0  success; with status, the connection has a usable token
  1  a failure without an exit code of its own; with health, the gateway is not healthy
  2  wrong usage or configuration
  3, 4, 5  with fetch --fail, the API's status was 3xx, 4xx or 5xx
  6  there is no usable connection, so the user has to connect
  7  a timeout; a refused consent usually ends in a timeout too, because gateways do not report it
  126, 127  exec could not run its command, or did not find it
  once its command runs, exec ends with the command's exit code";

/// Connect users through a Nexus Gateway, and send requests with their credentials
#[derive(Parser)]
#[command(name = "nexus", version, after_help = AFTER, arg_required_else_help = false)]
struct Cli {
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
    Gateway(gateway::Gateway),
    /// Print a script that makes a shell complete commands and options
    Completions(completions::Completions),
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) if !error.use_stderr() => output::print(error.to_string()),
        Err(error) => Err(usage::stop(&error, &Cli::command())),
    };
    ending::checkpoint();
    // Reports the problem before the wait for calls that are still under way.
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
