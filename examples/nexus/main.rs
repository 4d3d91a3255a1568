//! `nexus`: connections, tokens and requests of a Nexus Gateway, from the command line.
//!
//! Each command is a file, with its options in front; `README.md` beside this file is the manual.

#![allow(
    clippy::doc_markdown,
    clippy::struct_excessive_bools,
    reason = "clap turns comments into help, and fields into options"
)]

mod admin;
mod args;
mod aws;
mod browser;
mod connect;
mod credential;
mod environment;
mod exec;
mod fetch;
mod gateway;
mod git;
mod landing;
mod locks;
mod output;
mod progress;
mod single;
mod status;
mod stop;
mod terminal;
mod times;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use stop::Stop;

const AFTER: &str = "\
Environment:
  NEXUS_GATEWAY_URL   the gateway's address, such as https://nexus.example.com
  NEXUS_API_KEY       its API key, if it asks for one
  WORKSPACE_ID, PROVIDER
                      used where --workspace and --provider are not given
  NEXUS_LOG           off, error, warn, info or debug: diagnostics on stderr
  NEXUS_LOCK_DIR      where the processes of this machine take turns; empty: they do not

Exit codes:
  0  done
  1  failed: the network, the gateway, a file
  2  wrong usage or configuration
  3, 4, 5  with fetch --fail: the upstream's status was 3xx, 4xx or 5xx
  6  the user has to connect: there is no usable connection, or consent was refused
  7  timed out
  `nexus exec` ends with the exit code of its command";

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
    /// Ask for a connection, take the user to the consent, and print the connection's id
    Connect(connect::Connect),
    /// Print a connection's status, and why it is not active
    Status(status::Query),
    /// Show a token, of a connection or of a workspace and provider
    Token(token::Token),
    /// Make the gateway refresh a token now, and show the new one
    Refresh(token::Refresh),
    /// End a connection: the gateway deletes its token and tells the provider
    Revoke(admin::Revoke),
    /// List the providers that the gateway knows
    Providers(admin::Providers),
    /// Ask the gateway how it is
    Health(admin::Health),
    /// Send a request with the credential on it; the body goes to stdout
    Fetch(fetch::Fetch),
    /// Run a command with the token in its environment
    Exec(exec::Exec),
    /// Give git the token: a credential helper for https
    GitCredential(git::GitCredential),
    /// Give AWS tools the keys of a connection: a `credential_process`
    AwsCredentials(aws::AwsCredentials),
    /// Show what is configured, secrets masked, and whether it can be used
    Env(environment::Env),
    /// Run a development gateway until Ctrl-C
    Gateway(gateway::Gateway),
    /// Print a script that completes commands and options in a shell
    Completions { shell: Shell },
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => Err(Stop::from(error)),
    };
    landing::go_on();
    // The message comes first: what still flies may take a while to land.
    let code = outcome.map_or_else(Stop::report, |()| ExitCode::SUCCESS);
    landing::land();
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
        Command::Completions { shell } => completions(shell),
    }
}

fn completions(shell: Shell) -> Result<(), Stop> {
    let (mut script, mut cli) = (Vec::new(), Cli::command());
    match shell {
        Shell::Bash => generate(Bash, &mut cli, "nexus", &mut script),
        Shell::Zsh => generate(Zsh, &mut cli, "nexus", &mut script),
        Shell::Fish => generate(Fish, &mut cli, "nexus", &mut script),
    }
    output::print(&script)
}
