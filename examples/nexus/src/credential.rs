//! Credentials that `nexus connect` reads at a prompt or from lines of stdin.

use std::io::{self, IsTerminal as _};

use nexus_sdk::serde_json::{Map, Value as Json};
use nexus_sdk::{
    CaptureSchema, CapturedCredential, NexusClient, NexusError, ProviderInfo,
    RequestConnectionResponse,
};

use crate::stop::Stop;
use crate::text::{one_line, quoted, say};
use crate::{streams, terminal};

/// Returns the names in the `--field` options, in their order. Errors omit values, because values may be secrets.
pub(crate) fn names(given: &[String]) -> Result<Vec<String>, Stop> {
    let mut names = Vec::new();
    for field in given {
        let name = name(field)?.to_owned();
        if names.contains(&name) {
            return Err(Stop::usage(format!("--field {name} is given twice")));
        }
        names.push(name);
    }
    Ok(names)
}

/// Returns the name in `NAME` or `NAME=-`.
fn name(given: &str) -> Result<&str, Stop> {
    match given.split_once('=').unwrap_or((given, "-")) {
        ("", _) => Err(Stop::usage("--field: write it as NAME=-")),
        (name, "-") => Ok(name),
        _ => Err(Stop::usage(
            "--field with a value: other users of this machine can see arguments; \
             write --field NAME=- and enter the value on stdin or at the prompt",
        )),
    }
}

/// The gateway's form for the credential of one connection.
pub(crate) struct Form {
    pub(crate) state: String,
    schema: CaptureSchema,
}

impl Form {
    /// Gets the form. Returns `None` if the provider asks for consent, if the gateway did not list the provider, or if
    /// the form has no fields or cannot be fetched for any reason.
    pub(crate) fn offered(
        client: &NexusClient,
        kinds: &[ProviderInfo],
        connection: &RequestConnectionResponse,
    ) -> Option<Self> {
        if kinds.is_empty() || kinds.iter().any(|kind| kind.auth_type == "oauth2") {
            return None;
        }
        let form = Self::of(client, connection).ok()?;
        (!form.schema.fields().is_empty()).then_some(form)
    }

    pub(crate) fn of(
        client: &NexusClient,
        connection: &RequestConnectionResponse,
    ) -> Result<Self, Stop> {
        let state = connection.state.clone().ok_or_else(|| {
            Stop::failed(
                "the gateway's response has no `state`, so there is no form; run `nexus connect` without --field",
            )
        })?;
        let schema = client.capture_schema(&state).map_err(without_form)?;
        Ok(Self { state, schema })
    }

    /// Reads the named fields, or all fields, and sends them to the gateway.
    pub(crate) fn enter(
        &self,
        client: &NexusClient,
        names: &[String],
    ) -> Result<CapturedCredential, Stop> {
        let at_terminal = io::stdin().is_terminal();
        let mut credential = Map::new();
        for field in self.wanted(names)? {
            let value = field.read(at_terminal)?;
            check_value(&field.name, &value)?;
            if field.is_required || !value.is_empty() {
                credential.insert(field.name, value.into());
            }
        }
        Ok(client.capture_credential(&self.state, &credential)?)
    }

    /// Returns the named fields or, if there are no names, all fields of the form.
    fn wanted(&self, names: &[String]) -> Result<Vec<Field>, Stop> {
        if names.is_empty() {
            let names = self.schema.fields().into_iter();
            let mut all: Vec<_> = names.map(|name| self.field(name)).collect();
            // The user name comes before the password, and optional fields come last.
            all.sort_by_key(|field| (!field.is_required, field.is_hidden));
            return Ok(all);
        }
        self.check(names)?;
        let required = |name: &String| Field {
            // A named field is sent even if it is empty.
            is_required: true,
            ..self.field(name)
        };
        Ok(names.iter().map(required).collect())
    }

