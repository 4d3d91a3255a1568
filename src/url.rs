//! Absolute `http` and `https` URLs in one normal form, relative references, and percent-encoding.
//!
//! The normal form has a lower-case scheme and host, and no default port. Two URLs in this form have the
//! same origin (RFC 6454 section 4) if, and only if, their scheme and authority are equal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter;
use std::net::IpAddr;

use ureq::http::Uri;

/// The reason why a string is not a usable URL. An error shows the reason after a name, as in `url: <problem>`.
pub(crate) type Problem = Cow<'static, str>;

const NOT_HTTP: &str = "does not begin with https:// or http://";

/// Parses an absolute URL. Refuses spaces and control characters. Removes the fragment. Percent-encodes the other
/// bytes that RFC 3986 does not allow in a path or query, except `[` and `]`, which many APIs use.
pub(crate) fn parse(text: &str) -> Result<Uri, Problem> {
    if text.trim().is_empty() {
        return Err("is empty; give an absolute URL such as https://host.example".into());
    }
    check_bytes(text)?;
    let whole = without_fragment(text);
    let (scheme, rest) = split_scheme(whole)
        .ok_or("has no scheme; give an absolute URL such as https://host.example/path, without quotes around it")?;
    let is_http = ["https", "http"]
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it));
    let after_slashes = rest
        .strip_prefix("//")
        .filter(|_| is_http)
        .ok_or(NOT_HTTP)?;
    let end = after_slashes
        .find(['/', '?'])
        .unwrap_or(after_slashes.len());
    let (authority, target) = after_slashes.split_at_checked(end).unwrap_or_default();
    // Usually, nothing is added but a slash.
    let mut normal = String::with_capacity(whole.len().saturating_add(1));
    normal.push_str(scheme);
    normal.push_str("://");
    push_authority(&mut normal, authority)?;
    if !target.starts_with('/') {
        normal.push('/');
    }
    // A `%` is kept, because it may begin an escape that the caller has written.
    push_encoded(
        &mut normal,
        target.as_bytes(),
        |byte| matches!(byte, b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~'),
    );
    Uri::try_from(normal).map_err(|error| format!("not a URL: {error}").into())
}

/// Refuses spaces and control characters, which a URL may contain only in percent-encoded form.
pub(crate) fn check_bytes(text: &str) -> Result<(), Problem> {
    let mut bytes = text.bytes();
    let Some(at) = bytes.position(|byte| byte <= b' ' || byte == 0x7F) else {
        return Ok(());
    };
    let advice = "remove it, or percent-encode it in a path or query";
    Err(format!("has a space or control character at byte {at}; {advice}").into())
}

/// Splits a reference into its scheme (RFC 3986 section 3.1) and the part after the colon. Returns `None`
/// if there is no scheme, as in `host:8080`.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(plain);
    let port = rest.starts_with(|c: char| c.is_ascii_digit());
    (named && !port).then_some((scheme, rest))
}

