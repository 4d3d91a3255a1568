//! The credentials that stop working: by a new consent, by a revocation, and for lack of a scope.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::testing::{DevGateway, Provider};
use serde_json::{Value, json};

use crate::{agent, bearer, code, connect, delete, get, post, read, request, resolve, send, user};

/// The id of a connection of the workspace `ws` to which the user has consented.
fn consent(gateway: &DevGateway) -> String {
    consent_to(gateway, &Value::Null)
}

/// The same, with these scopes.
fn consent_to(gateway: &DevGateway, scopes: &Value) -> String {
    let wanted = json!({
        "user_id": "ws", "provider_name": "github", "return_url": "http://r/", "scopes": scopes,
    });
    let (_, requested) = post(gateway, "/v1/request-connection", &wanted.to_string());
    let page = requested["authUrl"].as_str().unwrap();
    assert_eq!(agent().get(page).call().unwrap().status(), 302);
    requested["connection_id"].as_str().unwrap().to_owned()
}

/// The id of a connection of the workspace `ws` whose key the user has entered.
fn capture(gateway: &DevGateway, key: &str) -> String {
    let requested = request(gateway, "weather", "http://r/");
    let body = json!({"state": requested["state"], "credentials": {"api_key": key}});
    let (status, captured) = post(gateway, "/v1/capture-credential", &body.to_string());
    assert_eq!(status, 200);
    captured["connection_id"].as_str().unwrap().to_owned()
}

/// The status and the code of a token call.
fn token(gateway: &DevGateway, id: &str) -> (u16, String) {
    let response = get(gateway, &format!("/v1/token/{id}"));
    let (status, code) = code(&response);
    (status, code.to_owned())
}

fn check(gateway: &DevGateway, id: &str) -> Value {
    let (_, mut response) = get(gateway, &format!("/v1/check-connection/{id}"));
    response["status"].take()
}

#[test]
fn a_new_consent_supersedes_the_old_connection_and_its_token() {
    let gateway = DevGateway::start().unwrap();
    let first = consent(&gateway);
    let old = resolve(&gateway, "ws", "github");
    let pending = request(&gateway, "github", "http://r/");
    assert_eq!(bearer(&gateway, &old), 200, "{pending} waits for consent");

    let second = consent(&gateway);
    assert_eq!(bearer(&gateway, &old), 401);
    let superseded = (400, "connection_not_active".to_owned());
    assert_eq!(token(&gateway, &first), superseded);
    assert_eq!(token(&gateway, &second).0, 200);
    let new = resolve(&gateway, "ws", "github");
    assert_eq!(bearer(&gateway, &new), 200);

    gateway.connect("ws", "github").unwrap();
    assert_eq!(bearer(&gateway, &new), 401);
    assert_eq!(token(&gateway, &second), superseded);
}

#[test]
fn a_new_key_supersedes_the_old_key() {
    let gateway = DevGateway::start().unwrap();
    let works = |key| user(&gateway, "/user", &[("x-api-key", key)]).0 == 200;
    let first = capture(&gateway, "k-1");
    assert!(works("k-1"));
    capture(&gateway, "k-2");
    assert_eq!((works("k-1"), works("k-2")), (false, true));
    let superseded = (400, "connection_not_active".to_owned());
    assert_eq!(token(&gateway, &first), superseded);
}

/// The gateway tells nobody else of a revocation at the provider: `recorded` shows a revocation at the gateway.
#[test]
fn a_grant_that_was_revoked_at_the_provider_alone_stays_active_until_the_next_refresh() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let dead = resolve(&gateway, "ws", "github");
    assert!(gateway.end_grant("ws", "github"));
    for _ in 0..2 {
        assert_eq!(bearer(&gateway, &dead), 401);
        assert_eq!(resolve(&gateway, "ws", "github"), dead);
        assert_eq!(check(&gateway, &id), "active");
    }
    let refused = post(&gateway, &format!("/v1/refresh/{id}"), "");
    assert_eq!(code(&refused), (409, "attention_required"));
    assert_eq!(token(&gateway, &id).0, 409);

    gateway.connect("ws", "weather").unwrap();
    let key = resolve(&gateway, "ws", "weather");
    let api_key = key["credentials"]["api_key"].as_str().unwrap();
    assert!(gateway.end_grant("ws", "weather"));
    let status = user(&gateway, "/user", &[("x-api-key", api_key)]).0;
    assert_eq!((status, resolve(&gateway, "ws", "weather")), (401, key));
}

