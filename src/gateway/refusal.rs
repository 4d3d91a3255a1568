//! Turns the error responses of all gateway versions into errors with advice.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::http::header::{LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Uri};

use crate::error::{self, ErrorKind, NexusError};
use crate::hiding::Secrets;
use crate::json::{self, Object};
use crate::time::date;
use crate::transport::Response;
use crate::url;

/// The longest message from a gateway that an error shows in full, in characters.
const MAX_TEXT: usize = 500;

/// The longest JSON that is parsed for an error, in bytes. The parsed JSON can take a hundred times as much memory.
const MAX_JSON: usize = 64 << 10;

/// The shortest secret that is hidden, in bytes. Shorter strings are likely to occur in a message by chance.
const MIN_SECRET: usize = 4;

/// The parts of an error response that determine its meaning.
struct Refusal<'a> {
    /// The path and query of the request, relative to the gateway's address.
    path: &'a str,
    status: u16,
    code: Option<String>,
    /// The status of the broker behind the gateway, if the error states it.
    broker_status: Option<u64>,
    /// True if the message is the broker's own error body.
    is_relayed: bool,
    is_empty: bool,
}

/// Returns the error for a response that is not a success. `path` is the path of the request, and `base` is the
/// gateway's URL. `secrets` are strings that the error must not repeat.
pub(crate) fn of(path: &str, response: &Response, base: &Uri, secrets: &[&str]) -> NexusError {
    let is_short = response.body.len() <= MAX_JSON;
    let fields = match is_short.then(|| json::parse(&response.body)) {
        Some(Ok(Value::Object(fields))) => fields,
        _ => Object::new(),
    };
    let body = String::from_utf8_lossy(&response.body);
    let mut hiding = Secrets::default();
    for secret in secrets {
        hiding.add(secret.as_bytes(), MIN_SECRET);
    }
    let hidden = |text: &str| hiding.hidden(text.as_bytes(), "[redacted]");
    let message = message_of(&fields);
    let relayed = message.as_deref().and_then(relayed);
    let refusal = Refusal {
        path,
        status: response.status,
        code: code_of(&fields).filter(|code| hidden(code).is_none()),
        broker_status: fields.get("status").and_then(Value::as_u64),
        is_relayed: relayed.is_some(),
        is_empty: is_blank(&body),
    };
    let message = match relayed.or(message) {
        _ if (300..400).contains(&response.status) => moved(&response.headers, base),
        Some(message) => message,
        None => body_of(response.status, &body),
    };
    let shown = hidden(&message).unwrap_or_else(|| message.into_bytes());
    let mut message = cut(&String::from_utf8_lossy(&shown));
    let advice = refusal.advice();
    if !advice.is_empty() {
        message = [message.trim_end_matches('.'), "; ", advice].concat();
    }
    NexusError::new(ErrorKind::Gateway, message).with(|error| {
        error.status = Some(response.status);
        error.retry_after = retry_after(&response.headers);
        error.retryable = refusal.is_retryable();
        error.needs_reconnect = refusal.needs_reconnect();
        let code = refusal.code;
        error.code = code.map_or_else(|| format!("http_{}", response.status).into(), Cow::from);
    })
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

/// Returns the first of the fields `message`, `detail`, `error.message` and `error` that contains text. A code in
/// `error` is not a message.
fn message_of(fields: &Object) -> Option<String> {
    said(fields, "message")
        .or_else(|| said(fields, "detail"))
        .or_else(|| said(json::object(fields, "error")?, "message"))
        .or_else(|| said(fields, "error").filter(|error| !is_code(error)))
}

/// Returns the code and message in a message that is itself a JSON error body. Some gateway errors have the broker's
/// error body as their message.
fn relayed(message: &str) -> Option<String> {
    let inner = json::parse(message.as_bytes()).ok()?;
    let inner = inner.as_object()?;
    match (code_of(inner), message_of(inner)) {
        (Some(code), Some(message)) => Some([&code, ": ", &message].concat()),
        (code, message) => code.or(message),
    }
}

/// Returns a field's text, unless it is blank.
fn said(fields: &Object, field: &str) -> Option<String> {
    json::text(fields, field).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || c.is_control())
}

