use super::*;
use crate::error::NexusError;
use serde_json::json;

#[test]
fn what_a_response_to_a_request_has_to_hold() {
    #[rustfmt::skip]
    let table = [
        (json!({"authUrl": "https://a/x?state=s%201&y=2#f", "connection_id": "c"}), Ok(Some("s 1"))),
        (json!({"auth_url": "https://a/?state=u", "connection_id": "c", "state": "s"}), Ok(Some("s"))),
        (json!({"authUrl": "https://a/?xstate=1", "connection_id": 7}), Ok(None)),
        (json!({"authUrl": "https://a/?state=", "connection_id": "c", "state": null}), Ok(None)),
        (json!({"authUrl": "https://a/?state=%FF", "connection_id": "c"}), Ok(None)),
        (json!({"authUrl": "", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": null, "auth_url": 1, "connection_id": ""}), Err("invalid_response")),
        (json!({"authUrl": "javascript:alert(1)", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/\n\u{1b}[2J", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/"}), Err("invalid_response")),
    ];
    for (response, expected) in table {
        let read = RequestConnectionResponse::from_json(response.clone());
        let state = read
            .as_ref()
            .map(|read| read.state.as_deref())
            .map_err(NexusError::code);
        assert_eq!(state, expected, "{response}");
    }
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

#[test]
fn what_a_revocation_asks_for() {
    let options = RevokeOptions::default;
    let table = [
        (options(), Some(String::new())),
        (
            options().workspace_id("a b&c"),
            Some("?workspace_id=a%20b%26c".into()),
        ),
        (options().reason("x=y"), Some("?reason=x%3Dy".into())),
        (options().reason(""), Some("?reason=".into())),
        (
            options().reason("r").workspace_id("w"),
            Some("?workspace_id=w&reason=r".into()),
        ),
        (options().workspace_id(""), None),
        (options().workspace_id(" \t"), None),
    ];
    for (options, expected) in table {
        let query = options.append_to("");
        let code = query.as_ref().err().map(NexusError::code);
        assert_eq!(
            code,
            expected.is_none().then_some("invalid_input"),
            "{options:?}"
        );
        assert_eq!(query.ok(), expected);
    }
}

#[test]
fn a_revocation_that_says_little_was_one() {
    let fields = [
        "connection_id",
        "provider_name",
        "status",
        "revoked_at",
        "already_revoked",
        "token_deleted",
        "provider_revoked",
        "provider_revocation_error",
        "sessions_closed",
    ];
    let bare = RevokeResult::from_json(json!({})).unwrap();
    assert!(bare.status == "revoked" && !bare.already_revoked && !bare.token_deleted);
    assert_eq!(
        (&bare.connection_id, bare.revoked_at, bare.sessions_closed),
        (&None, None, 0)
    );
    for odd in [Value::Null, json!({}), json!([1]), json!("")] {
        let response = Object::from_iter(fields.map(|name| (name.to_owned(), odd.clone())));
        assert_eq!(
            RevokeResult::from_json(response.into()).unwrap(),
            bare,
            "{odd}"
        );
    }
    for count in [json!(-1), json!(1.5), json!("3"), json!(true)] {
        let response = object(json!({"sessions_closed": count}));
        assert_eq!(
            RevokeResult::from_json(response.into())
                .unwrap()
                .sessions_closed,
            0,
            "{count}"
        );
    }
}

#[test]
fn a_revocation_is_read_in_full() {
    let result = RevokeResult::from_json(json!({
        "connection_id": "c", "provider_name": "p", "status": "revoked", "revoked_at": 1_769_849_377,
        "already_revoked": true, "token_deleted": true, "provider_revoked": false,
        "provider_revocation_error": "unreachable", "sessions_closed": 3, "more": {},
    }))
    .unwrap();
    assert_eq!(result.connection_id.as_deref(), Some("c"));
    assert_eq!(result.provider_name.as_deref(), Some("p"));
    assert!(result.revoked_at.is_some() && result.already_revoked && result.token_deleted);
    assert_eq!(
        result.provider_revocation_error.as_deref(),
        Some("unreachable")
    );
    assert!(!result.provider_revoked && result.sessions_closed == 3);
}