/// Appends the host and port in their normal form. Also makes the scheme before them lower-case.
fn push_authority(normal: &mut String, authority: &str) -> Result<(), Problem> {
    if authority.contains('@') {
        return Err("has a user name or password; leave it out".into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let parsed = port.parse::<u16>().ok();
    let number = parsed.filter(|_| !port.starts_with('+'));
    if number.is_none() && !port.is_empty() {
        return Err("its port is not a number up to 65535".into());
    }
    match address(host) {
        Some(IpAddr::V6(address)) => drop(write!(normal, "[{address}]")),
        None if !is_name(host) => {
            let problem = "its host is missing, or is not an ASCII name or an address; write other letters in xn-- form";
            return Err(problem.into());
        }
        _ => normal.push_str(host),
    }
    normal.make_ascii_lowercase();
    match (normal.starts_with("https:"), number) {
        (_, None) | (true, Some(443)) | (false, Some(80)) => {}
        (_, Some(port)) => drop(write!(normal, ":{port}")),
    }
    Ok(())
}

/// Returns whether the host is a name that no program reads as an address. RFC 3986 also allows names that end in
/// a number, but some programs read such names (`127.1`, `0x7f000001`) as IPv4 addresses.
fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = match last.strip_prefix("0x").or(last.strip_prefix("0X")) {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    !host.is_empty() && host.bytes().all(plain) && !is_number
}

/// Describes the place of a request, for messages. `first` is the URL of the request before all redirects, if there were
/// any. The redirect's own host is not shown, because a server has chosen it and may have built it from the credential.
pub(crate) fn place(url: &Uri, first: Option<&Uri>) -> String {
    match first {
        Some(first) => format!("{} (after a redirect)", origin(first)),
        None => origin(url),
    }
}

/// Resolves a reference, such as a `Location`, against the URL of the request (RFC 3986 section 5.2). A colon in the first
/// segment of a reference ends a scheme (section 4.2), even in `localhost:8080`. Percent-encodes spaces, because some
/// servers send them unencoded.
pub(crate) fn join(base: &Uri, reference: &str) -> Result<Uri, Problem> {
    let encoded = reference.trim().replace(' ', "%20");
    let target = without_fragment(&encoded);
    if target.is_empty() {
        return Ok(base.clone());
    }
    let first = target.split(['/', '?']).next().unwrap_or_default();
    let absolute = if first.contains(':') {
        split_scheme(target).ok_or(NOT_HTTP)?;
        target.to_owned()
    } else if target.starts_with("//") {
        let scheme = base.scheme_str().unwrap_or_default();
        format!("{scheme}:{target}")
    } else {
        let (folder, _) = base.path().rsplit_once('/').unwrap_or_default();
        let start = match target.as_bytes().first() {
            Some(b'/') => String::new(),
            Some(b'?') => base.path().to_owned(),
            _ => format!("{folder}/"),
        };
        [&origin(base), &*start, target].concat()
    };
    let url = parse(&absolute)?;
    let query = url.query().map(|query| format!("?{query}"));
    parse(
        &[
            origin(&url),
            without_dots(url.path()),
            query.unwrap_or_default(),
        ]
        .concat(),
    )
}

/// Removes the dot segments (RFC 3986 section 5.2.4) of a path that begins with a slash.
pub(crate) fn without_dots(path: &str) -> String {
    let mut kept = vec![""];
    for segment in path.split('/').skip(1) {
        match segment {
            ".." if kept.len() > 1 => drop(kept.pop()),
            "." | ".." => {}
            name => kept.push(name),
        }
    }
    if path.ends_with("/.") || path.ends_with("/..") {
        kept.push("");
    }
    kept.join("/")
}

/// Returns the scheme, host and port. Errors show no more of a URL, because the path and query can contain
/// credentials.
pub(crate) fn origin(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", url.scheme_str().unwrap_or_default())
}

/// Returns the port of the URL, or the default port of its scheme.
pub(crate) fn port(url: &Uri) -> u16 {
    url.port_u16()
        .unwrap_or(if is_https(url) { 443 } else { 80 })
}

pub(crate) fn same_origin(a: &Uri, b: &Uri) -> bool {
    a.scheme() == b.scheme() && a.authority() == b.authority()
}

pub(crate) fn is_https(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

/// Returns whether requests to this URL are safe from eavesdropping. True for https, and for http that does not leave
/// this machine.
pub(crate) fn is_confidential(url: &Uri) -> bool {
    is_https(url) || is_loopback(url)
}

/// Returns whether the host is this machine: `localhost` (RFC 6761 section 6.3) or a loopback address.
pub(crate) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    host == "localhost" || address(host).is_some_and(|address| address.is_loopback())
}

/// Describes why requests to this URL are not confidential, and what to do. Some hosts lead to this machine on most systems
/// without being loopback addresses, such as `0.0.0.0`, loopback addresses in IPv6 form, and names below `localhost`.
pub(crate) fn not_confidential(url: &Uri) -> String {
    let origin = origin(url);
    format!(
        "{origin} is plain http, and its host is neither `localhost` nor a loopback address; use https (or 127.0.0.1 for a \
         server on this machine), or set allow_insecure_http"
    )
}

/// Parses a URL's host as an IP address. Returns `None` for a name.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(address) => Some(IpAddr::V6(address.strip_suffix(']')?.parse().ok()?)),
        None => Some(IpAddr::V4(host.parse().ok()?)),
    }
}

