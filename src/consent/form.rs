//! The form for a credential, made from the provider's JSON Schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::field::Field;
use super::input::{Entered, Input, value_of};
use super::page::{self, Check};
use crate::json::{self, Object};
use crate::loopback::{Response, escape};

/// A submission that was not accepted.
pub(super) struct Attempt<'a> {
    pub(super) entered: &'a Entered,
    pub(super) problem: Problem,
}

/// The reason why a submission was not accepted.
#[derive(Default)]
pub(super) struct Problem {
    /// A message for each field that the user has to correct, by the field's index. With such a message, the gateway got
    /// nothing.
    pub(super) fields: BTreeMap<usize, String>,
    /// Texts that tell the user why the gateway did not accept the credential.
    pub(super) texts: Vec<String>,
    /// True if another attempt with the same secrets cannot succeed. Otherwise, the page's script keeps the secrets in the
    /// form.
    pub(super) is_final: bool,
}

pub(super) struct Form {
    /// The name of this program.
    pub(super) program: String,
    pub(super) provider: String,
    /// The gateway's origin.
    gateway: String,
    description: Option<String>,
    fields: Vec<Field>,
}

impl Form {
    /// Returns `None` for a schema without properties.
    pub(super) fn new(
        program: String,
        provider: String,
        gateway: String,
        schema: &Object,
    ) -> Option<Self> {
        let fields = fields(schema);
        (!fields.is_empty()).then(|| Self {
            program,
            provider,
            gateway,
            description: json::filled(schema, "description"),
            fields,
        })
    }

    /// Returns the credential that was entered.
    ///
    /// # Errors
    ///
    /// Returns the fields that the user has to correct.
    pub(super) fn read(&self, entered: &Entered) -> Result<Object, Problem> {
        let mut credential = Object::new();
        let mut problem = Problem::default();
        for (index, field) in self.fields.iter().enumerate() {
            match field.read(value_of(entered, &field.name)) {
                Ok(Some(value)) => drop(credential.insert(field.name.clone(), value)),
                Ok(None) => {}
                Err(message) => drop(problem.fields.insert(index, message)),
            }
        }
        if problem.fields.is_empty() {
            return Ok(credential);
        }
        Err(problem)
    }

    /// Renders the page. After an attempt, the page shows its problem and the entered values, except for secrets.
    pub(super) fn page(&self, attempt: Option<&Attempt<'_>>, check: &Check) -> Response {
        let title = format!("Connect {}", self.provider);
        let program = escape(&self.program);
        let gateway = escape(&self.gateway);
        let mut main = format!(
            "<main>\n<p class=\"who\">{program} asks for your credentials</p>\n<h1>{}</h1>\n",
            escape(&title)
        );
        if let Some(description) = &self.description {
            let _ = writeln!(main, "<p class=\"described\">{}</p>", escape(description));
        }
        let problem = attempt.map(|attempt| &attempt.problem);
        if let Some(problem) = problem {
            main.push_str(&self.summary(problem));
        }
        let keeps = if problem.is_some_and(|problem| !problem.is_final) {
            " data-keeps-secrets"
        } else {
            ""
        };
        let _ = writeln!(
            main,
            "<form method=\"post\" autocapitalize=\"none\" spellcheck=\"false\"{keeps}>"
        );
        for (index, field) in self.fields.iter().enumerate() {
            let input = Input {
                field,
                id: id(index),
                entered: attempt.map(|attempt| attempt.entered),
                problem: problem.and_then(|problem| Some(&**problem.fields.get(&index)?)),
                has_focus: index == 0 && attempt.is_none(),
            };
            main.push_str(&input.html());
        }
        let _ = write!(
            main,
            "<button type=\"submit\">Connect</button>\n<p class=\"status\" role=\"status\"></p>\n</form>\n\
             <footer>\n<p>This page comes from <strong>{program}</strong> on this computer. What you enter goes to \
             the gateway at <strong>{gateway}</strong> and is not kept here.</p>\n\
             <p>If you did not start {program}, close this window.</p>\n</footer>\n</main>"
        );
        match attempt {
            None => page::page(200, &title, &main, Some(check)),
            Some(_) => page::page(422, &format!("Error: {title}"), &main, Some(check)),
        }
    }

    fn summary(&self, problem: &Problem) -> String {
        let mut html = String::new();
        for text in &problem.texts {
            let _ = writeln!(html, "<p>{}</p>", escape(text));
        }
        if !problem.fields.is_empty() {
            html.push_str(&links(&problem.fields));
        }
        if self.fields.iter().any(|field| field.secret) {
            let class = if problem.is_final {
                ""
            } else {
                " class=\"unscripted\""
            };
            let _ = writeln!(
                html,
                "<p{class}>Enter hidden fields again, because they are not kept.</p>"
            );
        }
        page::summary(&html)
    }
}

/// Returns the id of a field's control.
fn id(index: usize) -> String {
    format!("f{index}")
}

fn links(problems: &BTreeMap<usize, String>) -> String {
    let mut html = "<ul>\n".to_owned();
    for (index, problem) in problems {
        let id = id(*index);
        let text = escape(problem);
        let _ = writeln!(html, "<li><a href=\"#{id}\">{text}</a></li>");
    }
    html + "</ul>\n"
}

/// Returns the fields in their order on the page: required fields before optional fields, then secrets after other
/// fields, then in the order of the schema's `required`.
fn fields(schema: &Object) -> Vec<Field> {
    let required = json::strings(schema, "required").unwrap_or_default();
    let properties = json::object(schema, "properties").into_iter().flatten();
    let field = |(name, property): (&String, &Value)| {
        let schema = property.as_object().cloned().unwrap_or_default();
        Field::new(name, &schema, required.contains(name))
    };
    let mut fields: Vec<Field> = properties.map(field).collect();
    let place = |field: &Field| required.iter().position(|name| *name == field.name);
    fields.sort_by_key(|field| (!field.required, field.secret, place(field)));
    fields
}

#[cfg(test)]
mod tests;
