//! One field of a credential, made from a property of the provider's JSON Schema.

use serde_json::Value;

use crate::capture;
use crate::json::{self, Object};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// One line of text.
    Line,
    /// Several lines of text, such as a private key.
    Lines,
    Number,
    /// `true` or `false`, entered with a checkbox.
    Flag,
    /// One of these values.
    Choice(Vec<Value>),
    /// A list or an object, entered as JSON.
    Json,
}

pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) description: Option<String>,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// True if the browser hides the value while the user types it. The server never sends the value back.
    pub(super) secret: bool,
    pub(super) default: Option<String>,
    /// The keyboard that a touch screen shows, as in HTML's attribute `inputmode`. `None` is the usual keyboard.
    pub(super) input_mode: Option<&'static str>,
}

impl Field {
    pub(super) fn new(name: &str, property: &Object, required: bool) -> Self {
        let kind = kind(&name.to_ascii_lowercase(), property);
        let default = json::filled(property, "default");
        Self {
            name: name.to_owned(),
            label: label(name, property),
            description: json::filled(property, "description"),
            required: required && kind != Kind::Flag,
            secret: capture::is_secret(name, property),
            // The default of a field that is marked as secret could be a real secret.
            default: default.filter(|_| !capture::is_marked(property)),
            input_mode: input_mode(name, property, &kind),
            kind,
        }
    }

    /// Returns the entered value, or `None` if an optional field was left blank.
    ///
    /// # Errors
    ///
    /// Returns a message that tells the user what to correct.
    pub(super) fn read(&self, entered: Option<&str>) -> Result<Option<Value>, String> {
        if self.kind == Kind::Flag {
            return Ok(Some(entered.is_some().into()));
        }
        let label = &self.label;
        let text = entered.unwrap_or_default();
        if text.trim().is_empty() {
            if self.required {
                return Err(format!("{label} is missing."));
            }
            return Ok(None);
        }
        let value = self.value(text).ok_or_else(|| match self.kind {
            Kind::Number => format!("{label} has to be a number, such as 10."),
            Kind::Choice(_) => format!("Choose one of the options for {label}."),
            _ => format!("{label} has to be JSON, such as [\"a\", \"b\"]."),
        });
        value.map(Some)
    }

    fn value(&self, entered: &str) -> Option<Value> {
        let parsed = || json::parse(entered.trim().as_bytes()).ok();
        match &self.kind {
            Kind::Line | Kind::Flag => Some(entered.into()),
            // Browsers send line breaks as CR LF, but keys and certificates use LF.
            Kind::Lines => Some(entered.replace("\r\n", "\n").into()),
            Kind::Number => parsed().filter(Value::is_number),
            Kind::Choice(choices) => {
                let mut values = choices.iter();
                values.find(|value| text(value) == entered).cloned()
            }
            Kind::Json => parsed(),
        }
    }
}

/// Returns a value as the user would enter it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn kind(name: &str, property: &Object) -> Kind {
    if let Some(choices) = property.get("enum").and_then(Value::as_array) {
        return Kind::Choice(choices.clone());
    }
    match json::text(property, "type").as_deref() {
        Some("boolean") => Kind::Flag,
        Some("integer" | "number") => Kind::Number,
        Some("array" | "object") => Kind::Json,
        _ if has_lines(name, property) => Kind::Lines,
        _ => Kind::Line,
    }
}

fn has_lines(name: &str, property: &Object) -> bool {
    const NAMES: &str = "private_key privatekey certificate pem service_account kubeconfig";
    let format = json::text(property, "format").unwrap_or_default();
    matches!(&*format, "textarea" | "multiline" | "pem" | "json")
        || NAMES.split(' ').any(|part| name.contains(part))
}

/// Recognizes addresses by the schema's `format` or by the end of the name.
fn input_mode(name: &str, property: &Object, kind: &Kind) -> Option<&'static str> {
    let format = json::text(property, "format").unwrap_or_default();
    let lower_name = name.to_ascii_lowercase();
    let is_url = |text: &str| text.ends_with("url") || text.ends_with("uri");
    let is_email = |text: &str| text.ends_with("email");
    match kind {
        Kind::Number => Some("decimal"),
        Kind::Line if is_url(&format) || is_url(&lower_name) => Some("url"),
        Kind::Line if is_email(&format) || is_email(&lower_name) => Some("email"),
        _ => None,
    }
}

/// Returns the title, or the name in words if the title is missing or repeats the name.
fn label(name: &str, property: &Object) -> String {
    json::filled(property, "title")
        .filter(|title| title != name)
        .unwrap_or_else(|| in_words(name))
}

/// Converts a name such as `api_key` to "API key".
fn in_words(name: &str) -> String {
    const ACRONYMS: [&str; 5] = ["api", "aws", "id", "uri", "url"];
    let word = |word: &str| {
        if ACRONYMS.contains(&word) {
            return word.to_uppercase();
        }
        word.to_owned()
    };
    let words: Vec<String> = name.split(['_', '-']).map(word).collect();
    let label = words.join(" ");
    let mut letters = label.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

#[cfg(test)]
mod tests;
