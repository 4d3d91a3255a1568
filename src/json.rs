//! Reading JSON objects leniently: gateways write the same field in several types.

use serde_json::{Map, Value};

use crate::error::{ErrorKind, NexusError, Result};

pub(crate) type Object = Map<String, Value>;

/// All JSON is read here: into another type, or from a `str`, takes another parser into the program,
/// and into an object the printing of floats for its complaints, too.
pub(crate) fn parse(text: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(text)
}

/// On one line. `Value::to_string` takes the code for several into the program, too.
pub(crate) fn written(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A field as text; numbers and booleans as they are written, and `null` as missing.
pub(crate) fn text(object: &Object, field: &str) -> Option<String> {
    match object.get(field)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(written(value)),
        _ => None,
    }
}

/// The same, with the empty string as missing too.
pub(crate) fn filled(object: &Object, field: &str) -> Option<String> {
    text(object, field).filter(|text| !text.is_empty())
}

/// Each of these fields, of the first object that has something in it.
pub(crate) fn filled_in<const N: usize>(
    objects: &[&Object],
    fields: [&str; N],
) -> [Option<String>; N] {
    fields.map(|field| objects.iter().find_map(|object| filled(object, field)))
}

/// The first of these fields of a response that has something in it.
///
/// # Errors
///
/// `invalid_response` that names the fields, when none of them has.
pub(crate) fn required(response: &Object, fields: &[&str]) -> Result<String> {
    let found = fields.iter().find_map(|field| filled(response, field));
    found.ok_or_else(|| {
        let names = fields.join("` or `");
        let problem = format!("the gateway's response has no usable `{names}`");
        NexusError::new(ErrorKind::InvalidResponse, problem)
    })
}

/// A field that is `true`; missing is `false`.
pub(crate) fn flag(object: &Object, field: &str) -> bool {
    matches!(object.get(field), Some(Value::Bool(true)))
}

/// A field that is an object itself.
pub(crate) fn object<'a>(object: &'a Object, field: &str) -> Option<&'a Object> {
    object.get(field)?.as_object()
}

/// A field that is a list of strings.
pub(crate) fn strings(object: &Object, field: &str) -> Option<Vec<String>> {
    let texts = object.get(field)?.as_array()?.iter();
    let texts = texts.filter_map(Value::as_str).map(str::to_owned);
    Some(texts.collect())
}
