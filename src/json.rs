//! Reading JSON objects leniently: gateways write the same field in several types.

use serde_json::{Map, Value};

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

/// The first character of a piece of a JSON string (RFC 8259 section 7), and what comes after it. What
/// is no escape is a backslash.
pub(crate) fn character(text: &str) -> Option<(char, &str)> {
    let mut after = text.chars();
    let first = after.next()?;
    let escaped = (first == '\\').then(|| escaped(after.as_str())).flatten();
    escaped.or(Some((first, after.as_str())))
}

fn escaped(text: &str) -> Option<(char, &str)> {
    let mut after = text.chars();
    let plain = match after.next()? {
        'u' => return code_point(text),
        'b' => '\u{8}',
        'f' => '\u{C}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        kind @ ('"' | '\\' | '/') => kind,
        _ => return None,
    };
    Some((plain, after.as_str()))
}

/// `uXXXX`, or a pair of surrogates, `uXXXX\uXXXX`.
fn code_point(text: &str) -> Option<(char, &str)> {
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let (first, after) = (unit(text)?, text.get(5..)?);
    if let Some(only) = char::from_u32(first.into()) {
        return Some((only, after));
    }
    let low = after.strip_prefix('\\')?;
    let pair = char::decode_utf16([first, unit(low)?]).next()?.ok()?;
    Some((pair, low.get(5..)?))
}
