//! Agent sessions. `src/session/tests.rs` has their fields, and `tests/dev_gateway/sessions.rs` how they end.

use std::time::SystemTime;

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{AgentSessionInput, FetchOptions};

use crate::errors::METHODS;
use crate::support::{client, said};

fn input() -> AgentSessionInput {
    AgentSessionInput::new("agent-7", ["repo", "user"]).provider("acme", "github")
}

#[test]
fn a_session_is_used_and_closed() {
    let builder = DevGateway::builder().agent("agent-7", ["repo", "user"]);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let client = client(&gateway);
    let session = client.request_agent_session(&input()).unwrap();
    assert_eq!(session.scopes_granted, ["repo", "user"]);
    let left = session
        .expires_at
        .unwrap()
        .duration_since(SystemTime::now());
    let left = left.unwrap().as_secs();
    assert!((800..1000).contains(&left), "15 minutes: {left}");
    let token = session.token.as_deref().unwrap();
    assert!(!format!("{session:?}").contains(token));

    let fetcher = client.session_fetcher(&session).unwrap();
    let fetcher = fetcher.base_url(gateway.url()).unwrap();
    assert_eq!(fetcher.get("/user").unwrap().0, 200);
    let elsewhere = fetcher.get("https://127.0.0.1:1/").unwrap_err();
    assert_eq!(elsewhere.code(), "host_not_allowed");
    let named = format!("host_not_allowed: session {:?}: ", session.session_id);
    assert!(elsewhere.to_string().starts_with(&named), "{elsewhere}");
    assert_eq!(gateway.count("/v1/resolve"), 0, "the session has a token");
    let resolved = client.resolve_token("acme", "github").unwrap();
    assert_eq!(resolved.access_token, token, "the connection's own token");

    for _ in 0..2 {
        client.close_agent_session(&session.session_id).unwrap();
        let later = client.get_agent_session(&session.session_id).unwrap();
        assert!(!later.active && later.token.is_none() && later.token_type.is_none());
        assert_eq!(later.expires_at, session.expires_at);
        let unusable = client.session_fetcher(&later).unwrap_err();
        assert_eq!(said(&unusable), ("invalid_input", None));
    }
    assert!(gateway.end_grant("acme", "github"));
    assert_eq!(fetcher.get("/user").unwrap().0, 401, "a status is data");
    let strict = FetchOptions::default().http_status_as_error(true);
    let refused = fetcher.fetch("/user", strict).unwrap_err();
    let named = format!("http_401: session {:?}: ", session.session_id);
    assert!(refused.to_string().starts_with(&named), "{refused}");
}

#[test]
fn a_gateway_without_sessions_is_told_apart() {
    let builder = DevGateway::builder().sessions(false);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let client = client(&gateway);
    for (_, call) in METHODS
        .into_iter()
        .filter(|(name, _)| name.contains("agent_session"))
    {
        let error = call(&client).unwrap();
        assert_eq!(said(&error), ("sessions_not_supported", Some(404)));
        assert!(error.message().contains("has no agent sessions"));
        assert!(!error.is_retryable() && !error.needs_reconnect());
    }
}
