//! One field of a form as HTML: its label, hint and control.

use std::fmt::Write as _;

use serde_json::Value;

use super::field::{Field, Kind, text};
use crate::loopback::escape;

/// The names of the fields, with the values that were entered.
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
    /// The message that tells the user what to correct.
    pub(super) problem: Option<&'a str>,
    pub(super) has_focus: bool,
}

impl Input<'_> {
    pub(super) fn html(&self) -> String {
        let id = &self.id;
        let field = self.field;
        let is_flag = field.kind == Kind::Flag;
        let optional = if field.required || is_flag {
            ""
        } else {
            " <span class=\"optional\">(optional)</span>"
        };
        let name = escape(&field.label);
        let label =
            format!("<label for=\"{id}\"><span id=\"{id}-name\">{name}</span>{optional}</label>");
        let mut notes = String::new();
        for (class, text) in self.notes() {
            let note = escape(text);
            let _ = writeln!(notes, "<p class=\"{class}\" id=\"{id}-{class}\">{note}</p>");
        }
        let mut control = self.control();
        if field.secret {
            let show = self.show_button();
            control = format!("<div class=\"secret\">\n{control}\n{show}\n</div>");
        }
        let parts = if is_flag {
            format!("<div class=\"check\">{control}{label}</div>\n{notes}")
        } else {
            format!("{label}\n{notes}{control}\n")
        };
        format!("<div class=\"field\">\n{parts}</div>\n")
    }

    fn control(&self) -> String {
        let attributes = self.attributes();
        let value = escape(self.value());
        let is_secret = self.field.secret;
        match &self.field.kind {
            Kind::Flag => {
                let checked = if value == "true" { " checked" } else { "" };
                format!("<input type=\"checkbox\" value=\"true\"{attributes}{checked}>")
            }
            Kind::Choice(choices) => self.select(choices, &attributes),
            Kind::Lines | Kind::Json => {
                let class = if is_secret { " class=\"hidden\"" } else { "" };
                // Browsers drop a line break after the tag. The `\n` keeps a line break at the start of the value.
                format!("<textarea rows=\"5\"{class}{attributes}>\n{value}</textarea>")
            }
            Kind::Line | Kind::Number => {
                let kind = if is_secret { "password" } else { "text" };
                format!("<input type=\"{kind}\"{attributes} value=\"{value}\">")
            }
        }
    }

    /// Returns the texts that describe the control, with their classes.
    fn notes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let hint = self.field.description.as_deref().map(|text| ("hint", text));
        let problem = self.problem.map(|text| ("problem", text));
        hint.into_iter().chain(problem)
    }

    /// Renders a button that shows what the user has typed. The page's script makes it work, and changes its text.
    fn show_button(&self) -> String {
        let id = &self.id;
        format!(
            "<button type=\"button\" class=\"show\" id=\"{id}-show\" aria-controls=\"{id}\" \
             aria-labelledby=\"{id}-show {id}-name\">Show</button>"
        )
    }

    fn select(&self, choices: &[Value], attributes: &str) -> String {
        let mut html =
            format!("<select{attributes}>\n<option value=\"\">Choose\u{2026}</option>\n");
        for choice in choices.iter().map(text) {
            let selected = if choice == self.value() {
                " selected"
            } else {
                ""
            };
            let option = escape(&choice);
            let _ = writeln!(
                html,
                "<option value=\"{option}\"{selected}>{option}</option>"
            );
        }
        html + "</select>"
    }

    fn attributes(&self) -> String {
        let id = &self.id;
        let field = self.field;
        let name = escape(&field.name);
        let mut html = format!(" id=\"{id}\" name=\"{name}\" autocomplete=\"off\"");
        if let Some(mode) = field.input_mode {
            let _ = write!(html, " inputmode=\"{mode}\"");
        }
        let notes: Vec<_> = self
            .notes()
            .map(|(class, _)| format!("{id}-{class}"))
            .collect();
        if !notes.is_empty() {
            let _ = write!(html, " aria-describedby=\"{}\"", notes.join(" "));
        }
        if self.problem.is_some() {
            html.push_str(" aria-invalid=\"true\"");
        }
        if field.required {
            html.push_str(" required");
        }
        if self.has_focus {
            html.push_str(" autofocus");
        }
        html
    }

    /// Returns the initial value of the control, which never repeats what was entered into a secret field.
    fn value(&self) -> &str {
        let value = match self.entered {
            Some(_) if self.field.secret => None,
            Some(entered) => value_of(entered, &self.field.name),
            None => self.field.default.as_deref(),
        };
        value.unwrap_or_default()
    }
}
