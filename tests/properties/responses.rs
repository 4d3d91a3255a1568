//! Responses that hold no provider's token: connections, sessions, providers, the gateway's health.

use std::fmt::Debug;

use super::{assert_clean, assert_hides};
use crate::capture::{CaptureSchema, CapturedCredential};
use crate::connection::{ConnectionStatus, RequestConnectionResponse, RevokeResult};
use crate::error::Result;
use crate::json::{self, Object};
use crate::providers::{Health, Providers};
use crate::session::AgentSession;

/// The body of a response, read as one to each kind of request.
pub fn response(data: &[u8]) {
    let Ok(body) = json::response(data) else {
        return;
    };
    session(&body);
    connection(&body);
    let leaves: usize = body
        .values()
        .filter_map(|names| Some(names.as_object()?.len()))
        .sum();
    let providers = Providers::from_json(body.clone().into()).unwrap().all;
    assert_eq!(providers.len(), leaves);
    assert!(providers.is_sorted_by_key(|provider| (&provider.auth_type, &provider.name)));
    RevokeResult::from_json(body.clone().into()).unwrap();
    CaptureSchema::from_json(body.clone().into()).unwrap();
    clean(Health::from_json(body.clone().into()));
    clean(CapturedCredential::from_json(body.into()));
}

fn session(body: &Object) {
    let Some(session) = clean(AgentSession::from_json(body.clone().into())) else {
        return;
    };
    assert!(!session.session_id.is_empty());
    let shown = (
        &session.agent_id,
        &session.connection_id,
        &session.token_type,
    );
    let shown = format!(
        "{} {shown:?} {:?}",
        session.session_id, session.scopes_granted
    );
    assert_hides(&session, &shown);
    let Some(token) = clean(session.credential()) else {
        return assert_eq!(session.token, None);
    };
    assert_eq!(Some(&token.access_token), session.token.as_ref());
    if let Some(Some((name, value))) = clean(token.to_header()) {
        let expected = format!("Bearer {}", token.access_token);
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("authorization", expected.as_bytes())
        );
        assert!(expected.is_ascii() && !expected.contains(['\r', '\n', '\0']));
    }
}

fn connection(body: &Object) {
    if let Some(status) = clean(ConnectionStatus::of(body)) {
        assert_eq!(ConnectionStatus::from(status.as_str()), status);
    }
    if let Some(made) = clean(RequestConnectionResponse::from_json(body.clone().into())) {
        assert!(!made.auth_url.is_empty() && !made.connection_id.is_empty());
        assert_ne!(made.state.as_deref(), Some(""));
        let shown = (&made.connection_id, &made.scopes, &made.provider_id);
        assert_hides(&made, &format!("{shown:?}"));
    }
}

/// The value; an error of reading it has no secret.
fn clean<T: Debug>(read: Result<T>) -> Option<T> {
    read.inspect_err(assert_clean).ok()
}
