//! Generates the constant `SCHEMA` from a JSON schema. An API serves the schema, and the Nexus Gateway stores the
//! credential for the API.
//!
//! A build without configuration or network uses the committed copy and warns. A wrong configuration fails the build,
//! because an old schema would hide the mistake.

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use nexus_sdk::serde_json::{self, Value};
use nexus_sdk::{ErrorKind, FetchOptions, NexusClient, NexusClientOptions, NexusError, TokenCache};

const COPY: &str = "schema.json";
const GATEWAY: &str = "NEXUS_GATEWAY_URL";
const WORKSPACE: &str = "WORKSPACE_ID";
const PROVIDER: &str = "PROVIDER";
const SCHEMA: &str = "SCHEMA_URL";
const LOCKS: &str = "NEXUS_LOCK_DIR";

/// The longest wait for a token refresh, at the end of the script or after a signal. On Windows, dropping the client
/// then waits for up to 5 s more.
const MAX_DRAIN: Duration = Duration::from_secs(5);

/// The reason why the API returned no schema.
enum Problem {
    /// The script is not configured, or the failure may be temporary. The build uses the committed copy.
    Unavailable(String),
    /// The configuration is wrong. The build fails with this text, which says what to set.
    Wrong(String),
}

fn main() {
    // NEXUS_API_KEY is not listed, because Cargo stores the values of these variables in target/, and CI systems often
    // cache that directory. The API returns the same schema for a new key, so a new key needs no rebuild.
    for variable in [GATEWAY, WORKSPACE, PROVIDER, SCHEMA, LOCKS] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={COPY}");
    if let Err(problem) = generate() {
        println!("cargo::error={}", one_line(&problem));
    }
}

fn generate() -> Result<(), String> {
    let (schema, problem) = match fetch() {
        Ok(schema) => {
            let advice = format!("set {SCHEMA} to the schema's URL");
            (schema, format!("the schema is not a JSON object; {advice}"))
        }
        Err(Problem::Wrong(problem)) => return Err(problem),
        Err(Problem::Unavailable(reason)) => {
            println!("cargo::warning={}; built with {COPY}", one_line(&reason));
            let advice = "restore it from version control";
            let copy = fs::read(COPY);
            let copy = copy.map_err(|error| format!("cannot read {COPY}: {error}; {advice}"))?;
            (copy, format!("{COPY} is not a JSON object; {advice}"))
        }
    };
    write(&constant(&schema).ok_or(problem)?)
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
            "{error}; check {GATEWAY}, NEXUS_API_KEY and {LOCKS}"
        ))
    })?;
    let options = FetchOptions::default().header("Accept", "application/json");
    let cache = TokenCache::new();
    let fetched = client.authenticated_fetch(&cache, &workspace, &provider, &url, options);
    let _ = client.drain(MAX_DRAIN);
    match fetched {
        Ok((200, _, body)) => Ok(body),
        Ok((status, ..)) => Err(refused(status)),
        Err(error) => Err(failed(&error)),
    }
}

/// Creates a client with a timeout of 10 s, because the default of 30 s is too long for a build.
fn client() -> Result<NexusClient, NexusError> {
    let options = NexusClientOptions::from_env()?.timeout(Duration::from_secs(10));
    let client = NexusClient::new(options)?;
    #[cfg(unix)]
    delay_signals(client.clone());
    Ok(client)
}

/// Delays signals such as Ctrl-C until a token refresh has ended, for at most 5 s. If the refresh were interrupted, the
/// provider might revoke the user's grant.
#[cfg(unix)]
fn delay_signals(client: NexusClient) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;

    // If this fails, a signal ends the script at once.
    let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM]) else {
        return;
    };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = client.drain(MAX_DRAIN);
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
}

fn required(variable: &str) -> Result<String, Problem> {
    let value = env::var(variable).unwrap_or_default();
    if value.trim().is_empty() {
        let problem = format!("{GATEWAY} is set and {variable} is not; set both or neither");
        return Err(Problem::Wrong(problem));
    }
    Ok(value)
}

/// Explains a response from the API whose status is not 200.
fn refused(status: u16) -> Problem {
    let problem = format!("the server at {SCHEMA} responded with status {status}");
    match status {
        429 | 500.. => Problem::Unavailable(problem),
        401 | 403 => Problem::Wrong(format!(
            "{problem}; set {WORKSPACE} and {PROVIDER} to a connection that may read the schema"
        )),
        _ => Problem::Wrong(format!("{problem}; set {SCHEMA} to the schema's URL")),
    }
}

/// Explains why the API gave no response.
fn failed(error: &NexusError) -> Problem {
    let advice = match (error.kind(), error.status_code()) {
        _ if error.is_retryable() => return Problem::Unavailable(error.to_string()),
        (_, Some(500..)) => return Problem::Unavailable(error.to_string()),
        (ErrorKind::InvalidInput | ErrorKind::InsecureUrl, _) => {
            format!("set {SCHEMA} to an https URL")
        }
        (_, Some(401)) => "set NEXUS_API_KEY to a key that the gateway accepts".to_owned(),
        // The SDK's message for this code already contains advice.
        _ if error.code() == "invalid_api_key" => return Problem::Wrong(error.to_string()),
        (_, Some(403)) => format!("check {GATEWAY} and NEXUS_API_KEY"),
        _ if error.needs_reconnect() || error.status_code() == Some(404) => {
            format!(
                "set {WORKSPACE} and {PROVIDER} to an active connection, or connect the user with `nexus connect`"
            )
        }
        _ => format!("check {GATEWAY} and {SCHEMA}"),
    };
    Problem::Wrong(format!("{error}; {advice}"))
}

/// Returns the code of the constant, or `None` if the schema is not a JSON object.
fn constant(schema: &[u8]) -> Option<String> {
    let schema: Value = serde_json::from_slice(schema).ok()?;
    let text = schema.is_object().then(|| schema.to_string())?;
    Some(format!(
        "/// The schema, as JSON without white space.\npub const SCHEMA: &str = {text:?};\n"
    ))
}

/// Writes the generated file. An unchanged file is not written again, so that programs that watch it do not react.
fn write(code: &str) -> Result<(), String> {
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; build with cargo")?;
    let path = Path::new(&directory).join("schema.rs");
    if fs::read(&path).is_ok_and(|old| old == code.as_bytes()) {
        return Ok(());
    }
    fs::write(&path, code).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Replaces control characters, because Cargo reads a directive only up to the end of the line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
