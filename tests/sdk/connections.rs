//! Connections that ended: revoked, or in need of attention.

use std::time::{Duration, SystemTime};

use nexus_sdk::{RevokeOptions, TokenCache};

use crate::support::{client, connected, said};

/// The first connection of a development gateway.
const ID: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn revoking_needs_a_new_connection() {
    let gateway = connected();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let fetcher = client.fetcher(&cache, "acme", "github");
    let url = format!("{}/user", gateway.url());
    assert_eq!(fetcher.get(&url).unwrap().0, 200);

    let before = SystemTime::now() - Duration::from_secs(60);
    let options = RevokeOptions::default().workspace_id("acme").reason("left & gone?");
    let result = client.revoke_connection(ID, options).unwrap();
    assert_eq!(result.connection_id.as_deref(), Some(ID));
    assert_eq!(result.provider_name.as_deref(), Some("github"));
    assert!(result.status == "revoked" && result.revoked_at.unwrap() > before);
    assert!(result.token_deleted && result.provider_revoked && !result.already_revoked);
    assert_eq!((result.provider_revocation_error, result.sessions_closed), (None, 0));
    let sent = gateway.requests().pop().unwrap().query;
    assert_eq!(sent.as_deref(), Some("workspace_id=acme&reason=left%20%26%20gone%3F"));

    let again = client.revoke_connection(ID, RevokeOptions::default());
    let again = again.unwrap();
    assert!(again.already_revoked && again.token_deleted && again.provider_revoked);
    assert_eq!(again.revoked_at, result.revoked_at);

    let resolved = client.resolve_token("acme", "github").unwrap_err();
    let cached = fetcher.get(&url).unwrap_err();
    for error in [resolved, cached] {
        assert_eq!(said(&error), ("connection_not_found", Some(404)));
    }
    let error = client.get_token_by_connection_id(ID).unwrap_err();
    assert_eq!(said(&error), ("connection_revoked", Some(410)));
    assert!(error.needs_reconnect());
}

#[test]
fn attention_needs_a_new_connection_and_pending_does_not() {
    let gateway = connected();
    for (status, code, needed) in
        [("attention", "attention_required", true), ("pending", "connection_not_active", false)]
    {
        assert!(gateway.set_status(ID, status));
        let error = client(&gateway).get_token_by_connection_id(ID).unwrap_err();
        assert_eq!((error.code(), error.needs_reconnect()), (code, needed));
    }
}
