//! The methods of the five revisions of the Model Context Protocol.
//!
//! The first four revisions (*legacy*) begin with `initialize`. Since 2026-07-28 (*modern*), each request stands alone
//! and names its revision.

use std::sync::Arc;

use serde_json::{Value, json};

use super::message::{
    Failure, INVALID_PARAMS, UNKNOWN_METHOD, UNSUPPORTED_VERSION, member, take, with,
};
use super::page::{self, Page};
use super::schema::is_blank;
use super::tool::{Call, Problem, Tool, Tools};

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// The date of a revision. Later revisions compare greater.
type Revision = &'static str;

const MODERN: Revision = "2026-07-28";
const NEWEST_LEGACY: Revision = "2025-11-25";
const LEGACY: [Revision; 4] = [NEWEST_LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];

/// The client that `initialize` described. Until then, its revision is empty. Modern clients do not send `initialize`.
#[derive(Default)]
pub(crate) struct Session(Client);

/// The protocol features of the client that sent a request.
#[derive(Clone, Copy, Default)]
struct Client {
    /// Empty if neither `initialize` nor the request named a revision.
    revision: Revision,
    /// True if the client opens pages that the user has to visit.
    opens_pages: bool,
}

/// The next step for a request.
pub(crate) enum Step {
    Respond(Value),
    Run(Invocation),
}

/// A tool call that is ready to run.
pub(crate) struct Invocation {
    tool: Arc<Tool>,
    pub(super) call: Call,
    client: Client,
}

impl Session {
    pub(crate) fn has_batches(&self) -> bool {
        self.0.revision == "2025-03-26"
    }

    pub(crate) fn handle(
        &mut self,
        tools: &Tools,
        method: &str,
        params: Value,
    ) -> Result<Step, Failure> {
        let params = object(params, "params")?;
        // Some clients add the modern `_meta` to this legacy method, so `_meta` is not read here.
        if method == "initialize" {
            return Ok(Step::Respond(self.initialize(&params)));
        }
        let client = self.client(method, &params)?;
        let revision = client.revision;
        let result = match method {
            "ping" if revision < MODERN => json!({}),
            "server/discover" => {
                json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}})
            }
            "tools/list" | "tools/call" if revision.is_empty() => {
                let unknown =
                    "the request names no protocol revision; send \"initialize\" first, or";
                return Err(no_revision(unknown));
            }
            "tools/list" => list(tools, &params, revision)?,
            "tools/call" => return call(tools, params, client).map(Step::Run),
            _ => {
                let message = format!("unknown method {method:?}");
                return Err(Failure::new(UNKNOWN_METHOD, message));
            }
        };
        Ok(Step::Respond(cacheable(result, revision)))
    }

    fn initialize(&mut self, params: &Value) -> Value {
        let requested = member(params, "protocolVersion");
        let revision = LEGACY.into_iter().find(|known| *known == requested);
        let revision = revision.unwrap_or(NEWEST_LEGACY);
        self.0 = Client {
            revision,
            opens_pages: revision == NEWEST_LEGACY
                && page::opens_pages(member(params, "capabilities")),
        };
        json!({
            "protocolVersion": revision,
            "capabilities": {"tools": {}},
            "serverInfo": server_info(),
        })
    }

    /// Returns the client that the request describes, or else the client that `initialize` described.
    fn client(&self, method: &str, params: &Value) -> Result<Client, Failure> {
        let meta = member(params, "_meta");
        match (member(meta, VERSION), member(meta, CAPABILITIES)) {
            (Value::Null, Value::Null) if method != "server/discover" => Ok(self.0),
            (Value::String(version), Value::Object(_)) if version != MODERN => {
                Err(unsupported(version))
            }
            (Value::String(_), capabilities @ Value::Object(_)) => Ok(Client {
                revision: MODERN,
                opens_pages: page::opens_pages(capabilities),
            }),
            _ => Err(no_revision("the request has no valid _meta;")),
        }
    }
}

/// Describes a request whose revision is unknown. `problem` is the beginning of a sentence that ends with advice.
fn no_revision(problem: &str) -> Failure {
    let message = format!(
        "{problem} set _meta[\"{VERSION}\"] to a string and _meta[\"{CAPABILITIES}\"] to an object"
    );
    Failure::new(INVALID_PARAMS, message)
}

