//! Revoking, the list of providers, captured credentials, and health.

use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Provider};
use serde_json::{Map, Value, json};

use crate::{code, delete, get, post, request, resolve, user};

/// The state of a connection that waits for its credential.
fn requested(gateway: &DevGateway, provider: &str) -> String {
    let response = request(gateway, provider, "http://r/");
    response["state"].as_str().unwrap().to_owned()
}

fn capture(gateway: &DevGateway, state: &str, credentials: &Value) -> (u16, Value) {
    let body = json!({"state": state, "credentials": credentials});
    post(gateway, "/v1/capture-credential", &body.to_string())
}

/// The recording shows the other fields.
#[test]
fn revoking_a_key_tells_no_provider_and_can_be_repeated() {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "weather").unwrap();
    let longest = format!("/v1/connections/{id}?reason={}", "%C3%A9".repeat(512));
    let refused = delete(&gateway, &format!("{longest}e"));
    assert_eq!(code(&refused), (400, "reason_too_long"));
    let (status, first) = delete(&gateway, &longest);
    assert_eq!((status, &first["provider_revoked"]), (200, &json!(false)));
    assert!(first["provider_revocation_error"].is_string());
    gateway.advance(Duration::from_secs(60));
    let (status, again) = delete(&gateway, &longest);
    assert_eq!((status, &again["already_revoked"]), (200, &json!(true)));
    assert_eq!(again["revoked_at"], first["revoked_at"]);
}

#[test]
fn providers_are_grouped_by_auth_type() {
    let builder = DevGateway::builder().provider(Provider::api_key("maps"));
    let gateway = builder.start().unwrap();
    let (_, all) = get(&gateway, "/v1/providers");
    let names = |kind: &str| {
        let names = all[kind].as_object().unwrap().keys();
        names.cloned().collect::<Vec<_>>()
    };
    assert_eq!(names("api_key"), ["maps", "weather"]);
    assert_eq!(names("basic_auth"), ["registry"]);
    let github = json!({
        "id": "provider-github", "api_base_url": gateway.url(), "scopes": ["repo", "user"],
        "user_info_endpoint": "/user",
        "description": "The sample upstream as github", "category": "development",
    });
    assert_eq!(all["oauth2"], json!({"github": github}));
}

#[test]
fn a_form_names_the_fields_of_the_credential() {
    let secret = |title: &str| json!({"type": "string", "title": title, "format": "password"});
    let plain = |title: &str| json!({"type": "string", "title": title});
    let named = json!({"type": "header", "config": {"credential_field": "key"}});
    let two = Map::from_iter(["a", "b"].map(|name| (name.to_owned(), json!("x"))));
    let gateway = DevGateway::builder()
        .provider(Provider::api_key("named").strategy(named))
        .provider(Provider::api_key("two").credentials(two))
        .start()
        .unwrap();
    let pair = json!({"username": plain("username"), "password": secret("password")});
    for (provider, properties) in [
        ("weather", json!({"api_key": secret("api_key")})),
        ("registry", pair),
        ("named", json!({"key": secret("key")})),
        ("two", json!({"a": secret("a"), "b": secret("b")})),
    ] {
        let state = requested(&gateway, provider);
        let (status, form) = get(&gateway, &format!("/v1/capture-schema?state={state}"));
        let required: Vec<_> = properties.as_object().unwrap().keys().collect();
        let schema = json!({"type": "object", "properties": properties, "required": required});
        let expected = json!({"provider_name": provider, "schema": schema});
        assert_eq!((status, form), (200, expected));
    }
}

#[test]
fn a_captured_credential_keeps_its_fields_when_it_is_rotated() {
    let gateway = DevGateway::start().unwrap();
    let state = requested(&gateway, "registry");
    let pair = json!({"username": "ada", "password": ""});
    assert_eq!(capture(&gateway, &state, &pair).0, 200);
    assert_eq!(resolve(&gateway, "ws", "registry")["credentials"], pair);
    let auth = [("authorization", "Basic YWRhOg==")];
    assert_eq!(user(&gateway, "/user", &auth).0, 200);
    assert!(gateway.rotate("ws", "registry"));
    assert_eq!(user(&gateway, "/user", &auth).0, 401);
    let rotated = resolve(&gateway, "ws", "registry")["credentials"].clone();
    assert_eq!(rotated["username"], "ada");
    assert_ne!(rotated["password"], "");
}

/// The code in what the gateway quotes of its broker.
fn broker_code(refused: &(u16, Value)) -> String {
    assert_eq!(code(refused), (502, "broker_error"));
    let quoted = refused.1["message"].as_str().unwrap();
    let quoted: Value = serde_json::from_str(quoted).unwrap();
    assert!(quoted["message"].is_string());
    quoted["error"].as_str().unwrap().to_owned()
}

#[test]
fn what_capturing_refuses() {
    let gateway = DevGateway::start().unwrap();
    let [weather, github, late] =
        ["weather", "github", "weather"].map(|provider| requested(&gateway, provider));
    let key = json!({"api_key": "k"});
    let schema = |state: &str| get(&gateway, &format!("/v1/capture-schema?state={state}"));
    for (response, expected) in [
        (
            post(&gateway, "/v1/capture-credential", "[]"),
            "invalid_json",
        ),
        (
            post(&gateway, "/v1/capture-credential", "{}"),
            "missing_fields",
        ),
        (capture(&gateway, &weather, &json!([])), "missing_fields"),
        (schema("x"), "invalid_state"),
        (schema(&github), "unsupported_auth_type"),
    ] {
        assert_eq!(code(&response), (400, expected));
    }
    for (state, credentials, expected) in [
        (&github, &key, "unsupported_auth_type"),
        (&weather, &json!({}), "missing_credential"),
        (&weather, &json!({"api_key": ""}), "missing_credential"),
        (&weather, &json!({"api_key": 7}), "missing_credential"),
    ] {
        let response = capture(&gateway, state, credentials);
        assert_eq!(broker_code(&response), expected, "{credentials}");
    }
    assert_eq!(capture(&gateway, &weather, &key).0, 200, "still waiting");
    assert_eq!(user(&gateway, "/user", &[("x-api-key", "k")]).0, 200);
    let used_up = capture(&gateway, &weather, &key);
    assert_eq!(broker_code(&used_up), "invalid_state");
    gateway.advance(Duration::from_secs(600));
    let too_late = capture(&gateway, &late, &key);
    assert_eq!(broker_code(&too_late), "invalid_state");
}
