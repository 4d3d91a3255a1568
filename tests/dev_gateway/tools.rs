//! What the sample upstream serves beside its account: tools, and files of the user's own.

use nexus_sdk::http::Request;
use nexus_sdk::testing::{DevGateway, Provider};
use serde_json::{Value, json};

use crate::{agent, read, resolve};

/// A gateway with one connection to a provider of keys, and that key.
fn start() -> (DevGateway, String) {
    let gateway = DevGateway::builder()
        .provider(Provider::api_key("tools"))
        .connection("ws", "tools")
        .upstream("schema.json", "application/json", "{}")
        .upstream("/schema.json", "text/x-schema", "a schema")
        .upstream("/me/user", "text/plain", "in place of the own one")
        .upstream("/v1/file", "text/plain", "never served")
        .start()
        .unwrap();
    let key = resolve(&gateway, "ws", "tools")["credentials"]["api_key"].clone();
    let key = key.as_str().unwrap().to_owned();
    (gateway, key)
}

fn post(gateway: &DevGateway, path: &str, key: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = agent().post(format!("{}{path}", gateway.url()));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    read(request.send(body).unwrap())
}

#[test]
fn tools_are_found_by_the_words_of_a_query() {
    let (gateway, key) = start();
    let table: &[(&str, &[&str])] = &[
        ("", &["get_user", "weather_forecast", "echo"]),
        ("weather", &["weather_forecast"]),
        ("ARGUMENTS account", &["get_user", "echo"]),
        ("nothing-like-it", &[]),
    ];
    for (query, expected) in table {
        let body = json!({"query": query}).to_string();
        let (status, tools) = post(&gateway, "/api/tools/search", Some(&key), &body);
        assert_eq!(status, 200, "{tools}");
        let tools = tools.as_array().unwrap();
        assert!(tools.iter().all(|tool| tool["description"].is_string()));
        let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str()).collect();
        let expected: Vec<_> = expected.iter().map(|name| Some(*name)).collect();
        assert_eq!(names, expected, "{query}");
    }
}

#[test]
fn tools_answer_with_content() {
    let (gateway, key) = start();
    let table = [
        (json!({"name": "get_user"}), r#"{"login":"ws"}"#),
        (json!({"name": "echo", "arguments": {"a": 1}}), r#"{"a":1}"#),
        (json!({"name": "echo", "arguments": null}), "{}"),
        (
            json!({"name": "weather_forecast", "arguments": {"city": "Oslo"}}),
            "Oslo: sunny, 21 °C",
        ),
    ];
    for (call, text) in table {
        let answer = post(&gateway, "/tools/execute", Some(&key), &call.to_string());
        let content = json!({"content": [{"type": "text", "text": text}]});
        assert_eq!(answer, (200, content), "{call}");
    }
}

#[test]
fn tools_refuse_what_they_cannot_do() {
    let (gateway, key) = start();
    let table = [
        ("search", None, r#"{"query": ""}"#, 401),
        ("search", Some("wrong"), r#"{"query": ""}"#, 401),
        ("search", Some(&*key), "{}", 400),
        ("search", Some(&*key), r#"{"query": 1}"#, 400),
        ("search", Some(&*key), "[]", 400),
        ("execute", None, r#"{"name": "echo"}"#, 401),
        ("execute", Some("wrong"), r#"{"name": "echo"}"#, 401),
        ("execute", Some(&*key), "{", 400),
        ("execute", Some(&*key), "{}", 400),
        (
            "execute",
            Some(&*key),
            r#"{"name": "echo", "arguments": []}"#,
            400,
        ),
        ("execute", Some(&*key), r#"{"name": "nobody"}"#, 404),
    ];
    for (path, key, body, status) in table {
        let answer = post(&gateway, &format!("/tools/{path}"), key, body);
        assert_eq!(answer.0, status, "{path} {body}");
        assert!(answer.1["message"].is_string(), "{}", answer.1);
    }
    for path in ["search", "execute"] {
        let url = format!("{}/tools/{path}", gateway.url());
        let request = agent().get(url).header("x-api-key", &key);
        assert_eq!(request.call().unwrap().status(), 405);
    }
}

#[test]
fn files_of_the_users_own_ask_for_a_credential_too() {
    let (gateway, key) = start();
    let table = [
        ("/schema.json", Some(&*key), 200, "a schema"),
        ("/v2/schema.json?a=b", Some(&*key), 200, "a schema"),
        ("/me/user", Some(&*key), 200, "in place of the own one"),
        ("/v1/file", Some(&*key), 404, "404 page not found\n"),
        ("/a-schema.json", Some(&*key), 404, "404 page not found\n"),
        ("/schema.json", Some("wrong"), 401, ""),
        ("/schema.json", None, 401, ""),
    ];
    for (path, key, status, text) in table {
        let mut request = agent().get(format!("{}{path}", gateway.url()));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let (found, body) = read(request.call().unwrap());
        assert_eq!(found, status, "{path}: {body}");
        assert!(text.is_empty() || body == text, "{path}: {body}");
    }
    let (status, _) = post(&gateway, "/schema.json", Some(&key), "");
    assert_eq!(status, 404);

    let url = format!("{}/schema.json", gateway.url());
    let answer = agent().get(url).header("x-api-key", &key).call().unwrap();
    assert_eq!(answer.headers()["content-type"], "text/x-schema");
}

#[test]
fn routes_respond_to_their_method_only() {
    let gateway = DevGateway::builder()
        .provider(Provider::api_key("tools"))
        .connection("ws", "tools")
        .upstream("/notes", "application/json", "[]")
        .upstream_route("POST", "notes", 500, "text/plain", "replaced")
        .upstream_route("POST", "/notes", 201, "application/json", "{\"id\":7}")
        .upstream_route("PATCH", "/notes/7", 204, "text/plain", "")
        .upstream_route("DELETE", "/user", 202, "text/plain", "gone")
        .upstream_route("HEAD", "/user", 204, "text/plain", "")
        .start()
        .unwrap();
    let key = resolve(&gateway, "ws", "tools")["credentials"]["api_key"].clone();
    let key = key.as_str().unwrap();
    let nothing = "404 page not found\n";
    let refused = "{\"message\":\"Bad credentials\"}";
    let user = "{\"login\":\"ws\",\"provider\":\"tools\"}";
    let table = [
        ("GET", "/notes", key, 200, "[]"),
        ("HEAD", "/notes", key, 200, ""),
        ("POST", "/v3/notes?draft=1", key, 201, "{\"id\":7}"),
        ("POST", "/notes", "wrong", 401, refused),
        ("PATCH", "/notes/7", key, 204, ""),
        ("PUT", "/notes", key, 404, nothing),
        ("GET", "/notes/7", key, 404, nothing),
        ("DELETE", "/user", key, 202, "gone"),
        ("GET", "/user", key, 200, user),
        ("HEAD", "/user", key, 204, ""),
        ("POST", "/no-route", key, 404, nothing),
    ];
    for (method, path, key, status, body) in table {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", gateway.url()))
            .header("x-api-key", key);
        let request = request.body(b"sent".as_slice()).unwrap();
        let request = agent()
            .configure_request(request)
            .allow_non_standard_methods(true);
        let mut response = agent().run(request.build()).unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let text = response.body_mut().read_to_string().unwrap();
        assert_eq!(text, body, "{method} {path}");
    }
    let written = gateway.requests().into_iter().find(|r| r.method == "PATCH");
    let written = written.unwrap();
    assert_eq!((&*written.path, &*written.body), ("/notes/7", &b"sent"[..]));
}
