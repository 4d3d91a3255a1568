//! Connections without a browser: forms, credentials, and what is said about them.

use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{AgentSessionInput, FetchOptions, RequestConnectionInput, TokenCache};

use crate::support::{client, connected, requested, said, user};

fn credential(pairs: &[(&str, &str)]) -> Map<String, Value> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), json!(value));
    pairs.iter().map(pair).collect()
}

#[test]
fn a_key_is_connected_from_end_to_end() {
    let gateway = DevGateway::builder().api_key("key").start().unwrap();
    let options = nexus_sdk::NexusClientOptions::new(gateway.url()).api_key("key");
    let client = nexus_sdk::NexusClient::new(options).unwrap();
    let tables = [
        ("weather", vec![("api_key", "canary-k")]),
        ("registry", vec![("password", ""), ("username", "ada")]),
    ];
    for (provider, fields) in tables {
        let input = RequestConnectionInput::new(
            "acme",
            provider,
            nexus_sdk::NO_SCOPES,
            "http://localhost:3000/x",
        );
        let connection = client.request_connection(&input).unwrap();
        let state = connection.state.as_deref().unwrap();
        assert!(connection.auth_url.ends_with(&format!("?state={state}")));

        let form = client.capture_schema(state).unwrap();
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(form.provider_name.as_deref(), Some(provider));
        assert_eq!((form.fields(), &form.schema["type"]), (names, &json!("object")));

        let captured = client.capture_credential(state, &credential(&fields)).unwrap();
        assert_eq!(captured.connection_id, connection.connection_id);
        assert!(captured.status == "success");
        let id = &connection.connection_id;
        let back = format!("http://localhost:3000/x?connection_id={id}&status=success");
        assert_eq!(captured.redirect_url, Some(back));
        let checked = client.check_connection(&connection.connection_id).unwrap();
        assert!(checked == "active");

        let (cache, url) = (TokenCache::new(), format!("{}/user", gateway.url()));
        let options = FetchOptions::default();
        let fetched = client.authenticated_fetch(&cache, "acme", provider, &url, options);
        let (status, _, body) = fetched.unwrap();
        let expected = json!({"login": "acme", "provider": provider}).to_string();
        assert_eq!((status, body), (200, expected.into_bytes()));
    }
    let sent = gateway.requests();
    let sent = sent.iter().find(|r| r.path == "/v1/capture-credential");
    assert_eq!(sent.unwrap().headers["content-type"], "application/json");
}

#[test]
fn a_refused_credential_says_why_and_not_what_it_was() {
    let gateway = connected();
    let state = requested(&gateway, "weather");
    let wrong = credential(&[("key", "canary-k")]);
    let error = client(&gateway).capture_credential(&state, &wrong).unwrap_err();
    assert_eq!(said(&error), ("broker_error", Some(502)));
    assert_eq!(error.message(), "missing_credential: missing required field: api_key");
    assert!(!error.is_retryable(), "the broker refused the request itself");
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert_eq!(user(&gateway, "new", "weather").unwrap_err().code(), "connection_not_found");
}

#[test]
fn an_error_does_not_repeat_what_was_sent_in_confidence() {
    let gateway = connected();
    let client = client(&gateway);
    let state = requested(&gateway, "weather");
    let inner = json!({"message": "'canary-k' is too short"}).to_string();
    let echo = json!({"error": "broker_error", "message": inner, "status": 400}).to_string();
    gateway.fail_next(1, Fault::reply(502, "application/json", echo));
    let error = client.capture_credential(&state, &credential(&[("api_key", "canary-k")]));
    let error = error.unwrap_err();
    assert_eq!(said(&error), ("broker_error", Some(502)));
    assert_eq!(error.message(), "'[redacted]' is too short");

    let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    gateway.fail_next(1, Fault::reply(401, "text/plain", "canary-u has expired"));
    let input = session.on_behalf_of("canary-u");
    let error = client.request_agent_session(&input).unwrap_err();
    assert_eq!(error.message(), "[redacted] has expired");
}
