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

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
#[cfg(unix)]
use std::{thread, time::Duration};

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
    assert!(SOURCE.lines().count() < 200);
    let mut uses = SOURCE.lines().filter_map(|line| line.strip_prefix("use "));
    let known = ["std::", "nexus_sdk::", "serde_json::"];
    assert!(uses.all(|path| known.iter().any(|it| path.starts_with(it))));
}

#[test]
fn all_revisions_list_and_call() {
    for revision in ALL {
        // An empty variable counts as not set.
        let mut client = Client::start(command().env("NEXUS_GATEWAY_URL", "")).begin(revision);
        let listed = client.ask("tools/list", json!({}))["result"].take();
        assert_eq!(listed["tools"][0]["name"], "list_repos");
        let repos = client.text("list_repos", &json!({"limit": 2})).unwrap();
        let repos: Value = serde_json::from_str(&repos).unwrap();
        assert_eq!(repos.as_array().unwrap().len(), 2);
        assert_eq!(repos[0]["name"], "hello-world");
        for limit in [
            json!(2.0),
            json!("2"),
            json!(" 2\n"),
            json!("2.00"),
            json!("2e0"),
        ] {
            let repos = client.text("list_repos", &json!({"limit": limit}));
            let repos: Value = serde_json::from_str(&repos.unwrap()).unwrap();
            assert_eq!(repos.as_array().unwrap().len(), 2, "{limit}");
        }
        for limit in [
            json!(null),
            json!("null"),
            json!(""),
            json!(" "),
            json!("None"),
            json!("UNDEFINED"),
        ] {
            let arguments = json!({"limit": limit});
            assert!(client.text("list_repos", &arguments).is_ok(), "{limit}");
        }
        for arguments in [json!({}), json!(null)] {
            assert!(client.text("list_repos", &arguments).is_ok());
        }
        for limit in [
            json!("x"),
            json!(-1),
            json!("-1"),
            json!(0),
            json!(101),
            json!("+2"),
            json!("02"),
            json!(1.5),
            json!("nan"),
            json!("inf"),
            json!([2]),
            json!(true),
        ] {
            let wrong = client.text("list_repos", &json!({"limit": limit}));
            let problem = wrong.unwrap_err();
            assert!(problem.contains("integer from 1 to 100"), "{problem}");
        }
        for cursor in [json!(null), json!("")] {
            let listed = client.ask("tools/list", json!({"cursor": cursor}))["result"].take();
            let limit = &listed["tools"][0]["inputSchema"]["properties"]["limit"];
            assert_eq!(limit["type"], "integer");
        }
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
    let lines: [&[u8]; 8] = [
        b"",
        b"\r",
        b" \t",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\r",
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        br#"[{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}]"#,
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
fn lines_that_cannot_be_parsed_get_an_error_without_an_id() {
    let mut client = Client::start(&mut command());
    let long = "x".repeat((1 << 20) + 1);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"long": long}});
    let not_json = ["hello", "{", "\u{feff}{", "\0", &long, &call.to_string()];
    let not_json = not_json.map(str::as_bytes).into_iter();
    for line in not_json.chain([&b"\xff\xfe{\0}\0"[..]]) {
        client.write_bytes(line);
        client.write_bytes(b"\n");
        let response = client.response();
        let found = (&response["id"], &response["error"]["code"]);
        assert_eq!(found, (&Value::Null, &json!(-32700)));
        client.ping();
    }
    client.write(r#"{"jsonrpc":"2.0","id":5}"#);
    let response = client.response();
    let found = (&response["id"], &response["error"]["code"]);
    assert_eq!(found, (&json!(5), &json!(-32600)));
    assert_eq!(client.close(), [] as [Value; 0]);
}

/// JSON-RPC 2.0, section 6.
#[test]
fn a_batch_gets_an_array() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let told = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let invalid = json!([null, -32600]);
    // (a line, the id and the error's code of each response)
    let table = [
        ("7".to_owned(), invalid.clone()),
        ("{}".to_owned(), invalid.clone()),
        (r#"{"id":true,"method":"ping"}"#.to_owned(), invalid.clone()),
        (r#"{"id":{},"method":"ping"}"#.to_owned(), invalid.clone()),
        (r#"{"id":[],"method":"ping"}"#.to_owned(), invalid.clone()),
        (r#"{"id":null,"method":7}"#.to_owned(), invalid.clone()),
        ("[]".to_owned(), invalid.clone()),
        ("[[], 7]".to_owned(), json!([invalid, invalid])),
        (format!("[{ping}]"), json!([[1, null]])),
        (format!("[{told}, 7, {ping}]"), json!([invalid, [1, null]])),
    ];
    let outline = |it: &Value| json!([it["id"], it["error"]["code"]]);
    let mut client = Client::start(&mut command());
    for (line, expected) in table {
        client.write(&line);
        let found = match client.response() {
            Value::Array(responses) => responses.iter().map(outline).collect(),
            response => outline(&response),
        };
        assert_eq!(found, expected, "{line}");
    }
    assert_eq!(client.close(), [] as [Value; 0]);
}

/// The test looks at the bytes, because a parsed value is the same either way.
#[test]
fn characters_that_end_a_line_for_some_clients_are_escaped() {
    let mut client = Client::start(&mut command());
    client.write("{\"id\":\"a\u{85}b\u{2028}c\u{2029}d\",\"method\":\"ping\"}");
    let expected = r#"{"id":"a\u0085b\u2028c\u2029d","jsonrpc":"2.0","result":{}}"#;
    assert_eq!(client.line(), expected);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let mut client = Client::start(&mut command());
    for _ in 0..2 {
        client.write_bytes(b"\xef\xbb\xbf");
        client.ping();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_line_takes_little_memory() {
    let mut client = Client::start(&mut command());
    client.write(&["[", &"[],".repeat(21 << 20), "[]]"].concat());
    assert_eq!(client.response()["error"]["code"], -32700);
    for item in [r#"{"":{"":0}},"#, "0,"] {
        let items = item.repeat((1 << 20) / item.len() - 2);
        client.write(&["[", &items, "0]"].concat());
        assert_eq!(client.response()[0]["error"]["code"], -32600);
    }
    let megabytes = client.peak_memory() >> 20;
    assert!(megabytes < 256, "{megabytes} MiB");
}

#[cfg(unix)]
#[test]
fn a_non_blocking_stdin_and_a_full_stdout_are_waited_for() {
    let mut client = Client::start_non_blocking(&mut command());
    let half = r#"{"jsonrpc":"2.0","id":"#;
    for part in [half, "7,", r#""method":"ping"}"#, "\r\n"] {
        client.write_bytes(part.as_bytes());
        thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(client.response()["id"], 7);
    // The responses are longer than the buffer of a pipe, and the client reads them slowly.
    let client = &mut client.begin("2025-11-25");
    let ids: Vec<_> = (0..4000)
        .map(|_| client.request("tools/list", json!({})))
        .collect();
    let found: Vec<_> = ids.iter().map(|_| client.response()).collect();
    assert_eq!(client::ids(&found), ids);
}

/// Without a line break, the last line was cut, unless it is JSON.
#[test]
fn a_cut_line_ends_it_with_an_error() {
    // (the last line, the lines on stdout, the exit code)
    for (line, responses, exit) in [
        ("", 0, 0),
        ("\u{feff} ", 0, 0),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, 1, 0),
        (r#"{"jsonrpc":"2.0","id":1,"#, 1, 1),
    ] {
        let mut command = command();
        let server = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = server.stderr(Stdio::null()).spawn().unwrap();
        write!(child.stdin.take().unwrap(), "{line}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let found = (said.lines().count(), output.status.code());
        assert_eq!(found, (responses, Some(exit)), "{line}");
    }
}

/// The exit code of a server whose stdin or stdout has failed is not 0.
#[cfg(target_os = "linux")]
#[test]
fn a_stdin_that_cannot_be_read_and_a_full_disk_end_it() {
    let folder = || Stdio::from(File::open("/").unwrap());
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let line = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let mut command = command();
    let server = command.stderr(Stdio::piped());
    let child = server.stdin(folder()).stdout(Stdio::piped()).spawn();
    let unreadable = child.unwrap().wait_with_output().unwrap();
    let mut child = server.stdin(Stdio::piped()).stdout(full()).spawn().unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
    let unwritable = child.wait_with_output().unwrap();
    for output in [unreadable, unwritable] {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
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
