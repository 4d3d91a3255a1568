//! Revoking, and the list of providers.

use serde_json::{Map, Value, json};

use super::refusal;
use super::tokens::known;
use crate::testing::call::Call;
use crate::testing::clock;
use crate::testing::connections::Connection;
use crate::testing::encoding::parameter;
use crate::testing::fault::Fault;
use crate::testing::provider::Provider;
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;

const MAX_REASON: usize = 512;

/// Revoking again changes nothing and says so.
pub(super) fn revoke(call: &Call<'_>, id: &str) -> Outcome {
    refusal::broker(call)?;
    let id = known(id, "connection_id must be a UUID")?;
    let query = call.request.query.as_deref();
    if parameter(query, "reason").chars().count() > MAX_REASON {
        let message = "the reason is longer than 512 characters";
        return Err(Response::error(400, "reason_too_long", message));
    }
    let owner = parameter(query, "workspace_id");
    let now = call.service.clock.now();
    let mut connections = call.service.connections.lock();
    let connection = connections
        .by_id(&id)
        .filter(|found| owner.is_empty() || found.workspace_id == owner)
        .ok_or_else(refusal::connection_not_found)?;
    let mut body = revoked(connection, now);
    let closed = connections.close_sessions(&id, now);
    body.insert("sessions_closed".into(), closed.into());
    Ok(Response::json(200, &body.into()))
}

fn revoked(connection: &mut Connection, now: u64) -> Map<String, Value> {
    let again = connection.status == "revoked";
    let revoked_at = clock::rfc3339(connection.revoke(now));
    let tells_provider = connection.provider.serves_tokens();
    let fields = [
        ("connection_id", json!(connection.id)),
        ("provider_name", json!(connection.provider.name())),
        ("status", json!(connection.status)),
        ("revoked_at", json!(revoked_at)),
        ("already_revoked", json!(again)),
        ("token_deleted", json!(true)),
        ("provider_revoked", json!(tells_provider)),
    ];
    let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
    let mut fields: Map<String, Value> = fields.into_iter().map(owned).collect();
    if !tells_provider {
        let auth_type = connection.provider.auth_type();
        let problem = format!(
            "auth type {auth_type:?} has no upstream revocation endpoint; the credential was destroyed locally only"
        );
        fields.insert("provider_revocation_error".into(), problem.into());
    }
    fields
}

/// By auth type and name.
pub(super) fn providers(call: &Call<'_>) -> Outcome {
    if call.has_fault(&Fault::BrokerDown) {
        let reason = "broker_unavailable: dial tcp 127.0.0.1:8080: connect: connection refused";
        return Err(Response::error(502, reason, "failed to fetch providers"));
    }
    refusal::hidden_broker(call)?;
    let connections = call.service.connections.lock();
    let mut all: Map<String, Value> = Map::new();
    for provider in connections.providers() {
        let group = all.entry(provider.auth_type()).or_insert_with(|| json!({}));
        if let Some(group) = group.as_object_mut() {
            group.insert(provider.name().to_owned(), leaf(call.service, provider));
        }
    }
    Ok(Response::json(200, &all.into()))
}

fn leaf(service: &Service, provider: &Provider) -> Value {
    json!({
        "id": provider.id(),
        "api_base_url": service.url,
        "user_info_endpoint": "/user",
        "scopes": provider.scopes(),
        "description": format!("The sample upstream as {}", provider.name()),
        "category": "development",
    })
}
