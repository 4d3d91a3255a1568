//! JSON-RPC 2.0 messages.

use serde_json::{Value, json};

use super::schema;

pub(crate) const INVALID_REQUEST: i64 = -32600;
pub(crate) const UNKNOWN_METHOD: i64 = -32601;
pub(crate) const INVALID_PARAMS: i64 = -32602;
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;

pub(crate) enum Message {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// This server sends no requests, so it ignores responses.
    Response,
    Invalid {
        id: Option<Value>,
        problem: &'static str,
    },
}

impl Message {
    pub(crate) fn new(mut value: Value) -> Self {
        let mut take = |name| value.as_object_mut().and_then(|it| it.remove(name));
        let (id, method) = (take("id"), take("method"));
        let params = take("params").unwrap_or_default();
        if method.is_none() && (take("result").is_some() || take("error").is_some()) {
            return Self::Response;
        }
        let is_2_0 = take("jsonrpc").is_some_and(|version| version == "2.0");
        match (method, id) {
            (Some(Value::String(method)), None) if is_2_0 => Self::Notification { method, params },
            (Some(Value::String(method)), Some(id)) if is_2_0 && is_id(&id) => {
                Self::Request { id, method, params }
            }
            (_, id) => Self::Invalid {
                problem: match &id {
                    _ if !is_2_0 => "a message must be an object with \"jsonrpc\": \"2.0\"",
                    Some(id) if !is_id(id) => "\"id\" must be a string or an integer of 64 bits",
                    _ => "\"method\" must be a string",
                },
                id: id.filter(|id| id.is_string() || id.is_number()),
            },
        }
    }

    /// Returns the id of the response that the message gets, if it gets one.
    pub(crate) fn response_id(&self) -> Option<&Value> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::Invalid { id, .. } => id.as_ref(),
            Self::Notification { .. } | Self::Response => None,
        }
    }
}

/// `serde_json` reads larger integers as floats, so it could not echo them exactly.
fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_u64() || schema::integer(value).is_some()
}

/// The error of a response.
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

/// Formats a notification, without the newline.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

/// Adds a member to an object, unless the object has it.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.entry(name).or_insert(value);
    }
    object
}
