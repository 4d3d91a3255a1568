//! The body of a request for a session, and the parsing of responses.

use super::*;
use serde_json::{Value, json};

fn read(value: Value) -> AgentSession {
    AgentSession::from_json(value).unwrap()
}

fn input() -> AgentSessionInput {
    AgentSessionInput::new("a", ["s", "t"])
}

#[test]
fn only_what_was_given_is_sent() {
    let ttl = Duration::from_millis(60_900);
    let table = [
        (
            input().provider("w", "p"),
            json!({"agent_id": "a", "scopes": ["s", "t"], "workspace_id": "w", "provider_name": "p"}),
        ),
        (
            input().connection_id("c").ttl(ttl),
            json!({"agent_id": "a", "scopes": ["s", "t"], "connection_id": "c", "ttl_seconds": 60}),
        ),
    ];
    for (input, mut expected) in table {
        assert_eq!(input.body(), expected);
        expected["user_context_token"] = json!("u");
        assert_eq!(input.on_behalf_of("u").body(), expected);
    }
}

#[test]
fn a_connection_is_named_in_one_way() {
    let pair = || input().provider("w", "p");
    let mut without_workspace = pair();
    without_workspace.workspace_id = None;
    let table = [
        (pair(), true),
        (input().connection_id("c"), true),
        (input(), false),
        (pair().connection_id("c"), false),
        (input().connection_id(""), false),
        (input().provider(" ", "p"), false),
        (input().provider("w", ""), false),
        (
            AgentSessionInput::new("\t", ["s"]).provider("w", "p"),
            false,
        ),
        (without_workspace, false),
        (pair().ttl(Duration::from_millis(999)), false),
        (pair().ttl(Duration::from_secs(1)), true),
    ];
    for (input, fine) in table {
        let code = input.check().err().map(|error| error.code().to_owned());
        let expected = (!fine).then_some("invalid_input");
        assert_eq!(code.as_deref(), expected, "{input:?}");
        assert_eq!(input.clone().on_behalf_of("u").check().is_ok(), fine);
        assert!(input.on_behalf_of(" ").check().is_err());
    }
}

#[test]
fn a_response_needs_an_id_and_nothing_else() {
    for id in [json!({}), json!({"session_id": [1]})] {
        let error = AgentSession::from_json(id).unwrap_err();
        assert_eq!(error.code(), "invalid_response");
    }
    assert_eq!(read(json!({"session_id": 7})).session_id, "7");

    #[rustfmt::skip]
    let fields = [
        "agent_id", "connection_id", "scopes_granted", "expires_at", "active", "token_type", "access_token",
        "session_token", "obo", "acting_for", "tenant_id", "clearance_level",
    ];
    let mut bare = read(json!({"session_id": "s"}));
    assert!(bare.scopes_granted.is_empty() && !bare.active && !bare.obo);
    assert!(bare.token.is_none() && bare.expires_at.is_none() && bare.acting_for.is_none());
    for odd in [Value::Null, json!({}), json!([]), json!("")] {
        let mut response = Object::from_iter(fields.map(|name| (name.to_owned(), odd.clone())));
        response.insert("session_id".into(), "s".into());
        let session = AgentSession::from_json(response.into()).unwrap();
        bare.raw.clone_from(&session.raw);
        assert_eq!(session, bare, "{odd}");
    }
}

#[test]
fn fields_are_read_in_other_types_too() {
    let session = read(json!({
        "session_id": "s", "agent_id": 7, "clearance_level": 3, "tenant_id": true,
        "scopes_granted": ["a", 1, null, "b"], "active": true, "obo": true, "expires_at": 1_769_849_377,
    }));
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_849_377);
    assert_eq!(session.expires_at, Some(end));
    assert_eq!(session.agent_id.as_deref(), Some("7"));
    assert_eq!(session.clearance_level.as_deref(), Some("3"));
    assert_eq!(session.tenant_id.as_deref(), Some("true"));
    assert_eq!(session.scopes_granted, ["a", "b"]);
    assert!(session.active && session.obo);
    let lenient = read(json!({"session_id": "s", "active": "true", "obo": 1}));
    assert!(!lenient.active && !lenient.obo);
}

#[test]
fn the_token_has_two_names() {
    let table = [
        (
            json!({"access_token": "a", "session_token": "s"}),
            Some("a"),
        ),
        (json!({"access_token": "", "session_token": "s"}), Some("s")),
        (json!({"access_token": " a\t"}), Some("a")),
        (json!({"access_token": " "}), None),
        (json!({}), None),
    ];
    for (mut response, expected) in table {
        response["session_id"] = json!("s");
        response["token_type"] = json!("session");
        let credential = read(response).credential();
        let header = credential.map(|token| token.to_header().unwrap().unwrap().1);
        match expected {
            Some(token) => assert_eq!(header.unwrap(), format!("Bearer {token}")),
            None => assert_eq!(header.unwrap_err().code(), "invalid_input"),
        }
    }
}
