//! Error responses of all gateway versions, turned into one kind of error, with advice.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::header::{LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, StatusCode, Uri};

use crate::error::{self, ErrorKind, NexusError};
use crate::hiding::Secrets;
use crate::json::{self, Object};
use crate::time::date;
use crate::transport::Response;
use crate::url;

/// The longest text from a gateway that an error shows, in characters.
const MAX_TEXT: usize = 500;

/// The longest JSON that is parsed for an error, in bytes. The parsed JSON can take twenty times as much
/// memory.
const MAX_JSON: usize = 64 << 10;

/// The shortest secret of a request that is hidden, in bytes. Shorter texts are likely to occur in a message by
/// chance. The API key is hidden whatever its length.
const MIN_SECRET: usize = 4;

const KEY_MISMATCH: &str =
    "the gateway and its broker have different keys; ask the operator to fix it";

/// The parts of an error response that determine its meaning.
struct Refusal<'a> {
    /// The path of the call, relative to the gateway's address.
    path: &'a str,
    status: u16,
    code: Option<&'a str>,
    /// The status of the broker behind the gateway, if the error states it.
    broker_status: Option<u64>,
    /// True if the message is the broker's own error body.
    is_relayed: bool,
    is_empty: bool,
}

/// Returns the error for a response that is not a success. `path` is the path of the call. `secrets` are the
/// texts of the request that the error must not repeat, with the API key last.
pub(crate) fn of(path: &str, response: &Response, base: &Uri, secrets: &[&str]) -> NexusError {
    let bytes = &response.body;
    let is_json = matches!(bytes.trim_ascii_start(), [b'{' | b'[', ..]);
    let parsed = (bytes.len() <= MAX_JSON).then(|| json::parse(bytes));
    let fields = match parsed {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Object::new(),
    };
    let code = code_of(&fields).filter(|code| !secrets.iter().any(|key| holds_key(code, key)));
    let said = message_of(&fields);
    let relayed = said.as_deref().and_then(relayed);
    let text = String::from_utf8_lossy(bytes);
    let refusal = Refusal {
        path,
        status: response.status,
        code: code.as_deref(),
        broker_status: fields.get("status").and_then(Value::as_u64),
        is_relayed: relayed.is_some(),
        is_empty: is_blank(&text),
    };
    let message = match response.status {
        300..=399 => moved(&response.headers, base),
        status if refusal.is_empty => without(status, "without a body"),
        // JSON without a message is not shown, because it may contain credentials.
        status => match relayed.or(said) {
            None if is_json => without(status, "with JSON but no usable message"),
            None => text.trim().to_owned(),
            Some(message) => message,
        },
    };
    let message = with_advice(shown(&message, secrets), refusal.advice());
    NexusError::new(ErrorKind::Gateway, message)
        .with_status(response.status)
        .with_retry_after(retry_after(&response.headers))
        .retryable(refusal.is_retryable())
        .reconnect(refusal.needs_reconnect())
        .coded(code.unwrap_or_else(|| format!("http_{}", response.status)))
}

/// Joins the message and the advice with a semicolon, which replaces full stops at the end of the message.
fn with_advice(message: String, advice: &str) -> String {
    match advice {
        "" => message,
        advice => format!("{}; {advice}", message.trim_end_matches('.')),
    }
}

/// Returns the first of the fields `error`, `error.code` and `code` that looks like a code.
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

/// Returns whether a code contains a secret. A secret of fewer than 5 bytes must be the whole code, because a code
/// is likely to contain a short text by chance.
fn holds_key(code: &str, key: &str) -> bool {
    code == key || (key.len() >= 5 && code.contains(key))
}

/// Returns the first of the fields `message`, `detail`, `error.message` and `error` that has a text. A code in
/// `error` is not a message.
fn message_of(fields: &Object) -> Option<String> {
    said(fields, "message")
        .or_else(|| said(fields, "detail"))
        .or_else(|| said(json::object(fields, "error")?, "message"))
        .or_else(|| said(fields, "error").filter(|error| !is_code(error)))
}

/// Parses a message that is itself an error body in JSON, and returns its code and its message.
fn relayed(message: &str) -> Option<String> {
    let inner = json::parse(message.as_bytes()).ok()?;
    let inner = inner.as_object()?;
    let said = [code_of(inner), message_of(inner)].into_iter().flatten();
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| said.join(": "))
}