/// Lists the legacy revisions as well, because the client can still begin with `initialize`.
fn unsupported(requested: &str) -> Failure {
    let message = format!("unsupported protocol version {requested:?}");
    let supported = [&[MODERN], &LEGACY[..]].concat();
    Failure::new(UNSUPPORTED_VERSION, message)
        .with_data(json!({"supported": supported, "requested": requested}))
}

fn server_info() -> Value {
    json!({"name": env!("CARGO_CRATE_NAME"), "version": env!("CARGO_PKG_VERSION")})
}

fn list(tools: &Tools, params: &Value, revision: Revision) -> Result<Value, Failure> {
    let cursor = member(params, "cursor");
    if !cursor.is_null() && !is_blank(cursor) {
        let message = "unknown cursor: the list has one page";
        return Err(Failure::new(INVALID_PARAMS, message));
    }
    let definition = |tool: &Arc<Tool>| tool.definition(is_structured(revision));
    Ok(json!({"tools": tools.iter().map(definition).collect::<Vec<_>>()}))
}

/// Returns whether a result of this revision can have JSON in addition to its text.
fn is_structured(revision: Revision) -> bool {
    revision >= "2025-06-18"
}

fn call(tools: &Tools, mut params: Value, client: Client) -> Result<Invocation, Failure> {
    let arguments = take(&mut params, "arguments");
    let responses = take(&mut params, "inputResponses");
    let progress_token = member(member(&params, "_meta"), "progressToken").clone();
    let name = member(&params, "name").as_str();
    let name = name.ok_or_else(|| invalid("name", "a string"))?;
    let tool = tools.iter().find(|tool| tool.name == name).cloned();
    let unknown = || Failure::new(INVALID_PARAMS, format!("unknown tool {name:?}"));
    let tool = tool.ok_or_else(unknown)?;
    let arguments = object(tool.fit(arguments), "arguments")?;
    let visit = match responses {
        Value::Null => None,
        responses => Some(page::visit(&object(responses, "inputResponses")?)),
    };
    let call = Call::new(arguments, visit, progress_token);
    Ok(Invocation { tool, call, client })
}

impl Invocation {
    /// Runs the tool. Returns a page if the client expects a notification when the user has finished with the page.
    pub(crate) fn run(&self) -> (Result<Value, Failure>, Option<Page>) {
        let revision = self.client.revision;
        let result = match self.tool.call(&self.call) {
            Ok(Value::String(text)) => tool_result(&text, false),
            Ok(value) => {
                let result = tool_result(&value.to_string(), false);
                if value.is_object() && is_structured(revision) {
                    with(result, "structuredContent", value)
                } else {
                    result
                }
            }
            Err(Problem::Arguments(text)) if revision < NEWEST_LEGACY => {
                return (Err(Failure::new(INVALID_PARAMS, text)), None);
            }
            Err(Problem::Arguments(text) | Problem::Text(text)) => tool_result(&text, true),
            Err(Problem::Visit(page)) if !self.client.opens_pages => {
                tool_result(&page.text(), true)
            }
            Err(Problem::Visit(page)) if revision < MODERN => {
                return (Err(page.failure()), Some(page));
            }
            Err(Problem::Visit(page)) => page.question(),
        };
        (Ok(complete(result, revision)), None)
    }
}

fn tool_result(text: &str, is_error: bool) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": is_error})
}

/// Marks a result for a modern client as cacheable, because the list of tools never changes while the server runs. The
/// scope is `private`, because another user's server may have other tools.
fn cacheable(result: Value, revision: Revision) -> Value {
    if revision < MODERN {
        return result;
    }
    let result = with(result, "ttlMs", 60_000.into());
    complete(with(result, "cacheScope", "private".into()), revision)
}

fn complete(result: Value, revision: Revision) -> Value {
    if revision < MODERN {
        return result;
    }
    let result = with(result, "resultType", "complete".into());
    with(result, "_meta", json!({SERVER: server_info()}))
}

/// Reads an object that the client may leave out. PHP writes an empty object as `[]`, and some clients send it as a string.
fn object(value: Value, name: &str) -> Result<Value, Failure> {
    match value {
        Value::Object(_) => Ok(value),
        _ if value.is_null() || value == json!([]) || value == "[]" || is_blank(&value) => {
            Ok(json!({}))
        }
        _ => Err(invalid(name, "an object")),
    }
}

fn invalid(name: &str, expected: &str) -> Failure {
    Failure::new(INVALID_PARAMS, format!("{name:?} must be {expected}"))
}
