//! Agents and their sessions, as a running broker 0.4 served them.

use std::time::Duration;

use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};

use crate::{bearer, code, delete, get, post, resolve, send};

const AGENTS: &str = "/admin/v1/agents";
const PATH: &str = "/v1/agent-sessions";
/// The ids of the connections that [`gateway`] has, and of three more.
const GITHUB: &str = "00000000-0000-4000-8000-000000000001";
const WEATHER: &str = "00000000-0000-4000-8000-000000000002";
const PENDING: &str = "00000000-0000-4000-8000-000000000003";
const SCOPED: &str = "00000000-0000-4000-8000-000000000004";
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000009";

fn gateway() -> DevGateway {
    let builder = DevGateway::builder().connection("ws", "github");
    let builder = builder.connection("ws", "weather");
    builder.agent("a", ["repo", "admin"]).start().unwrap()
}

/// A good request with some fields replaced; `null` leaves one out.
fn wanted(changes: &Value) -> String {
    let mut body = json!({"agent_id": "a", "scopes": ["repo"], "connection_id": GITHUB});
    let fields = body.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    body.to_string()
}

fn open(gateway: &DevGateway, changes: &Value) -> Value {
    let (status, session) = post(gateway, PATH, &wanted(changes));
    assert_eq!(status, 201, "{session}");
    session
}

fn path(session: &Value) -> String {
    format!("{PATH}/{}", session["session_id"].as_str().unwrap())
}

/// Revokes the connection, and returns how many sessions that has closed.
fn closed_by_revoking(gateway: &DevGateway) -> u64 {
    let (_, response) = delete(gateway, &format!("/v1/connections/{GITHUB}"));
    response["sessions_closed"].as_u64().unwrap()
}

#[test]
fn an_agent_is_registered_once() {
    let gateway = gateway();
    let session = json!({"agent_id": "b.1"});
    let unknown = post(&gateway, PATH, &wanted(&session));
    assert_eq!(code(&unknown), (404, "agent_not_found"));
    let agent = json!({"agent_id": "b.1", "allowed_scopes": ["repo", "repo"]});
    let (status, mut registered) = post(&gateway, AGENTS, &agent.to_string());
    registered.as_object_mut().unwrap().remove("created_at");
    let expected = json!({"agent_id": "b.1", "allowed_scopes": ["repo"], "active": true});
    assert_eq!((status, registered), (201, expected));
    open(&gateway, &session);
    for (agent, status, expected) in [
        (agent, 409, "agent_exists"),
        (json!({"agent_id": "-b"}), 400, "invalid_agent_id"),
        (json!({"agent_id": "b c"}), 400, "invalid_agent_id"),
        (
            json!({"agent_id": "c", "allowed_scopes": [" "]}),
            400,
            "invalid_scope",
        ),
        (json!({"agent_id": "c"}), 201, ""),
    ] {
        let response = post(&gateway, AGENTS, &agent.to_string());
        assert_eq!(code(&response), (status, expected), "{agent}");
    }
}

#[test]
fn a_session_has_the_token_of_its_connection_and_shows_it_once() {
    let gateway = gateway();
    let token = &resolve(&gateway, "ws", "github")["access_token"];
    let pair = json!({"connection_id": null, "workspace_id": "ws", "provider_name": "github"});
    for changes in [json!({}), pair, json!({"provider_name": "GitHub"})] {
        let mut session = open(&gateway, &changes);
        let expected = json!({
            "session_id": session["session_id"], "agent_id": "a", "connection_id": GITHUB,
            "scopes_granted": ["repo"], "expires_at": session["expires_at"], "active": true,
            "token_type": "bearer", "access_token": token, "obo": false, "clearance_level": 1,
        });
        assert_eq!(session, expected);
        let (status, later) = get(&gateway, &path(&session));
        let fields = session.as_object_mut().unwrap();
        fields.retain(|name, _| name != "access_token" && name != "token_type");
        assert_eq!((status, later), (200, session));
    }
}

#[test]
fn a_session_ends_and_its_token_may_outlive_it() {
    // The end of a session, and the status of a request with its token after that.
    for (end, status) in [
        ("closed", 200),
        ("expired", 200),
        ("connection revoked", 401),
    ] {
        let gateway = gateway();
        let session = open(&gateway, &json!({}));
        gateway.advance(Duration::from_secs(890));
        assert_eq!(bearer(&gateway, &session), 200, "{end}");
        let (_, later) = get(&gateway, &path(&session));
        assert_eq!(later["active"], true, "{end}");
        match end {
            "closed" => {
                let id = &session["session_id"];
                let expected = json!({"status": "closed", "session_id": id, "active": false});
                for _ in 0..2 {
                    let closed = delete(&gateway, &path(&session));
                    assert_eq!(closed, (200, expected.clone()));
                }
            }
            "expired" => gateway.advance(Duration::from_secs(10)),
            _ => assert_eq!(closed_by_revoking(&gateway), 1),
        }
        assert_eq!(bearer(&gateway, &session), status, "{end}");
        let (_, later) = get(&gateway, &path(&session));
        assert_eq!(later["active"], false, "{end}");
    }
}

