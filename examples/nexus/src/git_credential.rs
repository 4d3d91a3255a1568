//! `nexus git-credential`: git's credential helper protocol (gitcredentials(7), git-credential(1)).

use std::io::{self, BufRead, Read as _};

use clap::Args;
use nexus_sdk::CachedToken;

use crate::args::Gateway;
use crate::output;
use crate::single::Single;
use crate::stop::Stop;
use crate::{streams, times};

/// The limit on the input, which is usually a few hundred bytes.
const MAX_INPUT: u64 = 64 * 1024;

#[derive(Args)]
#[command(after_help = "\
In ~/.gitconfig:
  [credential \"https://github.com\"]
      helper =
      helper = !nexus git-credential --host github.com -w acme -p github

The empty helper removes the helpers that git has read before, such as the
system's, which might store the token.")]
pub(crate) struct GitCredential {
    /// A host that may get the token, with a port if git's URL has one; may be repeated
    #[arg(long, required = true, value_name = "HOST", value_parser = host)]
    host: Vec<String>,
    /// The user name that git sends with the token. A request for another user gets no token
    #[arg(long, value_name = "NAME", default_value = "x-access-token")]
    username: String,
    #[command(flatten)]
    single: Single,
    /// The operation, which git adds. Only `get` does anything
    operation: String,
}

/// Accepts a host, with or without `https://` before it.
fn host(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").unwrap_or(text);
    let host = host.strip_suffix('/').unwrap_or(host);
    let is_host = |c: char| !"/\\@?#,*+".contains(c) && !c.is_whitespace() && !c.is_control();
    // An IPv6 address has colons in brackets.
    let (_, after) = host.rsplit_once(']').unwrap_or(("", host));
    let port = after.split_once(':').map_or("443", |(_, port)| port);
    let is_named = !host.is_empty() && !host.starts_with(':');
    if !is_named || !host.chars().all(is_host) || port.parse::<u16>().is_err() {
        return Err("write it as in git's URL, such as github.com".to_owned());
    }
    Ok(host.to_owned())
}

impl GitCredential {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        if self.operation != "get" {
            return Ok(());
        }
        let request = read(&mut streams::stdin().take(MAX_INPUT))
            .map_err(|error| Stop::file("read", "stdin", &error))?;
        let values = |name: &str| -> Vec<&str> {
            let named = request.iter().filter(|(own, _)| own == name);
            named.map(|(_, value)| &**value).collect()
        };
        let is_allowed = |asked| self.host.iter().any(|host| same_host(host, asked));
        // git names a user if the URL or `credential.username` does. The token is not for another user. The URL
        // `https://@host/` names an empty user, which is any user.
        let is_own = |user: &&str| user.is_empty() || *user == self.username;
        let is_own_user = values("username").iter().all(is_own);
        match (&*values("protocol"), &*values("host")) {
            (["https"], [asked]) if is_own_user && is_allowed(asked) => {}
            // Without a response, git goes on to its next helper or its prompt.
            _ => return Ok(()),
        }
        let token = self.single.token(gateway)?;
        output::print(response(&self.username, &token)?)
    }
}

/// Reads the names and values from lines of `name=value`, up to an empty line or the end. As in git itself, a line ends
/// with LF or CRLF.
fn read(input: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    while let Some(line) = streams::read_line(input)? {
        let line = String::from_utf8_lossy(&line);
        match line.split_once('=') {
            Some((name, value)) => pairs.push((name.to_owned(), value.to_owned())),
            None if line.is_empty() => break,
            None => {}
        }
    }
    Ok(pairs)
}

/// Compares hosts, ignoring case and the default port of https.
fn same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| {
        let host = host.strip_suffix(":443").unwrap_or(host);
        host.to_ascii_lowercase()
    };
    bare(one) == bare(other)
}

fn response(username: &str, token: &CachedToken) -> Result<String, Stop> {
    let password = &token.access_token;
    if password.contains(['\n', '\r', '\0']) {
        return Err(Stop::failed(
            "git does not accept a token with a line break or NUL character; connect again with another token",
        ));
    }
    let expiry = times::since_epoch(token.expires_at)
        .map(|seconds| format!("password_expiry_utc={seconds}\n"))
        .unwrap_or_default();
    Ok(format!(
        "username={username}\npassword={password}\n{expiry}"
    ))
}
