//! A complete MCP server over stdin and stdout with one tool. Uses only `serde_json` and `nexus_sdk`.
//!
//! The server acts for one connected user. `NEXUS_GATEWAY_URL`, `NEXUS_API_KEY`, `WORKSPACE_ID`, `PROVIDER` and
//! `UPSTREAM_URL` (such as `https://api.github.com`) configure it. Without `NEXUS_GATEWAY_URL`, it starts a gateway in
//! this process, for which a copy of this file needs the feature `testing`.
//!
//! A slow call delays all other messages, and SIGTERM during a refresh can cost the user's consent: see `mcp_stdio_server`.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, Write};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{FetchOptions, Fetcher, NexusClient, NexusClientOptions, Redirects, TokenCache};
use serde_json::{Value, json};

/// From this revision on, each request names its revision in `_meta`, and there is no `initialize`.
const MODERN: &str = "2026-07-28";
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

fn main() -> Result<(), Box<dyn Error>> {
    let sample = match env::var_os("NEXUS_GATEWAY_URL") {
        Some(_) => None,
        None => Some(DevGateway::builder().connection("demo", "github").start()?),
    };
    let fetcher = match &sample {
        Some(gateway) => {
            let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
            let fetcher = client.fetcher(&TokenCache::new(), "demo", "github");
            fetcher.base_url(gateway.url())?
        }
        None => configured()?,
    };
    let fetcher = fetcher.hide_credential(true); // A model must not see the credential.
    for line in io::stdin().lock().split(b'\n') {
        let message: Value = serde_json::from_slice(&line?).unwrap_or_default();
        // Notifications have no id. Only requests get a response.
        let id = message.get("id").filter(|id| !id.is_null());
        let (Some(id), Some(method)) = (id, message.get("method")) else {
            continue;
        };
        let params = message.get("params").unwrap_or(&Value::Null);
        let response = match respond(method.as_str().unwrap_or_default(), params, &fetcher) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
        };
        io::stdout().write_all(format!("{response}\n").as_bytes())?;
    }
    Ok(())
}

fn configured() -> Result<Fetcher, Box<dyn Error>> {
    let variable = |name| env::var(name).map_err(|_| format!("set {name}"));
    let client = NexusClient::new(NexusClientOptions::from_env()?)?;
    let (workspace_id, provider) = (variable("WORKSPACE_ID")?, variable("PROVIDER")?);
    let fetcher = client.fetcher(&TokenCache::new(), &workspace_id, &provider);
    Ok(fetcher.base_url(variable("UPSTREAM_URL")?)?)
}

fn respond(method: &str, params: &Value, fetcher: &Fetcher) -> Result<Value, Value> {
    let text = |pointer| params.pointer(pointer).and_then(Value::as_str);
    let modern = text("/_meta/io.modelcontextprotocol~1protocolVersion");
    if let Some(requested) = modern.filter(|requested| *requested != MODERN) {
        let data = json!({"supported": [MODERN], "requested": requested});
        return Err(json!({"code": -32022, "message": "unsupported version", "data": data}));
    }
    let server = json!({"name": "mcp_minimal", "version": env!("CARGO_PKG_VERSION")});
    let mut result = match (method, text("/name")) {
        ("initialize", _) => {
            let requested = text("/protocolVersion");
            let known = LEGACY.into_iter().find(|known| Some(*known) == requested);
            json!({
                "protocolVersion": known.unwrap_or("2025-11-25"),
                "capabilities": {"tools": {}},
                "serverInfo": server,
            })
        }
        ("ping", _) if modern.is_none() => json!({}),
        ("server/discover", _) => {
            json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}})
        }
        ("tools/list", _) => json!({"tools": [{
            "name": "list_repos",
            "description": "Lists the connected user's repositories.",
            "inputSchema": {"type": "object", "properties": {"limit": {"type": "integer"}}},
        }]}),
        ("tools/call", Some("list_repos")) => {
            let listed = list_repos(params.pointer("/arguments/limit"), fetcher);
            let (Ok(text) | Err(text)) = &listed;
            json!({"content": [{"type": "text", "text": text}], "isError": listed.is_err()})
        }
        ("tools/call", _) => return Err(json!({"code": -32602, "message": "unknown tool"})),
        _ => return Err(json!({"code": -32601, "message": "unknown method"})),
    };
    if let (Some(_), Some(result)) = (modern, result.as_object_mut()) {
        result.insert("resultType".to_owned(), "complete".into());
        result.insert("ttlMs".to_owned(), 60_000.into());
        result.insert("cacheScope".to_owned(), "private".into());
        let meta = json!({"io.modelcontextprotocol/serverInfo": server});
        result.insert("_meta".to_owned(), meta);
    }
    Ok(result)
}

/// Runs the tool. The model also reads the text of an error.
fn list_repos(limit: Option<&Value>, fetcher: &Fetcher) -> Result<String, String> {
    let limit = limit.map_or(Some(30), Value::as_u64);
    let limit = limit.ok_or("\"limit\" must be a non-negative integer")?;
    // Returns a redirect to the model instead of following it.
    let options = FetchOptions::default()
        .query("per_page", limit)
        .redirects(Redirects::Manual);
    let response = fetcher.fetch("/user/repos", options);
    let (status, _, body) = response.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&body).into_owned();
    match status {
        200..=299 => Ok(text),
        _ => Err(format!("The API responded with status {status}: {text}")),
    }
}
