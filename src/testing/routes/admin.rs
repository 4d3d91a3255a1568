//! Revoking a connection, and the list of providers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::refusal;
use super::tokens::valid_id;
use crate::testing::call::Call;
use crate::testing::clock;
use crate::testing::connections::{Connection, Connections};
use crate::testing::encoding::parameter;
use crate::testing::fault::Fault;
use crate::testing::received::GET;
use crate::testing::response::{Outcome, Response};

/// In characters.
const MAX_REASON: usize = 512;

/// Revokes a connection. Revoking it again changes nothing.
pub(super) fn revoke(call: &Call<'_>, id: &str) -> Outcome {
    call.request.allow("DELETE")?;
    refusal::broker(call)?;
    let id = valid_id(id, "connection_id must be a UUID")?;
    let query = call.request.query.as_deref();
    if parameter(query, "reason").chars().count() > MAX_REASON {
        let message = "the reason is longer than 512 characters";
        return Err(Response::error(400, "reason_too_long", message));
    }
    refusal::database(call, refusal::connection_not_found)?;
    let owner = parameter(query, "workspace_id");
    revoke_at_provider(call, &id, &owner)?;
    let now = call.service.clock.now();
    let mut connections = call.service.connections.lock();
    let connection = owned(&mut connections, &id, &owner)?;
    let already_revoked = connection.status == "revoked";
    let revoked_at = connection.revoke(now);
    let provider = Arc::clone(&connection.provider);
    let mut body = json!({
        "connection_id": id,
        "provider_name": provider.name,
        "status": "revoked",
        "revoked_at": clock::rfc3339(revoked_at),
        "already_revoked": already_revoked,
        "token_deleted": true,
        "provider_revoked": provider.has_tokens(),
        "sessions_closed": connections.close_sessions(&id, now),
    });
    if let Some(fields) = body.as_object_mut().filter(|_| !provider.has_tokens()) {
        let problem = format!(
            "auth type {:?} has no upstream revocation endpoint; the credential was destroyed locally only",
            provider.auth_type()
        );
        fields.insert("provider_revocation_error".into(), problem.into());
    }
    Ok(Response::json(200, &body))
}

/// Returns the connection, if it belongs to this workspace. An empty `owner` stands for any workspace.
fn owned<'a>(
    connections: &'a mut Connections,
    id: &str,
    owner: &str,
) -> Result<&'a mut Connection, Response> {
    let is_owned =
        |found: &&mut Connection| owner.is_empty() || found.request.workspace_id == owner;
    let connection = connections.by_id(id).filter(is_owned);
    connection.ok_or_else(refusal::connection_not_found)
}

/// Ends the grant at the provider, which may take time. The broker's own record changes only after that.
fn revoke_at_provider(call: &Call<'_>, id: &str, owner: &str) -> Result<(), Response> {
    let mut connections = call.service.connections.lock();
    let connection = owned(&mut connections, id, owner)?;
    if connection.status == "revoked" || !connection.provider.has_tokens() {
        return Ok(());
    }
    connection.grant.end();
    let time = connection.provider.revocation_time;
    drop(connections);
    // The broker completes the revocation even if the client hangs up.
    call.hangs_up_within(time);
    Ok(())
}

/// Lists the providers by auth type and name.
pub(super) fn providers(call: &Call<'_>) -> Outcome {
    call.request.allow(GET)?;
    if call.has_fault(&Fault::BrokerDown) {
        let reason = "broker_unavailable: dial tcp 127.0.0.1:8080: connect: connection refused";
        return Err(Response::error(502, reason, "failed to fetch providers"));
    }
    refusal::hidden_broker(call)?;
    let upstream_url = call.service.upstream_url.lock().clone();
    let base_url = upstream_url.as_ref().unwrap_or(&call.service.url);
    let connections = call.service.connections.lock();
    let mut all: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for provider in connections.providers() {
        let listed = json!({
            "id": provider.id(),
            "api_base_url": base_url,
            "user_info_endpoint": "/user",
            "scopes": provider.scopes(),
            "description": format!("The sample upstream as {}", provider.name),
            "category": "development",
        });
        let group = all.entry(provider.auth_type()).or_default();
        group.insert(&provider.name, listed);
    }
    Ok(Response::json(200, &json!(all)))
}
