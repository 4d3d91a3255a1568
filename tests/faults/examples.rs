//! The examples under every fault, with the log on. Stdout has only the output of the example, and stderr shows
//! no secret.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::calls::{FaultyServer, all};
use crate::example;
use crate::find_secrets::{KEY, check_text};
use crate::table::{self, Row};

/// Runs an example on each fault. Leaves out faults that hang if the example has no timeout, and bodies over
/// the limit, which is 100 MiB for an example.
pub(crate) fn for_all(has_timeout: bool, run: impl Fn(&FaultyServer, usize, Row) + Sync) {
    let (server, rows) = (table::server_for_programs(), table::rows());
    let mut cases: Vec<usize> = (0..rows.len())
        .filter(|case| has_timeout || !rows[*case].hangs())
        .filter(|case| rows[*case].upstream != "body_too_large")
        .collect();
    assert!(cases.len() > 40);
    // All cases that hang wait at the same time, while the others run.
    cases.sort_by_key(|case| !rows[*case].hangs());
    all(&cases, 32, |&case| run(&server, case, rows[case]));
}

/// Returns the same server by another name, so that gateway and upstream do not share connections.
pub(crate) fn upstream(server: &FaultyServer, path: &str) -> String {
    server.url(path).replace("127.0.0.1", "localhost")
}

fn program(name: &str, server: &FaultyServer, workspace: &str, path: &str) -> Command {
    let command = example::program(name);
    configured(command, server, workspace, path)
}

pub(crate) fn configured(
    mut command: Command,
    server: &FaultyServer,
    workspace: &str,
    path: &str,
) -> Command {
    command
        .env("NEXUS_GATEWAY_URL", server.url(""))
        .env("NEXUS_API_KEY", KEY)
        .env("NEXUS_LOG", "debug")
        .env("WORKSPACE_ID", workspace)
        .env("PROVIDER", "p")
        .env("UPSTREAM_URL", upstream(server, path));
    command
}

/// Returns the output on stdout, and asserts that stderr shows no secret.
pub(crate) fn stdout_of(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    check_stderr(&String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn check_stderr(stderr: &str) {
    check_text("stderr", stderr);
    // With the feature `log`, lines go to stderr while the program has no logger.
    let logged = stderr.contains("[NexusSDK] ");
    // A program that ends while its only call hangs has logged nothing yet.
    let hung = stderr.contains("so that no refresh is lost");
    assert!(logged || hung, "{stderr}");
}

/// Returns whether the outcome is that of a call with a response.
pub(crate) fn is_answer(outcome: &str) -> bool {
    ["ok", "shorter", "empty", "other"].contains(&outcome)
}

#[test]
fn the_quickstart_prints_its_steps_alone() {
    for_all(false, |server, case, row| {
        let steps = |workspace: &str, path: &str| {
            let out = stdout_of(&mut program("quickstart", server, workspace, path));
            for line in out.lines() {
                let step = line
                    .split_once(". ")
                    .map(|(number, _)| number.parse::<u8>());
                assert!(matches!(step, Some(Ok(1..=6))), "{}: {out}", row.name);
            }
            out.lines().count()
        };
        let expected = if row.gateway == "ok" { 6 } else { 0 };
        let workspace = format!("case-{case}-Gateway");
        assert_eq!(steps(&workspace, ""), expected, "{}", row.name);
        let works = is_answer(row.upstream) || row.is_repeated();
        let expected = if works { 6 } else { 4 };
        let path = format!("/case-{case}-Upstream");
        assert_eq!(steps("ws", &path), expected, "{}", row.name);
    });
}

#[test]
fn the_tools_client_prints_nothing_when_it_fails() {
    for_all(false, |server, case, row| {
        // The document is not a list of tools.
        let path = format!("/case-{case}-Tools");
        let out = stdout_of(&mut program("rest_tools", server, "ws", &path));
        assert_eq!(out, "", "{}", row.name);
    });
}

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
        let mut command = program("mcp_stdio_server", server, &id, &format!("/{id}Upstream"));
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
