//! Values against the part of JSON Schema that the tools use: `type`, `enum`, `minimum`, `maximum`, `properties`,
//! `required`, `additionalProperties: false` and `items`.

use serde_json::{Map, Value};

/// The first problem there is, in words that a model can act on.
pub(crate) fn check(schema: &Value, value: &Value) -> Result<(), String> {
    check_type(schema, value)?;
    match schema.get("enum").and_then(Value::as_array) {
        Some(allowed) if !allowed.contains(value) => {
            return Err(format!("has to be one of {}", Value::from(allowed.clone())));
        }
        _ => {}
    }
    match value {
        Value::Object(members) => check_members(schema, members),
        Value::Array(items) => check_items(schema, items),
        Value::Number(_) => check_range(schema, value),
        _ => Ok(()),
    }
}

fn check_type(schema: &Value, value: &Value) -> Result<(), String> {
    let Some(expected) = schema.get("type").and_then(Value::as_str) else {
        return Ok(());
    };
    let fits = match expected {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => integer(value).is_some(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    };
    let article = if expected.starts_with(['a', 'i', 'o']) {
        "an"
    } else {
        "a"
    };
    fits.then_some(())
        .ok_or_else(|| format!("has to be {article} {expected}"))
}

fn check_members(schema: &Value, members: &Map<String, Value>) -> Result<(), String> {
    let required = schema.get("required").and_then(Value::as_array);
    let mut required = required.into_iter().flatten().filter_map(Value::as_str);
    if let Some(name) = required.find(|name| !members.contains_key(*name)) {
        return Err(format!("{name:?} is missing"));
    }
    let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    let properties = schema.get("properties");
    for (name, value) in members {
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => {
                check(schema, value).map_err(|problem| format!("{name:?} {problem}"))?;
            }
            None if closed => return Err(format!("{name:?} is not known")),
            None => {}
        }
    }
    Ok(())
}

fn check_items(schema: &Value, items: &[Value]) -> Result<(), String> {
    let Some(schema) = schema.get("items") else {
        return Ok(());
    };
    for (index, item) in items.iter().enumerate() {
        check(schema, item).map_err(|problem| format!("item {index} {problem}"))?;
    }
    Ok(())
}

fn check_range(schema: &Value, value: &Value) -> Result<(), String> {
    let found = value.as_f64().unwrap_or(f64::NAN);
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    let (minimum, maximum) = (bound("minimum"), bound("maximum"));
    let fits = minimum.is_none_or(|minimum| found >= minimum)
        && maximum.is_none_or(|maximum| found <= maximum);
    if fits {
        return Ok(());
    }
    let limits = [
        minimum.map(|minimum| format!("at least {minimum}")),
        maximum.map(|maximum| format!("at most {maximum}")),
    ];
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    Err(format!("has to be {}", limits.join(" and ")))
}

/// JSON Schema counts 5.0 as an integer, too.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let rounded = || value.as_f64().filter(whole).map(|number| number as i64);
    value.as_i64().or_else(rounded)
}
