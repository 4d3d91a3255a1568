//! Agent sessions: used and closed.

use std::time::{Duration, SystemTime};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{AgentSession, AgentSessionInput, NexusClient, RevokeOptions};

use crate::support::{client, connected, said};

fn input() -> AgentSessionInput {
    AgentSessionInput::new("agent-7", ["repo", "user"]).provider("acme", "github")
}

fn open(client: &NexusClient) -> AgentSession {
    client.request_agent_session(&input()).unwrap()
}

fn used(gateway: &DevGateway, session: &AgentSession) -> u16 {
    let fetcher = client(gateway).session_fetcher(session).unwrap();
    fetcher.get(&format!("{}/user", gateway.url())).unwrap().0
}

#[test]
fn a_session_is_used_and_closed() {
    let gateway = connected();
    let client = client(&gateway);
    let session = open(&client);
    assert_eq!(session.agent_id.as_deref(), Some("agent-7"));
    assert_eq!(session.connection_id.as_deref(), Some("00000000-0000-4000-8000-000000000001"));
    assert_eq!(session.scopes_granted, ["repo", "user"]);
    assert_eq!(session.token_type.as_deref(), Some("bearer"));
    assert!(session.active && !session.obo && session.acting_for.is_none());
    let left = session.expires_at.unwrap().duration_since(SystemTime::now());
    let left = left.unwrap().as_secs();
    assert!((800..1000).contains(&left), "15 minutes: {left}");
    let token = session.token.as_deref().unwrap();
    assert!(!format!("{session:?}").contains(token));

    assert_eq!(used(&gateway, &session), 200);
    assert_eq!(gateway.count("/v1/resolve"), 0, "the session has its own token");
    client.close_agent_session(&session.session_id).unwrap();
    assert_eq!(used(&gateway, &session), 401, "a status is data");
    client.close_agent_session(&session.session_id).unwrap();

    let later = client.get_agent_session(&session.session_id).unwrap();
    assert!(!later.active && later.token.is_none());
    assert_eq!((later.expires_at, &later.agent_id), (session.expires_at, &session.agent_id));
    let unusable = client.session_fetcher(&later).unwrap_err();
    assert_eq!(said(&unusable), ("invalid_input", None));
}

#[test]
fn a_session_ends_by_itself_and_with_its_connection() {
    let gateway = connected();
    let client = client(&gateway);
    let short = input().ttl(Duration::from_millis(60_900));
    let short = client.request_agent_session(&short).unwrap();
    let by_id = AgentSessionInput::new("agent-7", ["repo"])
        .connection_id("00000000-0000-4000-8000-000000000002");
    let (usual, other) = (open(&client), client.request_agent_session(&by_id).unwrap());
    gateway.advance(Duration::from_secs(61));
    let states = [&short, &usual, &other].map(|session| used(&gateway, session));
    assert_eq!(states, [401, 200, 200]);

    let revoked =
        client.revoke_connection("00000000-0000-4000-8000-000000000001", RevokeOptions::default());
    assert_eq!(revoked.unwrap().sessions_closed, 1);
    let states = [&short, &usual, &other].map(|session| used(&gateway, session));
    assert_eq!(states, [401, 401, 200]);
    let error = client.request_agent_session(&input()).unwrap_err();
    assert_eq!(error.code(), "connection_not_found");
}

#[test]
fn a_session_on_behalf_of_a_user() {
    let gateway = connected();
    let client = client(&gateway);
    let asked = input().on_behalf_of("user:ada");
    let session = client.request_agent_session(&asked).unwrap();
    assert_eq!(used(&gateway, &session), 200);
    let later = client.get_agent_session(&session.session_id).unwrap();
    for session in [session, later] {
        assert!(session.obo && session.active);
        assert_eq!(session.acting_for.as_deref(), Some("ada"));
        assert_eq!(session.tenant_id.as_deref(), Some("acme"));
        assert_eq!(session.clearance_level.as_deref(), Some("standard"));
        assert!(!format!("{session:?}").contains("ada"));
    }
}

#[test]
fn a_token_of_the_gateways_own_kind_is_a_bearer_token() {
    let builder = DevGateway::builder().session_tokens(true);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let session = open(&client(&gateway));
    assert_eq!(session.token_type.as_deref(), Some("session"));
    assert_eq!(used(&gateway, &session), 200);
}

#[test]
fn a_gateway_without_sessions_is_told_apart() {
    let builder = DevGateway::builder().sessions(false);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let client = client(&gateway);
    let obo = input().on_behalf_of("user:ada");
    let errors = [
        client.request_agent_session(&input()).unwrap_err(),
        client.request_agent_session(&obo).unwrap_err(),
        client.get_agent_session("session-1").unwrap_err(),
        client.close_agent_session("session-1").unwrap_err(),
    ];
    for error in errors {
        assert_eq!(said(&error), ("sessions_not_supported", Some(404)));
        assert!(error.message().contains("has no agent sessions"));
        assert!(!error.is_retryable() && !error.needs_reconnect());
    }
}
