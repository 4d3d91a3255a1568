//! Agent sessions.

use std::time::Duration;

use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};

use crate::{bearer, code, delete, get, post, send, user};

const PATH: &str = "/v1/agent-sessions";
const OBO: &str = "/v1/agent-sessions/obo";
/// The ids of the connections that [`gateway`] has, and of one more.
const GITHUB: &str = "00000000-0000-4000-8000-000000000001";
const WEATHER: &str = "00000000-0000-4000-8000-000000000002";
const PENDING: &str = "00000000-0000-4000-8000-000000000003";

fn gateway() -> DevGateway {
    let builder = DevGateway::builder().connection("ws", "github");
    builder.connection("ws", "weather").start().unwrap()
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
    let (_, reply) = delete(gateway, &format!("/v1/connections/{GITHUB}"));
    reply["sessions_closed"].as_u64().unwrap()
}

#[test]
fn a_session_has_all_fields_and_its_token_only_once() {
    let gateway = gateway();
    let pair = json!({"connection_id": null, "workspace_id": "ws", "provider_name": "github"});
    for changes in [json!({}), pair] {
        let mut session = open(&gateway, &changes);
        let expected = json!({
            "session_id": session["session_id"], "agent_id": "a", "connection_id": GITHUB,
            "scopes_granted": ["repo"], "expires_at": session["expires_at"], "active": true,
            "token_type": "bearer", "access_token": session["access_token"], "obo": false,
            "acting_for": null, "tenant_id": null, "clearance_level": null,
        });
        assert_eq!(session, expected);
        let (status, later) = get(&gateway, &path(&session));
        let fields = session.as_object_mut().unwrap();
        fields.remove("access_token");
        assert_eq!((status, later), (200, session));
    }
}

#[test]
fn a_session_works_until_it_is_over() {
    type End = fn(&DevGateway, &Value);
    let cases: [(&str, End); 4] = [
        ("closed", |gateway, session| {
            let (status, reply) = delete(gateway, &path(session));
            assert_eq!((status, &reply["status"]), (200, &json!("closed")));
            assert_eq!(delete(gateway, &path(session)).0, 200, "no harm");
        }),
        ("expired", |gateway, _| {
            gateway.advance(Duration::from_secs(900));
        }),
        ("connection revoked", |gateway, _| {
            assert_eq!(closed_by_revoking(gateway), 1);
            assert!(gateway.set_status(GITHUB, "active"));
        }),
        ("connection not active", |gateway, _| {
            assert!(gateway.set_status(GITHUB, "attention"));
        }),
    ];
    for (case, end) in cases {
        let gateway = gateway();
        let session = open(&gateway, &json!({}));
        gateway.advance(Duration::from_secs(890));
        assert_eq!(bearer(&gateway, &session), 200, "{case}");
        end(&gateway, &session);
        assert_eq!(bearer(&gateway, &session), 401, "{case}");
        let (status, later) = get(&gateway, &path(&session));
        assert_eq!((status, &later["active"]), (200, &json!(false)), "{case}");
    }
}

#[test]
fn only_open_sessions_of_the_connection_are_closed_with_it() {
    let gateway = gateway();
    let short = open(&gateway, &json!({"ttl_seconds": 1}));
    let closed = open(&gateway, &json!({}));
    let (one, two) = (open(&gateway, &json!({})), open(&gateway, &json!({})));
    let other = open(&gateway, &json!({"connection_id": WEATHER}));
    delete(&gateway, &path(&closed));
    gateway.advance(Duration::from_secs(1));
    assert_eq!(closed_by_revoking(&gateway), 2);
    assert_eq!(closed_by_revoking(&gateway), 0);
    for session in [short, closed, one, two] {
        assert_eq!(bearer(&gateway, &session), 401);
    }
    assert_eq!(bearer(&gateway, &other), 200);
}

#[test]
fn a_session_of_a_key_provider_is_a_bearer_token_too() {
    let gateway = gateway();
    let session = open(&gateway, &json!({"connection_id": WEATHER}));
    let token = session["access_token"].as_str().unwrap();
    let table = [
        ("authorization", format!("Bearer {token}"), 200),
        ("authorization", format!("bearer {token}"), 200),
        ("authorization", format!("Basic {token}"), 401),
        ("x-api-key", token.to_owned(), 401),
    ];
    for (name, value, status) in table {
        let found = user(&gateway, "/user", &[(name, &value)]);
        let login = (status == 200).then(|| "ws".to_owned());
        assert_eq!(found, (status, login), "{name}");
    }
}

