//! One field of a credential, made from a property of the provider's JSON Schema.

use serde_json::Value;

use crate::json::{self, Object};
use crate::secret;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One line of text, with the type of its `<input>`.
    Line(&'static str),
    /// Several lines of text, such as a private key.
    Lines,
    Number,
    Integer,
    Flag,
    /// Titles with their values.
    Choice(Vec<(String, Value)>),
    /// Strings, one per line.
    List,
    /// Any other value, entered as JSON.
    Json,
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: Option<String>,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) secret: bool,
    /// The schema allows an empty string.
    pub(super) may_be_empty: bool,
    pub(super) default: Option<String>,
    pub(super) example: Option<String>,
}

impl Field {
    pub(super) fn new(name: &str, property: &Object, required: bool) -> Self {
        let kind = kind(name, property);
        let secret = is_secret(name, property);
        // A secret's example or default could be a real secret.
        let shown = |value: Option<&Value>| {
            let value = value.filter(|value| !secret && !value.is_null());
            value.map(text).filter(|text| !text.is_empty())
        };
        let examples = property.get("examples").and_then(Value::as_array);
        let example = shown(examples.and_then(|examples| examples.first()));
        Self {
            name: name.to_owned(),
            label: label(name, property),
            description: json::filled(property, "description"),
            required: required && kind != Kind::Flag,
            secret,
            may_be_empty: property.get("minLength").and_then(Value::as_u64) == Some(0),
            default: shown(property.get("default")),
            example: shown(property.get("placeholder")).or(example),
            kind,
        }
    }

    /// Returns the entered value, or `None` if the credential omits the field.
    ///
    /// # Errors
    ///
    /// Tells the user what to correct.
    pub(super) fn read(&self, entered: Option<&str>) -> Result<Option<Value>, String> {
        if self.kind == Kind::Flag {
            return Ok(Some(entered.is_some().into()));
        }
        let entered = entered.unwrap_or_default();
        if entered.trim().is_empty() {
            return match (self.required, self.may_be_empty) {
                (true, true) => Ok(Some("".into())),
                (true, false) => Err(format!("{} is missing.", self.label)),
                (false, _) => Ok(None),
            };
        }
        let label = &self.label;
        let value = self.value(entered).ok_or_else(|| match self.kind {
            Kind::Number => format!("{label} has to be a number, such as 0.5."),
            Kind::Integer => format!("{label} has to be a whole number, such as 10."),
            Kind::Choice(_) => format!("Choose one of the options for {label}."),
            _ => format!("{label} has to be JSON."),
        });
        value.map(Some)
    }

    fn value(&self, entered: &str) -> Option<Value> {
        let parsed = || json::parse(entered.trim().as_bytes()).ok();
        match &self.kind {
            Kind::Line(_) | Kind::Flag => Some(entered.into()),
            // Browsers send line breaks as CR LF, but keys and certificates use LF.
            Kind::Lines => Some(entered.replace("\r\n", "\n").into()),
            Kind::Number => parsed().filter(Value::is_number),
            Kind::Integer => parsed().filter(|value| value.is_i64() || value.is_u64()),
            Kind::Choice(choices) => {
                let mut values = choices.iter().map(|(_, value)| value);
                values.find(|value| text(value) == entered).cloned()
            }
            Kind::List => {
                let lines = entered.lines().map(str::trim);
                Some(lines.filter(|line| !line.is_empty()).collect())
            }
            Kind::Json => parsed(),
        }
    }

    pub(super) fn is_choice(&self) -> bool {
        matches!(self.kind, Kind::Choice(_))
    }
}

/// A value as the user would enter it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        value => json::written(value),
    }
}

