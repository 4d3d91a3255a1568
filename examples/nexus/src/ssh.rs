//! Help for a user who has come over ssh, and whose browser is on the other machine.

use std::env;
use std::net::IpAddr;

use crate::text::say;

/// In an ssh session, prints the command that makes a page on this machine's loopback available to the user's browser.
pub(crate) fn say_how_to_reach(port: u16) {
    let session = env::var("SSH_CONNECTION").unwrap_or_default();
    let user = env::var("USER").unwrap_or_default();
    if let Some(command) = forward(&session, &user, port) {
        say(&format!(
            "if your browser is on the machine that you came from, first run this command there: {command}"
        ));
    }
}

/// `session` has the address and port of the client, then the address and port of this machine (ssh(1), ENVIRONMENT).
fn forward(session: &str, user: &str, port: u16) -> Option<String> {
    let [_, _, address, ssh_port] = session.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let (address, ssh_port): (IpAddr, u16) = (address.parse().ok()?, ssh_port.parse().ok()?);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = !user.is_empty() && !user.starts_with('-') && user.bytes().all(is_plain);
    let host = if is_name {
        format!("{user}@{address}")
    } else {
        address.to_string()
    };
    let other_port = if ssh_port == 22 {
        String::new()
    } else {
        format!(" -p {ssh_port}")
    };
    Some(format!("ssh -L {port}:127.0.0.1:{port}{other_port} {host}"))
}
