//! Arguments against the part of JSON Schema that the tools use: `type`, `enum`, `minimum`, `maximum`.

use serde_json::{Map, Value};

/// The first problem there is, in words that a model can act on.
pub(crate) fn check(
    properties: &Map<String, Value>,
    required: &[&str],
    arguments: &Map<String, Value>,
) -> Result<(), String> {
    if let Some(name) = required.iter().find(|name| !arguments.contains_key(**name)) {
        return Err(format!("argument {name:?} is missing"));
    }
    for (name, value) in arguments {
        let Some(schema) = properties.get(name) else {
            return Err(format!("there is no argument {name:?}"));
        };
        check_value(schema, value).map_err(|problem| format!("argument {name:?} {problem}"))?;
    }
    Ok(())
}

fn check_value(schema: &Value, value: &Value) -> Result<(), String> {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") if !value.is_string() => return Err("has to be a string".to_owned()),
        Some("integer") => check_integer(schema, value)?,
        _ => {}
    }
    match schema.get("enum").and_then(Value::as_array) {
        Some(allowed) if !allowed.contains(value) => {
            Err(format!("has to be one of {}", Value::from(allowed.clone())))
        }
        _ => Ok(()),
    }
}

fn check_integer(schema: &Value, value: &Value) -> Result<(), String> {
    let found = integer(value).ok_or("has to be an integer")?;
    let bound = |name| schema.get(name).and_then(Value::as_i64);
    let low = bound("minimum").is_some_and(|minimum| found < minimum);
    let high = bound("maximum").is_some_and(|maximum| found > maximum);
    if !low && !high {
        return Ok(());
    }
    let (minimum, maximum) = (bound("minimum"), bound("maximum"));
    let limits = [
        minimum.map(|least| format!("at least {least}")),
        maximum.map(|most| format!("at most {most}")),
    ];
    Err(format!(
        "has to be {}",
        limits
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" and ")
    ))
}

/// JSON Schema counts 5.0 as an integer, too.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let rounded = || value.as_f64().filter(whole).map(|number| number as i64);
    value.as_i64().or_else(rounded)
}