fn kind(name: &str, property: &Object) -> Kind {
    if let Some(choices) = choices(property) {
        return Kind::Choice(choices);
    }
    let format = json::text(property, "format").unwrap_or_default();
    match kind_of_type(property) {
        Some("boolean") => Kind::Flag,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("array") if items_are_texts(property) => Kind::List,
        Some("array" | "object") => Kind::Json,
        _ if is_long(name, &format, property) => Kind::Lines,
        _ => Kind::Line(match &*format {
            "email" | "idn-email" => "email",
            "uri" | "url" | "iri" => "url",
            "date" => "date",
            _ => "text",
        }),
    }
}

/// The type, or the first type other than `null` in a list. Schemas with `properties` often omit the type `object`.
fn kind_of_type(property: &Object) -> Option<&str> {
    let found = match property.get("type") {
        Some(Value::Array(types)) => {
            let mut types = types.iter().filter_map(Value::as_str);
            types.find(|name| *name != "null")
        }
        found => found.and_then(Value::as_str),
    };
    found.or_else(|| property.contains_key("properties").then_some("object"))
}

fn items_are_texts(property: &Object) -> bool {
    let items = json::object(property, "items");
    items.is_none_or(|items| matches!(kind_of_type(items), None | Some("string")))
}

/// The choices of `const` or `enum`, or of `oneOf` or `anyOf` if all their parts are constants.
fn choices(property: &Object) -> Option<Vec<(String, Value)>> {
    let plain = |value: &Value| (text(value), value.clone());
    if let Some(only) = property.get("const") {
        return Some(vec![plain(only)]);
    }
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        let values = values.iter().filter(|value| !value.is_null());
        return Some(values.map(plain).collect());
    }
    let listed = property.get("oneOf").or_else(|| property.get("anyOf"))?;
    let titled = |choice: &Value| {
        let choice = choice.as_object()?;
        let value = choice.get("const")?;
        let title = json::filled(choice, "title").unwrap_or_else(|| text(value));
        Some((title, value.clone()))
    };
    listed.as_array()?.iter().map(titled).collect()
}

fn is_long(name: &str, format: &str, property: &Object) -> bool {
    const NAMES: &str = "private_key privatekey certificate pem service_account";
    let name = name.to_ascii_lowercase();
    matches!(format, "textarea" | "multiline" | "pem" | "json")
        || property.contains_key("contentMediaType")
        || NAMES.split(' ').any(|part| name.contains(part))
}

/// Returns whether a field is secret, because the schema marks it or because of its name. An address that the schema
/// does not mark is not secret, even if it has the name of a secret.
fn is_secret(name: &str, property: &Object) -> bool {
    let format = json::text(property, "format").unwrap_or_default();
    if format == "password" || json::flag(property, "writeOnly") {
        return true;
    }
    let lower = name.to_ascii_lowercase();
    let is_address = matches!(&*format, "uri" | "url" | "iri" | "email" | "hostname")
        || lower.ends_with("url")
        || lower.ends_with("uri");
    secret::is_secret_field(name) && !is_address
}

/// The title, or the name in words if the title is missing or repeats the name.
fn label(name: &str, property: &Object) -> String {
    json::filled(property, "title")
        .filter(|title| title != name)
        .unwrap_or_else(|| in_words(name))
}

/// `api_key` and `apiKey` become "API key".
fn in_words(name: &str) -> String {
    const CAPITALS: &str = "api aws id url uri ip http https oauth sso pat jwt";
    let mut spaced = String::with_capacity(name.len());
    let mut was_lower = false;
    for c in name.chars() {
        if was_lower && c.is_uppercase() {
            spaced.push(' ');
        }
        was_lower = c.is_lowercase() || c.is_numeric();
        spaced.push(if matches!(c, '_' | '-' | '.') { ' ' } else { c });
    }
    let word = |word: &str| {
        let lower = word.to_lowercase();
        if CAPITALS.split(' ').any(|capitals| capitals == lower) {
            return lower.to_uppercase();
        }
        lower
    };
    let words: Vec<String> = spaced.split_whitespace().map(word).collect();
    let words = words.join(" ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
