//! The tools that the sample upstream serves, and routes that a test adds.

use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Provider};
use serde_json::{Value, json};

use crate::{read, resolve, send};

/// Starts a gateway with one connection to a provider of keys, and returns that key too.
fn start(builder: DevGatewayBuilder) -> (DevGateway, String) {
    let builder = builder.provider(Provider::api_key("tools"));
    let gateway = builder.connection("ws", "tools").start().unwrap();
    let key = resolve(&gateway, "ws", "tools")["credentials"]["api_key"].clone();
    let key = key.as_str().unwrap().to_owned();
    (gateway, key)
}

fn post(gateway: &DevGateway, path: &str, key: &str, body: &str) -> (u16, Value) {
    read(send(gateway, ("POST", path), &[("x-api-key", key)], body))
}

/// `tests/rest_tools.rs` shows what each tool returns.
#[test]
fn tools_are_found_and_executed() {
    let (gateway, key) = start(DevGateway::builder());
    let content = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    for (body, expected) in [
        (r#"{"name": "get_user"}"#, content(r#"{"login":"ws"}"#)),
        (r#"{"name": "echo", "arguments": null}"#, content("{}")),
    ] {
        let answer = post(&gateway, "/tools/execute", &key, body);
        assert_eq!(answer, (200, expected), "{body}");
    }
    let found = |query: &str| {
        let (_, tools) = post(&gateway, "/api/tools/search", &key, query);
        tools.as_array().unwrap().len()
    };
    assert_eq!(found(r#"{"query": ""}"#), 3);
    assert_eq!(found(r#"{"query": "ARGUMENTS nothing"}"#), 1);
    for (path, key, body, status) in [
        ("search", "wrong", r#"{"query": ""}"#, 401),
        ("search", &key, r#"{"query": 1}"#, 400),
        ("execute", "", r#"{"name": "echo"}"#, 401),
        ("execute", &key, "[]", 400),
        ("execute", &key, r#"{"name": "echo", "arguments": []}"#, 400),
        ("execute", &key, r#"{"name": "nobody"}"#, 404),
    ] {
        let answer = post(&gateway, &format!("/tools/{path}"), key, body);
        assert_eq!(answer.0, status, "{path} {body}");
        assert!(answer.1["message"].is_string(), "{}", answer.1);
    }
}

#[test]
fn routes_serve_their_method_to_those_with_a_credential() {
    let (gateway, key) = start(
        DevGateway::builder()
            .upstream("notes", "application/json", "replaced")
            .upstream("/notes", "text/x-notes", "[]")
            .upstream("/me/user", "text/plain", "in place of the own one")
            .upstream("/v1/file", "text/plain", "never served")
            .upstream_route("POST", "notes", 500, "text/plain", "replaced")
            .upstream_route("POST", "/notes", 201, "application/json", "{\"id\":7}")
            .upstream_route("PATCH", "/notes/7", 204, "text/plain", "")
            .upstream_route("DELETE", "/user", 202, "text/plain", "gone")
            .upstream_route("HEAD", "/user", 204, "text/plain", ""),
    );
    let nothing = "404 page not found\n";
    let refused = "{\"message\":\"Bad credentials\"}";
    let user = "{\"login\":\"ws\",\"provider\":\"tools\"}";
    for (method, path, key, status, body) in [
        ("GET", "/notes", &*key, 200, "[]"),
        ("GET", "/v2/notes?a=b", &key, 200, "[]"),
        ("GET", "/me/user", &key, 200, "in place of the own one"),
        ("GET", "/v1/file", &key, 404, nothing),
        ("GET", "/notes", "wrong", 401, refused),
        ("POST", "/v3/notes?draft=1", &key, 201, "{\"id\":7}"),
        ("PATCH", "/notes/7", &key, 204, ""),
        ("PUT", "/notes", &key, 404, nothing),
        ("DELETE", "/user", &key, 202, "gone"),
        ("GET", "/user", &key, 200, user),
        ("HEAD", "/user", &key, 204, ""),
    ] {
        let mut response = send(&gateway, (method, path), &[("x-api-key", key)], "sent");
        assert_eq!(response.status(), status, "{method} {path}");
        if (method, path, status) == ("GET", "/notes", 200) {
            assert_eq!(response.headers()["content-type"], "text/x-notes");
        }
        let text = response.body_mut().read_to_string().unwrap();
        assert_eq!(text, body, "{method} {path}");
    }
    let written = gateway.requests().into_iter().find(|r| r.method == "PATCH");
    let written = written.unwrap();
    assert_eq!((&*written.path, &*written.body), ("/notes/7", &b"sent"[..]));
}
