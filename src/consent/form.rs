//! The form for a credential, made from the provider's JSON Schema.

use std::fmt::Write as _;

use super::field::Field;
use super::input::{Entered, Input, value_of};
use super::page::{self, Check};
use super::schema;
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

/// The gateway's refusal of a credential.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) advice: String,
    pub(super) code: String,
    pub(super) message: String,
}

/// The reasons why a credential was not accepted.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) refusal: Option<Refusal>,
    /// The index of a field, and what to do about it.
    fields: Vec<(usize, String)>,
}

impl Problems {
    fn is_empty(&self) -> bool {
        self.refusal.is_none() && self.fields.is_empty()
    }
}

impl Form {
    /// `None` for a schema without fields to fill in.
    pub(super) fn new(
        program: String,
        provider: String,
        gateway: String,
        schema: &Object,
    ) -> Option<Self> {
        let fields = schema::fields(schema);
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
    /// Lists the fields that are not valid.
    pub(super) fn read(&self, entered: &Entered) -> Result<Object, Problems> {
        let mut credential = Object::new();
        let mut problems = Problems::default();
        for (index, field) in self.fields.iter().enumerate() {
            match field.read(value_of(entered, &field.name)) {
                Ok(Some(value)) => drop(credential.insert(field.name.clone(), value)),
                Ok(None) => {}
                Err(problem) => problems.fields.push((index, problem)),
            }
        }
        if problems.is_empty() {
            return Ok(credential);
        }
        Err(problems)
    }

    /// Returns the problems for a refusal by the gateway, with the fields that the message names.
    pub(super) fn refused(&self, refusal: Refusal) -> Problems {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let mut fields = Vec::new();
        for (index, field) in self.fields.iter().enumerate() {
            let mut words = refusal.message.split(|c| !is_name(c));
            if words.any(|word| word == field.name) {
                fields.push((index, format!("Check {}.", field.label)));
            }
        }
        Problems {
            refusal: Some(refusal),
            fields,
        }
    }

    /// Renders the page. After a refusal, the page shows the problems and the entered values except for secrets.
    pub(super) fn page(
        &self,
        entered: Option<&Entered>,
        problems: &Problems,
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
        main.push_str("<form method=\"post\" autocomplete=\"off\">\n");
        for (index, field) in self.fields.iter().enumerate() {
            let problem = problems.fields.iter().find(|(own, _)| *own == index);
            let input = Input {
                field,
                id: format!("f{index}"),
                entered,
                problem: problem.map(|(_, problem)| problem.as_str()),
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

    /// Renders the problems, with links to their fields. The summary has the focus, so that screen readers start with
    /// it.
    fn summary(&self, problems: &Problems) -> String {
        let mut html = "<div class=\"summary\" role=\"alert\" tabindex=\"-1\" autofocus>\n\
                        <h2>Not connected yet</h2>\n"
            .to_owned();
        if let Some(refusal) = &problems.refusal {
            let advice = escape(&refusal.advice);
            let details = format!("Details: {} ({})", refusal.message, refusal.code);
            let details = escape(&details);
            let _ = writeln!(html, "<p>{advice}</p>\n<p class=\"hint\">{details}</p>");
        }
        if !problems.fields.is_empty() {
            html.push_str("<ul>\n");
            for (index, problem) in &problems.fields {
                let problem = escape(problem);
                let _ = writeln!(html, "<li><a href=\"#f{index}\">{problem}</a></li>");
            }
            html.push_str("</ul>\n");
        }
        if self.fields.iter().any(|field| field.secret) {
            html.push_str("<p>Enter hidden fields again, because they are not kept.</p>\n");
        }
        html + "</div>\n"
    }
}

#[cfg(test)]
mod tests;
