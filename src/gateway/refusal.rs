//! What gateways say when they refuse, in all the forms that are in use, as one error.

mod advice;

use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::header::{LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, StatusCode, Uri};

use self::advice::Refusal;
use crate::error::{ErrorKind, NexusError};
use crate::hiding::Secrets;
use crate::json::{self, Object};
use crate::secret;
use crate::time::date;
use crate::transport::Response;
use crate::url;

/// As much of a body as an error shows, in characters.
const MAX_TEXT: usize = 500;

/// A shorter text of a request is likely to be part of a message by chance.
const MIN_SECRET: usize = 4;

/// The longest JSON that is read for that, in bytes.
const MAX_JSON: usize = 64 << 10;

/// The one place where a status that is not a success becomes an error. `path` is that of the call;
/// `secrets` are the API key and what else was sent in confidence, which must not come back in a text
/// that the gateway wrote.
pub(crate) fn of(path: &str, response: &Response, base: &Uri, secrets: &[&str]) -> NexusError {
    // JSON can be twenty times as long in memory, and a part of it would not show which of its fields
    // are secrets.
    let is_json = matches!(response.body.trim_ascii_start(), [b'{' | b'[', ..]);
    let too_long = is_json && response.body.len() > MAX_JSON;
    let text = String::from_utf8_lossy(if too_long { &[] } else { &response.body });
    let body = json::parse(text.as_bytes()).unwrap_or_default();
    let none = Object::new();
    let fields = body.as_object().unwrap_or(&none);
    let code = code_of(fields).filter(|code| !secrets.iter().any(|key| holds_key(code, key)));
    let said = message_of(fields);
    let repeated = said.as_deref().and_then(unwrapped);
    let refusal = Refusal {
        path,
        status: response.status,
        code: code.as_deref(),
        broker_status: fields.get("status").and_then(Value::as_u64),
        is_repeated: repeated.is_some(),
        is_empty: is_blank(&text) && !too_long,
    };
    let message = match response.status {
        300..=399 => moved(&response.headers, base),
        status if is_blank(&text) => nothing(status, too_long),
        _ => repeated.or(said).unwrap_or_else(|| whole(body, &text)),
    };
    let message = with_advice(shown(&message, secrets), refusal.advice());
    NexusError::new(ErrorKind::Gateway, message)
        .with_status(response.status)
        .with_retry_after(retry_after(&response.headers))
        .retryable(refusal.may_pass())
        .reconnect(refusal.needs_reconnect())
        .with_code(code.unwrap_or_else(|| format!("http_{}", response.status)))
}

/// A last full stop gives way, dots that stand for more do not.
fn with_advice(message: String, advice: &str) -> String {
    if advice.is_empty() {
        return message;
    }
    let whole = message
        .strip_suffix('.')
        .filter(|text| !text.ends_with('.'));
    format!("{}; {advice}", whole.unwrap_or(&message))
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
    said(fields, "message")
        .or_else(|| said(fields, "detail"))
        .or_else(|| said(json::object(fields, "error")?, "message"))
        .or_else(|| said(fields, "error").filter(|error| !is_code(error)))
}

/// A message that is another error body, written as a string: its code and its text.
fn unwrapped(message: &str) -> Option<String> {
    let inner = json::parse(message.as_bytes()).ok()?;
    let inner = inner.as_object()?;
    let said = [code_of(inner), message_of(inner)].into_iter().flatten();
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join(": "))
}

/// A field with something to read in it.
fn said(fields: &Object, field: &str) -> Option<String> {
    json::text(fields, field).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

fn nothing(status: u16, too_long: bool) -> String {
    let known = StatusCode::from_u16(status).ok();
    let reason = known.and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or("(unknown)");
    let body = if too_long {
        "with JSON that is too long for an error"
    } else {
        "without a body"
    };
    format!("the gateway's response is {status} {reason} {body}")
}

/// A body without a message is shown whole, but not the credentials that it may hold.
fn whole(mut body: Value, text: &str) -> String {
    let mut hidden = false;
    each_secret(&mut body, false, &mut |value| {
        if !value.is_null() {
            *value = "[redacted]".into();
            hidden = true;
        }
    });
    if hidden {
        return json::written(&body);
    }
    text.trim().to_owned()
}

/// Visits what is named as a secret, and what is in it.
fn each_secret(value: &mut Value, is_secret: bool, visit: &mut dyn FnMut(&mut Value)) {
    if is_secret {
        visit(value);
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                each_secret(value, is_secret || secret::is_field(name), visit);
            }
        }
        Value::Array(items) => {
            for item in items {
                each_secret(item, is_secret, visit);
            }
        }
        _ => {}
    }
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
    let states = states.map(|state| String::from_utf8_lossy(&url::decode(state, true)).into());
    let mut found: Vec<String> = states.collect();
    let mut body = json::parse(body).unwrap_or_default();
    found.extend(body.get("state").and_then(Value::as_str).map(str::to_owned));
    each_secret(&mut body, false, &mut |value| match value {
        Value::String(text) => found.push(text.clone()),
        Value::Number(_) => found.push(json::written(value)),
        _ => {}
    });
    found.retain(|secret| secret.len() >= MIN_SECRET);
    found
}

/// A text of bounded length, without the secrets.
fn shown(message: &str, secrets: &[&str]) -> String {
    let hidden = Secrets::new(secrets).hidden(message.as_bytes(), "[redacted]");
    let hidden = hidden.unwrap_or_else(|| message.into());
    let shown = String::from_utf8_lossy(&hidden);
    match shown.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => shown.get(..end).unwrap_or_default().to_owned() + "...",
        None => shown.into_owned(),
    }
}

/// How long the server asks to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = date::server_time(headers).unwrap_or_else(SystemTime::now);
    date::retry_after(text_of(headers, RETRY_AFTER)?, now)
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
