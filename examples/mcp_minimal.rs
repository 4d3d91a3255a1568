//! A complete MCP server over stdin and stdout with one tool. Uses only `serde_json` and `nexus_sdk`.
//!
//! The server acts for one connected user. `NEXUS_GATEWAY_URL`, `NEXUS_API_KEY`, `WORKSPACE_ID`, `PROVIDER` and
//! `UPSTREAM_URL` (such as `https://api.github.com`) configure it. Without `NEXUS_GATEWAY_URL`, it starts a gateway in
//! this process, for which a copy of this file needs the feature `testing`.
//!
//! A slow call delays all other messages, and SIGTERM during a refresh can cost the user's consent: see `mcp_stdio_server`.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, ErrorKind::WouldBlock, Read, Write};
use std::{thread, time::Duration};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{FetchOptions, Fetcher, NexusClient, NexusClientOptions, Redirects, TokenCache};
use serde_json::{Value, json};

/// From this revision on, each request names its revision in `_meta`, and there is no `initialize`.
const MODERN: &str = "2026-07-28";
const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The longest line, in bytes. The responses to a batch can take two hundred times as much memory.
const MAX_LINE: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let sample = match env::var_os("NEXUS_GATEWAY_URL").filter(|url| !url.is_empty()) {
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
    while let Some(line) = read_line()? {
        let response = respond(&line, &fetcher);
        let is_cut = response.is_err() && !line.ends_with(b"\n");
        if let Some(response) = response.unwrap_or_else(Some) {
            write_line(response)?;
        }
        if is_cut {
            return Err("stdin has ended in the middle of a message".into());
        }
    }
    // Dropping the client's last handle here waits up to 5 s for a token refresh. A server with threads calls `drain` first.
    Ok(())
}

fn configured() -> Result<Fetcher, Box<dyn Error>> {
    let variable = |name| env::var(name).map_err(|_| format!("set {name}"));
    let client = NexusClient::new(NexusClientOptions::from_env()?)?;
    let (workspace_id, provider) = (variable("WORKSPACE_ID")?, variable("PROVIDER")?);
    let fetcher = client.fetcher(&TokenCache::new(), &workspace_id, &provider);
    Ok(fetcher.base_url(variable("UPSTREAM_URL")?)?)
}

/// Reads a line, or the first part of a line that is too long. Returns `None` at the end of the input.
fn read_line() -> io::Result<Option<Vec<u8>>> {
    let (mut input, mut line) = (io::stdin().lock().take(MAX_LINE), Vec::new());
    when_ready(|| input.read_until(b'\n', &mut line))?;
    if input.limit() == 0 && !line.ends_with(b"\n") {
        when_ready(|| input.get_mut().skip_until(b'\n'))?;
        line.push(b'\n');
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}

fn write_line(mut response: String) -> io::Result<()> {
    // Some clients, as in Node 24 or Python, also end a line at these characters. In JSON, only strings contain them.
    for end in ['\u{85}', '\u{2028}', '\u{2029}'] {
        response = response.replace(end, &format!("\\u{:04x}", u32::from(end)));
    }
    let (line, mut output) = (response + "\n", io::stdout().lock());
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let written = when_ready(|| output.write(rest))?;
        rest = rest.get(written..).unwrap_or_default();
    }
    when_ready(|| output.flush())
}

/// Repeats an operation until its pipe is ready. Some programs, such as wrappers in Node, pass non-blocking pipes on.
fn when_ready<T>(mut operation: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match operation() {
            Err(error) if error.kind() == WouldBlock => thread::sleep(Duration::from_millis(10)),
            done => return done,
        }
    }
}

