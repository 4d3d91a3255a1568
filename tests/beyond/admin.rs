//! Connections without a browser, revoking, the list of providers, health, and raw headers.

use std::time::{Duration, SystemTime};

use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Fault, Provider};
use nexus_sdk::{
    AgentSessionInput, FetchOptions, OboSessionInput, RequestConnectionInput, RevokeOptions,
    TokenCache,
};

use crate::{client, gateway, requested, said, user};

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
        let none: [&str; 0] = [];
        let input = RequestConnectionInput::new("acme", provider, none, "http://localhost:3000/x");
        let connection = client.request_connection(&input).unwrap();
        let state = connection.state.as_deref().unwrap();
        assert!(connection.auth_url.ends_with(&format!("?state={state}")));

        let form = client.capture_schema(state).unwrap();
        let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        assert_eq!(form.provider_name.as_deref(), Some(provider));
        assert_eq!(
            (form.fields(), &form.schema["type"]),
            (names, &json!("object"))
        );

        let captured = client
            .capture_credential(state, &credential(&fields))
            .unwrap();
        assert_eq!(captured.connection_id, connection.connection_id);
        assert!(captured.status == "active");
        assert_eq!(
            captured.redirect_url.as_deref(),
            Some("http://localhost:3000/x")
        );
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
    let gateway = gateway();
    let state = requested(&gateway, "weather");
    let wrong = credential(&[("key", "canary-k")]);
    let error = client(&gateway)
        .capture_credential(&state, &wrong)
        .unwrap_err();
    assert_eq!(said(&error), ("broker_error", Some(502)));
    assert_eq!(error.message(), "missing required field: api_key");
    assert!(
        !error.is_retryable(),
        "the broker refused the request itself"
    );
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert_eq!(
        user(&gateway, "new", "weather").unwrap_err().code(),
        "connection_not_active"
    );
}

#[test]
fn revoking_needs_a_new_connection() {
    let gateway = gateway();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let fetcher = client.fetcher(&cache, "acme", "github");
    let url = format!("{}/user", gateway.url());
    assert_eq!(fetcher.get(&url).unwrap().0, 200);

    let before = SystemTime::now() - Duration::from_secs(60);
    let options = RevokeOptions::default()
        .workspace_id("acme")
        .reason("left & gone?");
    let result = client.revoke_connection("connection-1", options).unwrap();
    assert_eq!(result.connection_id.as_deref(), Some("connection-1"));
    assert_eq!(result.provider_name.as_deref(), Some("github"));
    assert!(result.status == "revoked" && result.revoked_at.unwrap() > before);
    assert!(result.token_deleted && result.provider_revoked && !result.already_revoked);
    assert_eq!(
        (result.provider_revocation_error, result.sessions_closed),
        (None, 0)
    );
    let sent = gateway.requests().pop().unwrap().query;
    assert_eq!(
        sent.as_deref(),
        Some("workspace_id=acme&reason=left%20%26%20gone%3F")
    );

    let again = client.revoke_connection("connection-1", RevokeOptions::default());
    let again = again.unwrap();
    assert!(again.already_revoked && !again.token_deleted && !again.provider_revoked);
    assert_eq!(again.revoked_at, result.revoked_at);

    let resolved = client.resolve_token("acme", "github").unwrap_err();
    let cached = fetcher.get(&url).unwrap_err();
    for error in [resolved, cached] {
        assert_eq!(said(&error), ("connection_revoked", Some(410)));
        assert!(error.needs_reconnect());
    }
}

#[test]
fn attention_needs_a_new_connection_and_pending_does_not() {
    let gateway = gateway();
    for (status, code, needed) in [
        ("attention", "attention_required", true),
        ("pending", "connection_not_active", false),
    ] {
        assert!(gateway.set_status("connection-1", status));
        let error = user(&gateway, "acme", "github").unwrap_err();
        assert_eq!((error.code(), error.needs_reconnect()), (code, needed));
    }
}

