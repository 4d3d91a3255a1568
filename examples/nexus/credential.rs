//! `nexus connect --field`: a credential that is entered here, where others go to the browser.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use lexopt::Parser;
use nexus_sdk::serde_json::{Map, Value as Json};
use nexus_sdk::{
    CaptureSchema, CapturedCredential, NexusClient, NexusError, RequestConnectionResponse,
};

use crate::stop::{Stop, one_line};

type Credential = Map<String, Json>;

/// The names of the credential's fields, in the order in which they are entered.
#[derive(Default)]
pub(crate) struct Fields(Vec<String>);

impl Fields {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, parser: &mut Parser) -> Result<(), Stop> {
        let given = parser.value()?;
        let name = name(given.to_str().unwrap_or_default())?.to_owned();
        if self.0.contains(&name) {
            return Err(Stop::usage(format!("--field {name} is given twice")));
        }
        self.0.push(name);
        Ok(())
    }

    pub(crate) fn capture(
        &self,
        client: &NexusClient,
        connection: &RequestConnectionResponse,
    ) -> Result<CapturedCredential, Stop> {
        let state = connection.state.as_deref().ok_or_else(|| {
            Stop::failed("the gateway's reply has no `state`; open its page without --field")
        })?;
        let form = client.capture_schema(state).map_err(without_form)?;
        self.check(&form)?;
        let credential = self.read()?;
        client
            .capture_credential(state, &credential)
            .map_err(Stop::from)
    }

    /// Before anything is entered, so that nobody types in vain.
    fn check(&self, form: &CaptureSchema) -> Result<(), Stop> {
        let (known, required) = (form.fields(), required(form));
        let is_given = |name: &&str| self.0.iter().any(|given| given == name);
        // A schema without properties says nothing about names.
        let unknown = self.0.iter().map(String::as_str);
        let unknown = unknown.filter(|name| !known.is_empty() && !known.contains(name));
        let missing = required.iter().copied().filter(|name| !is_given(name));
        let unknown: Vec<_> = unknown.map(|name| format!("unknown: {name}")).collect();
        let missing: Vec<_> = missing.map(|name| format!("missing: {name}")).collect();
        let problems = [unknown, missing].concat();
        if problems.is_empty() {
            return Ok(());
        }
        let (problems, wanted) = (problems.join(", "), as_options(form));
        Err(Stop::usage(format!("fields {problems}; give {wanted}")))
    }

    fn read(&self) -> Result<Credential, Stop> {
        let ask = if io::stdin().is_terminal() {
            prompt
        } else {
            next_line
        };
        let field = |name: &String| Ok((name.clone(), ask(name)?.into()));
        self.0.iter().map(field).collect()
    }
}

/// The name in `NAME` or `NAME=-`. Nothing given is repeated in an error: it may be a secret.
fn name(given: &str) -> Result<&str, Stop> {
    match given.split_once('=').unwrap_or((given, "-")) {
        ("", _) => Err(Stop::usage("--field: write it as NAME=-")),
        (name, "-") => Ok(name),
        _ => Err(Stop::usage(
            "--field with a value: other users of this machine can see arguments; \
             write --field NAME=- and give the value on stdin or at the prompt",
        )),
    }
}

/// For a provider that asks for a credential in place of a consent: the options that give it.
pub(crate) fn options(
    client: &NexusClient,
    provider: &str,
    connection: &RequestConnectionResponse,
) -> Option<String> {
    // A gateway that tells nothing about its providers is no reason to fail.
    let providers = client.providers().ok()?.all;
    let mut kinds = providers.iter().filter(|known| known.name == provider);
    let first = kinds.next()?;
    if first.auth_type == "oauth2" || kinds.any(|other| other.auth_type == "oauth2") {
        return None;
    }
    let form = client.capture_schema(connection.state.as_deref()?).ok()?;
    (!form.fields().is_empty()).then(|| as_options(&form))
}

fn as_options(form: &CaptureSchema) -> String {
    let required = required(form);
    let names = if required.is_empty() {
        form.fields()
    } else {
        required
    };
    let options: Vec<_> = names.iter().map(|it| format!("--field {it}=-")).collect();
    one_line(options.join(" "))
}

fn required(form: &CaptureSchema) -> Vec<&str> {
    let names = form.schema.get("required").and_then(Json::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}

fn without_form(error: NexusError) -> Stop {
    match error.status_code() {
        Some(400 | 404) => Stop::failed(format!(
            "{error}; if the provider asks for consent, leave --field out"
        )),
        _ => error.into(),
    }
}

fn prompt(name: &str) -> Result<String, Stop> {
    rpassword::prompt_password(format!("{}: ", one_line(name)))
        .map_err(|error| Stop::file("read from", Path::new("the terminal"), &error))
}

/// Without its line break, of which a secret has none.
fn next_line(name: &str) -> Result<String, Stop> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(0) => Err(Stop::usage(format!(
            "stdin ended before {name}: it takes one line for each --field, in their order"
        ))),
        Ok(_) => {
            let text = line.strip_suffix('\n').unwrap_or(&line);
            Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
        }
        Err(error) => Err(Stop::file("read", Path::new("stdin"), &error)),
    }
}