/// Percent-encodes a string, such as a tool's argument, as one segment of a URL's path (RFC 3986 section 3.3).
///
/// All characters except ASCII letters and digits, `-`, `.`, `_` and `~` are encoded, so a string such as `a/b?c`
/// adds no segment and no query. An empty string is an empty segment.
///
/// The strings `.` and `..` become `%2E` and `%2E%2E`. Some servers decode `%2E%2E` and move up in the path, so
/// reject the argument `..` yourself. A [`Fetcher`](crate::Fetcher) with a `base_url` refuses a relative URL with a
/// `..` segment, encoded or not.
///
/// # Example
///
/// ```
/// use nexus_sdk::path_segment;
///
/// let name = "a/../b?c";
/// let url = format!("/repos/acme/{}/issues", path_segment(name));
/// assert_eq!(url, "/repos/acme/a%2F..%2Fb%3Fc/issues");
/// assert_eq!(path_segment(".."), "%2E%2E");
/// ```
#[must_use]
pub fn path_segment(text: &str) -> String {
    encode(text)
}

/// Percent-encodes all characters that are not unreserved, for one path segment or query value.
pub(crate) fn encode(value: &str) -> String {
    encode_value(value, is_unreserved)
}

/// Percent-encodes a credential for a path segment or, with `in_query`, for a query value. Keeps the characters of
/// `pchar` (RFC 3986 section 3.3), because some servers do not decode a token such as `123%3Aabc`. In a query, `&`,
/// `+`, `;` and `=` are encoded, because they have a meaning there.
pub(crate) fn encode_credential(value: &str, in_query: bool) -> String {
    let plain: fn(u8) -> bool = if in_query {
        |byte| is_unreserved(byte) || b"!$'()*,:@".contains(&byte)
    } else {
        |byte| is_unreserved(byte) || b"!$'()*,:@&+;=".contains(&byte)
    };
    encode_value(value, plain)
}

fn encode_value(value: &str, plain: fn(u8) -> bool) -> String {
    // A `.` or `..` segment would change the path.
    if matches!(value, "." | "..") {
        return value.replace('.', "%2E");
    }
    encode_unless(value.as_bytes(), plain)
}

/// Returns the part of a URL that is sent.
pub(crate) fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(sent, _)| sent)
}

/// Percent-encodes a parameter, and appends it to the query of a URL without a fragment.
pub(crate) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let mark = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    [url, mark, &encode(name), "=", &encode(value)].concat()
}

/// Removes the parameters with this name, percent-encoded or not, from the query of a URL.
pub(crate) fn without_parameter(url: &str, name: &str) -> String {
    let Some((base, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let others: Vec<&str> = query
        .split('&')
        .filter(|pair| parameter_name(pair) != name.as_bytes())
        .collect();
    let mark = if others.is_empty() { "" } else { "?" };
    [base, mark, &others.join("&")].concat()
}

/// Returns the decoded name of a `name=value` pair in a query.
pub(crate) fn parameter_name(pair: &str) -> Vec<u8> {
    decode(pair.split('=').next().unwrap_or_default(), true)
}

/// Returns whether a byte means the same with and without percent-encoding (RFC 3986 section 2.3).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Writes all bytes as `%XX`, except the plain bytes.
pub(crate) fn encode_unless(bytes: &[u8], plain: fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    push_encoded(&mut encoded, bytes, plain);
    encoded
}

fn push_encoded(encoded: &mut String, bytes: &[u8], plain: fn(u8) -> bool) {
    for byte in bytes {
        if plain(*byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

/// Parses the two hexadecimal digits after a `%`.
pub(crate) fn escaped_byte(after: &[u8]) -> Option<u8> {
    let [high, low] = *after.first_chunk()?;
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    Some(digit(high)? << 4 | digit(low)?)
}

/// Percent-decodes a piece of a path or, with `plus_is_space`, of a query. Keeps a `%` that
/// is not followed by two hexadecimal digits.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = escaped_byte(after).filter(|_| *first == b'%');
        let length = if escaped.is_some() { 3 } else { 1 };
        rest = rest.get(length..).unwrap_or_default();
        decoded.push(match first {
            b'+' if plus_is_space => b' ',
            byte => escaped.unwrap_or(*byte),
        });
    }
    decoded
}

/// Returns a text as it is, and percent-decoded once to four times.
pub(crate) fn decodings(text: &str) -> impl Iterator<Item = String> {
    let next = |text: &String| Some(String::from_utf8_lossy(&decode(text, false)).into_owned());
    iter::successors(Some(text.to_owned()), next).take(5)
}

#[cfg(test)]
mod tests;