#[test]
fn providers_are_listed_in_order() {
    let maps = Provider::api_key("maps");
    let gateway = DevGateway::builder().provider(maps).start().unwrap();
    let providers = client(&gateway).providers().unwrap();
    let listed: Vec<_> = providers
        .all
        .iter()
        .map(|p| (&*p.auth_type, &*p.name))
        .collect();
    let expected = [
        ("api_key", "maps"),
        ("api_key", "weather"),
        ("basic_auth", "registry"),
        ("oauth2", "github"),
    ];
    assert_eq!(listed, expected);
    let github = providers.get("github").unwrap();
    assert_eq!(github.id.as_deref(), Some("provider-github"));
    assert_eq!(github.api_base_url.as_deref(), Some(gateway.url()));
    assert_eq!(github.scopes.as_deref().unwrap(), ["repo", "user"]);
    assert!(
        github
            .user_info_endpoint
            .as_deref()
            .unwrap()
            .ends_with("/user")
    );
    assert_eq!(github.category.as_deref(), Some("development"));
    assert!(github.description.is_some() && providers.get("nobody").is_none());
}

#[test]
fn health_is_found_at_either_place() {
    let table = [
        ("/health", 1, 0, true),
        ("/v1/health", 1, 1, true),
        ("/ready", 1, 1, false),
    ];
    for (place, plain, v1, well) in table {
        let gateway = DevGateway::builder().health_at(place).start().unwrap();
        let health = client(&gateway).health();
        assert_eq!(
            (gateway.count("/health"), gateway.count("/v1/health")),
            (plain, v1)
        );
        match health {
            Ok(health) => {
                assert!(well && health.version.is_some());
                assert_eq!(health.status, "healthy");
            }
            Err(error) => assert_eq!((said(&error), well), (("http_404", Some(404)), false)),
        }
    }
}

#[test]
fn raw_headers_carry_what_the_strategy_says() {
    let header = |config: Value| json!({"type": "header", "config": config});
    let query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let prefixed = json!({"header_name": "X-Key", "value_prefix": "Key "});
    let table = [
        (
            json!({"type": "oauth2"}),
            Ok(("authorization", "Bearer canary-t")),
        ),
        (Value::Null, Ok(("authorization", "Bearer canary-t"))),
        (header(json!({})), Ok(("authorization", "Bearer canary-k"))),
        (
            header(json!({"header_name": "X-API-Key"})),
            Ok(("x-api-key", "canary-k")),
        ),
        (header(prefixed), Ok(("x-key", "Key canary-k"))),
        (
            json!({"type": "basic_auth"}),
            Ok(("authorization", "Basic Y2FuYXJ5LXU6Y2FuYXJ5LXA=")),
        ),
        (query, Err("unsupported_strategy")),
        (json!({"type": "path"}), Err("unsupported_strategy")),
        (json!({"type": "saml"}), Err("unsupported_strategy")),
    ];
    for (strategy, expected) in table {
        let fields = credential(&[
            ("access_token", "canary-t"),
            ("api_key", "canary-k"),
            ("username", "canary-u"),
            ("password", "canary-p"),
        ]);
        let provider = Provider::oauth2("any")
            .strategy(strategy.clone())
            .credentials(fields);
        let builder = DevGateway::builder().provider(provider);
        let gateway = builder.connection("acme", "any").start().unwrap();
        let headers = client(&gateway).auth_headers(&TokenCache::new(), "acme", "any");
        match (headers, expected) {
            (Ok(headers), Ok((name, value))) => {
                assert_eq!(headers.len(), 1);
                assert_eq!(headers[name], value, "{strategy}");
                assert!(!format!("{headers:?}").contains("canary"));
            }
            (Err(error), Err(code)) => assert_eq!(error.code(), code, "{strategy}"),
            (headers, _) => panic!("{strategy}: {headers:?}"),
        }
    }
}

#[test]
fn raw_headers_come_from_the_cache() {
    let gateway = gateway();
    let (client, cache) = (client(&gateway), TokenCache::new());
    let first = client.auth_headers(&cache, "acme", "github").unwrap();
    assert_eq!(
        client.auth_headers(&cache, "acme", "github").unwrap(),
        first
    );
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

#[test]
fn an_error_does_not_repeat_what_was_sent_in_confidence() {
    let gateway = gateway();
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
    let input = OboSessionInput::new(session, "canary-u");
    let error = client.request_obo_session(&input).unwrap_err();
    assert_eq!(error.message(), "[redacted] has expired");
}
