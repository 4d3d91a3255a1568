//! `nexus git-credential`: git's credential helper protocol (gitcredentials(7), git-credential(1)).

use std::io::{self, BufRead, Read as _};
use std::path::Path;

use clap::Args;
use nexus_sdk::CachedToken;

use crate::output;
use crate::single::Single;
use crate::stop::Stop;
use crate::times;

/// What git describes takes some hundred bytes.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Args)]
#[command(after_help = "\
In ~/.gitconfig:
  [credential \"https://github.com\"]
      helper =
      helper = !nexus git-credential --host github.com --workspace acme --provider github

The empty helper keeps git from asking those of other files, which might store the token.")]
pub(crate) struct GitCredential {
    /// A host that may have the token, with its port if git's URL has one; may be repeated
    #[arg(long, required = true, value_name = "HOST")]
    host: Vec<String>,
    /// The user name that goes with the token
    #[arg(long, value_name = "NAME", default_value = "x-access-token", value_parser = username)]
    username: String,
    #[command(flatten)]
    single: Single,
    /// What git adds: get; for store, erase and what else it may say nothing is done
    operation: String,
}

/// The protocol has a value a line.
fn username(name: &str) -> Result<String, String> {
    match name {
        "" => Err("give a name".to_owned()),
        _ if name.contains(char::is_control) => Err("it has a control character".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

impl GitCredential {
    pub(crate) fn run(self) -> Result<(), Stop> {
        if self.operation != "get" {
            return Ok(());
        }
        let asked = Asked::read(&mut io::stdin().lock().take(MAX_INPUT))
            .map_err(|error| Stop::file("read", Path::new("stdin"), &error))?;
        // For other hosts git goes on to its next helper, or to its prompt.
        if !asked.is_https || !self.host.iter().any(|host| same_host(host, &asked.host)) {
            return Ok(());
        }
        let token = self.single.token()?;
        output::print(response(&self.username, &token)?.as_bytes())
    }
}

#[derive(Default, Debug, PartialEq)]
struct Asked {
    is_https: bool,
    host: String,
}

impl Asked {
    /// Lines of `name=value`, up to an empty one or the end.
    fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut asked = Self::default();
        for line in input.split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            match line.split_once('=') {
                Some(("protocol", value)) => asked.is_https = value == "https",
                Some(("host", value)) => value.clone_into(&mut asked.host),
                None if line.is_empty() => break,
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// Host names have no case, and 443 is https's own port.
fn same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| {
        host.strip_suffix(":443")
            .unwrap_or(host)
            .to_ascii_lowercase()
    };
    !other.is_empty() && bare(one) == bare(other)
}

fn response(username: &str, token: &CachedToken) -> Result<String, Stop> {
    let password = &token.access_token;
    if password.contains(['\n', '\r', '\0']) {
        return Err(Stop::failed(
            "the token has a line break, which git cannot take; store it again without",
        ));
    }
    let expiry = times::since_epoch(token.expires_at)
        .map(|seconds| format!("password_expiry_utc={seconds}\n"))
        .unwrap_or_default();
    Ok(format!(
        "username={username}\npassword={password}\n{expiry}"
    ))
}
