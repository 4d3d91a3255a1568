//! What gateways answer when they refuse, in all the forms that are in use, as one error.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::header::{DATE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, StatusCode, Uri};

use crate::error::{ErrorKind, NexusError};
use crate::json::{self, Object};
use crate::timestamp;
use crate::transport::Reply;
use crate::url;

/// As much of a body as an error shows, in characters.
const MOST_TEXT: usize = 500;
/// As much of it as is looked through, secrets included, which may be most of it.
const MOST_READ: usize = 32_000;

/// A shorter text of a request is likely to be part of a message by chance.
const SHORTEST_SECRET: usize = 4;

/// The one place where a status that is no success becomes an error. `secrets` are the API key and
/// what else was sent in confidence, which must not come back in a text that the gateway wrote.
pub(crate) fn of(reply: &Reply, base: &Uri, secrets: &[&str]) -> NexusError {
    let text = String::from_utf8_lossy(&reply.body);
    let body = json::parse(text.as_bytes()).ok();
    let fields = body.as_ref().and_then(Value::as_object);
    let code = fields
        .and_then(code_of)
        .filter(|code| !secrets.iter().any(|secret| holds_key(code, secret)));
    let message = match reply.status {
        300..=399 => moved(&reply.headers, base),
        _ => fields
            .and_then(message_of)
            .unwrap_or_else(|| prose(&without_secrets(body.as_ref(), &text), reply.status)),
    };
    let refused = fields
        .and_then(|fields| fields.get("status"))
        .and_then(Value::as_u64);
    let refused = refused.is_some_and(|status| (400..500).contains(&status));
    let again = matches!(reply.status, 429 | 502..=504) && !refused;
    NexusError::new(ErrorKind::Gateway, shown(&message, secrets))
        .with_code(code.unwrap_or_else(|| format!("http_{}", reply.status)))
        .with_status(reply.status)
        .with_retry_after(retry_after(&reply.headers))
        .retryable(again)
}

/// `error` if it looks like a code, else `error.code`, else `code`.
fn code_of(fields: &Object) -> Option<String> {
    let nested = json::object(fields, "error").and_then(|error| json::text(error, "code"));
    let own = fields.get("error").and_then(Value::as_str);
    let found = [own.map(str::to_owned), nested, json::text(fields, "code")];
    found.into_iter().flatten().find(|code| is_code(code))
}

fn is_code(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=100).contains(&text.len()) && text.bytes().all(plain)
}

/// Whether a code gives the API key away. A short key is likely to be part of a code by chance, so
/// only a code that is the whole of it counts.
fn holds_key(code: &str, key: &str) -> bool {
    code == key || (key.len() >= 5 && code.contains(key))
}

/// `message`, else `detail`, else `error.message`, else an `error` that is prose.
fn message_of(fields: &Object) -> Option<String> {
    let nested = json::object(fields, "error").and_then(|error| said(error, "message"));
    let prose = said(fields, "error").filter(|error| !is_code(error));
    let found = said(fields, "message")
        .or_else(|| said(fields, "detail"))
        .or(nested)
        .or(prose)?;
    Some(unwrapped(&found).unwrap_or(found))
}

/// A message that is another error body, written as a string.
fn unwrapped(message: &str) -> Option<String> {
    let inner = json::parse(message.as_bytes()).ok()?;
    let inner = inner.as_object()?;
    said(inner, "message")
        .or_else(|| said(inner, "detail"))
        .or_else(|| said(inner, "error"))
}

/// A field with something to read in it.
fn said(fields: &Object, field: &str) -> Option<String> {
    json::text(fields, field).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

fn prose(body: &str, status: u16) -> String {
    if !is_blank(body) {
        return body.trim().to_owned();
    }
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    format!(
        "the gateway answered {status} {}, without a body",
        reason.unwrap_or("(unknown)")
    )
}

/// A body without a message is shown whole, but not the credentials that it may hold.
fn without_secrets<'a>(body: Option<&Value>, text: &'a str) -> Cow<'a, str> {
    let mut shown = body.cloned().unwrap_or_default();
    if hide_secrets(&mut shown) {
        return json::written(&shown).into();
    }
    text.into()
}

