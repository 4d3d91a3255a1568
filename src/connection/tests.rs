use super::*;
use crate::error::NexusError;
use serde_json::json;

#[test]
fn what_a_response_to_a_request_has_to_hold() {
    #[rustfmt::skip]
    let table = [
        (json!({"authUrl": "https://a/x?state=s%201&y=2#f", "connection_id": "c"}), Ok(Some("s 1"))),
        (json!({"auth_url": "https://a/?state=u", "connection_id": "c", "state": "s"}), Ok(Some("s"))),
        (json!({"authUrl": "https://a/?xstate=1&state=", "connection_id": 7, "state": null}), Ok(None)),
        (json!({"authUrl": "https://a/?state=%FF", "connection_id": "c"}), Ok(None)),
        (json!({"authUrl": null, "auth_url": 1, "connection_id": ""}), Err("invalid_response")),
        (json!({"authUrl": "javascript:alert(1)", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/\n\u{1b}[2J", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/"}), Err("invalid_response")),
    ];
    for (response, expected) in table {
        let read = RequestConnectionResponse::from_json(response.clone());
        let state = read.as_ref().map(|read| read.state.as_deref());
        let state = state.map_err(NexusError::code);
        assert_eq!(state, expected, "{response}");
    }
}

#[test]
fn what_a_revocation_asks_for() {
    let options = RevokeOptions::default;
    let table = [
        (options(), Ok("")),
        (options().reason("x=y"), Ok("?reason=x%3Dy")),
        (options().reason(""), Ok("?reason=")),
        (
            options().reason("r").workspace_id("a b&c"),
            Ok("?workspace_id=a%20b%26c&reason=r"),
        ),
        (options().workspace_id(" \t"), Err("invalid_input")),
    ];
    for (options, expected) in table {
        let query = options.append_to("");
        let found = query.as_deref().map_err(NexusError::code);
        assert_eq!(found, expected, "{options:?}");
    }
}

fn in_full() -> Value {
    json!({
        "connection_id": "c", "provider_name": "p", "status": "revoked", "revoked_at": 1_769_849_377,
        "already_revoked": true, "token_deleted": true, "provider_revoked": false,
        "provider_revocation_error": "unreachable", "sessions_closed": 3, "more": {},
    })
}

#[test]
fn a_revocation_that_says_little_was_one() {
    let fields = in_full();
    let bare = RevokeResult::from_json(json!({})).unwrap();
    assert!(bare.status == "revoked" && !bare.already_revoked && !bare.token_deleted);
    assert!(bare.connection_id.is_none() && bare.revoked_at.is_none() && bare.sessions_closed == 0);
    for odd in [Value::Null, json!({}), json!([1]), json!("")] {
        let names = fields.as_object().unwrap().keys().cloned();
        let response: Object = names.map(|name| (name, odd.clone())).collect();
        let result = RevokeResult::from_json(response.into()).unwrap();
        assert_eq!(result, bare, "{odd}");
    }
    for count in [json!(-1), json!(1.5)] {
        let result = RevokeResult::from_json(json!({ "sessions_closed": count })).unwrap();
        assert_eq!(result.sessions_closed, 0, "{count}");
    }
}

#[test]
fn a_revocation_is_read_in_full() {
    let result = RevokeResult::from_json(in_full()).unwrap();
    assert_eq!(result.connection_id.as_deref(), Some("c"));
    assert_eq!(result.provider_name.as_deref(), Some("p"));
    assert!(result.revoked_at.is_some() && result.already_revoked && result.token_deleted);
    let error = result.provider_revocation_error.as_deref();
    assert_eq!(error, Some("unreachable"));
    assert!(!result.provider_revoked && result.sessions_closed == 3);
}

#[test]
fn the_spaces_around_a_status_are_not_a_part_of_it() {
    for status in ["active", " active", "active\t"] {
        let response = json!({"status": status});
        let read = ConnectionStatus::of(response.as_object().unwrap());
        assert_eq!(read.unwrap(), "active", "{status:?}");
    }
}
