//! `nexus man`: manual pages, from the same definitions as the help.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man as Page;

use crate::output;
use crate::stop::Stop;

#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus man >nexus.1
  nexus man fetch >nexus-fetch.1
  nexus man --dir ~/.local/share/man/man1   # all pages, for `man nexus`")]
pub(crate) struct Man {
    /// The command to describe [default: nexus itself, with a list of its commands]
    #[arg(conflicts_with = "dir")]
    command: Option<String>,
    /// Write the pages of nexus and of all its commands into this directory
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, mut cli: Command) -> Result<(), Stop> {
        cli.build();
        if let Some(dir) = &self.dir {
            let written = clap_mangen::generate_to(cli, dir);
            return written.map_err(|error| Stop::file("write to", dir, &error));
        }
        let described = match &self.command {
            Some(name) => cli.find_subcommand(name).cloned(),
            None => Some(cli),
        };
        let described =
            described.ok_or_else(|| Stop::usage("no such command; see `nexus --help`"))?;
        let mut page = Vec::new();
        let rendered = Page::new(described).render(&mut page);
        rendered.map_err(|error| Stop::failed(format!("cannot write the page: {error}")))?;
        output::print(page)
    }
}
