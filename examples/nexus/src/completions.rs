//! `nexus completions`: scripts that complete commands and options in a shell.

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output;
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut cli: Command) -> Result<(), Stop> {
        let mut script = Vec::new();
        generate(self.shell, &mut cli, "nexus", &mut script);
        output::print(script)
    }
}