/// Returns the body, or describes a body that is blank or starts like a JSON object or list. JSON objects and lists
/// are not shown, because they may contain credentials.
fn body_of(status: u16, body: &str) -> String {
    let what = if is_blank(body) {
        "no body"
    } else if body.trim_start().starts_with(['{', '[']) {
        "JSON without a usable message"
    } else {
        return body.trim().to_owned();
    };
    format!("the gateway responded with status {status} and {what}")
}

/// Describes a redirect. Redirects are not followed, because the API key is for the configured gateway only.
fn moved(headers: &HeaderMap, base: &Uri) -> String {
    let target = headers.get(LOCATION).and_then(|to| to.to_str().ok());
    let target = target.and_then(|to| url::join(base, to).ok());
    let target = target.map_or_else(|| "another address".to_owned(), |to| url::origin(&to));
    format!(
        "the gateway redirects to {target}; redirects are not followed, so set gateway_url to the gateway's own address"
    )
}

/// Cuts a message off after `MAX_TEXT` characters.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_TEXT).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// Returns the time for which the server asks the client to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let now = date::server_time(headers).unwrap_or_else(SystemTime::now);
    date::retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
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
            // The refusal comes from the broker behind the gateway, so a retry would not help.
            _ if self.is_relayed || matches!(self.broker_status, Some(400..=499)) => false,
            _ => matches!(self.status, 429 | 502..=504),
        }
    }

    /// Returns the advice to append to the gateway's message, or an empty string if the message needs no advice.
    fn advice(&self) -> &'static str {
        match (self.meaning(), self.status, self.broker_status) {
            ("connection_not_found", ..) if self.asks("/v1/resolve") => {
                "let the user connect the provider, and check the case of its name"
            }
            ("connection_not_found", ..) => {
                "check the connection's id, and the workspace if you passed one"
            }
            ("connection_not_active", ..) => {
                "the user has not consented yet, or a newer connection has replaced this one"
            }
            ("attention_required" | "connection_revoked" | "token_not_found", ..) => {
                "let the user connect the provider again"
            }
            ("token_expired", ..) => {
                "the provider may be down for a moment, so try again later; if the user has to \
                 connect again, the next call says so"
            }
            ("upstream_error", ..) if self.asks("/v1/refresh/") => {
                "call get_token_by_connection_id to learn the connection's status"
            }
            ("invalid_api_key", 403, _) | ("broker_error", _, Some(401 | 403)) => {
                "the gateway and its broker have different keys; ask the operator to fix it"
            }
            ("broker_error", _, Some(400)) if self.asks("/v1/request-connection") => {
                "the gateway may not allow this return_url; ask its operator to allow it"
            }
            ("", 404, _) => {
                "check that gateway_url is the gateway's own address, and that the gateway is version 0.3 or later"
            }
            // The request contains a token of the user, so a 401 does not show that api_key is wrong.
            _ if self.asks("/v1/agent-sessions/obo") => "",
            ("" | "unauthorized", 401, _) => "check that api_key is correct",
            _ => "",
        }
    }

    /// Returns the error's code. Gateways before 0.3 send only a status if they refuse a token. The status is
    /// translated into the code of later gateways.
    fn meaning(&self) -> &str {
        let asks_for_token = self.asks("/v1/token/") || self.asks("/v1/refresh/");
        let bare = self.is_empty && asks_for_token;
        match (self.code.as_deref(), self.status) {
            (Some(code), _) => code,
            (None, 403) if bare => "connection_not_active",
            (None, 404) if bare => "connection_not_found",
            (None, 409) if bare => "attention_required",
            (None, 410) => "connection_revoked",
            (None, _) => "",
        }
    }

    fn asks(&self, path: &str) -> bool {
        self.path.starts_with(path)
    }
}

#[cfg(test)]
mod tests;
