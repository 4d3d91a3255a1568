//! Properties of the MCP server example that hold for any input. Runs the example's own modules without its threads:
//! calls of tools run when a blank line is read.

#![allow(
    dead_code,
    unused_imports,
    reason = "the example has further uses for its modules"
)]

#[path = "../../src/mcp/mod.rs"]
pub(crate) mod mcp;

use std::sync::Arc;

use serde_json::{Value, json};

use mcp::inbox::{Work, take};
use mcp::jobs::Jobs;
use mcp::lines::{Line, read};
use mcp::message;
use mcp::protocol::Session;
use mcp::schema::fit;
use mcp::tool::Tools;
use mcp::{Page, Problem, Tool};

/// Reads the lines of a client until its stdin ends.
pub(crate) fn lines(mut input: &[u8]) {
    let mut host = Host {
        tools: tools(),
        jobs: Jobs::default(),
        open: Vec::new(),
    };
    let mut session = Session::default();
    loop {
        let text = match read(&mut input).unwrap() {
            Line::Text(text) => text,
            Line::Unusable(..) => continue,
            Line::End => break,
        };
        host.expect(&text);
        let work = take(&mut session, &text, &host.tools);
        if is_too_deep(&text) {
            check_refusals(work);
            continue;
        }
        for line in work.lines {
            if is_unparsed(&line) {
                assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
            } else {
                host.check(&line);
            }
        }
        host.jobs.add(work.jobs);
        for id in work.cancelled {
            for job in host.jobs.cancel(&id) {
                host.close(&job.id);
                host.write(job.destination.line(None));
            }
        }
        if text.trim().is_empty() {
            host.work();
        }
    }
    host.work();
    assert!(host.open.is_empty(), "no response to {:?}", host.open);
}

/// Returns whether `serde_json` may refuse the line because of its nesting. The line may also be invalid JSON.
fn is_too_deep(text: &str) -> bool {
    text.matches(['[', '{']).count() > 127 && serde_json::from_str::<Value>(text).is_err()
}

fn check_refusals(work: Work) {
    assert!(work.jobs.is_empty() && work.cancelled.is_empty());
    for line in work.lines {
        let responses = match serde_json::from_str(&line).unwrap() {
            Value::Array(responses) => responses,
            response => vec![response],
        };
        for response in responses {
            let is_refusal = response["error"]["code"] == -32600;
            assert!(is_refusal || is_unparsed(&line), "{response}");
        }
    }
}

/// Returns whether a line is the response to a line whose id cannot be read.
fn is_unparsed(line: &str) -> bool {
    let response: Value = serde_json::from_str(line).unwrap();
    response["id"].is_null() && response["error"]["code"] == -32700
}

struct Host {
    tools: Tools,
    jobs: Jobs,
    /// The ids of the requests that are to get a response.
    open: Vec<Value>,
}

impl Host {
    /// Adds the requests of a line to those that are to get a response.
    fn expect(&mut self, text: &str) {
        let messages = match serde_json::from_str(text) {
            Ok(Value::Array(messages)) if !messages.is_empty() => messages,
            Ok(message) => vec![message],
            Err(_) => return,
        };
        for message in messages {
            let is_response = message.get("method").is_none()
                && (message.get("result").is_some() || message.get("error").is_some());
            let id = &message["id"];
            let is_notification = id.is_null() && message["method"].is_string();
            if !is_response && !is_notification {
                let is_valid = id.is_string() || id.is_number();
                self.open
                    .push(if is_valid { id.clone() } else { Value::Null });
            }
        }
    }

    /// Runs the calls that wait.
    fn work(&mut self) {
        while let Some(job) = self.jobs.start() {
            let (outcome, _) = job.invocation.run();
            assert!(self.jobs.finish(&job));
            let response = message::response(&job.id, &outcome);
            self.write(job.destination.line(Some(response)));
            self.jobs.end(true);
        }
        assert!(!self.jobs.is_busy());
    }

    fn write(&mut self, line: Option<String>) {
        if let Some(line) = line {
            self.check(&line);
        }
    }

    /// Every line is a response to a request, or to a batch of requests. No request gets two responses.
    fn check(&mut self, line: &str) {
        assert!(!line.contains(['\r', '\n']), "{line:?}");
        match serde_json::from_str(line) {
            Ok(Value::Array(responses)) => {
                assert!(!responses.is_empty(), "an empty batch");
                for response in &responses {
                    self.responded(response);
                }
            }
            Ok(response) => self.responded(&response),
            Err(error) => panic!("{line:?}: {error}"),
        }
    }

    fn responded(&mut self, response: &Value) {
        assert_eq!(response["jsonrpc"], "2.0", "{response}");
        let error = response.get("error");
        let has_result = response.get("result").is_some();
        assert_ne!(has_result, error.is_some(), "{response}");
        if let Some(error) = error {
            let is_complete = error["code"].is_i64() && error["message"].is_string();
            assert!(is_complete, "{response}");
        }
        self.close(&response["id"]);
    }

    /// Removes the request that a response belongs to.
    fn close(&mut self, id: &Value) {
        let asked = self.open.iter().position(|open| is_echo(open, id));
        let asked = asked.unwrap_or_else(|| panic!("no request has the id {id}"));
        self.open.remove(asked);
    }
}

/// Floats are refused as ids, and `serde_json` does not read them to the last bit.
fn is_echo(sent: &Value, echoed: &Value) -> bool {
    let is_near = |sent: f64, echoed: f64| (sent - echoed).abs() <= sent.abs() * 1e-9;
    match (sent.as_f64(), echoed.as_f64()) {
        (Some(sent_number), Some(echoed)) if sent.is_f64() => is_near(sent_number, echoed),
        _ => sent == echoed,
    }
}

#[test]
fn a_value_of_enum_is_not_absent() {
    let sort = json!({"type": "string", "enum": ["none", "name"]});
    let schema = json!({"type": "object", "properties": {"sort": sort}});
    for (sent, expected) in [("None", json!({"sort": "none"})), ("null", json!({}))] {
        assert_eq!(fit(&schema, json!({"sort": sent})), expected);
    }
}

/// Tools with the same arguments as the example's. They have no effect.
pub(crate) fn tools() -> Tools {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100});
    let methods = json!({"type": "string", "enum": ["GET", "POST"]});
    let listed = json!({"type": "array", "items": {"type": "integer", "maximum": 50}});
    let listed = json!({"type": "object", "properties": {"list": listed}, "required": ["list"]});
    let page = Page::new("1", "https://example.com/consent", "Please consent.");
    let tools = [
        Tool::new("echo", "Returns its text.")
            .required("text", json!({"type": "string"}))
            .run(|call| Ok(call.text("text").unwrap().into())),
        Tool::new("list", "Lists.")
            .optional("limit", limit)
            .returns(listed)
            .run(|call| {
                let limit = call.integer("limit").unwrap_or(30);
                Ok(json!({"list": [limit]}))
            }),
        Tool::new("fetch", "Fetches.")
            .required("path", json!({"type": "string"}))
            .optional("method", methods)
            .optional("body", json!({"description": "JSON"}))
            .run(|call| call.json("body").map(|_| call.text("path").unwrap().into())),
        Tool::new("visit", "Sends the user to a page first.").run(move |call| match call.visit {
            Some(visit) => Ok(format!("{visit:?}").into()),
            None => Err(Problem::Visit(page.clone())),
        }),
    ];
    tools.into_iter().map(Arc::new).collect()
}
