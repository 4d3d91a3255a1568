//! JSON-RPC 2.0: what a message is, and what a response looks like.

use serde_json::{Value, json};

pub(crate) const INVALID_REQUEST: i64 = -32600;
pub(crate) const UNKNOWN_METHOD: i64 = -32601;
pub(crate) const INVALID_PARAMS: i64 = -32602;
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
pub(crate) const URL_ELICITATION_REQUIRED: i64 = -32042;

/// An id as JSON text, so that it goes back as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id(String);

impl Id {
    /// The id `value`; `written` finds what it was read from, unless that has escapes in its name. Only
    /// strings and numbers are ids.
    pub(crate) fn new<'a>(
        value: &Value,
        written: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Self> {
        match value {
            Value::Number(number) if number.is_f64() => {
                let same = |text: &&str| {
                    serde_json::from_str(text).is_ok_and(|read: Value| read == *value)
                };
                let written = written().filter(same);
                Some(Self(
                    written.map_or_else(|| number.to_string(), str::to_owned),
                ))
            }
            Value::String(_) | Value::Number(_) => Some(Self(value.to_string())),
            _ => None,
        }
    }

    fn is_valid(value: &Value) -> bool {
        value.as_f64().is_none_or(|number| number.fract() == 0.0)
    }
}

/// Why a request has no result.
#[derive(Debug)]
pub(crate) struct Failure {
    code: i64,
    message: String,
    data: Option<Value>,
}

impl Failure {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn with_data(self, data: Value) -> Self {
        Self {
            data: Some(data),
            ..self
        }
    }
}

pub(crate) enum Message {
    Request {
        id: Id,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// This server asks nothing.
    Response,
    Invalid {
        id: Option<Id>,
        problem: &'static str,
    },
}

impl Message {
    /// The message that `value` is; `text` is what it was read from.
    pub(crate) fn new(mut value: Value, text: &str) -> Self {
        let Some(object) = value.as_object_mut() else {
            return Self::Invalid {
                id: None,
                problem: "a message is an object",
            };
        };
        let given = object.remove("id");
        let id = given
            .as_ref()
            .and_then(|given| Id::new(given, || member(text, "id")));
        let params = object.remove("params").unwrap_or_default();
        let is_response = object.contains_key("result") || object.contains_key("error");
        let problem = match object.get("jsonrpc").and_then(Value::as_str) {
            Some("2.0") => None,
            _ => Some("\"jsonrpc\" has to be \"2.0\""),
        };
        let problem = problem.or(match &given {
            Some(given) if id.is_none() || !Id::is_valid(given) => {
                Some("an id is a string or an integer")
            }
            _ => None,
        });
        match (object.remove("method"), problem) {
            (Some(Value::String(method)), None) => match id {
                Some(id) => Self::Request { id, method, params },
                None => Self::Notification { method, params },
            },
            (None, _) if is_response => Self::Response,
            (_, problem) => Self::Invalid {
                id,
                problem: problem.unwrap_or("\"method\" has to be a string"),
            },
        }
    }

    pub(crate) fn has_response(&self) -> bool {
        matches!(
            self,
            Self::Request { .. } | Self::Invalid { id: Some(_), .. }
        )
    }
}

/// One response, without the newline.
pub(crate) fn response(id: &Id, outcome: &Result<Value, Failure>) -> String {
    let Id(id) = id;
    match outcome {
        Ok(result) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        Err(failure) => {
            let mut error = json!({"code": failure.code, "message": failure.message});
            if let (Some(error), Some(data)) = (error.as_object_mut(), &failure.data) {
                error.insert("data".to_owned(), data.clone());
            }
            format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
        }
    }
}

/// One notification, without the newline.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

// Pieces of JSON as they stand in the text: `serde_json` reads an integer beyond 64 bits as a float, but an id has to
// be echoed digit by digit.

/// The members of an object, or the elements of an array, of a text that is known to be JSON.
pub(crate) fn pieces(json: &str) -> impl Iterator<Item = &str> {
    let inner = json.trim();
    let inner = inner
        .get(1..inner.len().saturating_sub(1))
        .unwrap_or_default();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let pieces = inner.split(move |character| {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' | '{' => depth = depth.saturating_add(1),
            ']' | '}' => depth = depth.saturating_sub(1),
            ',' => return depth == 0,
            _ => {}
        }
        false
    });
    pieces.map(str::trim).filter(|piece| !piece.is_empty())
}

/// The value of a member; of several with one name, the last, as `serde_json` has it.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let value = |piece: &'a str| {
        let rest = piece
            .strip_prefix('"')?
            .strip_prefix(name)?
            .strip_prefix('"')?;
        rest.trim_start().strip_prefix(':').map(str::trim)
    };
    pieces(object).filter_map(value).last()
}
