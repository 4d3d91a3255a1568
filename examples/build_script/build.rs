//! Generates `SCHEMA`, a constant with a JSON schema from an API behind the Nexus Gateway.
//!
//! Not configured, or offline, the build takes the committed copy, with a warning. A configuration
//! that is wrong fails it: to go on with an old schema would hide that.

// A build script of your own wants copies of these two.
#[path = "../nexus/landing.rs"]
mod landing;
#[path = "../nexus/locks.rs"]
mod locks;

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use nexus_sdk::serde_json::Value;
use nexus_sdk::{ErrorKind, FetchOptions, NexusClient, NexusClientOptions, NexusError, TokenCache};

const COPY: &str = "schema.json";
const GATEWAY: &str = "NEXUS_GATEWAY_URL";
const WORKSPACE: &str = "WORKSPACE_ID";
const PROVIDER: &str = "PROVIDER";
const SCHEMA: &str = "SCHEMA_URL";
const LOCKS: &str = "NEXUS_LOCK_DIR";

/// Why there is no schema from the API.
enum Problem {
    /// Nothing is wrong with the configuration.
    Unavailable(String),
    /// What to set.
    Wrong(String),
}

fn main() {
    // Not NEXUS_API_KEY: Cargo writes the value of each of these into target/, which caches of CI carry
    // away. Another key brings the same schema.
    for variable in [GATEWAY, WORKSPACE, PROVIDER, SCHEMA, LOCKS] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={COPY}");
    if let Err(problem) = generate() {
        println!("cargo::error={}", one_line(&problem));
    }
    landing::land();
}

fn generate() -> Result<(), String> {
    let schema = match fetch() {
        Ok(schema) => schema,
        Err(Problem::Wrong(problem)) => return Err(problem),
        Err(Problem::Unavailable(reason)) => {
            println!("cargo::warning={}; built with {COPY}", one_line(&reason));
            fs::read(COPY).map_err(|error| format!("cannot read {COPY}: {error}"))?
        }
    };
    write(&constant(&schema)?)
}

fn fetch() -> Result<Vec<u8>, Problem> {
    let gateway = env::var_os(GATEWAY).unwrap_or_default();
    if gateway.to_string_lossy().trim().is_empty() {
        return Err(Problem::Unavailable(format!("{GATEWAY} is not set")));
    }
    let (workspace, provider) = (required(WORKSPACE)?, required(PROVIDER)?);
    let url = required(SCHEMA)?;
    let client = client().map_err(|error| {
        Problem::Wrong(format!(
            "{error}; set {GATEWAY} and NEXUS_API_KEY to the gateway's"
        ))
    })?;
    let options = FetchOptions::default().header("Accept", "application/json");
    let cache = TokenCache::new();
    match client.authenticated_fetch(&cache, &workspace, &provider, &url, options) {
        Ok((200, _, body)) => Ok(body),
        Ok((status, ..)) => Err(refused(status)),
        Err(error) => Err(failed(&error)),
    }
}

/// Nobody waits for a build for the half minute that is the default.
fn client() -> Result<NexusClient, NexusError> {
    let options = locks::take_turns(NexusClientOptions::from_env()?);
    let client = NexusClient::new(options.timeout(Duration::from_secs(10)))?;
    // Without, Ctrl-C ends the build at once, whatever is under way.
    let _ = landing::watch(&client);
    Ok(client)
}

fn required(variable: &str) -> Result<String, Problem> {
    let value = env::var(variable).unwrap_or_default();
    if value.trim().is_empty() {
        let problem = format!("{GATEWAY} is set and {variable} is not; set both or none");
        return Err(Problem::Wrong(problem));
    }
    Ok(value)
}

/// The API has responded, but not with a schema.
fn refused(status: u16) -> Problem {
    match status {
        429 | 500.. => Problem::Unavailable(format!("{SCHEMA} responded with {status}")),
        401 | 403 => Problem::Wrong(format!(
            "{SCHEMA} responded with {status}; set {WORKSPACE} and {PROVIDER} to a connection that may \
             read it"
        )),
        _ => Problem::Wrong(format!(
            "{SCHEMA} responded with {status}; set it to the schema's URL"
        )),
    }
}

/// There was no response.
fn failed(error: &NexusError) -> Problem {
    let what_to_set = match (error.kind(), error.status_code()) {
        _ if error.is_retryable() => return Problem::Unavailable(error.to_string()),
        (_, Some(500..)) => return Problem::Unavailable(error.to_string()),
        (ErrorKind::InvalidInput | ErrorKind::InsecureUrl, _) => {
            format!("set {SCHEMA} to an https URL")
        }
        (_, Some(401)) => "set NEXUS_API_KEY to a key that the gateway accepts".to_owned(),
        // The error itself says who can help.
        (_, Some(403)) => return Problem::Wrong(error.to_string()),
        _ if error.needs_reconnect() || error.status_code() == Some(404) => {
            format!("set {WORKSPACE} and {PROVIDER} to an active connection, or connect it")
        }
        _ => format!("check {GATEWAY} and {SCHEMA}"),
    };
    Problem::Wrong(format!("{error}; {what_to_set}"))
}

fn constant(schema: &[u8]) -> Result<String, String> {
    let schema = nexus_sdk::serde_json::from_slice(schema)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| format!("the schema is not a JSON object; set {SCHEMA} to the schema's URL"))?;
    let text = schema.to_string();
    Ok(format!(
        "/// The schema, as JSON without white space.\npub const SCHEMA: &str = {text:?};\n"
    ))
}

/// Tools that watch the file have nothing to do when it stays the same.
fn write(code: &str) -> Result<(), String> {
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; build with cargo")?;
    let path = Path::new(&directory).join("schema.rs");
    if fs::read(&path).is_ok_and(|old| old == code.as_bytes()) {
        return Ok(());
    }
    fs::write(&path, code).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// A line break would end what is for Cargo.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
