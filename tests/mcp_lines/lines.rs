//! What holds for whatever a client of the MCP example writes to it. The example's own modules, with
//! another stdout, and with one thread that works when a blank line lets it.
//!
//! The modules name each other as `crate::..`, so whoever uses this file brings them to its root.

#![allow(dead_code, reason = "the example has further uses for its modules")]

#[path = "../../examples/mcp_stdio_server/bench.rs"]
pub(crate) mod bench;
#[path = "output.rs"]
pub(crate) mod output;
#[path = "../../examples/mcp_stdio_server/protocol.rs"]
pub(crate) mod protocol;
#[path = "../../examples/mcp_stdio_server/raw.rs"]
pub(crate) mod raw;
#[path = "../../examples/mcp_stdio_server/reader.rs"]
pub(crate) mod reader;
#[path = "../../examples/mcp_stdio_server/reply.rs"]
pub(crate) mod reply;
#[path = "../../examples/mcp_stdio_server/rpc.rs"]
pub(crate) mod rpc;
#[path = "../../examples/mcp_stdio_server/schema.rs"]
pub(crate) mod schema;
#[path = "../../examples/mcp_stdio_server/tools.rs"]
pub(crate) mod tools;
#[path = "../../examples/mcp_stdio_server/turns.rs"]
pub(crate) mod turns;
#[path = "../../examples/mcp_stdio_server/upstream.rs"]
pub(crate) mod upstream;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use url::Url;

use output::Output;
use protocol::Session;
use tools::{Tool, Tools};
use turns::Turns;
use upstream::Upstream;

const BASE: &str = "https://api.example.com/v3";

/// Lines of a client, up to the end of its stdin.
pub(crate) fn lines(mut input: &[u8]) {
    let reached = Arc::default();
    let mut host = Host::new(Arc::clone(&reached));
    let mut line = Vec::new();
    let mut session = Session::default();
    while let Some(text) = reader::read(&mut input, &mut line) {
        host.expect(text);
        let work = reader::take(&mut session, text, &host.tools, &host.output);
        work.calls.into_iter().for_each(|call| host.turns.add(call));
        for id in work.cancelled {
            for call in host.turns.cancel(&id) {
                call.reply.give(&host.output, None);
                host.close(&rpc::answer(&call.id, &Ok(Value::Null)));
            }
        }
        if text.trim().is_empty() {
            host.work();
        }
        host.check();
    }
    host.work();
    host.check();
    assert!(host.open.is_empty(), "no answer to {:?}", host.open);
    for url in reached.lock().unwrap().iter() {
        let url = Url::parse(url).unwrap();
        let there = (
            url.origin().ascii_serialization(),
            url.path().starts_with("/v3/"),
        );
        assert_eq!(there, ("https://api.example.com".to_owned(), true), "{url}");
    }
}

struct Host {
    tools: Tools,
    output: Output,
    turns: Turns<()>,
    /// The ids that are to be answered, and the number that they are written as in their line.
    open: Vec<(Value, String)>,
}

impl Host {
    fn new(reached: Arc<Mutex<Vec<String>>>) -> Self {
        Self {
            tools: tools(reached),
            output: Output::default(),
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
            let is_answer = message.get("method").is_none()
                && (message.get("result").is_some() || message.get("error").is_some());
            let id = &message["id"];
            if (id.is_string() || id.is_number()) && !is_answer {
                self.open.push((id.clone(), text.to_owned()));
            }
        }
    }

    /// Runs the calls that wait.
    fn work(&mut self) {
        while let Some(call) = self.turns.start() {
            let result = call.invocation.run(&call.cancelled);
            assert!(self.turns.settle(&call));
            call.reply
                .give(&self.output, Some(rpc::answer(&call.id, &Ok(result))));
            self.turns.end(&call);
        }
        assert!(self.turns.is_drained());
    }

    /// Every line is an answer to a request, or to a batch of them; none is answered twice.
    fn check(&mut self) {
        for line in self.output.take() {
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            match serde_json::from_str(&line) {
                Ok(Value::Array(answers)) => {
                    assert!(!answers.is_empty(), "an empty batch");
                    let pieces: Vec<&str> = raw::pieces(&line).collect();
                    assert_eq!(pieces.len(), answers.len(), "{line:?}");
                    for (answer, text) in answers.iter().zip(pieces) {
                        self.answered(answer, text);
                    }
                }
                Ok(answer) => self.answered(&answer, &line),
                Err(error) => panic!("{line:?}: {error}"),
            }
        }
    }

    fn answered(&mut self, answer: &Value, text: &str) {
        assert_eq!(answer["jsonrpc"], "2.0", "{text:?}");
        let error = answer.get("error");
        assert_ne!(answer.get("result").is_some(), error.is_some(), "{text:?}");
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

    /// Takes the request out that an answer is to, or was to be.
    fn close(&mut self, answer: &str) -> (Value, String) {
        let read: Value = serde_json::from_str(answer).unwrap();
        let asked = self.open.iter().position(|(id, _)| *id == read["id"]);
        self.open
            .remove(asked.unwrap_or_else(|| panic!("nothing asked for {answer:?}")))
    }
}

/// Tools with the arguments of the example's, that touch nothing. `reached` has the URLs.
fn tools(reached: Arc<Mutex<Vec<String>>>) -> Tools {
    let [echo, _] = bench::tools();
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30});
    let methods = json!({"type": "string", "enum": ["GET", "POST"], "default": "GET"});
    let base = Upstream::new(BASE).unwrap();
    Tools::new(vec![
        echo,
        Tool::new("list", "Lists.")
            .optional("limit", limit)
            .run(|arguments, _| {
                let limit = arguments.integer("limit").unwrap_or(30);
                Ok(format!("{limit} of them"))
            }),
        Tool::new("fetch", "Fetches.")
            .required("path", json!({"type": "string"}))
            .optional("method", methods)
            .optional("body", json!({}))
            .run(move |arguments, _| {
                let url = base.url(arguments.text("path").unwrap_or_default())?;
                reached.lock().unwrap().push(url.clone());
                Ok(url)
            }),
    ])
}
