//! The lines of `nexus fetch --verbose`: the request and the response, without their secrets.

use nexus_sdk::http::HeaderMap;
use nexus_sdk::{CachedToken, path_segment};

use crate::text::{one_line, say};

const HIDDEN: &str = "(hidden)";
/// Parts of the names of headers that can hold a secret.
const SECRET: [&str; 7] = [
    "authorization",
    "cookie",
    "key",
    "password",
    "secret",
    "signature",
    "token",
];

/// A header that the user gave.
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) value: String,
    /// A file keeps a secret out of the command line, so its values are hidden here too.
    pub(crate) is_from_file: bool,
}

/// Prints the request as `nexus` sends it at first.
pub(crate) fn say_request(
    method: &str,
    url: &str,
    headers: &[Given],
    data: Option<usize>,
    token: &CachedToken,
) {
    show('>', &format!("{method} {}", without_user(url)), token);
    // A credential in the URL, and one that signs the request, have no header of their own.
    if !token.header_name.is_empty() {
        show('>', &format!("{}: {HIDDEN}", token.header_name), token);
    }
    for Given {
        name,
        value,
        is_from_file,
    } in headers
    {
        let is_hidden = *is_from_file || is_secret(name);
        let value = if is_hidden { HIDDEN } else { value };
        show('>', &format!("{name}: {value}"), token);
    }
    if let Some(length) = data {
        show('>', &format!("({length} bytes of data)"), token);
    }
}

/// Prints the status line and the headers of the response.
pub(crate) fn say_response(status: &str, headers: &HeaderMap, token: &CachedToken) {
    show('<', &format!("HTTP/1.1 {status}"), token);
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = if is_secret(name.as_str()) {
            HIDDEN
        } else {
            &value
        };
        show('<', &format!("{name}: {value}"), token);
    }
}

/// Prints a line without the credential, which a server may have repeated.
fn show(direction: char, line: &str, token: &CachedToken) {
    let secret = &token.access_token;
    let mut line = line.to_owned();
    for form in [secret.clone(), path_segment(secret)] {
        if !form.is_empty() {
            line = line.replace(&form, HIDDEN);
        }
    }
    say(&one_line(format!("{direction} {line}")));
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// Hides a user name and password. The SDK refuses such a URL, but only after this line.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
        None => url.to_owned(),
    }
}
