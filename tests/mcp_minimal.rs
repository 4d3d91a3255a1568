//! The server in one file: `examples/mcp_minimal.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a failing test panics"
)]

#[path = "support/mcp_client.rs"]
mod client;
#[path = "support/example.rs"]
mod example;
#[cfg(unix)]
#[path = "support/signals.rs"]
mod signals;

use std::process::{Command, Stdio};

use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};

use client::Client;

const SOURCE: &str = include_str!("../examples/mcp_minimal.rs");

/// The revision in which each request stands alone.
const MODERN: &str = "2026-07-28";
const ALL: [&str; 5] = [
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    MODERN,
];

/// Returns the command of the server, without environment variables.
fn command() -> Command {
    let mut command = example::program("mcp_minimal");
    command.env_clear();
    command
}

#[test]
fn it_can_be_read_in_one_go() {
    assert!(SOURCE.lines().count() <= 120);
    let mut uses = SOURCE.lines().filter_map(|line| line.strip_prefix("use "));
    let known = ["std::", "nexus_sdk::", "serde_json::"];
    assert!(uses.all(|path| known.iter().any(|it| path.starts_with(it))));
}

#[test]
fn all_revisions_list_and_call() {
    for revision in ALL {
        let mut client = Client::start(&mut command()).begin(revision);
        let listed = client.ask("tools/list", json!({}))["result"].take();
        assert_eq!(listed["tools"][0]["name"], "list_repos");
        let repos = client.text("list_repos", &json!({"limit": 2})).unwrap();
        let repos: Value = serde_json::from_str(&repos).unwrap();
        assert_eq!(repos.as_array().unwrap().len(), 2);
        assert_eq!(repos[0]["name"], "hello-world");
        let wrong = client.text("list_repos", &json!({"limit": "x"}));
        let problem = wrong.unwrap_err();
        assert!(problem.contains("non-negative integer"), "{problem}");
        for (method, params, code) in [
            ("tools/call", json!({"name": "no_such"}), -32602),
            ("resources/list", json!({}), -32601),
        ] {
            let error = client.ask(method, params)["error"].take();
            assert_eq!(error["code"], code, "{method}");
        }
        let ping = client.ask("ping", json!({}));
        assert_eq!(ping["error"].is_object(), revision == MODERN, "{ping}");
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

#[test]
fn lines_that_are_no_request_get_no_response() {
    let mut client = Client::start(&mut command());
    let lines: [&[u8]; 7] = [
        b"",
        b"hello",
        b"7",
        b"[]",
        b"\xff",
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        br#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ];
    for line in lines {
        client.write_bytes(line);
        client.write_bytes(b"\n");
    }
    client.ping();
    assert_eq!(client.close(), [] as [Value; 0]);
}

#[test]
fn it_uses_the_gateway_that_is_configured() {
    let gateway = DevGateway::start().unwrap();
    let connection = gateway.connect("acme", "github").unwrap();
    let mut command = command();
    command.env("NEXUS_GATEWAY_URL", gateway.url());
    command.env("UPSTREAM_URL", gateway.url());
    command
        .env("WORKSPACE_ID", "acme")
        .env("PROVIDER", "github");
    let mut client = Client::start(&mut command).begin("2025-11-25");
    let repos = client.text("list_repos", &json!({})).unwrap();
    assert!(repos.contains("acme/hello-world"), "{repos}");
    gateway.set_status(&connection, "revoked");
    gateway.rotate("acme", "github");
    assert!(client.text("list_repos", &json!({})).is_err());

    let command = command.env_remove("PROVIDER").stderr(Stdio::piped());
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("PROVIDER"));
}
