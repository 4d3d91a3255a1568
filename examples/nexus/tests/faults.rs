//! The program `nexus` under every fault of the network, the gateway and the API. It prints only results on stdout.
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

use std::path::Path;

use calls::{SHORT, compare, document};
use programs::{configured, for_all, is_answer, stdout_of, upstream};
use support::LONG;
#[cfg(target_os = "linux")]
use support::{Server, authority_pem, json};

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

/// The programs of a company trust its own certificate authority, which the system knows.
#[cfg(target_os = "linux")]
#[test]
fn it_trusts_the_systems_authorities() {
    let gateway = Server::start(|_| json(200, &serde_json::json!({"status": "ok"})));
    let url = gateway.url("").replace("http:", "https:");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authority.pem");
    std::fs::write(&file, authority_pem()).unwrap();
    for (certificates, code) in [(file.as_path(), 0), (Path::new("/dev/null"), 1)] {
        let mut nexus = example::configured(Path::new(env!("CARGO_BIN_EXE_nexus")));
        nexus.args(["health"]).env("NEXUS_GATEWAY_URL", &url);
        nexus.env("SSL_CERT_FILE", certificates);
        let output = nexus.env_remove("SSL_CERT_DIR").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}
