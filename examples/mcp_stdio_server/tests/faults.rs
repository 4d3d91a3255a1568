//! The server under every fault of the network, the gateway and the API. It prints only responses on stdout.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failing test panics, and the SDK's tests have further uses for its modules"
)]

#[path = "../../../tests/faults/calls.rs"]
mod calls;
#[path = "../../../tests/support/example.rs"]
mod example;
#[path = "../../../tests/faults/find_secrets.rs"]
mod find_secrets;
#[path = "../../../tests/faults/programs.rs"]
mod programs;
#[path = "../../../tests/support/mod.rs"]
mod support;
#[path = "../../../tests/faults/table.rs"]
mod table;

/// The SDK's own tests watch their process. Here, it is the program that is watched.
mod watched {
    pub(crate) fn begin() {}
}

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use programs::{check_stderr, configured, for_all};

/// A running MCP server and its responses.
struct Mcp {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Mcp {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            input,
            lines,
        }
    }

    /// Returns the next response: one line of valid JSON-RPC.
    fn ask(&mut self, id: u8, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        writeln!(self.input, "{request}").unwrap();
        let line = self.lines.next().unwrap().unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
        assert_eq!(
            (&answer["jsonrpc"], &answer["id"]),
            (&json!("2.0"), &json!(id)),
            "{line}"
        );
        answer["result"].clone()
    }

    fn call(&mut self, id: u8) -> Value {
        let fetch = json!({"name": "fetch", "arguments": {"path": "/x"}});
        self.ask(id, "tools/call", &fetch)
    }

    /// Asserts that nothing else was written.
    fn end(mut self) {
        drop(self.input);
        assert!(self.lines.next().is_none());
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success());
        check_stderr(&String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_mcp_server_prints_answers_alone() {
    for_all(false, |server, case, row| {
        let id = format!("case-{case}-Mcp");
        let program = example::configured(Path::new(env!("CARGO_BIN_EXE_mcp_stdio_server")));
        let mut command = configured(program, server, &id, &format!("/{id}Upstream"));
        let mut server = Mcp::start(&mut command);
        server.ask(
            1,
            "initialize",
            &json!({"protocolVersion": "2025-11-25", "capabilities": {}}),
        );
        // First the fault of the gateway, then the fault of the upstream, then no fault.
        if row.gateway != "ok" {
            assert_eq!(server.call(2)["isError"], true, "{}", row.name);
        }
        let answer = server.call(3);
        let failed = answer["isError"] == true;
        assert_eq!(
            failed,
            row.upstream.contains('_') && !row.is_repeated(),
            "{}: {answer}",
            row.name
        );
        assert_ne!(server.call(4)["isError"], true, "{}", row.name);
        server.end();
    });
}