#[test]
fn only_open_sessions_of_the_connection_are_closed_with_it() {
    let gateway = gateway();
    let connection = gateway.connect("other", "github").unwrap();
    open(&gateway, &json!({"ttl_seconds": 1}));
    let closed = open(&gateway, &json!({}));
    let two = [open(&gateway, &json!({})), open(&gateway, &json!({}))];
    let other = open(&gateway, &json!({"connection_id": connection}));
    delete(&gateway, &path(&closed));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(closed_by_revoking(&gateway), 2);
    assert_eq!(closed_by_revoking(&gateway), 0);
    for (session, active) in [(&two[0], false), (&two[1], false), (&other, true)] {
        assert_eq!(get(&gateway, &path(session)).1["active"], active);
    }
    assert_eq!(bearer(&gateway, &other), 200);
    assert!(gateway.set_status(GITHUB, "active"));
    assert_eq!(bearer(&gateway, &two[0]), 401, "the grant has ended");
}

#[test]
fn what_a_session_request_is_refused_for() {
    let gateway = gateway();
    for scopes in [json!(null), json!(["admin"])] {
        let body = json!({
            "user_id": "new", "provider_name": "github", "return_url": "http://r/", "scopes": scopes,
        });
        post(&gateway, "/v1/request-connection", &body.to_string());
    }
    gateway.set_status(SCOPED, "active");
    let [pending, weather, scoped, unknown] =
        [PENDING, WEATHER, SCOPED, UNKNOWN].map(|id| json!({"connection_id": id}));
    let mut other_provider = pending.clone();
    other_provider["provider_name"] = json!("weather");
    let half = json!({"connection_id": null, "workspace_id": "ws"});
    let mut inactive = half.clone();
    inactive["provider_name"] = json!("registry");
    let mut granted = scoped.clone();
    granted["scopes"] = json!(["admin"]);
    for (changes, status, expected) in [
        (json!({"agent_id": " "}), 400, "missing_agent_id"),
        (json!({"scopes": []}), 400, "missing_scopes"),
        (json!({"scopes": [""]}), 400, "invalid_scope"),
        (json!({"scopes": ["repo", 1]}), 400, "invalid_json"),
        (json!({"scopes": ["repo", "x"]}), 403, "scope_not_allowed"),
        (json!({"ttl_seconds": -1}), 400, "invalid_ttl"),
        (json!({"ttl_seconds": "60"}), 400, "invalid_json"),
        (json!({"ttl_seconds": 0}), 201, ""),
        (half, 400, "missing_connection_selector"),
        (inactive, 404, "connection_not_found"),
        (json!({"connection_id": "x"}), 400, "invalid_connection_id"),
        (unknown, 404, "connection_not_found"),
        (other_provider, 400, "provider_mismatch"),
        (pending, 400, "connection_not_active"),
        (weather, 400, "unsupported_agent_session_provider"),
        (scoped, 403, "scope_not_granted"),
        (granted, 201, ""),
    ] {
        let response = post(&gateway, PATH, &wanted(&changes));
        assert_eq!(code(&response), (status, expected), "{changes}");
    }
    assert_eq!(code(&post(&gateway, PATH, "[]")), (400, "invalid_json"));
    let unknown = format!("{PATH}/nobody");
    for response in [get(&gateway, &unknown), delete(&gateway, &unknown)] {
        assert_eq!(code(&response), (404, "session_not_found"));
    }
    let obo = format!("{PATH}/obo");
    for (method, path, allowed) in [("PUT", PATH, "POST"), ("POST", &obo, "GET, HEAD, DELETE")] {
        let refused = send(&gateway, (method, path), &[], &wanted(&json!({})));
        assert_eq!(refused.status(), 405, "{method} {path}");
        assert_eq!(refused.headers()["allow"], allowed);
    }
}

#[test]
fn a_session_refreshes_an_expired_token() {
    let gateway = gateway();
    let first = open(&gateway, &json!({}));
    gateway.advance(Duration::from_secs(3600));
    let second = open(&gateway, &json!({}));
    assert_eq!(bearer(&gateway, &first), 401);
    assert_eq!(bearer(&gateway, &second), 200);
    gateway.end_grant("ws", "github");
    gateway.advance(Duration::from_secs(3600));
    let refused = post(&gateway, PATH, &wanted(&json!({})));
    assert_eq!(code(&refused), (409, "token_expired"));
}
