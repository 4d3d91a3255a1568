//! Lenient readers of JSON objects, because gateways do not agree on the type of a field.

use serde_json::{Map, Value};

use crate::error::{ErrorKind, NexusError, Result};

pub(crate) type Object = Map<String, Value>;

/// The number of values that [`parse`] accepts in JSON of up to 256 KiB. Longer JSON may have more, in proportion. An
/// object with one field takes about 700 bytes of memory, but only 7 bytes of text.
const MAX_VALUES: usize = 32 << 10;

/// Parses JSON, after a byte order mark if there is one (RFC 8259 section 8.1). Refuses JSON whose values would take much
/// more memory than its text. Each comma and colon counts as a value, also in a string, and each opening bracket as four.
///
/// # Errors
///
/// Returns the parser's message, or says that the JSON has too many values.
pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
    let values = text.iter().map(|byte| match byte {
        b',' | b':' => 1,
        b'[' | b'{' => 4,
        _ => 0_usize,
    });
    let factor = text.len().div_ceil(256 << 10).max(1);
    if values.sum::<usize>() > MAX_VALUES.saturating_mul(factor) {
        return Err("it has too many values".to_owned());
    }
    serde_json::from_slice(without_bom(text)).map_err(|error| error.to_string())
}

/// Returns the text after the byte order mark of UTF-8, which some servers put before JSON.
pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    let start = text.trim_ascii_start();
    start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

/// Returns the text without the spaces around it, which come from copying. Keeps line breaks, because a credential with a
/// line break is an error.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Removes the fields that are `null`.
pub(crate) fn without_nulls(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// Parses the body of a gateway's response.
///
/// # Errors
///
/// `invalid_response` unless the body is a JSON object.
pub(crate) fn response(body: &[u8]) -> Result<Object> {
    let parsed = parse(body);
    into_object(parsed.map_err(|error| unusable(&format!("cannot be read as JSON: {error}")))?)
}

/// Returns the error for a gateway's response that lacks what every gateway sends.
pub(crate) fn unusable(problem: &str) -> NexusError {
    let advice = "check that gateway_url is the gateway's own address";
    let message = format!("the gateway's response {problem}; {advice}");
    NexusError::new(ErrorKind::InvalidResponse, message)
}

/// Returns a gateway's response as an object.
///
/// # Errors
///
/// `invalid_response` for other JSON.
pub(crate) fn into_object(response: Value) -> Result<Object> {
    match response {
        Value::Object(object) => Ok(object),
        _ => Err(unusable("is JSON but not an object")),
    }
}

/// Returns a field as a string. Booleans and integers are converted to strings. Other numbers count as missing,
/// because parsing may have rounded them. `null`, lists and objects count as missing as well. Does not use `Number`'s own
/// text, whose code for floats takes 21 KB.
pub(crate) fn text(object: &Object, field: &str) -> Option<String> {
    match object.get(field)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => {
            let unsigned = number.as_u64().map(|whole| whole.to_string());
            unsigned.or_else(|| Some(number.as_i64()?.to_string()))
        }
        _ => None,
    }
}

/// Returns a field as [`text`] does, without the spaces around it. A blank string counts as missing.
pub(crate) fn filled(object: &Object, field: &str) -> Option<String> {
    let whole = text(object, field)?;
    Some(trimmed(&whole).to_owned()).filter(|text| !text.is_empty())
}

/// Returns the first of these fields that is not blank.
///
/// # Errors
///
/// `invalid_response` if all of them are missing or blank. The error names the fields.
pub(crate) fn required(response: &Object, fields: &[&str]) -> Result<String> {
    let found = fields.iter().find_map(|field| filled(response, field));
    found.ok_or_else(|| {
        let names = fields.join("` or `");
        unusable(&format!("has no usable `{names}`"))
    })
}

/// Returns whether a field is `true`.
pub(crate) fn flag(object: &Object, field: &str) -> bool {
    matches!(object.get(field), Some(Value::Bool(true)))
}

/// Returns a field that is an object.
pub(crate) fn object<'a>(object: &'a Object, field: &str) -> Option<&'a Object> {
    object.get(field)?.as_object()
}

/// Returns the strings in a field that is a list. Other items are left out.
pub(crate) fn strings(object: &Object, field: &str) -> Option<Vec<String>> {
    let values = object.get(field)?.as_array()?.iter();
    let texts = values.filter_map(Value::as_str).map(str::to_owned);
    Some(texts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVIDER: &str = r#""github": {"id": "6f1c2d5e-0000-4000-8000-000000000000", "api_base_url": "https://api.github.com",
        "user_info_endpoint": "https://api.github.com/user", "scopes": ["repo", "read:user", "user:email"],
        "description": "Code hosting, issues, and reviews", "category": "development"}"#;

    #[test]
    fn a_byte_order_mark_is_ignored() {
        assert_eq!(parse("\u{FEFF}[1]".as_bytes()), Ok(Value::from(vec![1])));
        let second = parse("\u{FEFF}\u{FEFF}[1]".as_bytes());
        assert!(second.is_err(), "{second:?}");
        assert_eq!(without_bom("\r\n\u{FEFF}{}".as_bytes()), b"{}");
        assert_eq!(without_bom(b"\n{}"), b"\n{}");
    }

    #[test]
    fn memory_is_in_proportion_to_the_text() {
        let small = [r#"{"":"#, &"[0,".repeat(100), "0", &"]".repeat(100), "}"].concat();
        let objects = |count| ["{", &r#""":{"":0},"#.repeat(count), r#""":0}"#].concat();
        let table = [
            (r#"{"a": [1, "b", {"c": null}]}"#, true),
            (&small, true),
            (&objects(4_600), true),
            (&objects(4_700), false),
            (&["[", &"0,".repeat(33_000), "0]"].concat(), false),
            // A list of 850 providers.
            (&format!("{{{}}}", vec![PROVIDER; 850].join(",")), true),
            // The list of providers may be longer.
            (&[&objects(10_000), &*" ".repeat(2 << 20)].concat(), true),
        ];
        for (number, (text, fine)) in table.into_iter().enumerate() {
            let parsed = parse(text.as_bytes()).map(drop);
            let problem = parsed.err();
            let expected = (!fine).then_some("it has too many values");
            assert_eq!(problem.as_deref(), expected, "row {number}");
        }
    }
}
