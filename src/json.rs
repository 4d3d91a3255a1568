//! Reading JSON objects leniently: gateways write the same field in several types.

use serde_json::{Map, Value};

pub(crate) type Object = Map<String, Value>;

/// A field as text; numbers and booleans as they are written, and `null` as missing.
pub(crate) fn text(object: &Object, field: &str) -> Option<String> {
    match object.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

/// The same, with the empty string as missing too.
pub(crate) fn filled(object: &Object, field: &str) -> Option<String> {
    text(object, field).filter(|text| !text.is_empty())
}

/// A field that is `true`; missing is `false`.
pub(crate) fn flag(object: &Object, field: &str) -> bool {
    object
        .get(field)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// A field that is an object itself.
pub(crate) fn object<'a>(object: &'a Object, field: &str) -> Option<&'a Object> {
    object.get(field)?.as_object()
}

/// A field that is a list of strings.
pub(crate) fn strings(object: &Object, field: &str) -> Option<Vec<String>> {
    let list = object.get(field)?.as_array()?;
    Some(
        list.iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
    )
}
