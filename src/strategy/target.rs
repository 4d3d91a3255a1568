//! Credentials that go into the URL: as a query parameter, or in place of its placeholders.

use crate::error::{ErrorKind, NexusError, Result};
use crate::url;

/// How many of a credential's fields an error names.
const MAX_SHOWN: usize = 16;

/// Puts the credential's fields in place of the `{field}` placeholders of the URL's path and
/// query; a host name is never made from a credential.
pub(crate) fn fill_placeholders(url: &str, fields: &[(String, String)]) -> Result<String> {
    let (head, mut rest) = split_authority(url);
    let mut filled = head.to_owned();
    while let Some((before, tail)) = rest.split_once('{') {
        let Some((name, after)) = tail.split_once('}') else {
            break;
        };
        filled.push_str(before);
        let in_query = filled.contains('?');
        filled.push_str(&url::encode_credential(
            field_named(fields, name)?,
            in_query,
        ));
        rest = after;
    }
    if filled == head {
        let problem = "the path strategy needs a {field} placeholder in the URL's path or query";
        return Err(NexusError::invalid_input("url", problem));
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Scheme and authority, and what comes after them.
fn split_authority(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at.saturating_add(3));
    let end = url
        .bytes()
        .skip(start)
        .position(|byte| matches!(byte, b'/' | b'?'));
    let end = end.map_or(url.len(), |length| start.saturating_add(length));
    url.split_at_checked(end).unwrap_or((url, ""))
}

fn field_named<'a>(fields: &'a [(String, String)], name: &str) -> Result<&'a str> {
    match fields.iter().find(|(field, _)| field == name) {
        Some((_, value)) if value.is_empty() => Err(NexusError::no_credential(shown(name))),
        Some((_, value)) => Ok(value),
        None => {
            let known = fields.iter().take(MAX_SHOWN).map(|(field, _)| shown(field));
            let known: Vec<_> = known.collect();
            let problem = format!(
                "url: the credential has no field for the placeholder `{}`, only {known:?}; write \
                 braces that are none as %7B and %7D",
                shown(name)
            );
            Err(NexusError::new(ErrorKind::InvalidCredentials, problem))
        }
    }
}

/// A placeholder's name, if it can be one: other text between braces is part of the caller's query,
/// which errors do not show.
fn shown(name: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let named = name.len() <= 64 && name.bytes().all(plain);
    if named { name } else { "{..}" }
}

/// The URL with one query parameter set to `value`, in place of any others of that name.
pub(crate) fn with_query_param(url: &str, name: &str, value: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty() && param_name(pair) != name.as_bytes());
    let own = format!("{}={}", url::encode(name), url::encode(value));
    let pairs: Vec<&str> = others.chain([own.as_str()]).collect();
    format!("{base}?{}", pairs.join("&"))
}

/// The decoded name of a `name=value` pair of a query.
pub(crate) fn param_name(pair: &str) -> Vec<u8> {
    url::decode(pair.split_once('=').map_or(pair, |(name, _)| name), true)
}
