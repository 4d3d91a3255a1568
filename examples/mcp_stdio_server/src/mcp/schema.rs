//! Checks values against the part of JSON Schema that the tools use: `type`, `enum`, `minimum`, `maximum`,
//! `properties`, `required`, `additionalProperties: false` and `items`.

use serde_json::{Map, Value};

use super::message::member;
use super::scan::Scan;

/// Returns the arguments of a call in the form that the schema describes. Models and clients fill what they leave out with
/// `null`, send numbers, booleans, objects and arrays as strings, send numbers and booleans in place of strings, and write a
/// value of `enum` in another case. Everything else stays as it is, and [`check`] may refuse it.
pub(crate) fn fit(schema: &Value, sent: Value) -> Value {
    match sent {
        Value::String(text) => match parse(schema, &text) {
            Some(value) => fit(schema, value),
            None => named(schema, &text).unwrap_or_else(|| text.into()),
        },
        Value::Number(_) | Value::Bool(_) if member(schema, "type") == "string" => {
            sent.to_string().into()
        }
        Value::Object(members) => fit_members(schema, members),
        Value::Array(items) => {
            let schema = member(schema, "items");
            items.into_iter().map(|item| fit(schema, item)).collect()
        }
        other => other,
    }
}

/// Reads a string as JSON if the schema wants another type and the result has that type.
fn parse(schema: &Value, text: &str) -> Option<Value> {
    let expected = member(schema, "type").as_str()?;
    if expected == "string" {
        return None;
    }
    let value = read(text).ok()?;
    has_type(&value, expected).then_some(value)
}

/// Parses JSON from a string, within the limits for a line.
pub(super) fn read(text: &str) -> Result<Value, String> {
    if Scan::of(text).check().is_err() {
        return Err("is too large or too deeply nested".to_owned());
    }
    serde_json::from_str(text).map_err(|error| format!("must be JSON ({error})"))
}

/// Returns the value of `enum` that has this name in upper or lower case.
fn named(schema: &Value, text: &str) -> Option<Value> {
    let mut allowed = member(schema, "enum").as_array()?.iter();
    let is_named = |it: &&Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case(text));
    allowed.find(is_named).cloned()
}

/// Removes members that are `null` or blank, except for members that the schema does not mention but allows, and for values
/// of `enum`.
fn fit_members(schema: &Value, mut members: Map<String, Value>) -> Value {
    let is_closed = member(schema, "additionalProperties") == false;
    let properties = member(schema, "properties");
    let required = member(schema, "required").as_array();
    let is_required = |name: &str| required.is_some_and(|it| it.iter().any(|it| it == name));
    members.retain(|name, value| {
        let property = member(properties, name);
        let is_known = !property.is_null();
        let is_unset = match value.as_str() {
            Some(text) if named(property, text).is_some() => false,
            // `none` may be the name of something, such as a user.
            Some(text) if is_required(name) || member(property, "type") == "string" => {
                is_one_of(text, &["", "null"])
            }
            _ => value.is_null() || is_blank(value),
        };
        let is_absent = is_unset && (is_closed || is_known);
        if !is_absent {
            *value = fit(property, value.take());
        }
        !is_absent
    });
    members.into()
}

/// Returns whether a value is a string that models and clients send for what they leave out.
pub(super) fn is_blank(value: &Value) -> bool {
    let text = value.as_str();
    text.is_some_and(|text| is_one_of(text, &["", "null", "none", "undefined"]))
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    let text = text.trim();
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// Checks a value. The error is the first problem, in words that a model can act on. If `schema` is `null`, any value
/// fits.
pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let expected = member(schema, "type").as_str();
    if let Some(expected) = expected.filter(|expected| !has_type(value, expected)) {
        let vowel = expected.starts_with(['a', 'i', 'o']);
        let article = if vowel { "an" } else { "a" };
        return Err(format!("must be {article} {expected}"));
    }
    let allowed = member(schema, "enum").as_array();
    if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(value)) {
        return Err(format!("must be one of {}", Value::from(allowed.clone())));
    }
    match value {
        Value::Object(members) => check_members(schema, members),
        Value::Array(items) => check_items(schema, items),
        Value::Number(_) => check_range(schema, value),
        _ => Ok(()),
    }
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => integer(value).is_some(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    }
}

fn check_members(schema: &Value, members: &Map<String, Value>) -> Result<(), String> {
    let required = member(schema, "required").as_array();
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = required.find(|name| !members.contains_key(*name)) {
        return Err(format!("{name:?} is missing"));
    }
    let properties = member(schema, "properties");
    for (name, value) in members {
        let property = member(properties, name);
        if property.is_null() && member(schema, "additionalProperties") == false {
            let known = properties.as_object().into_iter().flatten();
            let known: Value = known.map(|(name, _)| name.as_str()).collect();
            return Err(format!("{name:?} is not known; choose from {known}"));
        }
        check(property, value).map_err(|problem| format!("{name:?} {problem}"))?;
    }
    Ok(())
}

fn check_items(schema: &Value, items: &[Value]) -> Result<(), String> {
    let schema = member(schema, "items");
    for (index, item) in items.iter().enumerate() {
        check(schema, item).map_err(|problem| format!("item {index} {problem}"))?;
    }
    Ok(())
}

fn check_range(schema: &Value, value: &Value) -> Result<(), String> {
    let found = value.as_f64().unwrap_or(f64::NAN);
    let bound = |name| member(schema, name).as_f64();
    let (minimum, maximum) = (bound("minimum"), bound("maximum"));
    let is_low = minimum.is_some_and(|minimum| found < minimum);
    let is_high = maximum.is_some_and(|maximum| found > maximum);
    if !is_low && !is_high {
        return Ok(());
    }
    let least = minimum.map(|minimum| format!("at least {minimum}"));
    let most = maximum.map(|maximum| format!("at most {maximum}"));
    let limits: Vec<_> = least.into_iter().chain(most).collect();
    Err(format!("must be {}", limits.join(" and ")))
}

/// Reads an integer. In JSON Schema, 5.0 is an integer too.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let rounded = || value.as_f64().filter(is_whole).map(|number| number as i64);
    value.as_i64().or_else(rounded)
}
