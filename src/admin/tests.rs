//! How replies of all sorts are read, and what a revocation asks for.

use super::*;
use serde_json::json;

fn object(value: Value) -> Object {
    serde_json::from_value(value).unwrap()
}

#[test]
fn health_has_a_status() {
    let table = [
        (json!({"status": "healthy"}), Some(("healthy", None))),
        (
            json!({"status": "degraded", "version": "0.4"}),
            Some(("degraded", Some("0.4"))),
        ),
        (
            json!({"status": "healthy", "version": 2}),
            Some(("healthy", Some("2"))),
        ),
        (
            json!({"status": "healthy", "version": null}),
            Some(("healthy", None)),
        ),
        (json!({"status": null}), None),
        (json!({"status": ""}), None),
        (json!({}), None),
    ];
    for (reply, expected) in table {
        let health = Health::from_reply(&object(reply));
        let found = health
            .as_ref()
            .map(|health| (&*health.status, health.version.as_deref()));
        match expected {
            Some(expected) => assert_eq!(found.unwrap(), expected),
            None => assert_eq!(found.unwrap_err().code(), "invalid_response"),
        }
    }
}

#[test]
fn what_a_revocation_asks_for() {
    let options = RevokeOptions::default;
    let reason = |length: usize| options().reason("é".repeat(length));
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
        (
            reason(512),
            Some(format!("?reason={}", "%C3%A9".repeat(512))),
        ),
        (reason(513), None),
        (options().workspace_id(""), None),
        (options().workspace_id(" \t"), None),
    ];
    for (options, expected) in table {
        let query = options.query();
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
    let bare = RevokeResult::from_reply(&Object::new());
    assert!(bare.status == "revoked" && !bare.already_revoked && !bare.token_deleted);
    assert_eq!(
        (&bare.connection_id, bare.revoked_at, bare.sessions_closed),
        (&None, None, 0)
    );
    for odd in [Value::Null, json!({}), json!([1]), json!("")] {
        let reply = Object::from_iter(fields.map(|name| (name.to_owned(), odd.clone())));
        assert_eq!(RevokeResult::from_reply(&reply), bare, "{odd}");
    }
    for count in [json!(-1), json!(1.5), json!("3"), json!(true)] {
        let reply = object(json!({"sessions_closed": count}));
        assert_eq!(
            RevokeResult::from_reply(&reply).sessions_closed,
            0,
            "{count}"
        );
    }
}

#[test]
fn a_revocation_is_read_in_full() {
    let result = RevokeResult::from_reply(&object(json!({
        "connection_id": "c", "provider_name": "p", "status": "revoked", "revoked_at": 1_769_849_377,
        "already_revoked": true, "token_deleted": true, "provider_revoked": false,
        "provider_revocation_error": "unreachable", "sessions_closed": 3, "more": {},
    })));
    assert_eq!(result.connection_id.as_deref(), Some("c"));
    assert_eq!(result.provider_name.as_deref(), Some("p"));
    assert!(result.revoked_at.is_some() && result.already_revoked && result.token_deleted);
    assert_eq!(
        result.provider_revocation_error.as_deref(),
        Some("unreachable")
    );
    assert!(!result.provider_revoked && result.sessions_closed == 3);
}

#[test]
fn any_leaf_of_the_providers_may_be_missing() {
    let providers = Providers::from_reply(&object(json!({
        "oauth2": {
            "z": {"id": "1", "api_base_url": "u", "user_info_endpoint": "e", "scopes": ["a", 1, "b"],
                "description": "d", "category": "c"},
            "b": {"id": 2, "scopes": null, "description": ""},
        },
        "api_key": {"z": null, "a": "text", "m": []},
        "saml": null,
        "note": "text",
        "list": [{}],
    })));
    let names: Vec<_> = providers
        .all
        .iter()
        .map(|p| (&*p.auth_type, &*p.name))
        .collect();
    let expected = [
        ("api_key", "a"),
        ("api_key", "m"),
        ("api_key", "z"),
        ("oauth2", "b"),
        ("oauth2", "z"),
    ];
    assert_eq!(names, expected);
    assert_eq!(
        providers.get("z").unwrap().auth_type,
        "api_key",
        "the first"
    );
    assert_eq!(providers.get("b").unwrap().id.as_deref(), Some("2"));
    for name in ["a", "m", "b"] {
        let provider = providers.get(name).unwrap();
        assert_eq!(
            (&provider.scopes, &provider.description, &provider.category),
            (&None, &None, &None)
        );
    }
    let full = providers.all.last().unwrap();
    assert_eq!(full.scopes.as_deref().unwrap(), ["a", "b"]);
    assert_eq!(full.user_info_endpoint.as_deref(), Some("e"));
    assert!(Providers::from_reply(&Object::new()).all.is_empty());
}

#[test]
fn a_form_comes_wrapped_or_bare() {
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}, "required": ["a"]});
    let table = [
        (
            json!({"provider_name": "p", "schema": schema}),
            Some("p"),
            schema.clone(),
            vec!["a", "b"],
        ),
        (
            json!({"provider_name": null, "schema": schema}),
            None,
            schema.clone(),
            vec!["a", "b"],
        ),
        (schema.clone(), None, schema, vec!["a", "b"]),
        (json!({"schema": {}}), None, json!({}), vec![]),
        (
            json!({"schema": {"properties": ["a"]}}),
            None,
            json!({"properties": ["a"]}),
            vec![],
        ),
        (json!({"schema": null}), None, json!({}), vec![]),
        (json!({}), None, json!({}), vec![]),
    ];
    for (reply, provider, schema, fields) in table {
        let form = CaptureSchema::from_reply(object(reply));
        assert_eq!(form.provider_name.as_deref(), provider);
        assert_eq!(form.fields(), fields);
        assert_eq!(form.schema, object(schema));
    }
}

#[test]
fn a_captured_credential_has_an_id_and_a_status() {
    let table = [
        (json!({"connection_id": "c", "status": "active"}), true),
        (
            json!({"connection_id": 7, "status": "new-one", "redirect_url": null}),
            true,
        ),
        (json!({"connection_id": "c"}), false),
        (json!({"connection_id": "c", "status": null}), false),
        (json!({"status": "active"}), false),
        (json!({"connection_id": "", "status": "active"}), false),
    ];
    for (reply, fine) in table {
        let captured = CapturedCredential::from_reply(&object(reply));
        let code = captured.as_ref().err().map(NexusError::code);
        assert_eq!(code, (!fine).then_some("invalid_response"));
        assert!(captured.is_err() || captured.unwrap().redirect_url.is_none());
    }
}

#[test]
fn debug_does_not_show_where_a_browser_would_go() {
    let reply =
        json!({"connection_id": "c", "status": "active", "redirect_url": "http://h/?state=canary"});
    let captured = CapturedCredential::from_reply(&object(reply)).unwrap();
    assert_eq!(
        captured.redirect_url.as_deref(),
        Some("http://h/?state=canary")
    );
    assert!(!format!("{captured:?}").contains("canary"));
}
