//! The five revisions of the Model Context Protocol, on one path where they agree.
//!
//! The first four (*legacy*) begin with `initialize`. Since 2026-07-28 (*modern*) each request stands alone and says its
//! revision itself.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::rpc::{Failure, INVALID_PARAMS, UNKNOWN_METHOD, UNSUPPORTED_VERSION};
use crate::tools::{Arguments, Outcome, Tool, Tools};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const METHODS: [&str; 3] = ["server/discover", "tools/list", "tools/call"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Revision {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

use Revision::{V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28};

const LEGACY: [(&str, Revision); 4] = [
    ("2024-11-05", V2024_11_05),
    ("2025-03-26", V2025_03_26),
    ("2025-06-18", V2025_06_18),
    ("2025-11-25", V2025_11_25),
];
const MODERN: &str = "2026-07-28";

/// What the connection has agreed on; nothing with modern clients.
#[derive(Default)]
pub(crate) struct Session {
    revision: Option<Revision>,
}

/// What is to be done for a request.
pub(crate) enum Step {
    Answer(Result<Value, Failure>),
    Run(Invocation),
}

/// A tool with arguments that fit it.
pub(crate) struct Invocation {
    tool: Arc<Tool>,
    arguments: Arguments,
    revision: Revision,
}

impl Session {
    /// Only one revision has them.
    pub(crate) fn has_batches(&self) -> bool {
        self.revision == Some(V2025_03_26)
    }

    pub(crate) fn handle(&mut self, tools: &Tools, method: &str, params: Value) -> Step {
        self.step(tools, method, params)
            .unwrap_or_else(|failure| Step::Answer(Err(failure)))
    }

    fn step(&mut self, tools: &Tools, method: &str, params: Value) -> Result<Step, Failure> {
        let params = object(params, "params")?;
        // Some clients put modern `_meta` on it; the method itself is legacy.
        if method == "initialize" {
            return self
                .initialize(&params)
                .map(|result| Step::Answer(Ok(result)));
        }
        let revision = self.revision(method, &params)?;
        if method == "ping" && revision != Some(V2026_07_28) {
            return Ok(Step::Answer(Ok(json!({}))));
        }
        if !METHODS.contains(&method) {
            return Err(Failure::new(
                UNKNOWN_METHOD,
                format!("unknown method {method:?}"),
            ));
        }
        let revision = revision.ok_or_else(|| missing("send \"initialize\" first, or give"))?;
        match method {
            "server/discover" => Ok(Step::Answer(Ok(discover()))),
            "tools/list" => list(tools, &params, revision).map(|result| Step::Answer(Ok(result))),
            _ => call(tools, params, revision),
        }
    }

    fn initialize(&mut self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let requested = params.get("protocolVersion").and_then(Value::as_str);
        let requested = requested.ok_or_else(|| {
            Failure::new(INVALID_PARAMS, "\"protocolVersion\" has to be a string")
        })?;
        let known = LEGACY.into_iter().find(|(name, _)| *name == requested);
        let (name, revision) = known.unwrap_or(("2025-11-25", V2025_11_25));
        self.revision = Some(revision);
        Ok(json!({"protocolVersion": name, "capabilities": {"tools": {}}, "serverInfo": server()}))
    }

    /// The revision of a request: its own, or else the one agreed on.
    fn revision(
        &self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<Option<Revision>, Failure> {
        let meta = params.get("_meta").and_then(Value::as_object);
        let field = |name| meta.and_then(|meta| meta.get(name));
        match (field(VERSION), field(CAPABILITIES)) {
            (None, None) if method != "server/discover" => Ok(self.revision),
            (Some(Value::String(version)), Some(Value::Object(_))) if version == MODERN => {
                Ok(Some(V2026_07_28))
            }
            (Some(Value::String(version)), Some(Value::Object(_))) => Err(unsupported(version)),
            _ => Err(missing("give")),
        }
    }
}

fn missing(what: &str) -> Failure {
    let message =
        format!("{what} _meta[\"{VERSION}\"] (a string) and _meta[\"{CAPABILITIES}\"] (an object)");
    Failure::new(INVALID_PARAMS, message)
}

/// Names the legacy revisions, too: a client that speaks one of them can still begin with `initialize`.
fn unsupported(requested: &str) -> Failure {
    let legacy = LEGACY.into_iter().rev().map(|(name, _)| name);
    let supported: Vec<_> = [MODERN].into_iter().chain(legacy).collect();
    Failure::new(
        UNSUPPORTED_VERSION,
        format!("unsupported protocol version {requested:?}"),
    )
    .with_data(json!({"supported": supported, "requested": requested}))
}

fn server() -> Value {
    json!({"name": "nexus-mcp-stdio-server", "version": env!("CARGO_PKG_VERSION")})
}

fn discover() -> Value {
    let result = json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}});
    finished(cacheable(result, V2026_07_28), V2026_07_28)
}

fn list(tools: &Tools, params: &Map<String, Value>, revision: Revision) -> Result<Value, Failure> {
    if params.contains_key("cursor") {
        return Err(Failure::new(
            INVALID_PARAMS,
            "unknown cursor: the list has one page",
        ));
    }
    let result = json!({"tools": tools.definitions()});
    Ok(finished(cacheable(result, revision), revision))
}

fn call(
    tools: &Tools,
    mut params: Map<String, Value>,
    revision: Revision,
) -> Result<Step, Failure> {
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Failure::new(INVALID_PARAMS, "\"name\" has to be a string"))?;
    let tool = tools.find(name);
    let tool =
        tool.ok_or_else(|| Failure::new(INVALID_PARAMS, format!("unknown tool {name:?}")))?;
    let arguments = object(params.remove("arguments").unwrap_or_default(), "arguments")?;
    match tool.check(arguments) {
        Ok(arguments) => Ok(Step::Run(Invocation {
            tool: Arc::clone(tool),
            arguments,
            revision,
        })),
        Err(problem) if revision >= V2025_11_25 => {
            Ok(Step::Answer(Ok(tool_result(Err(problem), revision))))
        }
        Err(problem) => Err(Failure::new(INVALID_PARAMS, problem)),
    }
}

impl Invocation {
    pub(crate) fn run(&self, cancelled: &crate::tools::Cancelled) -> Value {
        tool_result(self.tool.call(&self.arguments, cancelled), self.revision)
    }
}

fn tool_result(outcome: Outcome, revision: Revision) -> Value {
    let is_error = outcome.is_err();
    let text = outcome.unwrap_or_else(|problem| problem);
    let result = json!({"content": [{"type": "text", "text": text}], "isError": is_error});
    finished(result, revision)
}

/// An object, which may be left out.
fn object(value: Value, name: &str) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object),
        _ => Err(Failure::new(
            INVALID_PARAMS,
            format!("{name:?} has to be an object"),
        )),
    }
}

fn cacheable(result: Value, revision: Revision) -> Value {
    // The tools stay the same as long as the process lives, but are this user's.
    let hints = json!({"ttlMs": 60_000, "cacheScope": "private"});
    if revision == V2026_07_28 {
        merged(result, hints)
    } else {
        result
    }
}

fn finished(result: Value, revision: Revision) -> Value {
    if revision < V2026_07_28 {
        return result;
    }
    merged(
        result,
        json!({"resultType": "complete", "_meta": {SERVER: server()}}),
    )
}

fn merged(mut result: Value, more: Value) -> Value {
    if let (Some(result), Value::Object(more)) = (result.as_object_mut(), more) {
        result.extend(more);
    }
    result
}