    fn field(&self, name: &str) -> Field {
        let properties = self.schema.schema.get("properties");
        let property = properties.and_then(|fields| fields.get(name));
        let text = |key| property?.get(key)?.as_str().map(one_line);
        let text = |key| text(key).filter(|text| !text.is_empty());
        Field {
            name: name.to_owned(),
            title: text("title").unwrap_or_else(|| one_line(name)),
            description: text("description"),
            is_required: self.required().contains(&name),
            is_hidden: self.schema.is_secret(name),
        }
    }

    fn required(&self) -> Vec<&str> {
        let names = self.schema.schema.get("required").and_then(Json::as_array);
        let names = names.into_iter().flatten();
        names.filter_map(Json::as_str).collect()
    }

    /// Fails if a name is not a field of the form, or if a required field is missing from the names. Called before the
    /// user enters anything.
    fn check(&self, names: &[String]) -> Result<(), Stop> {
        let known = self.schema.fields();
        // A schema without properties says nothing about names.
        let is_unknown = |name: &&String| !known.is_empty() && !known.contains(&name.as_str());
        let is_missing = |name: &&str| !names.iter().any(|given| given == name);
        let unknown = names.iter().filter(is_unknown);
        let unknown = unknown.map(|name| format!("unknown: {name}"));
        let missing = self.required().into_iter().filter(is_missing);
        let missing = missing.map(|name| format!("missing: {name}"));
        let problems: Vec<_> = unknown.chain(missing).collect();
        if problems.is_empty() {
            return Ok(());
        }
        let (problems, wanted) = (problems.join(", "), self.as_options());
        Err(Stop::usage(format!(
            "wrong fields ({problems}); give {wanted}"
        )))
    }

    /// Returns the options with which the user can enter the credential on stdin or at a prompt.
    pub(crate) fn as_options(&self) -> String {
        let mut names = self.required();
        if names.is_empty() {
            names = self.schema.fields();
        }
        let option = |name: &&str| format!("--field {}", quoted(&format!("{name}=-")));
        let options: Vec<_> = names.iter().map(option).collect();
        one_line(options.join(" "))
    }
}

struct Field {
    name: String,
    title: String,
    description: Option<String>,
    is_required: bool,
    is_hidden: bool,
}

impl Field {
    fn read(&self, at_terminal: bool) -> Result<String, Stop> {
        if !at_terminal {
            return next_line(&self.name);
        }
        if let Some(description) = &self.description {
            say(description);
        }
        let optional = if self.is_required { "" } else { " (optional)" };
        let prompt = format!("{}{optional}: ", self.title);
        let entered = if self.is_hidden {
            terminal::ask_hidden(&prompt)
        } else {
            terminal::ask(&prompt)
        };
        entered.map_err(|error| Stop::file("read from", "the terminal", &error))
    }
}

/// Refuses a value that no request could carry, because the gateway would store it in place of a working credential. A
/// header can carry a tab. The gateway itself refuses an empty value if the field is required.
fn check_value(name: &str, value: &str) -> Result<(), Stop> {
    let problem = if value.contains(|c: char| c.is_control() && c != '\t') {
        "has a control character"
    } else if !value.is_empty() && value.trim().is_empty() {
        "consists of white space"
    } else {
        return Ok(());
    };
    Err(Stop::usage(format!(
        "the value of {name} {problem}; run `nexus connect` again, and enter another value"
    )))
}

fn without_form(error: NexusError) -> Stop {
    match error.status_code() {
        Some(400 | 404) => Stop::failed(format!(
            "{error}; if the provider asks for consent, omit --field"
        ))
        .caused_by(&error),
        _ => error.into(),
    }
}

/// Reads a line of stdin, without its line break.
fn next_line(name: &str) -> Result<String, Stop> {
    let read = streams::read_line(&mut streams::stdin());
    let line = read.map_err(|error| Stop::file("read", "stdin", &error))?;
    let line = line.ok_or_else(|| {
        Stop::usage(format!(
            "stdin ended before {name}: give one line for each --field, in the order of the options"
        ))
    })?;
    String::from_utf8(line)
        .map_err(|_| Stop::failed(format!("cannot read stdin: {name} is not UTF-8")))
}
