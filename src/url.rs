//! Absolute `http` and `https` URLs in one normal form, relative references, percent-encoding.
//!
//! In the normal form scheme and host are lower-case and the default port is left out, so that two
//! URLs have the same origin (RFC 6454 section 4) exactly if their scheme and authority are equal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::http::Uri;

/// Why a text is not a usable URL, worded to follow its place: `url: <problem>`.
pub(crate) type Problem = Cow<'static, str>;

/// Reads an absolute URL. The fragment is left out; in path and query, bytes that RFC 3986 does
/// not allow there are percent-encoded.
pub(crate) fn parse(text: &str) -> Result<Uri, Problem> {
    if text.trim().is_empty() {
        return Err("empty; give an absolute URL such as https://api.example.com/user".into());
    }
    check_bytes(text)?;
    let (scheme, rest) = split_scheme(without_fragment(text))?;
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'?'));
    let end = end.unwrap_or(rest.len());
    let (authority, path_and_query) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let mut normal = String::with_capacity(text.len());
    normal.push_str(scheme);
    normal.push_str("://");
    push_authority(&mut normal, scheme, authority)?;
    if !path_and_query.starts_with('/') {
        normal.push('/');
    }
    normal.push_str(&encode_forbidden(path_and_query));
    Uri::try_from(normal).map_err(|error| format!("not a URL: {error}").into())
}

pub(crate) fn check_bytes(text: &str) -> Result<(), Problem> {
    let mut bytes = text.bytes();
    let Some(at) = bytes.position(|byte| byte <= b' ' || byte == 0x7F) else {
        return Ok(());
    };
    Err(format!("has a space or control character at byte {at}; percent-encode it").into())
}

fn split_scheme(text: &str) -> Result<(&'static str, &str), Problem> {
    for scheme in ["https", "http"] {
        let (start, rest) = text.split_at_checked(scheme.len()).unwrap_or_default();
        if let (true, Some(rest)) = (start.eq_ignore_ascii_case(scheme), rest.strip_prefix("://")) {
            return Ok((scheme, rest));
        }
    }
    Err(match scheme_of(text) {
        Some("http" | "https") => "has no // after its scheme".into(),
        Some(_) => "its scheme is not http or https".into(),
        None => "has no scheme; write it as https://...".into(),
    })
}

/// The scheme that a reference names itself (RFC 3986 section 3.1). `host:8080` names none.
pub(crate) fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(plain);
    let port = rest.starts_with(|c: char| c.is_ascii_digit());
    (named && !port).then_some(scheme)
}

fn without_fragment(text: &str) -> &str {
    text.split_once('#').map_or(text, |(before, _)| before)
}

fn push_authority(normal: &mut String, scheme: &str, authority: &str) -> Result<(), Problem> {
    if authority.contains('@') {
        return Err("holds a user name or password; credentials come from the gateway".into());
    }
    let (host, port) = split_port(authority)?;
    if push_host(normal, host).is_none() {
        return Err(match host {
            "" => "has no host".into(),
            host if host.is_ascii() => "its host is not a host name or an address".into(),
            _ => "its host is not ASCII; write it in its xn-- form (RFC 5890)".into(),
        });
    }
    match (scheme, port) {
        (_, None) | ("http", Some(80)) | ("https", Some(443)) => {}
        (_, Some(port)) => drop(write!(normal, ":{port}")),
    }
    Ok(())
}

pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), Problem> {
    let digits = authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.contains(']'));
    let Some((host, port)) = digits else {
        return Ok((authority, None));
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let plain = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port) if plain => Ok((host, Some(port))),
        _ => Err("its port is not a number up to 65535".into()),
    }
}

/// A name, an IPv4 address or an IPv6 one in brackets, each in one spelling; `None` for any other. A
/// stricter set than RFC 3986 allows, since other names are read differently by different software.
fn push_host(normal: &mut String, host: &str) -> Option<()> {
    if let Some(address) = host.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return write!(normal, "[{address}]").ok();
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let named = !host.is_empty() && host.bytes().all(plain);
    let address = !ends_in_number(host) || host.parse::<Ipv4Addr>().is_ok();
    (named && address).then(|| normal.extend(host.chars().map(|c| c.to_ascii_lowercase())))
}

