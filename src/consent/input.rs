//! One field of a form as HTML: its label, its hint, what is wrong with it, and the control.

use std::fmt::Write as _;

use serde_json::Value;

use super::field::{Field, Kind, text};
use super::page::escape;

/// What was entered, by the field's name.
pub(super) type Entered = Vec<(String, String)>;

pub(super) fn value_of<'a>(entered: &'a Entered, name: &str) -> Option<&'a str> {
    let found = entered.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.as_str())
}

/// One field as HTML.
pub(super) struct Input<'a> {
    pub(super) field: &'a Field,
    pub(super) id: String,
    /// In the last attempt, if there was one.
    pub(super) entered: Option<&'a Entered>,
    pub(super) problem: Option<&'a str>,
    /// Gets the focus.
    pub(super) first: bool,
}

impl Input<'_> {
    pub(super) fn html(&self) -> String {
        let label = format!("<label for=\"{}\">{}</label>", self.id, self.label());
        let mut html = "<div class=\"field\">\n".to_owned();
        if self.field.kind == Kind::Flag {
            let _ = writeln!(html, "<div class=\"check\">{}{label}</div>", self.control());
        } else {
            let _ = writeln!(html, "{label}");
        }
        if let Some(description) = &self.field.description {
            let text = escape(description);
            let _ = writeln!(html, "<p class=\"hint\" id=\"{}-hint\">{text}</p>", self.id);
        }
        if let Some(problem) = self.problem {
            let text = escape(problem);
            let _ = writeln!(
                html,
                "<p class=\"problem\" id=\"{}-problem\">{text}</p>",
                self.id
            );
        }
        if self.field.kind != Kind::Flag {
            let _ = writeln!(html, "{}", self.control());
        }
        html.push_str("</div>\n");
        html
    }

    fn label(&self) -> String {
        let optional = if self.field.required || self.field.kind == Kind::Flag {
            ""
        } else {
            " <span class=\"optional\">(optional)</span>"
        };
        format!("{}{optional}", escape(&self.field.label))
    }

    fn control(&self) -> String {
        let attributes = self.attributes();
        let value = escape(&self.value());
        match &self.field.kind {
            Kind::Flag => {
                let checked = if self.is_checked() { " checked" } else { "" };
                format!("<input type=\"checkbox\" value=\"on\"{attributes}{checked}>")
            }
            Kind::Choice(choices) => self.choices(choices, &attributes),
            Kind::Lines | Kind::List | Kind::Json => {
                let hidden = if self.field.secret {
                    " class=\"hidden\""
                } else {
                    ""
                };
                // A browser drops a line break right after the tag.
                format!("<textarea rows=\"5\"{hidden}{attributes}>\n{value}</textarea>")
            }
            Kind::Line(_) | Kind::Number | Kind::Integer => {
                let (kind, mode) = self.input_type();
                format!("<input type=\"{kind}\"{mode}{attributes} value=\"{value}\">")
            }
        }
    }

    fn input_type(&self) -> (&'static str, &'static str) {
        let (kind, mode) = match self.field.kind {
            Kind::Line(kind) => (kind, ""),
            Kind::Integer => ("text", " inputmode=\"numeric\""),
            _ => ("text", " inputmode=\"decimal\""),
        };
        (if self.field.secret { "password" } else { kind }, mode)
    }

    fn choices(&self, choices: &[(String, Value)], attributes: &str) -> String {
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
        html.push_str("</select>");
        html
    }

    /// Name, id and what the control is described by.
    fn attributes(&self) -> String {
        let mut html = format!(" id=\"{}\" name=\"{}\"", self.id, escape(&self.field.name));
        let hint = self.field.description.as_ref().map(|_| "hint");
        let problem = self.problem.map(|_| "problem");
        let described: Vec<String> = hint
            .into_iter()
            .chain(problem)
            .map(|part| format!("{}-{part}", self.id))
            .collect();
        if !described.is_empty() {
            let _ = write!(html, " aria-describedby=\"{}\"", described.join(" "));
        }
        if self.field.required && !self.field.may_be_empty {
            html.push_str(" required");
        }
        if self.problem.is_some() {
            html.push_str(" aria-invalid=\"true\"");
        }
        if self.first {
            html.push_str(" autofocus");
        }
        if !self.field.is_choice() && self.field.kind != Kind::Flag {
            html.push_str(" autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\"");
        }
        if let Some(example) = &self.field.example {
            let _ = write!(html, " placeholder=\"{}\"", escape(example));
        }
        html
    }

    /// What the control begins with; never a secret.
    fn value(&self) -> String {
        if self.field.secret && !self.field.is_choice() {
            return String::new();
        }
        match self.entered {
            Some(entered) => value_of(entered, &self.field.name)
                .unwrap_or_default()
                .to_owned(),
            None => self.field.default.clone().unwrap_or_default(),
        }
    }

    fn is_checked(&self) -> bool {
        match self.entered {
            Some(entered) => value_of(entered, &self.field.name).is_some(),
            None => self.field.default.as_deref() == Some("true"),
        }
    }
}
