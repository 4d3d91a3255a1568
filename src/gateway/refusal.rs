//! Turns the error responses of all gateway versions into errors with advice.

use serde_json::Value;
use ureq::http::header::CONTENT_TYPE;

use crate::error::meaning;
use crate::error::{ErrorKind, NexusError};
use crate::hiding::Secrets;
use crate::json::{self, Object};
use crate::log::shortened;
use crate::time::date;
use crate::transport::Response;

/// The longest message from a gateway that an error shows in full, in characters.
const MAX_TEXT: usize = 500;

/// The shortest secret that is hidden, in bytes. Shorter strings are likely to occur in a message by chance.
const MIN_SECRET: usize = 4;

/// The advice about a web page, unless its status has advice of its own.
const PAGE: &str = "no gateway sends web pages, so check gateway_url, and any proxy or firewall in front of the gateway";

/// Returns the error for a response that is not a success, and the status that decides whether the request is retried.
/// `secrets` are strings that the error must not repeat.
pub(crate) fn of(
    operation: &str,
    response: &Response,
    secrets: impl IntoIterator<Item = impl AsRef<str>>,
) -> (NexusError, u16) {
    let status = response.status().as_u16();
    let fields = json::response(response.body()).unwrap_or_default();
    let broker_status = fields.get("status").and_then(Value::as_u64);
    let own_message = message_of(&fields);
    let relayed_message = own_message.as_deref().and_then(relayed);
    let mut hiding = Secrets::default();
    hiding.add(secrets, MIN_SECRET);
    let hidden = |text: &str| hiding.hidden(text, "[redacted]");
    // A secret may be a part of a known code, such as the key `token` in `token_expired`.
    let is_shown = |code: &String| meaning::is_known(code) || hidden(code).is_none();
    let own_code = code_of(&fields).filter(is_shown);
    let code = own_code.unwrap_or_else(|| format!("http_{status}"));
    // A broker whose own error is relayed has refused the request.
    let broker = broker_status.or(relayed_message.as_ref().map(|_| 422));
    let is_page = is_page(response);
    let told = if is_page { "" } else { &code };
    let (next, connection, advice) = meaning::of(operation, status, told, broker);
    // A redirect's text may repeat the address, with its query.
    let told_message = relayed_message.or(own_message).filter(|_| status >= 400);
    let whole_message = told_message.unwrap_or_else(|| body_of(status, response.body()));
    let safe_message = hidden(&whole_message).unwrap_or(whole_message);
    // Cut out last, because a part of a secret would not be found.
    let shown = title(&safe_message).unwrap_or(&safe_message);
    let mut message = shortened(shown, MAX_TEXT).into_owned();
    let advice = if is_page && advice.is_empty() {
        PAGE
    } else {
        advice
    };
    if !advice.is_empty() {
        message = [message.trim_end_matches('.'), "; ", advice].concat();
    }
    let error = NexusError::new(ErrorKind::Gateway, message).with(|error| {
        error.code = code.into();
        error.status = Some(status);
        error.retry_after = date::retry_after_header(response.headers());
        error.next = next;
        error.connection = connection;
    });
    // A gateway may pass on a broker's 429.
    let is_limited = broker == Some(429);
    (error, if is_limited { 429 } else { status })
}

/// Returns the first of the fields `error`, `error.code` and `code` that looks like a code. A number is not a code,
/// because other servers put the HTTP status or a gRPC status there.
fn code_of(fields: &Object) -> Option<String> {
    let nested = json::object(fields, "error").and_then(|error| error.get("code"));
    let found = [fields.get("error"), nested, fields.get("code")];
    let texts = found.into_iter().flatten().filter_map(Value::as_str);
    texts
        .map(json::trimmed)
        .find(|code| is_code(code))
        .map(str::to_owned)
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
    let fields = inner.as_object()?;
    match (code_of(fields), message_of(fields)) {
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

/// Returns whether the body is a web page, which comes from a proxy, a firewall or a captive portal, but no gateway.
fn is_page(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    let media_type = content_type.map(|value| value.as_bytes().to_ascii_lowercase());
    let is_html =
        |name: Vec<u8>| name.starts_with(b"text/html") || name.starts_with(b"application/xhtml");
    let body = json::without_bom(response.body()).trim_ascii_start();
    media_type.is_some_and(is_html) || body.starts_with(b"<")
}

/// Returns the body, or a description of a redirect, of a blank body, or of a body that starts like a JSON object or
/// list. JSON objects and lists are not shown, because they may contain credentials.
fn body_of(status: u16, body: &[u8]) -> String {
    let what = match String::from_utf8_lossy(json::without_bom(body)).trim() {
        _ if status < 400 => "a redirect",
        text if is_blank(text) => "no body",
        text if text.starts_with(['{', '[']) => "JSON without a usable message",
        text => return text.to_owned(),
    };
    format!("the gateway responded with status {status} and {what}")
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.trim()).filter(|title| !is_blank(title))
}

#[cfg(test)]
mod tests;
