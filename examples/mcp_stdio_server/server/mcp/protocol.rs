//! The five revisions of the Model Context Protocol, on one path where they agree.
//!
//! The first four (*legacy*) begin with `initialize`. Since 2026-07-28 (*modern*) each request stands alone and says its
//! revision itself.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::jsonrpc::{Failure, INVALID_PARAMS, UNKNOWN_METHOD, UNSUPPORTED_VERSION};
use super::page::{self, Page};
use super::tool::{Call, Content, Problem, Tool, Tools};

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
    agreed: Option<Client>,
}

/// What the client of a request understands.
#[derive(Clone, Copy)]
struct Client {
    revision: Revision,
    /// It opens the pages that the user has to visit.
    opens_pages: bool,
}

/// What is to be done for a request.
pub(crate) enum Step {
    Respond(Result<Value, Failure>),
    Run(Invocation),
}

/// A tool with arguments that fit it.
pub(crate) struct Invocation {
    tool: Arc<Tool>,
    call: Call,
    client: Client,
}

impl Session {
    /// Only one revision has them.
    pub(crate) fn has_batches(&self) -> bool {
        self.agreed
            .is_some_and(|client| client.revision == V2025_03_26)
    }

    pub(crate) fn handle(&mut self, tools: &Tools, method: &str, params: Value) -> Step {
        self.step(tools, method, params)
            .unwrap_or_else(|failure| Step::Respond(Err(failure)))
    }

    fn step(&mut self, tools: &Tools, method: &str, params: Value) -> Result<Step, Failure> {
        let params = object(params, "params")?;
        // Some clients put modern `_meta` on it; the method itself is legacy.
        if method == "initialize" {
            return self.initialize(&params).map(respond);
        }
        let client = self.client(method, &params)?;
        if method == "ping" && client.is_none_or(|client| client.revision < V2026_07_28) {
            return Ok(respond(json!({})));
        }
        if !METHODS.contains(&method) {
            let message = format!("unknown method {method:?}");
            return Err(Failure::new(UNKNOWN_METHOD, message));
        }
        let client = client.ok_or_else(|| missing("send \"initialize\" first, or give"))?;
        match method {
            "server/discover" => Ok(respond(discover())),
            "tools/list" => list(tools, &params, client.revision).map(respond),
            _ => call(tools, params, client),
        }
    }

    fn initialize(&mut self, params: &Map<String, Value>) -> Result<Value, Failure> {
        let requested = params.get("protocolVersion").and_then(Value::as_str);
        let requested = requested.ok_or_else(|| invalid("protocolVersion", "a string"))?;
        let known = LEGACY.into_iter().find(|(name, _)| *name == requested);
        let (name, revision) = known.unwrap_or(("2025-11-25", V2025_11_25));
        self.agreed = Some(Client {
            revision,
            opens_pages: revision == V2025_11_25 && page::opens_pages(params.get("capabilities")),
        });
        Ok(json!({"protocolVersion": name, "capabilities": {"tools": {}}, "serverInfo": server()}))
    }

    /// The client of a request: as the request says, or else as agreed on.
    fn client(&self, method: &str, params: &Map<String, Value>) -> Result<Option<Client>, Failure> {
        let meta = params.get("_meta").and_then(Value::as_object);
        let field = |name| meta.and_then(|meta| meta.get(name));
        match (field(VERSION), field(CAPABILITIES)) {
            (None, None) if method != "server/discover" => Ok(self.agreed),
            (Some(Value::String(version)), Some(capabilities @ Value::Object(_))) => {
                if version != MODERN {
                    return Err(unsupported(version));
                }
                Ok(Some(Client {
                    revision: V2026_07_28,
                    opens_pages: page::opens_pages(Some(capabilities)),
                }))
            }
            _ => Err(missing("give")),
        }
    }
}

fn respond(result: Value) -> Step {
    Step::Respond(Ok(result))
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
    json!({"name": env!("CARGO_CRATE_NAME"), "version": env!("CARGO_PKG_VERSION")})
}

fn meta() -> Value {
    json!({"_meta": {SERVER: server()}})
}

