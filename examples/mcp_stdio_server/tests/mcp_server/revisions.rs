//! The rules that the five revisions share, and those in which they differ.

use serde_json::{Value, json};

use crate::client::{Client, meta, outcome};
use crate::{ALL, LEGACY, MODERN};

fn code(response: &Value) -> i64 {
    response["error"]["code"]
        .as_i64()
        .unwrap_or_else(|| panic!("no error: {response}"))
}

#[test]
fn every_revision_lists_and_calls() {
    for revision in ALL {
        let mut client = Client::of(revision);
        let listed = client.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap();
        let names: Vec<_> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        let all = "list_repos get_user star fetch echo slow panic bare";
        assert_eq!(names.join(" "), all);
        for tool in tools {
            assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
            assert!(tool["inputSchema"]["properties"].is_object(), "{tool}");
            assert!(tool["inputSchema"]["required"].is_array(), "{tool}");
            types(&tool["inputSchema"]);
            tool.get("outputSchema").into_iter().for_each(types);
        }
        let again = client.ask("tools/list", json!({}));
        assert_eq!(again["result"], listed["result"]);
        let limit = &tools[0]["inputSchema"]["properties"]["limit"];
        assert_eq!(limit["description"], "default: 30");
        let text = "a\nb \u{2028} ü";
        assert_eq!(client.text("echo", &json!({"text": text})), Ok(text.into()));
        assert!(client.user().unwrap().contains("demo"));
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

/// Some hosts refuse a tool if a part of its schema has no type, or more than one. `OpenAI`'s API refuses an object without
/// `properties`, and Gemini's refuses empty `properties`, `additionalProperties` and `default`.
fn types(schema: &Value) {
    assert!(schema["additionalProperties"].is_null(), "{schema}");
    assert!(schema["default"].is_null(), "{schema}");
    assert!(schema["type"].is_string(), "{schema}");
    let listed = schema["properties"]
        .as_object()
        .map_or(0, serde_json::Map::len);
    assert_eq!(schema["type"] == "object", listed > 0, "{schema}");
    let properties = schema["properties"].as_object().into_iter().flatten();
    let items = schema.get("items").into_iter();
    properties.map(|(_, it)| it).chain(items).for_each(types);
}

#[test]
fn initialize_settles_the_revision() {
    let params = |requested: Value| json!({"protocolVersion": requested, "capabilities": {}});
    let requests = [
        (params(json!("2024-11-05")), "2024-11-05"),
        (params(json!("2025-03-26")), "2025-03-26"),
        (params(json!("2025-06-18")), "2025-06-18"),
        (params(json!("2025-11-25")), "2025-11-25"),
        (params(json!("2026-07-28")), "2025-11-25"),
        (params(json!("1999-01-01")), "2025-11-25"),
        (params(json!(null)), "2025-11-25"),
        (json!({}), "2025-11-25"),
        (json!(null), "2025-11-25"),
    ];
    let mut client = Client::demo();
    for (params, agreed) in requests {
        let result = client.ask("initialize", params)["result"].take();
        assert_eq!(result["protocolVersion"], agreed);
        assert!(result["capabilities"]["tools"].is_object());
        let info = &result["serverInfo"];
        assert!(info["name"].is_string() && info["version"].is_string());
    }
}

#[test]
fn ping_is_legacy_and_needs_no_handshake() {
    Client::demo().ping();
    for revision in LEGACY {
        Client::of(revision).ping();
    }
    let mut modern = Client::of(MODERN);
    for method in ["ping", "logging/setLevel"] {
        assert_eq!(code(&modern.ask(method, json!({}))), -32601, "{method}");
    }
}

#[test]
fn errors_have_their_codes() {
    let with = |arguments| json!({"name": "echo", "arguments": arguments});
    let table = [
        ("no/such", json!({}), -32601),
        ("resources/list", json!({}), -32601),
        ("tools/call", json!({"name": "no_such"}), -32602),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({"name": 7}), -32602),
        ("tools/call", with(json!("text")), -32602),
        ("tools/call", with(json!(["text"])), -32602),
        ("tools/list", json!({"cursor": "x"}), -32602),
    ];
    for revision in ALL {
        let mut client = Client::of(revision);
        for (method, params, expected) in &table {
            let response = client.ask(method, params.clone());
            assert_eq!(code(&response), *expected, "{revision} {method} {params}");
        }
    }
}

#[test]
fn arguments_are_validated() {
    let trace = json!({"path": "/user", "method": "TRACE"});
    let more = json!({"text": "a", "more": 1});
    let limits = "at least 1 and at most 100";
    let table = [
        ("echo", json!({}), "\"text\" is missing"),
        ("echo", json!({"text": null}), "\"text\" is missing"),
        ("echo", json!({"text": " "}), "\"text\" is missing"),
        ("echo", json!({"text": "NULL"}), "\"text\" is missing"),
        ("echo", json!({"text": {}}), "must be a string"),
        ("echo", json!({"text": ["a", {}]}), "must be a string"),
        ("get_user", json!({"login": {"a": 1}}), "must be a string"),
        (
            "echo",
            more,
            "\"more\" is not known; choose from [\"text\"]",
        ),
        ("slow", json!({"ms": null}), "\"ms\" is missing"),
        ("slow", json!({"ms": "ten"}), "must be an integer"),
        ("slow", json!({"ms": ""}), "\"ms\" is missing"),
        ("slow", json!({"ms": "1.5"}), "must be an integer"),
        ("slow", json!({"ms": "+1"}), "must be an integer"),
        ("slow", json!({"ms": "0x10"}), "must be an integer"),
        ("slow", json!({"ms": "1 2"}), "must be an integer"),
        ("slow", json!({"ms": "\"1\""}), "must be an integer"),
        (
            "slow",
            json!({"ms": "18446744073709551616"}),
            "must be an integer",
        ),
        ("slow", json!({"ms": true}), "must be an integer"),
        ("slow", json!({"ms": "-1"}), "at least 0"),
        ("list_repos", json!({"limit": "101"}), limits),
        ("slow", json!({"ms": "null"}), "\"ms\" is missing"),
        ("slow", json!({"ms": "none"}), "must be an integer"),
        (
            "fetch",
            json!({"path": "/user", "body": "text"}),
            "\"body\" must be JSON (",
        ),
        (
            "fetch",
            json!({"path": "/user", "body": "[".repeat(200)}),
            "\"body\" is too large or too deeply nested",
        ),
        ("slow", json!({"ms": 1.5}), "must be an integer"),
        ("slow", json!({"ms": -1}), "at least 0"),
        ("list_repos", json!({"limit": 0}), limits),
        ("list_repos", json!({"limit": 101}), limits),
        ("fetch", trace, "must be one of"),
    ];
    for revision in ALL {
        let mut client = Client::of(revision);
        for (tool, arguments, expected) in &table {
            let response = client.ask("tools/call", json!({"name": tool, "arguments": arguments}));
            let problem = if revision < "2025-11-25" {
                assert_eq!(code(&response), -32602);
                response["error"]["message"].as_str().unwrap().to_owned()
            } else {
                outcome(&response).unwrap_err()
            };
            assert!(problem.contains(expected), "{revision}: {problem}");
        }
        for ms in [
            json!(1.0),
            json!("1"),
            json!(" 1\n"),
            json!("1.0"),
            json!("1e0"),
        ] {
            let slept = client.text("slow", &json!({"ms": ms}));
            assert_eq!(slept, Ok("slept 1 ms".into()));
        }
        for (text, said) in [
            (json!("1"), "1"),
            (json!(1), "1"),
            (json!(-2.5), "-2.5"),
            (json!(true), "true"),
            (json!("none"), "none"),
        ] {
            let text = json!({"text": text});
            assert_eq!(client.text("echo", &text), Ok(said.into()), "{text}");
        }
    }
}

/// Some clients and models always send every field.
#[test]
fn null_is_absent() {
    for revision in ALL {
        let mut client = Client::of(revision);
        for cursor in [json!(null), json!(""), json!(" "), json!("None")] {
            let listed = client.ask("tools/list", json!({"cursor": cursor}));
            assert!(listed["result"]["tools"].is_array(), "{listed}");
        }
        let filled = |empty: Value| json!({"path": "/user", "method": empty, "body": empty});
        for (tool, arguments) in [
            ("list_repos", json!({"limit": null})),
            ("list_repos", json!({"limit": null, "more": null})),
            ("list_repos", json!("{\"limit\": 1}")),
            ("list_repos", json!(null)),
            ("list_repos", json!([])),
            ("list_repos", json!(" ")),
            ("list_repos", json!("null")),
            ("list_repos", json!("undefined")),
            ("list_repos", json!("[]")),
            ("get_user", json!({"more": null})),
            ("get_user", json!({"more": " "})),
            ("get_user", json!({"more": "None"})),
            ("get_user", json!({"login": ""})),
            ("list_repos", json!({"limit": "null"})),
            ("list_repos", json!({"limit": "NULL"})),
            ("list_repos", json!({"limit": "None"})),
            ("list_repos", json!({"limit": " undefined"})),
            ("list_repos", json!({"limit": " "})),
            ("fetch", filled(json!(null))),
            ("fetch", filled(json!("null"))),
            ("fetch", filled(json!(""))),
            ("fetch", json!({"path": "/user", "method": "get"})),
        ] {
            let mut params = json!({"name": tool, "arguments": arguments});
            params["inputResponses"] = json!(null);
            params["requestState"] = json!(null);
            let response = client.ask("tools/call", params);
            assert!(outcome(&response).is_ok(), "{response}");
        }
    }
    let mut client = Client::of("2025-11-25");
    for method in ["ping", "tools/list"] {
        let response = client.ask(method, json!({"_meta": null}));
        assert!(response["error"].is_null(), "{response}");
        for params in ["null", "[]", r#""""#] {
            client.write(&format!(
                r#"{{"jsonrpc":"2.0","id":9,"method":"{method}","params":{params}}}"#
            ));
            assert!(client.response()["error"].is_null(), "{params}");
        }
    }
}

/// The list of tools then has the schema, and the text has the same JSON.
#[test]
fn json_is_returned_as_json_where_the_revision_has_that() {
    for revision in ALL {
        let mut client = Client::of(revision);
        let structured = revision >= "2025-06-18";
        let listed = client.ask("tools/list", json!({}))["result"]["tools"].take();
        let calls = [
            ("list_repos", json!({"limit": 2}), true),
            ("get_user", json!({}), true),
            ("fetch", json!({"path": "/user"}), false),
        ];
        for (name, arguments, is_json) in calls {
            let tools = listed.as_array().unwrap();
            let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
            let known = tool.get("outputSchema").is_some();
            assert_eq!(known, structured && is_json, "{revision} {name}");
            let params = json!({"name": name, "arguments": arguments});
            let result = client.ask("tools/call", params)["result"].take();
            let value = result.get("structuredContent");
            assert_eq!(value.is_some(), structured && is_json, "{revision} {name}");
            let text = result["content"][0]["text"].as_str().unwrap();
            let text: Value = serde_json::from_str(text).unwrap();
            assert!(value.is_none_or(|value| *value == text && value.is_object()));
        }
    }
}

#[test]
fn modern_results_say_that_they_are_complete() {
    let mut client = Client::of(MODERN);
    let call = json!({"name": "echo", "arguments": {"text": "a"}});
    let requests = [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", call),
    ];
    for (method, params) in requests {
        let result = client.ask(method, params)["result"].take();
        assert_eq!(result["resultType"], "complete");
        assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
        let cacheable = method != "tools/call";
        assert_eq!(result["ttlMs"].is_u64(), cacheable, "{method}");
        assert_eq!(result["cacheScope"].is_string(), cacheable, "{method}");
    }
    for revision in LEGACY {
        let result = Client::of(revision).ask("tools/list", json!({}))["result"].take();
        assert_eq!(result.as_object().unwrap().len(), 1, "{result}");
    }
}

#[test]
fn modern_requests_have_to_say_their_revision() {
    let (version, capabilities) = (
        "io.modelcontextprotocol/protocolVersion",
        "io.modelcontextprotocol/clientCapabilities",
    );
    let mut client = Client::demo();
    let incomplete = [
        json!({}),
        json!({"_meta": {}}),
        json!({"_meta": {version: MODERN}}),
        json!({"_meta": {capabilities: {}}}),
        json!({"_meta": {version: 1, capabilities: {}}}),
        json!({"_meta": {version: MODERN, capabilities: 1}}),
    ];
    for params in incomplete {
        for method in ["server/discover", "tools/list", "tools/call"] {
            let refused = client.ask(method, params.clone());
            assert_eq!(code(&refused), -32602, "{method} {params}");
        }
    }
    for requested in ["2027-01-01", "2025-11-25", ""] {
        let error = client.ask("tools/list", json!({"_meta": meta(requested)}))["error"].take();
        assert_eq!(error["code"], -32022);
        assert_eq!(error["data"]["requested"], requested);
        let supported = error["data"]["supported"].as_array().unwrap();
        assert!(supported.contains(&json!(MODERN)));
    }
}

#[test]
fn eras_share_a_connection() {
    let mut client = Client::of("2025-03-26");
    let modern = json!({"_meta": meta(MODERN)});
    for (params, kind) in [(modern, Some("complete")), (json!({}), None)] {
        let result = client.ask("tools/list", params)["result"].take();
        assert_eq!(result["resultType"].as_str(), kind);
    }
    assert_eq!(code(&client.ask("no/such", json!({}))), -32601);
}
