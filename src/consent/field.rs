//! One field of a credential: what a property of the provider's JSON Schema asks for.

use serde_json::Value;

use crate::json::{self, Object};
use crate::secret;

/// What a person enters, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One line; the type of its `<input>`.
    Line(&'static str),
    /// Several, such as a private key.
    Lines,
    Number,
    Integer,
    Flag,
    /// Values to choose from, with what is shown for each.
    Choice(Vec<(String, Value)>),
    /// Texts, one on each line.
    List,
    /// Whatever else, as JSON.
    Json,
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: Option<String>,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// What is typed is hidden, and never shown again.
    pub(super) secret: bool,
    /// The schema allows the empty text, so that it is sent as one.
    pub(super) may_be_empty: bool,
    pub(super) default: Option<String>,
    pub(super) example: Option<String>,
}

impl Field {
    pub(super) fn new(name: &str, property: &Object, required: bool) -> Self {
        let kind = kind(name, property);
        let secret = is_secret(name, property);
        let shown = |field: &str| json::filled(property, field).filter(|_| !secret);
        let example = property.get("examples").and_then(Value::as_array);
        let example = example.and_then(|examples| examples.first()).map(text);
        Self {
            name: name.to_owned(),
            label: label(name, property),
            description: json::filled(property, "description"),
            required: required && kind != Kind::Flag,
            secret,
            may_be_empty: property.get("minLength").and_then(Value::as_u64) == Some(0),
            default: property
                .get("default")
                .filter(|default| !default.is_null() && !secret)
                .map(text),
            example: shown("placeholder").or(example.filter(|_| !secret)),
            kind,
        }
    }

    /// The value for what was entered; `None` leaves the field out.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to be shown at the field.
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
        self.value(entered).map(Some)
    }

    fn value(&self, entered: &str) -> Result<Value, String> {
        let number = || json::parse(entered.trim().as_bytes()).ok();
        match &self.kind {
            Kind::Line(_) => Ok(entered.into()),
            // Browsers send the end of a line as CR LF; keys and certificates are made with LF.
            Kind::Lines => Ok(entered.replace("\r\n", "\n").into()),
            Kind::Number => number()
                .filter(Value::is_number)
                .ok_or_else(|| format!("{} has to be a number, such as 0.5.", self.label)),
            Kind::Integer => number()
                .filter(|value| value.is_i64() || value.is_u64())
                .ok_or_else(|| format!("{} has to be a whole number, such as 10.", self.label)),
            Kind::Choice(choices) => choices
                .iter()
                .find(|(_, value)| text(value) == entered)
                .map(|(_, value)| value.clone())
                .ok_or_else(|| format!("Choose one of the options for {}.", self.label)),
            Kind::List => {
                let lines = entered.lines().map(str::trim);
                Ok(lines.filter(|line| !line.is_empty()).collect())
            }
            Kind::Json => json::parse(entered.as_bytes())
                .map_err(|_| format!("{} has to be JSON.", self.label)),
            Kind::Flag => Ok(true.into()),
        }
    }

    pub(super) fn is_choice(&self) -> bool {
        matches!(self.kind, Kind::Choice(_))
    }
}

/// A value as it is entered.
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

/// The type, the first that is not `null` of several; an object also without one.
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

/// `enum`, `const`, and `oneOf` or `anyOf` of constants with titles.
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
    const FORMATS: [&str; 4] = ["textarea", "multiline", "pem", "json"];
    const PARTS: [&str; 5] = [
        "private_key",
        "privatekey",
        "certificate",
        "pem",
        "service_account",
    ];
    let name = name.to_ascii_lowercase();
    FORMATS.contains(&format)
        || property.contains_key("contentMediaType")
        || PARTS.iter().any(|part| name.contains(part))
}

/// Said by the schema, or by a telling name; an address is none.
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

/// The title, unless it is only the name again; then the name in words.
fn label(name: &str, property: &Object) -> String {
    json::filled(property, "title")
        .filter(|title| title != name)
        .unwrap_or_else(|| in_words(name))
}

/// `api_key` and `apiKey` are an "API key".
fn in_words(name: &str) -> String {
    const CAPITALS: [&str; 12] = [
        "api", "aws", "id", "url", "uri", "ip", "http", "https", "oauth", "sso", "pat", "jwt",
    ];
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
        if CAPITALS.contains(&&*lower) {
            return lower.to_uppercase();
        }
        lower
    };
    let words = spaced
        .split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ");
    let mut letters = words.chars();
    letters.next().map_or_else(
        || name.to_owned(),
        |first| first.to_uppercase().chain(letters).collect(),
    )
}

#[cfg(test)]
mod tests;
