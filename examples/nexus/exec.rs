//! `nexus exec`: a command with the token in its environment.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::Command;

use clap::Args;

use crate::landing;
use crate::single::Single;
use crate::stop::{Stop, one_line};

#[derive(Args)]
#[command(after_help = "\
Example:
  nexus exec --provider github --env GH_TOKEN -- gh repo list

The token is in the environment of COMMAND alone: nothing is printed, nothing is written. It is not
renewed while COMMAND runs.")]
pub(crate) struct Exec {
    #[command(flatten)]
    single: Single,
    /// The variable that holds the token
    #[arg(long, value_name = "NAME", default_value = "NEXUS_TOKEN", value_parser = variable)]
    env: String,
    /// The command, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

fn variable(name: &str) -> Result<String, String> {
    match name {
        "" => Err("give the variable a name".to_owned()),
        _ if name.contains(['=', '\0']) => Err("a variable's name has no `=`".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

impl Exec {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let token = self.single.token()?;
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Stop::usage("no command given; see `nexus exec --help`"));
        };
        let mut command = Command::new(program);
        command.args(arguments).env(&self.env, &token.access_token);
        // Nothing lands in a process that has been replaced.
        landing::hand_over();
        let error = replace_by(command);
        Err(not_run(&program.to_string_lossy(), &error))
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

/// The exit codes of `env` and of shells.
fn not_run(program: &str, error: &io::Error) -> Stop {
    let code = match error.kind() {
        ErrorKind::NotFound => 127,
        _ => 126,
    };
    Stop::new(code, format!("cannot run {}: {error}", one_line(program)))
}
