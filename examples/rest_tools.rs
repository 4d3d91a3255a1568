//! A call to an MCP gateway's REST tools API: search for tools, then execute one, with a key that
//! the broker holds and that this program never handles.
//!
//! `cargo run --example rest_tools [QUERY [NAME [ARGUMENTS]]]` searches for `QUERY` and executes the
//! tool `NAME`, if it is among those found, with `ARGUMENTS`, a JSON object. Without configuration it
//! runs on a gateway of its own, in this process, whose upstream has a few tools. With
//! `NEXUS_GATEWAY_URL` (and `NEXUS_API_KEY`, if that gateway asks for one) it runs on that one, as
//! `WORKSPACE_ID` with the key for `PROVIDER`, on the API at `UPSTREAM_URL`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::error::Error;
use std::process::ExitCode;

use nexus_sdk::http::Uri;
use nexus_sdk::serde_json::{self, Value, json};
use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{FetchOptions, Fetcher, NexusClient, NexusClientOptions, TokenCache};

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
        let name = &call.name;
        return Err(format!("{name} is not among them; give QUERY NAME ARGUMENTS").into());
    }
    let text = tools.execute(&call.name, &call.arguments)?;
    println!("2. executed {}: {}", call.name, one_line(&text));
    if let Some(gateway) = &setting.gateway {
        let asked = gateway.count("/v1/resolve");
        println!("The gateway was asked for the key {asked} time(s).");
    }
    Ok(())
}

/// The API, and the key on every request to it.
struct Tools {
    fetcher: Fetcher,
    upstream: String,
}

impl Tools {
    fn new(setting: &Setting) -> Result<Self, Box<dyn Error>> {
        let upstream = setting.upstream.trim_end_matches('/');
        let url: Uri = upstream
            .parse()
            .map_err(|error| format!("UPSTREAM_URL: {error}"))?;
        let host = url.authority().ok_or("UPSTREAM_URL: not an https:// URL")?;
        let client = NexusClient::new(setting.options.clone())?;
        // Whatever a tool or a redirect says, the key goes to no other host.
        let fetcher = client
            .fetcher(&TokenCache::new(), &setting.workspace, &setting.provider)
            .allow_hosts([host.as_str()]);
        Ok(Self {
            fetcher,
            upstream: upstream.to_owned(),
        })
    }

    /// Name and description of each tool.
    fn search(&self, query: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
        let reply = self.post("/tools/search", &json!({"query": query}))?;
        // Some gateways wrap the list.
        let list = reply.get("tools").unwrap_or(&reply);
        let list = list.as_array().ok_or("/tools/search answered no list")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tool = |tool: &Value| (text(&tool["name"]), text(&tool["description"]));
        Ok(list.iter().map(tool).collect())
    }

    fn execute(&self, name: &str, arguments: &Value) -> Result<String, Box<dyn Error>> {
        let call = json!({"name": name, "arguments": arguments});
        let reply = self.post("/tools/execute", &call)?;
        let parts = reply.get("content").and_then(Value::as_array);
        let parts = parts.ok_or("/tools/execute answered no content")?;
        // What is no text is named.
        let text = |part: &Value| {
            let text = part["text"].as_str().or(part["type"].as_str());
            text.unwrap_or("?").to_owned()
        };
        let text = parts.iter().map(text).collect::<Vec<_>>().join("\n");
        if reply.get("isError") == Some(&Value::Bool(true)) {
            return Err(format!("{name} failed: {text}").into());
        }
        Ok(text)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        let options = FetchOptions::default()
            .method("POST")
            .header("Content-Type", "application/json")
            .data(body.to_string());
        let url = format!("{}{path}", self.upstream);
        let (status, _headers, body) = self.fetcher.fetch(&url, options)?;
        match status {
            200..=299 => serde_json::from_slice(&body)
                .map_err(|error| format!("{path} answered no JSON: {error}").into()),
            401 | 403 => Err(format!("{path} answered {status}: the key is refused").into()),
            _ => Err(format!("{path} answered {status}").into()),
        }
    }
}

/// What to search for, and what to execute.
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
        let arguments: Value = serde_json::from_str(&next(r#"{"city": "Oslo"}"#))
            .map_err(|error| format!("ARGUMENTS: {error}"))?;
        Ok(Self {
            query,
            name,
            arguments,
        })
    }
}

/// Where everything is.
struct Setting {
    options: NexusClientOptions,
    workspace: String,
    provider: String,
    upstream: String,
    /// The gateway in this process, when no other is configured.
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
            upstream: variable("UPSTREAM_URL")?,
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
            upstream: gateway.url().to_owned(),
            gateway: Some(gateway),
        })
    }
}

fn variable(name: &str) -> Result<String, String> {
    let value = env::var(name).unwrap_or_default();
    let value = Some(value).filter(|value| !value.trim().is_empty());
    value.ok_or_else(|| format!("NEXUS_GATEWAY_URL is set and {name} is not; set both or none"))
}

/// Text of others, fit for a terminal.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
