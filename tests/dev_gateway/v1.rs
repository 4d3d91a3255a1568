//! The v1 paths and the consent page.

use std::time::Duration;

use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};

use crate::{agent, bearer, get, post, read, resolve};

const HOUR: Duration = Duration::from_secs(3600);

fn request_body(user: &str, provider: &str) -> String {
    json!({"user_id": user, "provider_name": provider, "scopes": ["repo", "user"],
        "return_url": "https://app.example/?a=1&b=\"<x>", "metadata": {"k": 1}})
    .to_string()
}

#[test]
fn the_consent_walk() {
    for (deny, status, resolved) in [("", "active", 200), ("&deny=1", "failed", 400)] {
        let gateway = DevGateway::start().unwrap();
        let body = request_body("ws", "github");
        let (code, answer) = post(&gateway, "/v1/request-connection", &body);
        assert_eq!(code, 200);
        assert_eq!(answer["scopes"], json!(["repo", "user"]));
        assert!(answer["provider_id"].is_string() && answer["state"].is_string());

        let id = answer["connection_id"].as_str().unwrap();
        let check = format!("/v1/check-connection/{id}");
        assert_eq!(get(&gateway, &check), (200, json!({"status": "pending"})));
        let (code, error) = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!(
            (code, &error["error"]),
            (400, &json!("connection_not_active"))
        );

        let auth_url = answer["authUrl"].as_str().unwrap();
        let page = agent().get(format!("{auth_url}{deny}")).call().unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let page = read(page).1;
        let link = "href=\"https://app.example/?a=1&amp;b=&quot;&lt;x&gt;\"";
        assert!(page.as_str().unwrap().contains(link), "{page}");

        assert_eq!(get(&gateway, &check), (200, json!({"status": status})));
        let path = "/v1/resolve?workspace_id=ws&provider_name=github";
        assert_eq!(get(&gateway, path).0, resolved);
    }
}

#[test]
fn a_return_url_that_would_run_code_is_no_link() {
    let gateway = DevGateway::start().unwrap();
    let body = json!({"user_id": "u", "provider_name": "github", "return_url": "javascript:x()"});
    let (_, answer) = post(&gateway, "/v1/request-connection", &body.to_string());
    assert_eq!(answer["scopes"], Value::Null);
    let page = agent().get(answer["authUrl"].as_str().unwrap()).call();
    let (status, page) = read(page.unwrap());
    assert_eq!(
        (status, page.as_str().unwrap().contains("href")),
        (200, false)
    );
}

