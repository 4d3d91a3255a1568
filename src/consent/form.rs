//! The page on which a credential is entered: made from the provider's JSON Schema.

use std::fmt::Write as _;

use super::field::Field;
use super::http::Response;
use super::input::{Entered, Input, value_of};
use super::page::{self, escape};
use super::schema;
use crate::json::{self, Object};

/// What the page says and asks for.
pub(super) struct Form {
    /// The program that asks, the provider, and the gateway's origin.
    pub(super) program: String,
    pub(super) provider: String,
    pub(super) gateway: String,
    description: Option<String>,
    fields: Vec<Field>,
}

/// The gateway did not take it.
#[derive(Debug, PartialEq)]
pub(super) struct Refusal {
    /// What to do.
    pub(super) advice: String,
    /// Its code, and what it says.
    pub(super) code: String,
    pub(super) message: String,
}

/// What is wrong with what was entered.
#[derive(Default)]
pub(super) struct Problems {
    pub(super) refusal: Option<Refusal>,
    /// The place of a field, and what to do about it.
    fields: Vec<(usize, String)>,
}

impl Form {
    /// `None` for a schema without any fields to fill in.
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

    /// The credential that was entered.
    ///
    /// # Errors
    ///
    /// The fields that have to be mended.
    pub(super) fn read(&self, entered: &Entered) -> Result<Object, Problems> {
        let mut credential = Object::new();
        let mut problems = Problems::default();
        for (place, field) in self.fields.iter().enumerate() {
            match field.read(value_of(entered, &field.name)) {
                Ok(Some(value)) => drop(credential.insert(field.name.clone(), value)),
                Ok(None) => {}
                Err(problem) => problems.fields.push((place, problem)),
            }
        }
        if problems.fields.is_empty() {
            return Ok(credential);
        }
        Err(problems)
    }

    /// The gateway's refusal, with the fields that it names.
    pub(super) fn refused(&self, refusal: Refusal) -> Problems {
        let named = |field: &Field| {
            let words = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'));
            let mut found = refusal.message.split(words);
            found.any(|word| word == field.name)
        };
        let named = self
            .fields
            .iter()
            .enumerate()
            .filter(|(_, field)| named(field));
        let fields = named.map(|(place, field)| (place, format!("Check {}.", field.label)));
        Problems {
            fields: fields.collect(),
            refusal: Some(refusal),
        }
    }

    /// The page: empty, or with what was entered (secrets aside) and what is wrong with it.
    pub(super) fn page(&self, entered: Option<&Entered>, problems: &Problems) -> Response {
        let faulty = problems.refusal.is_some() || !problems.fields.is_empty();
        let status = if faulty { 422 } else { 200 };
        let title = format!("Connect {}", self.provider);
        let mut main = format!(
            "<main>\n<p class=\"who\">{} asks for your credentials</p>\n<h1>{}</h1>\n",
            escape(&self.program),
            escape(&title)
        );
        if let Some(description) = &self.description {
            let _ = writeln!(main, "<p class=\"described\">{}</p>", escape(description));
        }
        if faulty {
            main.push_str(&self.summary(problems));
        }
        main.push_str("<form method=\"post\" autocomplete=\"off\">\n");
        for (place, field) in self.fields.iter().enumerate() {
            let input = Input {
                field,
                id: format!("f{place}"),
                entered,
                problem: problems.at(place),
                first: place == 0 && !faulty,
            };
            main.push_str(&input.html());
        }
        let _ = write!(
            main,
            "<button type=\"submit\">Connect</button>\n</form>\n{}</main>",
            self.footer()
        );
        let title = if faulty {
            format!("Error: {title}")
        } else {
            title
        };
        page::response(status, &title, &main)
    }

    /// Has the focus, so that it is read out first, and leads to each field.
    fn summary(&self, problems: &Problems) -> String {
        let mut html = "<div class=\"summary\" role=\"alert\" tabindex=\"-1\" autofocus>\n\
                        <h2>Not connected yet</h2>\n"
            .to_owned();
        if let Some(refusal) = &problems.refusal {
            let Refusal {
                advice,
                code,
                message,
            } = refusal;
            let said = format!("Details: {message} ({code})");
            let (advice, said) = (escape(advice), escape(&said));
            let _ = writeln!(html, "<p>{advice}</p>\n<p class=\"hint\">{said}</p>");
        }
        if !problems.fields.is_empty() {
            html.push_str("<ul>\n");
            for (place, problem) in &problems.fields {
                let _ = writeln!(
                    html,
                    "<li><a href=\"#f{place}\">{}</a></li>",
                    escape(problem)
                );
            }
            html.push_str("</ul>\n");
        }
        if self.fields.iter().any(|field| field.secret) {
            html.push_str("<p>Enter hidden fields again: they are not kept.</p>\n");
        }
        html.push_str("</div>\n");
        html
    }

    fn footer(&self) -> String {
        let (program, gateway) = (escape(&self.program), escape(&self.gateway));
        format!(
            "<footer>\n<p>This page comes from <strong>{program}</strong> on this computer. What you enter goes to \
             the gateway at <strong>{gateway}</strong> and is not kept here.</p>\n\
             <p>If you did not start {program}, close this window.</p>\n</footer>\n"
        )
    }
}

impl Problems {
    fn at(&self, place: usize) -> Option<&str> {
        let found = self.fields.iter().find(|(own, _)| *own == place);
        found.map(|(_, problem)| problem.as_str())
    }
}

#[cfg(test)]
mod tests;
