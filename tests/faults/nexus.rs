//! The program `nexus` under every fault. Like the examples, it prints only results on stdout.

use std::path::Path;

use crate::calls::{SHORT, compare, document};
use crate::example;
use crate::examples::{configured, for_all, is_answer, stdout_of, upstream};
use crate::support::LONG;

#[test]
fn the_command_line_tool_prints_results_alone() {
    for_all(true, |server, case, row| {
        let timeout = if row.hangs() { SHORT } else { LONG };
        let timeout = timeout.as_secs_f64().to_string();
        let run = |args: &[&str]| {
            let nexus = example::configured(Path::new(env!("CARGO_BIN_EXE_nexus")));
            let mut command = configured(nexus, server, "ws", "");
            stdout_of(command.args(args).args(["--timeout", &timeout]))
        };
        let status = run(&["status", &format!("case-{case}-Status")]);
        let expected = if row.gateway == "ok" { "active\n" } else { "" };
        assert_eq!(status, expected, "{}", row.name);
        let body = run(&["fetch", &upstream(server, &format!("/case-{case}-Fetch"))]);
        let expected = match row.upstream {
            // The second response has another document.
            _ if row.is_repeated() => "other",
            outcome if is_answer(outcome) => outcome,
            _ => "empty",
        };
        assert_eq!(compare(&body, &document(1)), expected, "{}", row.name);
    });
}