#[test]
fn what_request_connection_refuses() {
    let gateway = DevGateway::start().unwrap();
    let table = [
        ("{", 400, "invalid_json"),
        ("[1]", 400, "invalid_json"),
        ("", 400, "invalid_json"),
        (r#"{"user_id": 7}"#, 400, "invalid_json"),
        (r#"{"scopes": "repo"}"#, 400, "invalid_json"),
        (r#"{"metadata": []}"#, 400, "invalid_json"),
        (
            r#"{"user_id": "u", "provider_name": null}"#,
            400,
            "missing_fields",
        ),
        ("{}", 400, "missing_fields"),
        (&request_body("", "github"), 400, "missing_fields"),
        (&request_body("u", "nobody"), 404, "provider_not_found"),
    ];
    for (body, status, code) in table {
        let (found, error) = post(&gateway, "/v1/request-connection", body);
        assert_eq!((found, &error["error"]), (status, &json!(code)), "{body}");
        assert!(error["message"].is_string());
    }
}

#[test]
fn the_status_of_a_connection_decides() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let token = resolve(&gateway, "ws", "github");
    let table = [
        ("attention", 409, "attention_required"),
        ("revoked", 410, "connection_revoked"),
        ("pending", 400, "connection_not_active"),
        ("failed", 400, "connection_not_active"),
        ("superseded", 400, "connection_not_active"),
        ("new-one", 400, "connection_not_active"),
    ];
    for (status, http, code) in table {
        assert!(gateway.set_status(&id, status));
        let check = get(&gateway, &format!("/v1/check-connection/{id}"));
        assert_eq!(check, (200, json!({"status": status})));
        let (found, error) = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!((found, &error["error"]), (http, &json!(code)));
        let says = if http == 409 { "detail" } else { "message" };
        assert_eq!(
            (error.as_object().unwrap().len(), error[says].is_string()),
            (2, true)
        );
        assert_eq!(post(&gateway, &format!("/v1/refresh/{id}"), "").0, http);
        assert_eq!(bearer(&gateway, &token), 401);
    }
    assert!(gateway.set_status(&id, "active"));
    assert_eq!(bearer(&gateway, &token), 200);
    assert!(!gateway.set_status("unknown", "active"));
}

#[test]
fn paths_methods_and_errors() {
    let gateway = DevGateway::builder()
        .connection("ws", "weather")
        .start()
        .unwrap();
    let gone = json!("404 page not found\n");
    let code = |code: &str| json!(code);
    let table = [
        ("GET", "/nowhere", 404, gone.clone()),
        ("GET", "/v1", 404, gone.clone()),
        ("GET", "/v1/token/a/b", 404, gone.clone()),
        ("GET", "/v1/user", 404, gone.clone()),
        ("GET", "/consent?state=unknown", 404, gone),
        ("DELETE", "/v1/resolve", 405, code("")),
        ("GET", "/v1/request-connection", 405, code("")),
        ("GET", "/v1/refresh/connection-1", 405, code("")),
        ("DELETE", "/health", 405, code("")),
        ("DELETE", "/user", 405, code("")),
        ("DELETE", "/user/repos", 405, code("")),
        (
            "GET",
            "/v1/check-connection/x%2Fy",
            400,
            code("no such connection\n"),
        ),
        (
            "GET",
            "/v1/resolve?workspace_id=ws",
            400,
            code("missing_fields"),
        ),
        (
            "GET",
            "/v1/resolve?workspace_id=ws&provider_name=no",
            404,
            code("connection_not_found"),
        ),
        ("GET", "/v1/token/nobody", 404, code("connection_not_found")),
        ("DELETE", "/v1/token/nobody", 405, code("")),
    ];
    for (method, path, status, expected) in table {
        let url = format!("{}{path}", gateway.url());
        let response = match method {
            "GET" => agent().get(url).call(),
            _ => agent().delete(url).call(),
        };
        let (found, body) = read(response.unwrap());
        let said = body.get("error").unwrap_or(&body);
        assert_eq!((found, said), (status, &expected), "{method} {path}");
    }
    let (status, error) = post(&gateway, "/v1/refresh/connection-1", "");
    assert_eq!((status, &error["error"]), (400, &json!("static_token")));
}

#[test]
fn an_escaped_id_is_the_same_id() {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("a b/c", "github").unwrap();
    let (status, _) = get(&gateway, "/v1/check-connection/connection%2D1");
    assert_eq!(status, 200);
    assert_eq!(resolve(&gateway, "a+b%2Fc", "github")["provider"], "github");
}

#[test]
fn a_token_is_renewed_only_once_it_has_expired() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let first = resolve(&gateway, "ws", "github");
    assert_eq!(first["credentials"]["access_token"], first["access_token"]);
    assert_eq!(first["credentials"]["expires_at"], first["expires_at"]);
    assert_eq!(first["token_type"], "Bearer");
    assert_eq!(first["strategy"], json!({"type": "oauth2"}));

    gateway.advance(HOUR / 2);
    assert_eq!(
        get(&gateway, &format!("/v1/token/{id}")),
        (200, first.clone())
    );
    assert_eq!(bearer(&gateway, &first), 200);

    gateway.advance(HOUR / 2);
    assert_eq!(bearer(&gateway, &first), 401);
    let second = resolve(&gateway, "ws", "github");
    assert_ne!(second["access_token"], first["access_token"]);
    assert!(second["expires_at"].as_str() > first["expires_at"].as_str());
    assert_eq!(
        (bearer(&gateway, &first), bearer(&gateway, &second)),
        (401, 200)
    );
}

#[test]
fn refreshing_replaces_the_token_at_once() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let old = resolve(&gateway, "ws", "github");
    let (status, fresh) = post(&gateway, &format!("/v1/refresh/{id}"), "");
    let keys = fresh.as_object().unwrap().keys();
    let keys: Vec<_> = keys.map(String::as_str).collect();
    assert_eq!(
        (status, keys),
        (200, vec!["access_token", "expiry", "token_type"])
    );
    assert_eq!(
        (bearer(&gateway, &old), bearer(&gateway, &fresh)),
        (401, 200)
    );
    let resolved = resolve(&gateway, "ws", "github");
    assert_eq!(resolved["access_token"], fresh["access_token"]);
}

#[test]
fn only_v1_asks_for_the_api_key() {
    let gateway = DevGateway::builder().api_key("right").start().unwrap();
    let call = |path: &str, key: &str| {
        let request = agent().get(format!("{}{path}", gateway.url()));
        read(request.header("x-api-key", key).call().unwrap())
    };
    for (path, key, status) in [
        ("/v1/token/x", "wrong", 401),
        ("/v1/nowhere", "wrong", 401),
        ("/v1/token/x", "right", 404),
        ("/health", "wrong", 200),
        ("/consent", "wrong", 404),
    ] {
        assert_eq!(call(path, key).0, status, "{path}");
    }
    let (_, error) = get(&gateway, "/v1/token/x");
    assert_eq!(error["error"], "unauthorized");
}
