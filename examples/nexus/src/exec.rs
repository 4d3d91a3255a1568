//! `nexus exec`: runs a command with the token in its environment.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::Command;

use clap::Args;

use crate::args::Gateway;
use crate::ending;
use crate::single::Single;
use crate::stop::Stop;
use crate::text::one_line;

#[derive(Args)]
#[command(after_help = "\
Example:
  nexus exec --provider github --env GH_TOKEN -- gh repo list

The token is only in the environment of COMMAND. `nexus` neither prints it
nor writes it to a file. A token that expires while COMMAND runs is not
replaced. NEXUS_API_KEY is removed from the environment of COMMAND.")]
pub(crate) struct Exec {
    #[command(flatten)]
    single: Single,
    /// The environment variable for the token
    #[arg(long, value_name = "NAME", default_value = "NEXUS_TOKEN", value_parser = variable)]
    env: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

fn variable(name: &str) -> Result<String, String> {
    match name {
        "" => Err("give the variable a name".to_owned()),
        _ if name.contains('=') => Err("a variable's name cannot contain `=`".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

impl Exec {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let token = self.single.token(gateway)?;
        let mut words = self.command.into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(&program);
        command
            .args(words)
            .env_remove("NEXUS_API_KEY")
            .env(&self.env, &token.access_token);
        ending::hand_over();
        let error = replace_by(command);
        // `env` and shells use the same exit codes.
        let code = match error.kind() {
            ErrorKind::NotFound => 127,
            _ => 126,
        };
        let program = one_line(program.to_string_lossy());
        Err(Stop::new(code, format!("cannot run {program}: {error}")))
    }
}

/// Returns only if the command cannot be run.
#[cfg(unix)]
fn replace_by(mut command: Command) -> io::Error {
    use std::os::unix::process::CommandExt as _;
    command.exec()
}

#[cfg(not(unix))]
fn replace_by(mut command: Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
