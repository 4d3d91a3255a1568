//! The v1 paths and the consent page.

use std::time::Duration;

use nexus_sdk::http::Response;
use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};
use ureq::Body;

use crate::{agent, bearer, code, get, post, read, resolve};

const HOUR: Duration = Duration::from_secs(3600);

fn request_body(user: &str, provider: &str) -> String {
    json!({"user_id": user, "provider_name": provider, "scopes": ["repo", "user"],
        "return_url": "https://app.example/?a=1&b=%22%3Cx%3E", "metadata": {"k": 1}})
    .to_string()
}

/// What a browser gets to see, which is not sent on.
fn browse(url: &str) -> Response<Body> {
    let page = agent().get(url).config().max_redirects(0).build();
    page.call().unwrap()
}

#[test]
fn the_consent_walk() {
    for (deny, status, resolved) in [("", "active", 200), ("&deny=1", "failed", 404)] {
        let gateway = DevGateway::start().unwrap();
        let body = request_body("ws", "github");
        let (code, response) = post(&gateway, "/v1/request-connection", &body);
        assert_eq!(code, 200);
        assert_eq!(response["scopes"], json!(["repo", "user"]));
        assert!(response["provider_id"].is_string() && response["state"].is_string());

        let id = response["connection_id"].as_str().unwrap();
        let check = format!("/v1/check-connection/{id}");
        assert_eq!(get(&gateway, &check), (200, json!({"status": "failed"})));
        let (code, error) = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!(
            (code, &error["error"]),
            (400, &json!("connection_not_active"))
        );

        let auth_url = response["authUrl"].as_str().unwrap();
        let page = browse(&format!("{auth_url}{deny}"));
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        let sent_to = page.headers().get("location");
        let back = format!(
            "https://app.example/?a=1&b=%22%3Cx%3E&connection_id={id}&provider=github&status=success"
        );
        let expected = (resolved == 200).then_some(back);
        assert_eq!(sent_to.map(|to| to.to_str().unwrap().to_owned()), expected);

        assert_eq!(get(&gateway, &check), (200, json!({"status": status})));
        let path = "/v1/resolve?workspace_id=ws&provider_name=github";
        assert_eq!(get(&gateway, path).0, resolved);
        assert_eq!(browse(auth_url).status(), 404, "the state is used up");
    }
}

#[test]
fn consent_has_ten_minutes() {
    for (seconds, status) in [(540, 302), (600, 404)] {
        let gateway = DevGateway::start().unwrap();
        let body = request_body("ws", "github");
        let (_, response) = post(&gateway, "/v1/request-connection", &body);
        gateway.advance(Duration::from_secs(seconds));
        let page = browse(response["authUrl"].as_str().unwrap());
        assert_eq!(page.status(), status, "{seconds}");
    }
}

#[test]
fn the_address_of_a_form_is_a_json_document() {
    let gateway = DevGateway::builder().api_key("key").start().unwrap();
    let request = agent().post(format!("{}/v1/request-connection", gateway.url()));
    let request = request.header("x-api-key", "key");
    let (_, response) = read(request.send(request_body("ws", "weather")).unwrap());
    let (status, form) = read(browse(response["authUrl"].as_str().unwrap()));
    assert_eq!((status, &form["provider_name"]), (200, &json!("weather")));
    assert!(form["schema"]["properties"]["api_key"].is_object());
}

#[test]
fn a_return_url_may_have_any_scheme() {
    let gateway = DevGateway::start().unwrap();
    let body = json!({"user_id": "u", "provider_name": "github", "return_url": "app:back"});
    let (_, response) = post(&gateway, "/v1/request-connection", &body.to_string());
    assert_eq!(response["scopes"], Value::Null);
    let page = browse(response["authUrl"].as_str().unwrap());
    let location = page.headers()["location"].to_str().unwrap();
    assert!(
        location.starts_with("app:back?connection_id="),
        "{location}"
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
        ("attention", 409, "attention_required", "detail"),
        ("revoked", 410, "connection_revoked", "message"),
        ("pending", 400, "connection_not_active", "message"),
        ("failed", 400, "connection_not_active", "message"),
        ("superseded", 400, "connection_not_active", "message"),
        ("new-one", 400, "connection_not_active", "message"),
    ];
    for (status, http, expected, says) in table {
        assert!(gateway.set_status(&id, status));
        let check = get(&gateway, &format!("/v1/check-connection/{id}"));
        assert_eq!(check, (200, json!({"status": "failed"})), "{status}");
        let response = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!(code(&response), (http, expected));
        assert!(response.1[says].is_string());
        let pair = get(&gateway, "/v1/resolve?workspace_id=ws&provider_name=github");
        assert_eq!(code(&pair), (404, "connection_not_found"));
        let refused = post(&gateway, &format!("/v1/refresh/{id}"), "");
        assert_eq!(code(&refused), (502, "upstream_error"));
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
        (
            "GET",
            "/consent?state=unknown",
            404,
            code("connection_not_found"),
        ),
        ("GET", "/v1/health", 404, gone),
        ("DELETE", "/v1/resolve", 405, code("")),
        ("GET", "/v1/request-connection", 405, code("")),
        ("GET", "/v1/refresh/x", 405, code("")),
        ("DELETE", "/health", 405, code("")),
        ("DELETE", "/user", 405, code("")),
        ("DELETE", "/user/repos", 405, code("")),
        ("GET", "/v1/token/x%2Fy", 400, code("invalid_connection_id")),
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
        (
            "GET",
            "/v1/token/nobody",
            400,
            code("invalid_connection_id"),
        ),
        (
            "GET",
            "/v1/token/11111111-2222-3333-4444-555555555555",
            404,
            code("connection_not_found"),
        ),
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
}

#[test]
fn an_escaped_id_is_the_same_id() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("a b/c", "github").unwrap();
    let path = format!("/v1/token/{}", id.replace('-', "%2D"));
    assert_eq!(get(&gateway, &path).0, 200);
    assert_eq!(
        resolve(&gateway, "a+b%2Fc", "github"),
        get(&gateway, &path).1
    );
}

#[test]
fn a_token_is_renewed_only_once_it_has_expired() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let first = resolve(&gateway, "ws", "github");
    assert_eq!(first["credentials"]["access_token"], first["access_token"]);
    assert_eq!(first["expires_at"], Value::Null);
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
    let expires = |token: &Value| {
        token["credentials"]["expires_at"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(expires(&second) > expires(&first));
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
        (200, vec!["access_token", "refresh_token", "token_type"])
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
        ("/v1/token/x", "right", 400),
        ("/health", "wrong", 200),
        ("/consent", "wrong", 404),
    ] {
        assert_eq!(call(path, key).0, status, "{path}");
    }
    let (_, error) = get(&gateway, "/v1/token/x");
    assert_eq!(error["error"], "unauthorized");
}
