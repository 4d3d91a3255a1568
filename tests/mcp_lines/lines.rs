//! What holds for whatever a client of the MCP example writes to it. The example's own modules, with
//! another stdout, and with one thread that works when a blank line lets it.

#![allow(
    dead_code,
    unused_imports,
    reason = "the example has further uses for its modules"
)]

#[path = "../../examples/mcp_stdio_server/server/mcp/mod.rs"]
mod mcp;

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use mcp::inbox::take;
use mcp::jsonrpc;
use mcp::lines::{Output, read};
use mcp::protocol::Session;
use mcp::tool::Tools;
use mcp::turns::Turns;
use mcp::{Content, Page, Problem, Tool};

/// Lines of a client, up to the end of its stdin.
pub(crate) fn lines(mut input: &[u8]) {
    let mut host = Host::new();
    let mut line = Vec::new();
    let mut session = Session::default();
    while let Some(text) = read(&mut input, &mut line, &host.output) {
        host.expect(text);
        let work = take(&mut session, text, &host.tools, &host.output);
        work.jobs.into_iter().for_each(|job| host.turns.add(job));
        for id in work.cancelled {
            for job in host.turns.cancel(&id) {
                job.destination.give(&host.output, None);
                host.close(&jsonrpc::response(&job.id, &Ok(Value::Null)));
            }
        }
        if text.trim().is_empty() {
            host.work();
        }
        host.check();
    }
    host.work();
    host.check();
    assert!(host.open.is_empty(), "no response to {:?}", host.open);
}

/// Stands in for stdout: keeps the lines.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Host {
    tools: Tools,
    kept: Kept,
    output: Arc<Output>,
    turns: Turns<()>,
    /// The ids that are to get a response, and the number that they are written as in their line.
    open: Vec<(Value, String)>,
}

impl Host {
    fn new() -> Self {
        let kept = Kept::default();
        Self {
            tools: tools(),
            output: Output::new(kept.clone(), |text| drop(text.to_string())),
            kept,
            turns: Turns::new(()),
            open: Vec::new(),
        }
    }

    /// What a line asks for, read a second time.
    fn expect(&mut self, text: &str) {
        let messages = match serde_json::from_str(text) {
            Ok(Value::Array(messages)) => messages,
            Ok(message) => vec![message],
            Err(_) => return,
        };
        for message in messages {
            let is_response = message.get("method").is_none()
                && (message.get("result").is_some() || message.get("error").is_some());
            let id = &message["id"];
            if (id.is_string() || id.is_number()) && !is_response {
                self.open.push((id.clone(), text.to_owned()));
            }
        }
    }

    /// Runs the calls that wait.
    fn work(&mut self) {
        while let Some(job) = self.turns.start() {
            let (outcome, _) = job.invocation.run();
            assert!(self.turns.settle(&job));
            let response = jsonrpc::response(&job.id, &outcome);
            job.destination.give(&self.output, Some(response));
            self.turns.end(&job);
        }
        assert!(self.turns.is_drained());
    }

    /// Every line is a response to a request, or to a batch of them; none gets two.
    fn check(&mut self) {
        let written = mem::take(&mut *self.kept.0.lock().unwrap());
        let written = String::from_utf8(written).unwrap();
        assert!(written.is_empty() || written.ends_with('\n'), "{written:?}");
        for line in written.split_terminator('\n') {
            assert!(!line.contains('\r'), "{line:?}");
            match serde_json::from_str(line) {
                Ok(Value::Array(responses)) => {
                    assert!(!responses.is_empty(), "an empty batch");
                    let pieces: Vec<&str> = jsonrpc::pieces(line).collect();
                    assert_eq!(pieces.len(), responses.len(), "{line:?}");
                    for (response, text) in responses.iter().zip(pieces) {
                        self.responded(response, text);
                    }
                }
                Ok(response) => self.responded(&response, line),
                Err(error) => panic!("{line:?}: {error}"),
            }
        }
    }

    fn responded(&mut self, response: &Value, text: &str) {
        assert_eq!(response["jsonrpc"], "2.0", "{text:?}");
        let error = response.get("error");
        assert_ne!(
            response.get("result").is_some(),
            error.is_some(),
            "{text:?}"
        );
        if let Some(error) = error {
            assert!(
                error["code"].is_i64() && error["message"].is_string(),
                "{text:?}"
            );
        }
        let (id, line) = self.close(text);
        // A number beyond 64 bits goes back digit by digit, unless its name is not written plainly.
        let digits = text.strip_prefix(r#"{"jsonrpc":"2.0","id":"#).unwrap();
        let (digits, _) = digits.split_once(',').unwrap();
        assert!(
            !id.is_f64() || line.contains(digits) || line.contains('\\'),
            "{text:?}"
        );
    }

    /// Takes out the request that a response is to, or was to be.
    fn close(&mut self, response: &str) -> (Value, String) {
        let read: Value = serde_json::from_str(response).unwrap();
        let asked = self.open.iter().position(|(id, _)| *id == read["id"]);
        self.open
            .remove(asked.unwrap_or_else(|| panic!("nothing asked for {response:?}")))
    }
}

/// Tools with the arguments of the example's, that touch nothing.
fn tools() -> Tools {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30});
    let methods = json!({"type": "string", "enum": ["GET", "POST"], "default": "GET"});
    let listed = json!({"type": "array", "items": {"type": "integer", "maximum": 50}});
    let listed = json!({"type": "object", "properties": {"list": listed}, "required": ["list"]});
    let page = Page::new("1", "https://example.com/consent", "Please consent.");
    Tools::new(vec![
        Tool::new("echo", "Returns its text.")
            .required("text", json!({"type": "string"}))
            .run(|call| Ok(Content::Text(call.text("text").unwrap().to_owned()))),
        Tool::new("list", "Lists.")
            .optional("limit", limit)
            .returns(listed)
            .run(|call| {
                let limit = call.integer("limit").unwrap_or(30);
                Ok(Content::Json(json!({"list": [limit]})))
            }),
        Tool::new("fetch", "Fetches.")
            .required("path", json!({"type": "string"}))
            .optional("method", methods)
            .optional("body", json!({}))
            .run(|call| Ok(Content::Text(call.text("path").unwrap().to_owned()))),
        Tool::new("visit", "Sends the user to a page first.").run(move |call| match call.visit() {
            Some(visit) => Ok(Content::Text(format!("{visit:?}"))),
            None => Err(Problem::Visit(page.clone())),
        }),
    ])
}
