//! Lines, ids and batches.

use serde_json::{Value, json};

use crate::client::Client;
use crate::{ALL, LEGACY, MODERN};

#[test]
fn ids_are_echoed_exactly() {
    let integers = "0 -1 9007199254740993 -9223372036854775808 18446744073709551615";
    let texts = [r#""""#, r#""7""#, r#""a\"b\\c""#, r#""{,[""#, r#""é\n""#];
    let ids = integers.split(' ').chain(texts);
    let mut client = Client::demo();
    for id in ids {
        client.write(&format!(
            r#"{{"method":"ping","params":{{"id":[1,{{"id":2}}]}}, "id" : {id} ,"jsonrpc":"2.0"}}"#
        ));
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(client.line(), expected);
    }
}

/// The test looks at the bytes, because a parsed value is the same either way.
#[test]
fn characters_that_end_a_line_for_some_clients_are_escaped() {
    let (sent, escaped) = ("a\u{85}b\u{2028}c\u{2029}d", r"a\u0085b\u2028c\u2029d");
    let mut client = Client::of("2025-06-18");
    let call = json!({"name": "echo", "arguments": {"text": sent}});
    for (id, method, params) in [
        (json!(sent), "ping", json!({})),
        (json!(sent), "no such", json!({})),
        (json!(1), "tools/call", call),
    ] {
        client.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let line = client.line();
        let is_raw = line.contains(['\u{85}', '\u{2028}', '\u{2029}']);
        assert!(!is_raw && line.contains(escaped), "{line:?}");
    }
}

/// Larger integers are read as floats, which cannot be echoed exactly.
#[test]
fn ids_that_cannot_be_echoed_are_refused() {
    let mut client = Client::demo();
    for id in [
        "123456789012345678901234567890",
        "18446744073709551616",
        "1.5",
    ] {
        client.write(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
        let response = client.response();
        assert_eq!(response["error"]["code"], -32600, "{id}");
        let number: f64 = id.parse().unwrap();
        let echoed = response["id"].as_f64().unwrap();
        assert!((echoed / number - 1.0).abs() < 1e-9, "{id}: {echoed}");
    }
}

#[test]
fn lines_that_are_no_message_are_passed_over() {
    let lines: [&[u8]; 4] = [
        b"",
        b"   ",
        b"\r",
        b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
    ];
    for revision in ALL {
        let mut client = Client::of(revision);
        for line in lines {
            client.write_bytes(line);
            client.write_bytes(b"\n");
        }
        let said = client.text("echo", &json!({"text": "still here"}));
        assert_eq!(said, Ok("still here".into()));
    }
}

/// JavaScript writes a character that is cut in half as a lone surrogate.
#[test]
fn lines_that_cannot_be_parsed_get_an_error_without_an_id() {
    let not_json: [&[u8]; 8] = [
        b"hello",
        b"{",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,",
        b"\0",
        br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"a\udc00b"}"#,
        b"\xff\xfe{\0}\0",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"caf\xe9\"}",
    ];
    let check = |client: &mut Client, line: &[u8], problem: &str| {
        client.write_bytes(line);
        client.write_bytes(b"\n");
        let response = client.response();
        assert_eq!(response["id"], Value::Null, "{response}");
        assert_eq!(response["error"]["code"], -32700, "{response}");
        let message = response["error"]["message"].as_str().unwrap();
        let is_clear = message.contains(problem) && message.len() < 300;
        assert!(is_clear, "{message}");
    };
    for revision in ALL {
        let mut client = Client::of(revision);
        for line in not_json {
            check(&mut client, line, "a line is not ");
        }
        let said = client.text("echo", &json!({"text": "still here"}));
        assert_eq!(said, Ok("still here".into()));
    }
    let mut client = Client::of(MODERN);
    let list = format!("[{}1", "1,".repeat(1_000_000));
    for (line, problem) in [
        ("[".repeat(1_000_000), "nested more than 127 deep"),
        (list, "more than 200,000 values"),
        ("x".repeat(1_000_000), "a line is not JSON: "),
        ("x".repeat((64 << 20) + 1), "a line is longer than 64 MiB"),
    ] {
        check(&mut client, line.as_bytes(), problem);
    }
    let said = client.text("echo", &json!({"text": "still here"}));
    assert_eq!(said, Ok("still here".into()));
}

#[test]
fn a_byte_order_mark_is_skipped() {
    for revision in ALL {
        let mut client = Client::demo();
        client.write_bytes(b"\xef\xbb\xbf");
        let mut client = client.begin(revision);
        for before in [
            "\u{feff}",
            "\u{feff}\u{feff}",
            "\u{feff}\n",
            "\u{feff}\r\n\u{feff} ",
        ] {
            client.write_bytes(before.as_bytes());
            let said = client.text("echo", &json!({"text": "\u{feff}a"}));
            assert_eq!(said, Ok("\u{feff}a".into()));
        }
    }
}

#[test]
fn an_id_of_1_0_is_1() {
    let mut client = Client::of("2025-11-25");
    client.write(r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#);
    assert_eq!(client.line(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    let call = r#""method":"tools/call","params":{"name":"slow","arguments":{"ms":60000}}"#;
    for (sent, cancelled) in [("1.0", "1"), ("1", "1.0"), ("1e0", "1.0")] {
        client.write(&format!(r#"{{"jsonrpc":"2.0","id":{sent},{call}}}"#));
        let params = format!(r#""params":{{"requestId":{cancelled}}}"#);
        let method = r#""method":"notifications/cancelled""#;
        client.write(&format!(r#"{{"jsonrpc":"2.0",{method},{params}}}"#));
    }
    assert_eq!(client.close(), [] as [Value; 0]);
}

#[test]
fn what_parses_and_has_an_id_is_refused_with_it() {
    let lines = [
        r#"{"id":5}"#,
        r#"{"id":5,"method":"ping"}"#,
        r#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":5}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":7}"#,
    ];
    let mut client = Client::demo();
    for line in lines {
        client.write(line);
        let response = client.response();
        let said = (&response["id"], &response["error"]["code"]);
        assert_eq!(said, (&json!(5), &json!(-32600)), "{line}");
    }
}

/// JSON-RPC 2.0, sections 5 and 6.
#[test]
fn what_parses_and_is_no_message_is_refused_without_an_id() {
    let lines = [
        "7",
        "null",
        "true",
        r#""ping""#,
        "[]",
        "{}",
        r#"{"id":null}"#,
        r#"{"jsonrpc":"2.0","method":7}"#,
        r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":[],"method":"notifications/unknown"}"#,
        "[7]",
        "[[]]",
    ];
    for revision in ALL {
        let mut client = Client::of(revision);
        for line in lines {
            client.write(line);
            let response = client.response();
            let is_batch = revision == "2025-03-26" && line.starts_with('[') && line != "[]";
            let response = if is_batch { &response[0] } else { &response };
            let said = (&response["id"], &response["error"]["code"]);
            assert_eq!(said, (&Value::Null, &json!(-32600)), "{line}");
        }
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

/// Returns a call whose message is nested this deep.
fn nested(id: u64, depth: usize) -> String {
    let lists = depth - 3;
    let body = ["[".repeat(lists), "]".repeat(lists)].concat();
    let call = format!(r#"{{"name":"echo","arguments":{{"text":"a","body":{body}}}}}"#);
    format!(r#"{{"params":{call},"jsonrpc":"2.0","method":"tools/call","id":{id}}}"#)
}

/// `serde_json` parses 127 levels.
#[test]
fn arguments_that_are_nested_too_deep_are_refused() {
    let mut client = Client::of("2025-03-26");
    client.write(&nested(1, 127));
    assert_eq!(client.response()["error"]["code"], -32602);
    for depth in [128, 200, 100_000] {
        client.write(&nested(2, depth));
        let response = client.response();
        assert_eq!(response["id"], 2, "{depth}");
        assert_eq!(response["error"]["code"], -32600, "{response}");
        let message = response["error"]["message"].as_str().unwrap();
        assert!(message.contains("nested"), "{message}");
    }
    client.write(&format!("[{},{}]", nested(3, 200), nested(4, 3)));
    assert_eq!(sorted(client.response().as_array().unwrap()), [3, 4]);
    let text = format!("\\\"{}", "[".repeat(200));
    assert_eq!(client.text("echo", &json!({"text": text})), Ok(text));
}

/// Without a limit, the last of these lines would take 6 GB.
#[cfg(target_os = "linux")]
#[test]
fn a_long_line_takes_little_more_memory_than_its_text() {
    let mut client = Client::of("2025-03-26");
    let size = 56 << 20;
    let objects = r#"{"":{"":0}},"#.repeat(size / 12);
    client.write(&["[", &"[],".repeat(size / 3), "[]]"].concat());
    assert_eq!(client.response()["error"]["code"], -32700);
    let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":"#;
    client.write(&[call, "[", &objects, "0]}"].concat());
    let response = client.response();
    assert_eq!(response["id"], 2, "{response}");
    assert_eq!(response["error"]["code"], -32600, "{response}");
    client.write(&["[", &"0,".repeat(250_000), "0]"].concat());
    assert_eq!(client.response()[0]["error"]["code"], -32600);
    let megabytes = client.peak_memory() >> 20;
    assert!(megabytes < 256, "{megabytes} MiB");
    assert!(client.text("echo", &json!({"text": "a"})).is_ok());
}

#[test]
fn responses_and_notifications_get_no_response() {
    let mut client = Client::of("2025-06-18");
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    client.send(&json!({"id": null, "error": {"code": -32600}}));
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}));
    for method in ["initialized", "unknown", "cancelled"] {
        let method = format!("notifications/{method}");
        client.send(&json!({"jsonrpc": "2.0", "method": method}));
    }
    for method in ["ping", "tools/call"] {
        client.send(&json!({"jsonrpc": "2.0", "method": method}));
    }
    client.cancel(99);
    client.ping();
}

fn slow(client: &Client, id: u64, ms: u64) -> Value {
    let params = json!({"name": "slow", "arguments": {"ms": ms}});
    client.message(id, "tools/call", params)
}

fn batch(client: &Client) -> Value {
    json!([
        slow(client, 101, 30),
        {"jsonrpc": "2.0", "method": "notifications/unknown"},
        client.message(102, "ping", json!({})),
        slow(client, 103, 0),
        {"id": 104},
        client.message(105, "initialize", json!({"protocolVersion": "2025-06-18"})),
        7,
    ])
}

/// Returns the ids, with 0 in place of `null`.
fn sorted(responses: &[Value]) -> Vec<u64> {
    let ids = responses.iter().map(|it| it["id"].as_u64());
    let mut ids: Vec<_> = ids.map(Option::unwrap_or_default).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_batch_has_one_response() {
    let mut client = Client::of("2025-03-26");
    let batch = batch(&client);
    client.send(&batch);
    let responses = client.response();
    let responses = responses.as_array().unwrap();
    assert_eq!(sorted(responses), [0, 101, 102, 103, 104, 105]);
    let mut codes: Vec<_> = responses.iter().map(|it| &it["error"]["code"]).collect();
    codes.retain(|code| **code == -32600);
    assert_eq!(codes.len(), 3);

    client.send(&json!([{"jsonrpc": "2.0", "method": "notifications/unknown"}]));
    client.write(r#"[{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}]"#);
    let expected = r#"[{"jsonrpc":"2.0","id":18446744073709551615,"result":{}}]"#;
    assert_eq!(client.line(), expected);
}

#[test]
fn the_end_of_stdin_lets_a_batch_finish() {
    let mut client = Client::of("2025-03-26");
    let calls = (1..=3).map(|id| slow(&client, id, 100)).collect();
    client.send(&calls);
    let rest = client.close();
    assert_eq!(rest.len(), 1);
    assert_eq!(sorted(rest[0].as_array().unwrap()), [1, 2, 3]);
}

#[test]
fn a_cancelled_call_is_left_out_of_its_batch() {
    let mut client = Client::of("2025-03-26");
    let slow = slow(&client, 1, 60_000);
    client.send(&json!([slow, client.message(2, "ping", json!({}))]));
    client.cancel(1);
    let responses = client.response();
    assert_eq!(sorted(responses.as_array().unwrap()), [2]);
    client.send(&json!([slow]));
    client.cancel(1);
    assert_eq!(client.close(), [] as [Value; 0]);
}

#[test]
fn other_revisions_refuse_each_message_of_a_batch() {
    let others = LEGACY.into_iter().filter(|it| *it != "2025-03-26");
    for revision in others {
        let mut client = Client::of(revision);
        let batch = batch(&client);
        client.send(&batch);
        let responses: Vec<_> = (0..6).map(|_| client.response()).collect();
        assert_eq!(sorted(&responses), [0, 101, 102, 103, 104, 105]);
        let mut codes = responses.iter().map(|it| &it["error"]["code"]);
        assert!(codes.all(|code| *code == -32600));
    }
}