/// Replaces what is named as a secret; says whether there was any.
fn hide_secrets(value: &mut Value) -> bool {
    let mut hidden = false;
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let secret = is_secret(name) && !value.is_null();
                if secret {
                    *value = "[redacted]".into();
                }
                hidden |= secret || hide_secrets(value);
            }
        }
        Value::Array(items) => {
            for item in items {
                hidden |= hide_secrets(item);
            }
        }
        _ => {}
    }
    hidden
}

fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 6] = ["token", "secret", "password", "credential", "key", "auth"];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

/// The API key goes to the configured gateway only, so its redirects are not followed.
fn moved(headers: &HeaderMap, base: &Uri) -> String {
    let target = text_of(headers, LOCATION).and_then(|to| url::join(base, to).ok());
    let target = target.map_or_else(|| "another address".to_owned(), |to| url::origin(&to));
    format!(
        "the gateway redirects to {target}, which is not followed; set gateway_url to its own address"
    )
}

/// What a request holds in confidence: a connection's state, which completes it, and the texts of
/// the fields of its body that are named as secrets.
pub(crate) fn secrets_of(query: &str, body: &[u8]) -> Vec<String> {
    let states = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("state="));
    let mut found: Vec<_> = states
        .flat_map(|state| {
            let decoded = url::decode(state, true);
            [
                state.to_owned(),
                String::from_utf8_lossy(&decoded).into_owned(),
            ]
        })
        .collect();
    if let Ok(body) = json::parse(body) {
        collect_secrets(&body, false, &mut found);
    }
    found.retain(|secret| secret.len() >= SHORTEST_SECRET);
    found
}

fn collect_secrets(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let secret = secret || is_secret(name) || name == "state";
                collect_secrets(value, secret, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect_secrets(item, secret, found);
            }
        }
        Value::String(text) if secret => found.push(text.clone()),
        Value::Number(_) if secret => found.push(json::written(value)),
        _ => {}
    }
}

/// A text of bounded length, without the secrets.
fn shown(message: &str, secrets: &[&str]) -> String {
    let mut shown = String::new();
    // Secrets may overlap: up to here one or another goes.
    let mut hidden = 0;
    for (at, c) in message.char_indices().take(MOST_READ) {
        let rest = message.get(at..).unwrap_or_default();
        let ends = secrets.iter().filter_map(|secret| after(rest, secret));
        if let Some(shortest) = ends.map(str::len).min() {
            if at >= hidden {
                shown.push_str("[redacted]");
            }
            hidden = hidden.max(message.len().saturating_sub(shortest));
        }
        if at >= hidden {
            shown.push(c);
        }
    }
    let end = shown.char_indices().nth(MOST_TEXT);
    if let Some((end, _)) = end {
        shown.truncate(end);
    }
    if end.is_some() || message.chars().nth(MOST_READ).is_some() {
        shown.push_str("...");
    }
    shown
}

/// What comes after a secret, as it is or as it stands inside of JSON that is quoted as text.
fn after<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    if secret.is_empty() {
        return None;
    }
    text.strip_prefix(secret)
        .or_else(|| after_quoted(text, secret))
}

/// What comes after a secret that JSON quotes; each library has escapes of its own choice.
fn after_quoted<'a>(text: &'a str, secret: &str) -> Option<&'a str> {
    secret.chars().try_fold(text, |text, wanted| {
        let (found, after) = json::character(text)?;
        (found == wanted).then_some(after)
    })
}

/// How long the server asks to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = date(headers).unwrap_or_else(SystemTime::now);
    timestamp::retry_after(text_of(headers, RETRY_AFTER)?, now)
}

/// The server's clock, as it wrote it.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    timestamp::http_date(text_of(headers, DATE)?)
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
