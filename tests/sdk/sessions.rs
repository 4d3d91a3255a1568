//! Agent sessions. `src/session/tests.rs` has their fields, and `tests/dev_gateway/sessions.rs` how they end.

use std::time::SystemTime;

use nexus_sdk::AgentSessionInput;
use nexus_sdk::testing::DevGateway;

use crate::errors::METHODS;
use crate::support::{client, connected, said};

fn input() -> AgentSessionInput {
    AgentSessionInput::new("agent-7", ["repo", "user"]).provider("acme", "github")
}

#[test]
fn a_session_is_used_and_closed() {
    let gateway = connected();
    let client = client(&gateway);
    let session = client.request_agent_session(&input()).unwrap();
    assert_eq!(session.agent_id.as_deref(), Some("agent-7"));
    assert_eq!(
        session.connection_id.as_deref(),
        Some("00000000-0000-4000-8000-000000000001")
    );
    assert_eq!(session.scopes_granted, ["repo", "user"]);
    assert_eq!(session.token_type.as_deref(), Some("bearer"));
    assert!(session.active && !session.obo && session.acting_for.is_none());
    let left = session
        .expires_at
        .unwrap()
        .duration_since(SystemTime::now());
    let left = left.unwrap().as_secs();
    assert!((800..1000).contains(&left), "15 minutes: {left}");
    let token = session.token.as_deref().unwrap();
    assert!(!format!("{session:?}").contains(token));

    let fetcher = client
        .session_fetcher(&session)
        .unwrap()
        .base_url(gateway.url());
    assert_eq!(fetcher.get("/user").unwrap().0, 200);
    let elsewhere = fetcher
        .clone()
        .allow_hosts(["127.0.0.1:1"])
        .base_url("http://127.0.0.1:1");
    assert_eq!(
        elsewhere.get(gateway.url()).unwrap_err().code(),
        "host_not_allowed"
    );
    assert_eq!(
        gateway.count("/v1/resolve"),
        0,
        "the session has its own token"
    );
    client.close_agent_session(&session.session_id).unwrap();
    assert_eq!(fetcher.get("/user").unwrap().0, 401, "a status is data");
    client.close_agent_session(&session.session_id).unwrap();

    let later = client.get_agent_session(&session.session_id).unwrap();
    assert!(!later.active && later.token.is_none());
    assert_eq!(
        (later.expires_at, &later.agent_id),
        (session.expires_at, &session.agent_id)
    );
    let unusable = client.session_fetcher(&later).unwrap_err();
    assert_eq!(said(&unusable), ("invalid_input", None));

    let of_user = client
        .request_agent_session(&input().on_behalf_of("user:ada"))
        .unwrap();
    assert_eq!(
        (of_user.obo, of_user.acting_for.as_deref()),
        (true, Some("ada"))
    );
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