/// Whether a host is an IPv4 address to some (`127.1`, `0x7f000001`) and a name to others.
fn ends_in_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit_once('.').map_or(host, |(_, last)| last);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let decimal = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    decimal || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Resolves the target of a redirect against the URL that sent it (RFC 3986 section 5.2). Spaces,
/// which servers do send, are percent-encoded.
pub(crate) fn join(base: &Uri, reference: &str) -> Result<Uri, Problem> {
    let reference = reference.trim().replace(' ', "%20");
    let reference = without_fragment(&reference);
    if scheme_of(reference).is_some() {
        return parse(reference);
    }
    let scheme = base.scheme_str().unwrap_or_default();
    if reference.starts_with("//") {
        return parse(&format!("{scheme}:{reference}"));
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = match path {
        "" => (base.path().to_owned(), query.or(base.query())),
        path if path.starts_with('/') => (without_dots(path), query),
        path => {
            let (folder, _) = base.path().rsplit_once('/').unwrap_or_default();
            (without_dots(&format!("{folder}/{path}")), query)
        }
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    parse(&format!("{}{path}{query}", origin(base)))
}

/// RFC 3986 section 5.2.4, for a path that begins with a slash.
pub(crate) fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/').skip(1) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let end = if ends_in_folder && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", kept.join("/"))
}

/// Scheme, host and port as text: all of a URL that may be shown, since paths and queries can hold
/// credentials.
pub(crate) fn origin(url: &Uri) -> String {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", url.scheme_str().unwrap_or_default())
}

/// The port, the scheme's own if none is written.
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

/// Whether nobody on the way can read what is sent there: https, or http that does not leave this
/// machine.
pub(crate) fn is_private(url: &Uri) -> bool {
    is_https(url) || is_loopback(url)
}

/// Whether the host is this machine: `localhost` (RFC 6761 section 6.3) or a loopback address.
pub(crate) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let is_address = || host.starts_with("127.") && host.parse::<Ipv4Addr>().is_ok();
    matches!(host, "localhost" | "[::1]") || is_address()
}

/// The address that a URL's host is, unless it is a name.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(address) => Some(IpAddr::V6(address.strip_suffix(']')?.parse().ok()?)),
        None => Some(IpAddr::V4(host.parse().ok()?)),
    }
}

/// A value as one path segment or query value: all but RFC 3986's unreserved characters encoded.
pub(crate) fn encode(value: &str) -> Cow<'_, str> {
    // As a whole segment, dots would be taken for a step in the path.
    if matches!(value, "." | "..") {
        return value.replace('.', "%2E").into();
    }
    encode_if_needed(value, is_unreserved)
}

/// RFC 3986 section 2.3.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Encodes what must not stand in a path or query, and leaves the rest, `%` included, as it is.
fn encode_forbidden(path_and_query: &str) -> Cow<'_, str> {
    encode_if_needed(path_and_query, |byte| {
        byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
    })
}

fn encode_if_needed(text: &str, plain: fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(plain) {
        return text.into();
    }
    encode_unless(text.as_bytes(), plain).into()
}

/// The bytes as text, all but the plain ones as `%XX`.
pub(crate) fn encode_unless(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(bytes.len().saturating_mul(3));
    for byte in bytes {
        if plain(*byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The byte that is written as two digits after a `%`.
pub(crate) fn escaped_byte(after: &[u8]) -> Option<u8> {
    let digits = after.first_chunk::<2>()?;
    digits.iter().try_fold(0, |byte: u8, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(byte << 4 | u8::try_from(digit).ok()?)
    })
}

/// The bytes that a piece of a path or query stands for; `+` is a space in queries.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, escaped_byte(after).filter(|_| *first == b'%')) {
            (_, Some(byte)) => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) if plus_is_space => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
    }
    decoded
}

#[cfg(test)]
mod against_url;
#[cfg(test)]
mod tests;
