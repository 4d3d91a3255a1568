//! The form for a credential, made from the provider's JSON Schema.

use std::fmt::Write as _;

use serde_json::Value;

use super::field::Field;
use super::input::{Entered, Input, value_of};
use super::page::{self, Check};
use crate::json::{self, Object};
use crate::loopback::{Response, escape};

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
    /// Returns a message for each field that the user has to correct.
    pub(super) fn read(&self, entered: &Entered) -> Result<Object, Vec<String>> {
        let mut credential = Object::new();
        let mut problems = Vec::new();
        for field in &self.fields {
            match field.read(value_of(entered, &field.name)) {
                Ok(Some(value)) => drop(credential.insert(field.name.clone(), value)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            return Ok(credential);
        }
        Err(problems)
    }

    /// Renders the page. If there are problems, the page shows them and the entered values, except for secrets.
    pub(super) fn page(
        &self,
        entered: Option<&Entered>,
        problems: &[String],
        check: &Check,
    ) -> Response {
        let is_first = problems.is_empty();
        let title = format!("Connect {}", self.provider);
        let (program, gateway) = (escape(&self.program), escape(&self.gateway));
        let mut main = format!(
            "<main>\n<p class=\"who\">{program} asks for your credentials</p>\n<h1>{}</h1>\n",
            escape(&title)
        );
        if let Some(description) = &self.description {
            let _ = writeln!(main, "<p class=\"described\">{}</p>", escape(description));
        }
        if !is_first {
            main.push_str(&self.summary(problems));
        }
        main.push_str("<form method=\"post\" autocapitalize=\"none\" spellcheck=\"false\">\n");
        for (index, field) in self.fields.iter().enumerate() {
            let input = Input {
                field,
                id: format!("f{index}"),
                entered,
                has_focus: index == 0 && is_first,
            };
            main.push_str(&input.html());
        }
        let _ = write!(
            main,
            "<button type=\"submit\">Connect</button>\n</form>\n\
             <footer>\n<p>This page comes from <strong>{program}</strong> on this computer. What you enter goes to \
             the gateway at <strong>{gateway}</strong> and is not kept here.</p>\n\
             <p>If you did not start {program}, close this window.</p>\n</footer>\n</main>"
        );
        if is_first {
            return page::page(200, &title, &main, Some(check));
        }
        page::page(422, &format!("Error: {title}"), &main, Some(check))
    }

    fn summary(&self, problems: &[String]) -> String {
        let mut html = String::new();
        for problem in problems {
            let _ = writeln!(html, "<p>{}</p>", escape(problem));
        }
        if self.fields.iter().any(|field| field.secret) {
            html.push_str("<p>Enter hidden fields again, because they are not kept.</p>\n");
        }
        page::summary(&html)
    }
}

/// Returns the fields in their order on the page: required fields before optional fields, then secrets after other
/// fields, then in the order of the schema's `required`.
fn fields(schema: &Object) -> Vec<Field> {
    let required = json::strings(schema, "required").unwrap_or_default();
    let properties = json::object(schema, "properties").into_iter().flatten();
    let field = |(name, property): (&String, &Value)| {
        let property = property.as_object().cloned().unwrap_or_default();
        Field::new(name, &property, required.contains(name))
    };
    let mut fields: Vec<Field> = properties.map(field).collect();
    let place = |field: &Field| required.iter().position(|name| *name == field.name);
    fields.sort_by_key(|field| (!field.required, field.secret, place(field)));
    fields
}

#[cfg(test)]
mod tests;