/// Returns the response to a line, as an error if the line is not JSON. Blank lines get no response. A batch gets an array.
fn respond(line: &[u8], fetcher: &Fetcher) -> Result<Option<String>, String> {
    // Some programs on Windows write a byte order mark.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let Ok(message) = serde_json::from_slice::<Value>(line) else {
        let problem = "a line is not JSON, or is longer than 1 MiB";
        // Some clients do not report an error without an id.
        let _ = writeln!(io::stderr(), "mcp_minimal: {problem}");
        let error = json!({"code": -32700, "message": problem});
        return Err(json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string());
    };
    let Some(batch) = message.as_array().filter(|batch| !batch.is_empty()) else {
        return Ok(answer(&message, fetcher));
    };
    let responses: Vec<_> = batch.iter().filter_map(|it| answer(it, fetcher)).collect();
    Ok((!responses.is_empty()).then(|| format!("[{}]", responses.join(","))))
}

/// Returns the response to a message. Notifications and responses get no response.
fn answer(message: &Value, fetcher: &Fetcher) -> Option<String> {
    let sent = message.get("id").unwrap_or(&Value::Null);
    let id = Some(sent).filter(|id| id.is_string() || id.is_number());
    let params = message.get("params").unwrap_or(&Value::Null);
    let outcome = match message.get("method").and_then(Value::as_str) {
        Some(_) if sent.is_null() => return None,
        Some(method) if id.is_some() => handle(method, params, fetcher),
        None if message.get("result").is_some() || message.get("error").is_some() => return None,
        _ => Err(json!({"code": -32600, "message": "send an object with a method and an id"})),
    };
    let member = if outcome.is_ok() { "result" } else { "error" };
    let (Ok(value) | Err(value)) = outcome;
    Some(json!({"jsonrpc": "2.0", "id": id, member: value}).to_string())
}

fn handle(method: &str, params: &Value, fetcher: &Fetcher) -> Result<Value, Value> {
    let text = |pointer| params.pointer(pointer).and_then(Value::as_str);
    let modern = text("/_meta/io.modelcontextprotocol~1protocolVersion");
    if let Some(requested) = modern.filter(|requested| *requested != MODERN) {
        let data = json!({"supported": [MODERN], "requested": requested});
        return Err(json!({"code": -32022, "message": "unsupported version", "data": data}));
    }
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100});
    let server = json!({"name": "mcp_minimal", "version": env!("CARGO_PKG_VERSION")});
    let mut result = match (method, text("/name")) {
        ("initialize", _) => {
            let requested = text("/protocolVersion").filter(|it| LEGACY.contains(it));
            json!({
                "protocolVersion": requested.unwrap_or("2025-11-25"),
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
            "inputSchema": {"type": "object", "properties": {"limit": limit}},
        }]}),
        ("tools/call", Some("list_repos")) => {
            let listed = list_repos(params.pointer("/arguments/limit"), fetcher);
            let (Ok(text) | Err(text)) = &listed;
            json!({"content": [{"type": "text", "text": text}], "isError": listed.is_err()})
        }
        ("tools/call", _) => return Err(json!({"code": -32602, "message": "unknown tool"})),
        _ => return Err(json!({"code": -32601, "message": "unknown method"})),
    };
    let meta = json!({"io.modelcontextprotocol/serverInfo": server});
    let more =
        json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "private", "_meta": meta});
    if let (Some(_), Value::Object(result), Value::Object(more)) = (modern, &mut result, more) {
        result.extend(more);
    }
    Ok(result)
}

/// Runs the tool. The model also reads the text of an error.
fn list_repos(limit: Option<&Value>, fetcher: &Fetcher) -> Result<String, String> {
    // Models send `null`, "", "null" and the like for what they leave out, and integers as strings or with a fraction of 0.
    let limit = match limit.unwrap_or(&Value::Null) {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        other => other.to_string(),
    };
    let is_unset = ["", "null", "none", "undefined"].contains(&limit.as_str());
    let number = serde_json::from_str(if is_unset { "30" } else { &limit }).ok();
    let is_valid = |limit: &f64| limit.fract() == 0.0 && (1.0..=100.0).contains(limit);
    let limit = number.filter(is_valid);
    let limit = limit.ok_or("\"limit\" must be an integer from 1 to 100")?;
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