#[test]
fn what_a_session_request_is_refused_for() {
    let gateway = gateway();
    let pending = json!({"user_id": "new", "provider_name": "github", "return_url": "http://r/"});
    post(&gateway, "/v1/request-connection", &pending.to_string());
    let half = json!({"connection_id": null, "workspace_id": "ws"});
    let denied = json!({"scopes": ["repo", "denied-1"]});
    let no_selector = "missing_connection_selector";
    for (changes, status, expected) in [
        (json!({"agent_id": null}), 400, "missing_agent_id"),
        (json!({"agent_id": " "}), 400, "missing_agent_id"),
        (json!({"scopes": null}), 400, "missing_scopes"),
        (json!({"scopes": []}), 400, "missing_scopes"),
        (json!({"scopes": [""]}), 400, "invalid_scope"),
        (json!({"scopes": ["repo", 1]}), 400, "invalid_scope"),
        (json!({"scopes": "repo"}), 400, "invalid_scope"),
        (json!({"ttl_seconds": 0}), 400, "invalid_ttl"),
        (json!({"ttl_seconds": -1}), 400, "invalid_ttl"),
        (json!({"ttl_seconds": 86_401}), 400, "invalid_ttl"),
        (json!({"ttl_seconds": "60"}), 400, "invalid_ttl"),
        (json!({"connection_id": null}), 400, no_selector),
        (half, 400, no_selector),
        (json!({"agent_id": "unknown-1"}), 404, "agent_not_found"),
        (json!({"agent_id": "inactive-1"}), 403, "agent_inactive"),
        (denied, 403, "scope_not_allowed"),
        (json!({"connection_id": "x"}), 404, "connection_not_found"),
        (
            json!({"connection_id": PENDING}),
            400,
            "connection_not_active",
        ),
        (json!({"ttl_seconds": 86_400}), 201, ""),
    ] {
        for (path, obo) in [(PATH, Value::Null), (OBO, json!("user:ada"))] {
            let mut changes = changes.clone();
            changes["user_context_token"] = obo;
            let answer = post(&gateway, path, &wanted(&changes));
            assert_eq!(code(&answer), (status, expected), "{changes}");
        }
    }
    assert_eq!(code(&post(&gateway, PATH, "[]")), (400, "invalid_json"));
    let unknown = format!("{PATH}/nobody");
    for response in [get(&gateway, &unknown), delete(&gateway, &unknown)] {
        assert_eq!(code(&response), (404, "session_not_found"));
    }
    for (path, allowed) in [(PATH, "POST"), (&*unknown, "GET, HEAD, DELETE")] {
        let put = send(&gateway, ("PUT", path), &[], "");
        assert_eq!(
            (put.status().as_u16(), allowed),
            (405, put.headers()["allow"].to_str().unwrap())
        );
    }
}

#[test]
fn on_behalf_of_a_user() {
    let gateway = gateway();
    let request = |token: Value| {
        let body = wanted(&json!({"user_context_token": token}));
        post(&gateway, OBO, &body)
    };
    let (status, session) = request(json!("user:ada"));
    assert_eq!((status, bearer(&gateway, &session)), (201, 200));
    let (_, later) = get(&gateway, &path(&session));
    for described in [session, later] {
        let user = ["obo", "acting_for", "tenant_id", "clearance_level"];
        let expected = [json!(true), json!("ada"), json!("ws"), json!("standard")];
        assert_eq!(user.map(|field| described[field].clone()), expected);
    }
    for token in [Value::Null, json!("ada"), json!("user:"), json!(7)] {
        assert_eq!(code(&request(token)), (401, "invalid_user_context_token"));
    }
}

#[test]
fn tokens_of_the_other_kind_and_gateways_without_sessions() {
    let builder = DevGateway::builder().connection("ws", "github");
    let gateway = builder.clone().session_tokens(true).start().unwrap();
    let session = open(&gateway, &json!({}));
    assert_eq!(session["token_type"], "session");
    assert!(session.get("access_token").is_none());
    let value = format!("Bearer {}", session["session_token"].as_str().unwrap());
    assert_eq!(user(&gateway, "/user", &[("authorization", &value)]).0, 200);

    let gateway = builder.sessions(false).start().unwrap();
    let gone = (404, json!("404 page not found\n"));
    assert_eq!(post(&gateway, PATH, &wanted(&json!({}))), gone);
    assert_eq!(post(&gateway, OBO, ""), gone);
    assert_eq!(get(&gateway, "/v1/agent-sessions/session-1"), gone);
    assert_eq!(delete(&gateway, "/v1/agent-sessions/session-1"), gone);
}
