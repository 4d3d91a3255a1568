//! Connections by a credential that the user enters, and their end.

use nexus_sdk::serde_json::json;
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{NO_SCOPES, NexusClient, RequestConnectionInput, RevokeOptions, TokenCache};

use crate::support::{client, connected, options, said};

/// The first connection of a development gateway.
const ID: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn revoking_needs_a_new_connection() {
    let gateway = connected();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let fetcher = client.fetcher(&cache, "acme", "github");
    let url = format!("{}/user", gateway.url());
    assert_eq!(fetcher.get(&url).unwrap().0, 200);

    let options = RevokeOptions::default().workspace_id("acme");
    let options = options.reason("left & gone?");
    let result = client.revoke_connection(ID, options).unwrap();
    assert!(result.status == "revoked" && !result.already_revoked);
    let sent = gateway.requests().pop().unwrap().query.unwrap();
    assert_eq!(sent, "workspace_id=acme&reason=left%20%26%20gone%3F");

    let resolved = client.resolve_token("acme", "github").unwrap_err();
    let cached = fetcher.get(&url).unwrap_err();
    for error in [resolved, cached] {
        assert_eq!(said(&error), ("connection_not_found", Some(404)));
    }
    let error = client.get_token_by_connection_id(ID).unwrap_err();
    assert_eq!(said(&error), ("connection_revoked", Some(410)));
    assert!(error.needs_reconnect());
}

#[test]
fn a_credential_is_connected_from_end_to_end() {
    let gateway = DevGateway::builder().api_key("key").start().unwrap();
    let client = NexusClient::new(options(&gateway).api_key("key")).unwrap();
    let table = [
        ("weather", vec!["api_key"], json!({"api_key": "canary-k"})),
        (
            "registry",
            vec!["password", "username"],
            json!({"password": "", "username": "ada"}),
        ),
    ];
    for (provider, fields, credentials) in table {
        let back = "http://localhost:3000/x";
        let input = RequestConnectionInput::new("acme", provider, NO_SCOPES, back);
        let connection = client.request_connection(&input).unwrap();
        let (id, state) = (&connection.connection_id, &connection.state);
        let state = state.as_deref().unwrap();
        assert!(connection.auth_url.ends_with(&format!("?state={state}")));

        let form = client.capture_schema(state).unwrap();
        assert_eq!(form.provider_name.as_deref(), Some(provider));
        assert_eq!(
            (form.fields(), &form.schema["type"]),
            (fields, &json!("object"))
        );

        let captured = client.capture_credential(state, credentials.as_object().unwrap());
        let captured = captured.unwrap();
        assert_eq!(captured.connection_id, *id);
        assert_eq!(captured.status, "success");
        let back = format!("{back}?connection_id={id}&status=success");
        assert_eq!(captured.redirect_url, Some(back));
        assert!(client.check_connection(id).unwrap() == "active");

        let fetcher = client.fetcher(&TokenCache::new(), "acme", provider);
        let fetcher = fetcher.base_url(gateway.url()).unwrap();
        let (status, _, body) = fetcher.get("/user").unwrap();
        let expected = json!({"login": "acme", "provider": provider}).to_string();
        assert_eq!((status, body), (200, expected.into_bytes()));
    }
    let sent = gateway.requests();
    let mut sent = sent.iter();
    let sent = sent.find(|request| request.path == "/v1/capture-credential");
    assert_eq!(sent.unwrap().headers["content-type"], "application/json");
}
