//! The base URL and the allowed hosts of a fetcher.

use ureq::http::{Uri, uri};

use crate::error::{ErrorKind, NexusError, Result};
use crate::options::base_url;
use crate::url;

/// A parsed [`Fetcher::base_url`](crate::Fetcher::base_url).
#[derive(Clone)]
pub(crate) struct Base {
    /// The base as the caller wrote it, before placeholders are filled.
    text: String,
    pub(super) url: Uri,
}

impl Base {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let url = base_url("base_url", text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            url,
        })
    }

    /// Appends a relative URL to the base. Encodes the braces of any URL, because a model may have written it and
    /// only the placeholders of the base may be filled.
    pub(crate) fn absolute(&self, url: &str) -> Result<String> {
        let plain = url.replace('{', "%7B").replace('}', "%7D");
        if url::split_scheme(url).is_some() {
            return Ok(plain);
        }
        check_relative(url).map_err(|problem| NexusError::invalid_input("url", problem))?;
        let (base, slash) = match url.as_bytes().first() {
            None | Some(b'?' | b'#') => (self.text.as_str(), ""),
            Some(b'/') => (self.text.trim_end_matches('/'), ""),
            Some(_) => (self.text.trim_end_matches('/'), "/"),
        };
        Ok([base, slash, &plain].concat())
    }
}

/// Refuses a relative URL that begins with a host, and a path that some server may read as leading outside the base. The
/// path is read as it is, and percent-decoded once to four times.
fn check_relative(url: &str) -> Result<(), url::Problem> {
    url::check_bytes(url)?;
    let path = url.split(['?', '#']).next().unwrap_or_default();
    if path.replace('\\', "/").starts_with("//") {
        return Err("begins with two slashes, which introduce a host; write one slash".into());
    }
    for path in url::decodings(path) {
        if is_ambiguous(&path) {
            let problem = "has a `%u` escape, a `%00`, or an escape that is not UTF-8, which servers read in different ways; \
                           remove it";
            return Err(problem.into());
        }
        if has_parent_segment(&path) {
            let problem = "has a `..` segment that may point outside base_url; remove the segment";
            return Err(problem.into());
        }
    }
    Ok(())
}

/// Returns whether a decoded path has a character that servers read in different ways: an escape such as `%u002e`, which
/// some decode, a zero byte, at which some stop, or bytes that are not UTF-8, in which some see an overlong `.` or `/`.
fn is_ambiguous(path: &str) -> bool {
    let mut escapes = path.split('%').skip(1);
    let has_u_escape = escapes.any(|escape| {
        let code = escape.strip_prefix(['u', 'U']);
        let digits = code.and_then(|code| code.get(..4)).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    has_u_escape || path.contains(['\0', char::REPLACEMENT_CHARACTER])
}

/// The characters that end a segment of a path, and those that a lenient server takes for them, according to Unicode's
/// compatibility forms (NFKC) or the code pages of Windows.
const SEPARATORS: [char; 22] = [
    '/', '\\', ';', '?', '#', '\u{37E}', '\u{FE54}', '\u{FE56}', '\u{FE5F}', '\u{FF03}',
    '\u{FF1B}', '\u{FF1F}', '\u{A5}', '\u{2044}', '\u{20A9}', '\u{2215}', '\u{2216}', '\u{FE68}',
    '\u{FF0F}', '\u{FF3C}', '\u{FFE5}', '\u{FFE6}',
];

/// Returns the number of dots that a lenient server sees in a character (NFKC and code pages).
fn dots(c: char) -> usize {
    match c {
        '.' | '\u{2024}' | '\u{3002}' | '\u{FE12}' | '\u{FE52}' | '\u{FF0E}' | '\u{FF61}' => 1,
        '\u{2025}' | '\u{2026}' | '\u{FE19}' | '\u{FE30}' => 2,
        _ => 0,
    }
}

/// Returns whether a decoded path has a segment with two or more dots and without a letter or digit. A server may drop
/// everything else: spaces, punctuation, and characters that do not show, such as the Hangul fillers, which are letters.
fn has_parent_segment(path: &str) -> bool {
    let is_shown = |c: char| {
        c.is_alphanumeric() && !matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
    };
    let mut names = path.split(SEPARATORS);
    names.any(|name| {
        let dots: usize = name.chars().map(dots).sum();
        dots >= 2 && !name.contains(is_shown)
    })
}

/// A rule of `allow_hosts`: `host` or `*.host`, with or without `:port`.
#[derive(Clone)]
pub(crate) struct Rule {
    /// The host in the normal form of [`url`]. For `*.host`, it begins with a dot.
    host: String,
    port: Option<u16>,
}

impl Rule {
    /// Parses a rule. An error does not show the rule, because a URL in its place may contain a secret.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let rule = text.trim().to_ascii_lowercase();
        let below = rule.strip_prefix("*.");
        let authority = below.unwrap_or(&rule);
        let plain = url::parse(&format!("http://{authority}/")).unwrap_or_default();
        let host = plain.host().unwrap_or_default();
        // Some programs treat a leading dot as `*.`, so such a rule is ambiguous.
        let unclear = authority.contains(['/', '?', '#']) || host.starts_with('.');
        if host.is_empty() || unclear || (below.is_some() && url::address(host).is_some()) {
            let problem =
                "a rule is not usable; write each rule as `host`, `host:port` or `*.host`";
            return Err(NexusError::invalid_input("allow_hosts", problem));
        }
        let port = authority.rsplit_once(':');
        let dot = if below.is_some() { "." } else { "" };
        Ok(Self {
            host: [dot, host].concat(),
            port: port.and_then(|(_, port)| port.parse().ok()),
        })
    }

    pub(crate) fn matches(&self, target: &Uri) -> bool {
        let host = target.host().unwrap_or_default();
        let before = host.strip_suffix(&self.host);
        // `*.host` matches neither `host` nor `.host`.
        let needs_name = self.host.starts_with('.');
        let named = before.is_some_and(|name| name.is_empty() != needs_name);
        named && self.port.is_none_or(|port| port == url::port(target))
    }
}

/// Returns the error for a URL that neither the base nor a rule allows.
pub(crate) fn not_allowed(url: &Uri) -> NexusError {
    let origin = url::origin(url);
    let rule = url.authority().map_or("", uri::Authority::as_str);
    let message = format!(
        "requests to {origin} are not allowed; to allow them, include `{rule}` in allow_hosts"
    );
    NexusError::new(ErrorKind::HostNotAllowed, message)
}

#[cfg(test)]
mod tests;
