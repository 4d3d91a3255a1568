//! The v1 paths and the consent page, as far as the recording does not show them.

use std::time::Duration;

use nexus_sdk::http::Response;
use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};
use ureq::Body;

use crate::{agent, bearer, code, get, post, read, request, resolve, send};

const HOUR: Duration = Duration::from_secs(3600);

/// The address of the consent page of a new connection.
fn consent_page(gateway: &DevGateway, return_url: &str) -> String {
    let response = request(gateway, "github", return_url);
    assert_eq!(response["scopes"], Value::Null);
    response["authUrl"].as_str().unwrap().to_owned()
}

fn browse(url: &str) -> Response<Body> {
    agent().get(url).call().unwrap()
}

#[test]
fn a_consent_page_works_once_and_for_ten_minutes() {
    let gateway = DevGateway::start().unwrap();
    let web = "https://app.example/?a=1&b=%22%3Cx%3E";
    for (return_url, deny, sent_to) in [
        (web, "&deny=1", None),
        (web, "", Some("https://app.example/?a=1&b=%22%3Cx%3E&")),
        ("app:back", "", Some("app:back?")),
    ] {
        let page = consent_page(&gateway, return_url);
        let response = browse(&format!("{page}{deny}"));
        let headers = response.headers();
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        let location = headers.get("location").map(|to| to.to_str().unwrap());
        let parts = location.map(|to| to.split_once("connection_id=").unwrap());
        assert_eq!(parts.map(|(start, _)| start), sent_to);
        let end = "&provider=github&status=success";
        assert!(location.is_none_or(|to| to.ends_with(end)), "{location:?}");
        assert_eq!(browse(&page).status(), 404, "the state is used up");
        let path = "/v1/resolve?workspace_id=ws&provider_name=github";
        assert_eq!(get(&gateway, path).0 == 200, sent_to.is_some());
    }
    for (seconds, status) in [(540, 302), (600, 404)] {
        let page = consent_page(&gateway, web);
        gateway.advance(Duration::from_secs(seconds));
        assert_eq!(browse(&page).status(), status, "{seconds}");
    }
}

#[test]
fn the_address_of_a_form_is_a_json_document() {
    let gateway = DevGateway::start().unwrap();
    let response = request(&gateway, "weather", "http://r/");
    let (status, form) = read(browse(response["authUrl"].as_str().unwrap()));
    assert_eq!((status, &form["provider_name"]), (200, &json!("weather")));
    assert!(form["schema"]["properties"]["api_key"].is_object());
}

#[test]
fn what_request_connection_refuses() {
    let gateway = DevGateway::start().unwrap();
    for (body, expected) in [
        ("{", "invalid_json"),
        (r#"{"scopes": "repo"}"#, "invalid_json"),
        (r#"{"metadata": []}"#, "invalid_json"),
        (
            r#"{"provider_name": "github", "return_url": "r"}"#,
            "missing_fields",
        ),
        (
            r#"{"user_id": "ws", "provider_name": "github"}"#,
            "missing_fields",
        ),
    ] {
        let refused = post(&gateway, "/v1/request-connection", body);
        assert_eq!(code(&refused), (400, expected), "{body}");
        assert!(refused.1["message"].is_string());
    }
}

#[test]
fn a_status_that_a_test_sets_decides() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let token = resolve(&gateway, "ws", "github");
    for (status, http, expected) in [
        ("attention", 409, "attention_required"),
        ("revoked", 410, "connection_revoked"),
        ("new-one", 400, "connection_not_active"),
    ] {
        assert!(gateway.set_status(&id, status));
        let refused = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!(code(&refused), (http, expected));
        assert_eq!(bearer(&gateway, &token), 401);
    }
    assert!(gateway.set_status(&id, "active"));
    assert_eq!(bearer(&gateway, &token), 200);
    assert!(!gateway.set_status("unknown", "active"));
}

#[test]
fn paths_methods_and_errors() {
    let gateway = DevGateway::start().unwrap();
    let gone = "404 page not found\n";
    for (method, path, status, expected) in [
        ("GET", "/nowhere", 404, gone),
        ("GET", "/v1/token/a/b", 404, gone),
        ("GET", "/consent?state=x", 404, "connection_not_found"),
        ("GET", "/v1/request-connection", 405, ""),
        ("DELETE", "/user", 405, ""),
        ("GET", "/v1/token/x%2Fy", 400, "invalid_connection_id"),
    ] {
        let (found, body) = read(send(&gateway, (method, path), &[], ""));
        let said = body.get("error").unwrap_or(&body);
        assert_eq!((found, said), (status, &json!(expected)), "{method} {path}");
    }
}

#[test]
fn an_escaped_id_is_the_same_id() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("a b/c", "github").unwrap();
    let path = format!("/v1/token/{}", id.replace('-', "%2D"));
    let found = (200, resolve(&gateway, "a+b%2Fc", "github"));
    assert_eq!(get(&gateway, &path), found);
}

/// The recording shows which token the gateway returns, not what its API does with the token.
#[test]
fn only_the_newest_token_works() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let first = resolve(&gateway, "ws", "github");
    gateway.advance(HOUR / 2);
    assert_eq!(bearer(&gateway, &first), 200);
    gateway.advance(HOUR / 2);
    assert_eq!(bearer(&gateway, &first), 401, "expired");
    let second = resolve(&gateway, "ws", "github");
    let works = |token| bearer(&gateway, token) == 200;
    assert_eq!((works(&first), works(&second)), (false, true));
    let (_, third) = post(&gateway, &format!("/v1/refresh/{id}"), "");
    assert_eq!((works(&second), works(&third)), (false, true));
}

#[test]
fn v1_asks_for_the_api_key() {
    let gateway = DevGateway::builder().api_key("right").start().unwrap();
    for (path, key, status) in [
        ("/v1/token/x", "wrong", 401),
        ("/admin/v1/agents", "wrong", 401),
        ("/v1/token/x", "right", 400),
        ("/auth/capture-schema", "wrong", 400),
        ("/health", "wrong", 200),
    ] {
        let response = send(&gateway, ("GET", path), &[("x-api-key", key)], "");
        assert_eq!(response.status(), status, "{path}");
    }
    assert_eq!(code(&get(&gateway, "/v1/token/x")), (401, "unauthorized"));
}
