//! The fields that a JSON Schema asks for.

use serde_json::Value;

use super::field::Field;
use crate::json::{self, Object};

/// More than anybody would fill in.
const MAX_FIELDS: usize = 100;
/// As deep as references and combinations are followed.
const MAX_DEPTH: usize = 8;

/// The fields of a schema: first what is required, in the schema's order of it, then the rest; what is
/// secret comes after what it belongs to. An order that the schema gives goes before all that.
pub(super) fn fields(schema: &Object) -> Vec<Field> {
    let mut found = Vec::new();
    let mut required = Vec::new();
    collect(schema, schema, true, MAX_DEPTH, &mut found, &mut required);
    let mut placed: Vec<_> = found
        .into_iter()
        .map(|(name, property)| {
            let place = required.iter().position(|own| *own == name);
            let field = Field::new(&name, &property, place.is_some());
            let order = ["x-order", "propertyOrder", "order"];
            let order = order.iter().find_map(|key| property.get(*key)?.as_i64());
            let order = (order.unwrap_or(i64::MAX), place.is_none(), field.secret);
            (order, place, field)
        })
        .collect();
    placed.sort_by(|(a, place_a, _), (b, place_b, _)| (a, place_a).cmp(&(b, place_b)));
    placed
        .into_iter()
        .map(|(_, _, field)| field)
        .take(MAX_FIELDS)
        .collect()
}

/// The properties of a schema and of those that it combines; only `allOf` makes theirs required.
fn collect(
    root: &Object,
    schema: &Object,
    firm: bool,
    depth: usize,
    found: &mut Vec<(String, Object)>,
    required: &mut Vec<String>,
) {
    let Some(deeper) = depth.checked_sub(1) else {
        return;
    };
    let schema = referred(root, schema);
    for (name, property) in json::object(schema, "properties").into_iter().flatten() {
        // `true` is the schema that takes whatever comes.
        let nothing = Object::new();
        let property = referred(root, property.as_object().unwrap_or(&nothing));
        let hidden = json::flag(property, "readOnly");
        if !hidden && found.iter().all(|(own, _)| own != name) {
            found.push((name.clone(), property.clone()));
        }
    }
    if firm {
        required.extend(json::strings(schema, "required").unwrap_or_default());
    }
    for (combination, firm) in [("allOf", firm), ("anyOf", false), ("oneOf", false)] {
        let parts = schema.get(combination).and_then(Value::as_array);
        for part in parts.into_iter().flatten().filter_map(Value::as_object) {
            collect(root, part, firm, deeper, found, required);
        }
    }
}

/// The schema that a `$ref` within the same document leads to.
fn referred<'a>(root: &'a Object, schema: &'a Object) -> &'a Object {
    let mut schema = schema;
    for _ in 0..MAX_DEPTH {
        let target = schema.get("$ref").and_then(Value::as_str);
        let Some(path) = target.and_then(|target| target.strip_prefix("#/")) else {
            break;
        };
        let mut steps = path.split('/');
        let first = steps.next().and_then(|step| root.get(step));
        let end = steps.try_fold(first, |at, step| Some(at?.get(step)));
        match end.flatten().and_then(Value::as_object) {
            Some(target) => schema = target,
            None => break,
        }
    }
    schema
}
