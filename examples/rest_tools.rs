//! Searches an MCP gateway for tools over its REST API, and executes one of them. The Nexus Gateway stores
//! the API's key, and the SDK adds the key to each request.
//!
//! `cargo run --example rest_tools [QUERY [NAME [ARGUMENTS]]]` searches for `QUERY`. If the search finds
//! the tool `NAME`, the program executes it with `ARGUMENTS`, a JSON object.
//!
//! Without configuration, the program starts a Nexus Gateway in its own process, with an API that has a
//! few tools. With `NEXUS_GATEWAY_URL`, it uses that gateway. `README.md` in this folder lists the other
//! variables.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use nexus_sdk::serde_json::{self, Value, json};
use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{FetchOptions, Fetcher, NexusClient, NexusClientOptions, NexusError, TokenCache};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rest_tools: {}", one_line(&error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let call = Call::from_args()?;
    let setting = Setting::from_env()?;
    let tools = Tools::new(&setting)?;

    let found = tools.search(&call.query)?;
    println!("1. searched for {:?}: {} found", call.query, found.len());
    for (name, description) in &found {
        println!("   {}: {}", one_line(name), one_line(description));
    }
    if !found.iter().any(|(name, _)| *name == call.name) {
        let (query, name) = (&call.query, &call.name);
        let advice = "pass another QUERY, or the NAME of a tool that it finds";
        let problem = format!("the search for {query:?} did not find the tool {name:?}; {advice}");
        return Err(problem.into());
    }
    let text = tools.execute(&call.name, &call.arguments)?;
    println!("2. executed {}: {}", call.name, one_line(&text));
    if let Some(gateway) = &setting.gateway {
        let asked = gateway.count("/v1/resolve");
        println!("The gateway was asked for the key {asked} time(s).");
    }
    Ok(())
}

/// The MCP gateway's REST API. The fetcher puts the key on every request.
struct Tools(Fetcher);

impl Tools {
    fn new(setting: &Setting) -> Result<Self, Box<dyn Error>> {
        let client = NexusClient::new(setting.options.clone())?;
        let api = match &setting.upstream {
            Some(url) => url.clone(),
            None => api_of(&client, &setting.provider)?,
        };
        // The SDK sends the key only to this API, even if a redirect leads to another host.
        let fetcher = client
            .fetcher(&TokenCache::new(), &setting.workspace, &setting.provider)
            .base_url(api)?;
        Ok(Self(fetcher))
    }

    /// Returns the name and description of each tool that matches.
    fn search(&self, query: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
        let response = self.post("/tools/search", &json!({"query": query}))?;
        // Some gateways wrap the list in an object.
        let list = response.get("tools").unwrap_or(&response);
        let list = list.as_array();
        let list = list.ok_or("/tools/search: the response is not a list")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tool = |tool: &Value| (text(&tool["name"]), text(&tool["description"]));
        Ok(list.iter().map(tool).collect())
    }

    fn execute(&self, name: &str, arguments: &Value) -> Result<String, Box<dyn Error>> {
        let call = json!({"name": name, "arguments": arguments});
        let response = self.post("/tools/execute", &call)?;
        let parts = response.get("content").and_then(Value::as_array);
        let parts = parts.ok_or("/tools/execute: the response has no content")?;
        // A part that is not text is shown as its type.
        let text = |part: &Value| {
            let text = part["text"].as_str().or(part["type"].as_str());
            text.unwrap_or("?").to_owned()
        };
        let text = parts.iter().map(text).collect::<Vec<_>>().join("\n");
        if response.get("isError") == Some(&Value::Bool(true)) {
            return Err(format!("{name} failed: {text}").into());
        }
        Ok(text)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        let options = FetchOptions::default().method("POST").json(body);
        let result = nexus_sdk::json(self.0.fetch(path, options)?);
        result.map_err(|error| explained(path, &error).into())
    }
}

/// Adds what to do about a response that is not a result.
fn explained(path: &str, error: &NexusError) -> String {
    let advice = match error.status_code() {
        Some(401 | 403) => "check WORKSPACE_ID and PROVIDER",
        _ if error.is_retryable() => "try again later",
        _ => "check UPSTREAM_URL and ARGUMENTS",
    };
    format!("{path}: {error}; {advice}")
}

/// Returns the address of the provider's API that the gateway lists.
fn api_of(client: &NexusClient, provider: &str) -> Result<String, Box<dyn Error>> {
    let providers = client.providers()?;
    let known = providers.get(provider);
    let api = known.and_then(|provider| provider.api_base_url.clone());
    let problem = || format!("the gateway has no api_base_url for {provider:?}; set UPSTREAM_URL");
    Ok(api.ok_or_else(problem)?)
}

/// The command line: the search, and the tool to execute.
struct Call {
    query: String,
    name: String,
    arguments: Value,
}

impl Call {
    fn from_args() -> Result<Self, Box<dyn Error>> {
        let mut given = env::args_os().skip(1);
        let mut next = |default: &str| {
            let text = given.next().map(|it| it.to_string_lossy().into_owned());
            text.unwrap_or_else(|| default.to_owned())
        };
        let (query, name) = (next("weather"), next("weather_forecast"));
        let arguments: Value =
            serde_json::from_str(&next(r#"{"city": "Oslo"}"#)).map_err(|error| {
                format!(
                    r#"ARGUMENTS is not JSON: {error}; write an object such as {{"city": "Oslo"}}"#
                )
            })?;
        Ok(Self {
            query,
            name,
            arguments,
        })
    }
}

struct Setting {
    options: NexusClientOptions,
    workspace: String,
    provider: String,
    /// The API's address, or `None` for the provider's `api_base_url`.
    upstream: Option<String>,
    /// The gateway in this process, unless another gateway is configured.
    gateway: Option<DevGateway>,
}

impl Setting {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        if variable("NEXUS_GATEWAY_URL").is_err() {
            return Self::demo();
        }
        Ok(Self {
            options: NexusClientOptions::from_env()?,
            workspace: variable("WORKSPACE_ID")?,
            provider: variable("PROVIDER")?,
            upstream: variable("UPSTREAM_URL").ok(),
            gateway: None,
        })
    }

    fn demo() -> Result<Self, Box<dyn Error>> {
        let gateway = DevGateway::builder()
            .provider(Provider::api_key("tools"))
            .connection("acme", "tools")
            .start()?;
        println!("0. started a gateway on {}", gateway.url());
        Ok(Self {
            options: NexusClientOptions::new(gateway.url()),
            workspace: "acme".to_owned(),
            provider: "tools".to_owned(),
            upstream: None,
            gateway: Some(gateway),
        })
    }
}

fn variable(name: &str) -> Result<String, String> {
    let value = env::var(name).unwrap_or_default();
    let value = Some(value).filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| format!("NEXUS_GATEWAY_URL is set and {name} is not; set both or neither"))
}

/// Makes text from other sources safer to print on a terminal: replaces control characters, and the most common
/// characters that hide or reorder text, with spaces.
fn one_line(text: &str) -> String {
    let is_hidden = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    text.replace(|c: char| c.is_control() || is_hidden(c), " ")
}
