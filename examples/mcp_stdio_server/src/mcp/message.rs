//! JSON-RPC 2.0 messages.

use serde_json::{Value, json};

use super::schema;

pub(crate) const PARSE_ERROR: i64 = -32700;
pub(crate) const INVALID_REQUEST: i64 = -32600;
pub(crate) const UNKNOWN_METHOD: i64 = -32601;
pub(crate) const INVALID_PARAMS: i64 = -32602;
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;

/// Returns the id for the response to a message, which is `null` if the message has no valid id (JSON-RPC 2.0, section 5).
/// Returns `None` for a notification or a response, because the server does not respond to these.
pub(crate) fn response_id(message: &Value) -> Option<Value> {
    let sent = member(message, "id");
    let is_notification = sent.is_null() && member(message, "method").is_string();
    let has_id = sent.is_string() || sent.is_number();
    let id = || if has_id { id(sent) } else { Value::Null };
    (!is_notification && !is_response(message)).then(id)
}

/// Returns an id as the server compares and echoes it. Some clients write the id 1 as `1.0`.
pub(crate) fn id(sent: &Value) -> Value {
    let whole = schema::integer(sent).filter(|_| sent.is_f64());
    whole.map_or_else(|| sent.clone(), Value::from)
}

/// Returns whether a message is a response. This server sends no requests, so it ignores responses.
pub(crate) fn is_response(message: &Value) -> bool {
    let has = |name| message.get(name).is_some();
    !has("method") && (has("result") || has("error"))
}

/// Checks that a message is a request or a notification.
pub(crate) fn check(message: &Value) -> Result<(), &'static str> {
    if member(message, "jsonrpc") != "2.0" {
        return Err("a message must be an object with \"jsonrpc\": \"2.0\"");
    }
    let id = member(message, "id");
    // `serde_json` reads integers of more than 64 bits as floats, which could not be sent back exactly.
    let is_id = id.is_string() || id.is_u64() || schema::integer(id).is_some();
    // Some clients write every member, so `null` counts as absent.
    if !is_id && !id.is_null() {
        return Err("\"id\" must be a string or a 64-bit integer");
    }
    if !member(message, "method").is_string() {
        return Err("\"method\" must be a string");
    }
    Ok(())
}

/// The `error` of a response.
#[derive(Debug)]
pub(crate) struct Failure(Value);

impl Failure {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self(json!({"code": code, "message": message.into()}))
    }

    pub(crate) fn with_data(self, data: Value) -> Self {
        Self(with(self.0, "data", data))
    }
}

/// Formats a response, without the newline.
pub(crate) fn response(id: &Value, outcome: &Result<Value, Failure>) -> String {
    let (member, value) = match outcome {
        Ok(result) => ("result", result),
        Err(Failure(error)) => ("error", error),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"{member}":{value}}}"#)
}

/// Formats the response to a line whose id cannot be read.
pub(crate) fn unparsed(problem: &str) -> String {
    response(&Value::Null, &Err(Failure::new(PARSE_ERROR, problem)))
}

/// Returns a member of an object, or `null` if it is missing.
pub(crate) fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    object.get(name).unwrap_or(&Value::Null)
}

/// Takes the value of a member out of an object, and leaves `null` in its place. Returns `null` if the member is missing.
pub(crate) fn take(object: &mut Value, name: &str) -> Value {
    object.get_mut(name).map(Value::take).unwrap_or_default()
}

/// Adds a member to an object, unless the object already has this member.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.entry(name).or_insert(value);
    }
    object
}