fn discover() -> Value {
    let result = json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}});
    finished(cacheable(result, V2026_07_28), V2026_07_28)
}

fn list(tools: &Tools, params: &Map<String, Value>, revision: Revision) -> Result<Value, Failure> {
    if params.contains_key("cursor") {
        let message = "unknown cursor: the list has one page";
        return Err(Failure::new(INVALID_PARAMS, message));
    }
    let result = json!({"tools": tools.definitions(is_structured(revision))});
    Ok(finished(cacheable(result, revision), revision))
}

/// Whether results may be JSON beside text.
fn is_structured(revision: Revision) -> bool {
    revision >= V2025_06_18
}

fn call(tools: &Tools, mut params: Map<String, Value>, client: Client) -> Result<Step, Failure> {
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("name", "a string"))?;
    let tool = tools.find(name);
    let tool =
        tool.ok_or_else(|| Failure::new(INVALID_PARAMS, format!("unknown tool {name:?}")))?;
    let mut take = |name| params.remove(name).unwrap_or_default();
    let arguments = Value::Object(object(take("arguments"), "arguments")?);
    let visit = match take("inputResponses") {
        Value::Null => None,
        responses => Some(page::visit(&object(responses, "inputResponses")?.into())),
    };
    match (tool.check(&arguments), arguments) {
        (Ok(()), Value::Object(arguments)) => Ok(Step::Run(Invocation {
            tool: Arc::clone(tool),
            call: Call::new(arguments, visit),
            client,
        })),
        (Err(problem), _) if client.revision < V2025_11_25 => {
            Err(Failure::new(INVALID_PARAMS, problem))
        }
        (problem, _) => {
            let problem = problem.err().unwrap_or_default();
            Ok(respond(failed(&problem, client.revision)))
        }
    }
}

impl Invocation {
    /// Runs the tool. With the page to which the response sends the client, if the client is to be told of its end.
    pub(crate) fn run(&self) -> (Result<Value, Failure>, Option<Page>) {
        let Client {
            revision,
            opens_pages,
        } = self.client;
        let result = match self.tool.call(&self.call) {
            Ok(content) => succeeded(content, revision),
            Err(Problem::Text(text)) => failed(&text, revision),
            Err(Problem::Visit(page)) if !opens_pages => failed(&page.text(), revision),
            Err(Problem::Visit(page)) if revision < V2026_07_28 => {
                return (Err(page.failure()), Some(page));
            }
            Err(Problem::Visit(page)) => merged(page.question(), meta()),
        };
        (Ok(result), None)
    }

    /// Whether the tool's last call was a quick one.
    pub(crate) fn was_quick(&self) -> bool {
        self.tool.was_quick()
    }

    pub(crate) fn cancel(&self) {
        self.call.cancel();
    }
}

fn succeeded(content: Content, revision: Revision) -> Value {
    let (text, structured) = match content {
        Content::Text(text) => (text, None),
        Content::Json(value) => (value.to_string(), Some(value)),
    };
    let mut result = tool_result(&text, false, revision);
    let structured = structured.filter(|_| is_structured(revision));
    if let (Some(result), Some(value)) = (result.as_object_mut(), structured) {
        result.insert("structuredContent".to_owned(), value);
    }
    result
}

fn failed(text: &str, revision: Revision) -> Value {
    tool_result(text, true, revision)
}

fn tool_result(text: &str, is_error: bool, revision: Revision) -> Value {
    let result = json!({"content": [{"type": "text", "text": text}], "isError": is_error});
    finished(result, revision)
}

/// An object, which may be left out.
fn object(value: Value, name: &str) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object),
        _ => Err(invalid(name, "an object")),
    }
}

fn invalid(name: &str, expected: &str) -> Failure {
    Failure::new(INVALID_PARAMS, format!("{name:?} has to be {expected}"))
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
    merged(merged(result, json!({"resultType": "complete"})), meta())
}

fn merged(mut result: Value, more: Value) -> Value {
    if let (Some(result), Value::Object(more)) = (result.as_object_mut(), more) {
        result.extend(more);
    }
    result
}
