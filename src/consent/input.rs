//! One field of a form as HTML: its label, hint, problem and control.

use std::fmt::Write as _;

use serde_json::Value;

use super::field::{Field, Kind, text};
use crate::loopback::escape;

/// The names of fields with the entered values.
pub(super) type Entered = Vec<(String, String)>;

pub(super) fn value_of<'a>(entered: &'a Entered, name: &str) -> Option<&'a str> {
    let found = entered.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.as_str())
}

pub(super) struct Input<'a> {
    pub(super) field: &'a Field,
    pub(super) id: String,
    /// The values of the last submission, if it was refused.
    pub(super) entered: Option<&'a Entered>,
    pub(super) problem: Option<&'a str>,
    pub(super) has_focus: bool,
}

impl Input<'_> {
    pub(super) fn html(&self) -> String {
        let id = &self.id;
        let is_flag = self.field.kind == Kind::Flag;
        let optional = if self.field.required || is_flag {
            ""
        } else {
            " <span class=\"optional\">(optional)</span>"
        };
        let label = escape(&self.field.label);
        let label = format!("<label for=\"{id}\">{label}{optional}</label>");
        let (top, bottom) = if is_flag {
            let control = self.control();
            (
                format!("<div class=\"check\">{control}{label}</div>"),
                String::new(),
            )
        } else {
            (label, self.control() + "\n")
        };
        let mut html = format!("<div class=\"field\">\n{top}\n");
        let hint = self.field.description.as_deref();
        for (class, text) in [("hint", hint), ("problem", self.problem)] {
            if let Some(text) = text.map(escape) {
                let _ = writeln!(html, "<p class=\"{class}\" id=\"{id}-{class}\">{text}</p>");
            }
        }
        html + &bottom + "</div>\n"
    }

    fn control(&self) -> String {
        let attributes = self.attributes();
        let value = escape(&self.value());
        let is_secret = self.field.secret;
        let input = |kind: &str, mode: &str| {
            let kind = if is_secret { "password" } else { kind };
            format!("<input type=\"{kind}\"{mode}{attributes} value=\"{value}\">")
        };
        match &self.field.kind {
            Kind::Flag => {
                let checked = if self.is_checked() { " checked" } else { "" };
                format!("<input type=\"checkbox\" value=\"on\"{attributes}{checked}>")
            }
            Kind::Choice(choices) => self.select(choices, &attributes),
            Kind::Lines | Kind::List | Kind::Json => {
                let class = if is_secret { " class=\"hidden\"" } else { "" };
                // Browsers drop a line break right after the tag, which would otherwise be the value's first one.
                format!("<textarea rows=\"5\"{class}{attributes}>\n{value}</textarea>")
            }
            Kind::Line(kind) => input(kind, ""),
            Kind::Number => input("text", " inputmode=\"decimal\""),
            Kind::Integer => input("text", " inputmode=\"numeric\""),
        }
    }

    fn select(&self, choices: &[(String, Value)], attributes: &str) -> String {
        let chosen = self.value();
        let mut html = format!("<select{attributes}>\n");
        if choices.len() > 1 || !self.field.required {
            html.push_str("<option value=\"\">Choose\u{2026}</option>\n");
        }
        for (title, value) in choices {
            let value = text(value);
            let selected = if value == chosen { " selected" } else { "" };
            let (value, title) = (escape(&value), escape(title));
            let _ = writeln!(html, "<option value=\"{value}\"{selected}>{title}</option>");
        }
        html + "</select>"
    }

    fn attributes(&self) -> String {
        let Self { field, id, .. } = self;
        let mut html = format!(" id=\"{id}\" name=\"{}\"", escape(&field.name));
        let described_by = match (&field.description, self.problem) {
            (Some(_), Some(_)) => format!("{id}-hint {id}-problem"),
            (Some(_), None) => format!("{id}-hint"),
            (None, Some(_)) => format!("{id}-problem"),
            (None, None) => String::new(),
        };
        if !described_by.is_empty() {
            let _ = write!(html, " aria-describedby=\"{described_by}\"");
        }
        let is_text = !field.is_choice() && field.kind != Kind::Flag;
        let no_help = " autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\"";
        let flags = [
            (field.required && !field.may_be_empty, " required"),
            (self.problem.is_some(), " aria-invalid=\"true\""),
            (self.has_focus, " autofocus"),
            (is_text, no_help),
        ];
        html.extend(
            flags
                .iter()
                .filter(|(is_set, _)| *is_set)
                .map(|(_, text)| *text),
        );
        if let Some(example) = &field.example {
            let _ = write!(html, " placeholder=\"{}\"", escape(example));
        }
        html
    }

    /// The value that the control shows first. A secret is never shown again, except as one of the listed choices.
    fn value(&self) -> String {
        if self.field.secret && !self.field.is_choice() {
            return String::new();
        }
        let value = match self.entered {
            Some(entered) => value_of(entered, &self.field.name),
            None => self.field.default.as_deref(),
        };
        value.unwrap_or_default().to_owned()
    }

    fn is_checked(&self) -> bool {
        match self.entered {
            Some(entered) => value_of(entered, &self.field.name).is_some(),
            None => self.field.default.as_deref() == Some("true"),
        }
    }
}
