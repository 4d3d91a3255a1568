//! `nexus man`: manual pages, from the same definitions as the help.

use std::fs;
use std::path::{Path, PathBuf};

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

/// Parts of the help that are laid out by hand, and the names that manual pages have for them.
const SECTIONS: [(&str, &str); 4] = [
    ("Environment:\n", "ENVIRONMENT"),
    ("Exit codes:\n", "EXIT STATUS"),
    ("Example:\n", "EXAMPLES"),
    ("Examples:\n", "EXAMPLES"),
];

impl Man {
    pub(crate) fn run(self, mut cli: Command) -> Result<(), Stop> {
        cli.build();
        if let Some(dir) = &self.dir {
            let mut all = [&cli].into_iter().chain(cli.get_subcommands());
            return all.try_for_each(|command| write(dir, command));
        }
        let described = match &self.command {
            Some(name) => cli.find_subcommand(name),
            None => Some(&cli),
        };
        let unknown = || Stop::usage("no such command; see `nexus --help`");
        output::print(page(described.ok_or_else(unknown)?)?)
    }
}

fn write(dir: &Path, command: &Command) -> Result<(), Stop> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = dir.join(format!("{name}.1"));
    let written = fs::write(&path, page(command)?);
    written.map_err(|error| Stop::file("write to", path, &error))
}

fn page(command: &Command) -> Result<String, Stop> {
    let mut page = Vec::new();
    let rendered = Page::new(command.clone()).render(&mut page);
    rendered.map_err(|error| Stop::failed(format!("cannot write the page: {error}")))?;
    Ok(laid_out(&String::from_utf8_lossy(&page)))
}

/// Keeps the line breaks of what is laid out by hand, which clap's generator puts into one section.
fn laid_out(page: &str) -> String {
    let Some((before, rest)) = page.split_once(".SH EXTRA\n") else {
        return page.to_owned();
    };
    let (extra, after) = match rest.find("\n.SH ") {
        Some(end) => rest.split_at(end.saturating_add(1)),
        None => (rest, ""),
    };
    let mut extra = format!(".SH NOTES\n.nf\n{extra}.fi\n");
    for (heading, name) in SECTIONS {
        extra = extra.replace(heading, &format!(".fi\n.SH {name}\n.nf\n"));
    }
    let extra = extra.replace(".SH NOTES\n.nf\n.fi\n", "");
    [before, &extra, after].concat()
}