/// A gateway whose provider takes this time to revoke, and the id of its connection.
fn slow_to_revoke(time: Duration) -> (DevGateway, String) {
    let slow = Provider::oauth2("github").revocation_time(time);
    let gateway = DevGateway::builder().provider(slow).start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    (gateway, id)
}

#[test]
fn a_revocation_is_done_at_the_provider_first() {
    let time = Duration::from_secs(20);
    let (gateway, id) = slow_to_revoke(time);
    let dead = resolve(&gateway, "ws", "github");
    let path = format!("/v1/connections/{id}");
    let mut revoking = connect(&gateway);
    let head = format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    revoking.write_all(head.as_bytes()).unwrap();
    while bearer(&gateway, &dead) == 200 {
        thread::yield_now();
    }
    assert_eq!(bearer(&gateway, &dead), 401);
    assert_eq!(resolve(&gateway, "ws", "github"), dead);
    assert_eq!(check(&gateway, &id), "active");

    // Hanging up ends the wait, but not the revocation.
    revoking.shutdown(Shutdown::Write).unwrap();
    revoking.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(token(&gateway, &id), (410, "connection_revoked".to_owned()));
    let foreign = delete(&gateway, &format!("{path}?workspace_id=other"));
    assert_eq!(code(&foreign), (404, "connection_not_found"));
    let start = Instant::now();
    let (_, again) = delete(&gateway, &path);
    assert_eq!(again["already_revoked"], true);
    assert!(start.elapsed() < time, "the provider is not asked again");
}

#[test]
fn a_revocation_takes_as_long_as_the_provider() {
    let time = Duration::from_millis(50);
    let (gateway, id) = slow_to_revoke(time);
    let start = Instant::now();
    let (status, revoked) = delete(&gateway, &format!("/v1/connections/{id}"));
    assert!(start.elapsed() >= time);
    assert_eq!((status, &revoked["already_revoked"]), (200, &json!(false)));
}

#[test]
fn a_token_that_lacks_a_scope_is_refused_until_a_new_consent() {
    let gateway = DevGateway::builder()
        .upstream_scope("repos", "repo")
        .upstream_scope("/repos", "admin")
        .start()
        .unwrap();
    let repos = |headers: &[(&str, &str)]| send(&gateway, ("GET", "/v3/user/repos"), headers, "");
    assert_eq!(repos(&[]).status(), 401);
    for (scopes, lacking) in [
        (json!(null), Some("admin")),
        (json!(["admin"]), Some("repo")),
        (json!(["admin", "repo"]), None),
    ] {
        let id = consent_to(&gateway, &scopes);
        let (_, token) = get(&gateway, &format!("/v1/token/{id}"));
        let value = format!("Bearer {}", token["access_token"].as_str().unwrap());
        let auth = [("authorization", &*value)];
        assert_eq!(user(&gateway, "/user", &auth).0, 200, "other paths");
        let response = repos(&auth);
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        let (status, body) = read(response);
        assert_eq!(status, if lacking.is_some() { 403 } else { 200 }, "{body}");
        let named = lacking.map(|scope| format!("scope=\"{scope}\""));
        assert_eq!(challenge.is_some(), named.is_some());
        assert!(challenge.is_none_or(|text| text.ends_with(&named.unwrap())));
    }
    capture(&gateway, "k");
    assert_eq!(repos(&[("x-api-key", "k")]).status(), 200, "no scopes");
}