/// Returns a field's text, unless it is blank.
fn said(fields: &Object, field: &str) -> Option<String> {
    json::text(fields, field).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

fn without(status: u16, body: &str) -> String {
    let known = StatusCode::from_u16(status).ok();
    let reason = known.and_then(|status| status.canonical_reason());
    let reason = reason.unwrap_or("(unknown)");
    format!("the gateway's response is {status} {reason} {body}")
}

/// Describes a redirect. Redirects are not followed, because the API key is for the configured gateway only.
fn moved(headers: &HeaderMap, base: &Uri) -> String {
    let target = text_of(headers, LOCATION).and_then(|to| url::join(base, to).ok());
    let target = target.map_or_else(|| "another address".to_owned(), |to| url::origin(&to));
    format!(
        "the gateway redirects to {target}, which is not followed; set gateway_url to the gateway's own address"
    )
}

/// Returns the message without the secrets, cut to `MAX_TEXT` characters.
fn shown(message: &str, secrets: &[&str]) -> String {
    let (key, sent) = secrets.split_last().unwrap_or((&"", &[]));
    let sent = sent.iter().filter(|secret| secret.len() >= MIN_SECRET);
    let hidden = Secrets::new(sent.chain([key])).hidden(message.as_bytes(), "[redacted]");
    let hidden = hidden.unwrap_or_else(|| message.into());
    let shown = String::from_utf8_lossy(&hidden);
    match shown.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => shown.get(..end).unwrap_or_default().to_owned() + "...",
        None => shown.into_owned(),
    }
}

/// Returns the time for which the server asks the client to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = date::server_time(headers).unwrap_or_else(SystemTime::now);
    date::retry_after(text_of(headers, RETRY_AFTER)?, now)
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl Refusal<'_> {
    /// Returns whether only the user can fix the error, by connecting the provider.
    fn needs_reconnect(&self) -> bool {
        match self.meaning() {
            "connection_not_found" => self.asks("/v1/resolve"),
            code => self.status == 410 || error::asks_for_reconnect(code),
        }
    }

    /// Returns whether the same call may succeed later.
    fn is_retryable(&self) -> bool {
        match self.meaning() {
            "token_expired" => true,
            "upstream_error" if self.asks("/v1/refresh/") => false,
            // The broker has refused the request itself, so a retry would not help.
            _ if self.is_relayed || matches!(self.broker_status, Some(400..=499)) => false,
            _ => matches!(self.status, 429 | 502..=504),
        }
    }

    /// Returns advice that follows the gateway's message. The advice is empty if the message says enough.
    fn advice(&self) -> &'static str {
        match (self.meaning(), self.status) {
            ("connection_not_found", _) if self.asks("/v1/resolve") => {
                "let the user connect the provider, and check the case of its name"
            }
            ("connection_not_found", _) if self.asks("/v1/connections/") => {
                "check the connection's id and its workspace"
            }
            ("connection_not_found", _) if self.asks_for_token() => "check the connection's id",
            ("connection_not_active", _) => {
                "the user has not consented yet, or a newer connection has replaced this one"
            }
            ("attention_required" | "connection_revoked" | "token_not_found", _) => {
                "let the user connect the provider again"
            }
            ("token_expired", _) => {
                "the provider may be down for a moment, so try again later; if the user has to \
                 connect again, the next call says so"
            }
            ("upstream_error", _) if self.asks("/v1/refresh/") => {
                "call get_token_by_connection_id to learn the connection's status"
            }
            ("invalid_api_key", 403) => KEY_MISMATCH,
            ("broker_error", _) => match self.broker_status {
                Some(401 | 403) => KEY_MISMATCH,
                Some(400) if self.asks("/v1/request-connection") => {
                    "the gateway may not allow this return_url; ask its operator to allow it"
                }
                _ => "",
            },
            ("", 404) if self.asks("/v1/resolve") => {
                "this gateway has no /v1/resolve; use a gateway of version 0.3 or later, and check that \
                 gateway_url is its address"
            }
            ("", 404) => "check that gateway_url is the gateway's own address",
            // The refused token may be the user's own.
            _ if self.asks("/v1/agent-sessions/obo") => "",
            ("" | "unauthorized", 401) => "check that api_key is correct",
            _ => "",
        }
    }

    /// Returns the code. Gateways before 0.3 refuse to return a token with a status but no code, which is
    /// translated into the code of later gateways.
    fn meaning(&self) -> &str {
        let bare = self.is_empty && self.asks_for_token();
        match (self.code, self.status) {
            (Some(code), _) => code,
            (None, 403) if bare => "connection_not_active",
            (None, 404) if bare => "connection_not_found",
            (None, 409) if bare => "attention_required",
            (None, 410) => "connection_revoked",
            (None, _) => "",
        }
    }

    fn asks_for_token(&self) -> bool {
        self.asks("/v1/token/") || self.asks("/v1/refresh/")
    }

    fn asks(&self, path: &str) -> bool {
        self.path.starts_with(path)
    }
}

#[cfg(test)]
mod tests;
