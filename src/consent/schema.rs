//! The fields of a credential's JSON Schema.

use serde_json::Value;

use super::field::Field;
use crate::json::{self, Object};

/// The limit on the fields of a form, far more than a user would fill in.
const MAX_FIELDS: usize = 100;
/// The depth to which references and combinations are followed.
const MAX_DEPTH: usize = 8;
/// The limit on visited schemas, properties and required names. A few schemas that refer to each other can expand to
/// billions.
const MAX_VISITS: usize = 1_000;

/// The fields of a schema in their order on the page. An order in the schema (`x-order`, `propertyOrder`, `order`)
/// comes first. Then required fields precede optional ones, fields that are not secret precede secrets, and required
/// fields follow the order of `required`.
pub(super) fn fields(schema: &Object) -> Vec<Field> {
    let mut search = Search {
        root: schema,
        visits: 0,
        found: Vec::new(),
        required: Vec::new(),
    };
    search.collect(schema, true, MAX_DEPTH);
    let Search {
        found, required, ..
    } = search;
    let mut placed: Vec<_> = found
        .into_iter()
        .map(|(name, property)| {
            let place = required.iter().position(|own| *own == name);
            let field = Field::new(&name, &property, place.is_some());
            let keys = ["x-order", "propertyOrder", "order"];
            let given = keys.iter().find_map(|key| property.get(*key)?.as_i64());
            let order = (
                given.unwrap_or(i64::MAX),
                place.is_none(),
                field.secret,
                place,
            );
            (order, field)
        })
        .collect();
    placed.sort_by_key(|(order, _)| *order);
    placed.into_iter().map(|(_, field)| field).collect()
}

struct Search<'a> {
    root: &'a Object,
    visits: usize,
    found: Vec<(String, Object)>,
    required: Vec<&'a str>,
}

impl<'a> Search<'a> {
    /// Collects the properties of a schema and of the schemas that it combines. `is_binding` says that its
    /// `required` list applies. Within `anyOf` and `oneOf` it does not apply, because not every part has to match.
    fn collect(&mut self, schema: &'a Object, is_binding: bool, depth: usize) {
        let Some(deeper) = depth.checked_sub(1).filter(|_| self.may_visit()) else {
            return;
        };
        let schema = referred(self.root, schema);
        for (name, property) in json::object(schema, "properties").into_iter().flatten() {
            if !self.may_visit() {
                return;
            }
            self.add(name, property);
        }
        for name in list(schema, "required").filter_map(Value::as_str) {
            if !is_binding || !self.may_visit() {
                break;
            }
            self.required.push(name);
        }
        for (combination, is_binding) in [("allOf", is_binding), ("anyOf", false), ("oneOf", false)]
        {
            for part in list(schema, combination).filter_map(Value::as_object) {
                self.collect(part, is_binding, deeper);
            }
        }
    }

    fn may_visit(&mut self) -> bool {
        self.visits = self.visits.saturating_add(1);
        self.visits <= MAX_VISITS
    }

    fn add(&mut self, name: &str, property: &Value) {
        // The schema `true` accepts every value, as an empty schema does.
        let nothing = Object::new();
        let property = referred(self.root, property.as_object().unwrap_or(&nothing));
        let is_new = self.found.iter().all(|(own, _)| own != name);
        if is_new && self.found.len() < MAX_FIELDS && !json::flag(property, "readOnly") {
            self.found.push((name.to_owned(), property.clone()));
        }
    }
}

fn list<'a>(schema: &'a Object, field: &str) -> impl Iterator<Item = &'a Value> {
    let list = schema.get(field).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Follows a `$ref` within the same document.
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
