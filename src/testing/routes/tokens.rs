//! The paths that return a credential or its status. All of them can refresh the credential.

use serde_json::{Map, Value, json};

use super::refresh::{self, Failure};
use super::refusal;
use crate::testing::call::Call;
use crate::testing::connections::Connection;
use crate::testing::encoding::{is_uuid, parameter, percent_decode};
use crate::testing::fault::Fault;
use crate::testing::received::GET;
use crate::testing::response::{Outcome, Response, TEXT};
use crate::testing::service::Service;

/// A gateway infers the status from a token call, so it reports every 4xx of that call as `failed`.
pub(super) fn check_connection(call: &Call<'_>, id: &str) -> Outcome {
    call.request.allow(GET)?;
    if call.has_fault(&Fault::BrokerDown) {
        let reason = "dial tcp 127.0.0.1:8080: connect: connection refused";
        let text = format!("broker request failed: {reason}\n");
        return Err(Response::new(502, TEXT, text));
    }
    let status = match token(call, id) {
        Ok(_) => "active",
        Err(response) if (400..500).contains(&response.status()) => "failed",
        Err(_) => "pending",
    };
    Ok(Response::json(200, &json!({"status": status})))
}

pub(super) fn resolve(call: &Call<'_>) -> Outcome {
    call.request.allow(GET)?;
    let query = call.request.query.as_deref();
    let workspace = parameter(query, "workspace_id");
    let provider = parameter(query, "provider_name");
    if workspace.is_empty() || provider.is_empty() {
        let message = "missing workspace_id or provider_name";
        return Err(Response::error(400, "missing_fields", message));
    }
    refusal::broker(call)?;
    refusal::database(call, refusal::no_active_connection)?;
    let mut connections = call.service.connections.lock();
    let connection = connections.by_pair(&workspace, &provider);
    let active = connection.filter(|found| found.is_active());
    let id = active
        .map(|found| found.id.clone())
        .ok_or_else(refusal::no_active_connection)?;
    drop(connections);
    credential(call, &id)
}

pub(super) fn token(call: &Call<'_>, id: &str) -> Outcome {
    call.request.allow(GET)?;
    refusal::broker(call)?;
    let id = valid_id(id, "Invalid connection ID")?;
    refusal::database(call, refusal::token_not_found)?;
    credential(call, &id)
}

pub(super) fn refresh(call: &Call<'_>, id: &str) -> Outcome {
    call.request.allow("POST")?;
    refusal::broker(call)?;
    let id = valid_id(id, "Invalid connection ID")?;
    refusal::database(call, refusal::connection_unreadable)?;
    let mut connections = call.service.connections.lock();
    let connection = connections.by_id(&id);
    refusal::refreshable(connection)?;
    drop(connections);
    refresh::run(call, &id).map_err(|failure| match failure {
        Failure::Refused => refusal::attention_required(),
        Failure::NoRefreshToken => refusal::upstream_error("No refresh token available"),
        Failure::Unreachable => refusal::upstream_error(
            "refresh failed: Post \"http://127.0.0.1:3000/token\": dial tcp 127.0.0.1:3000: connect: connection refused",
        ),
        Failure::GivenUp => refusal::broker_unavailable(),
    })?;
    let mut connections = call.service.connections.lock();
    let connection = connections
        .by_id(&id)
        .ok_or_else(refusal::connection_not_found)?;
    let mut body = top_level(&connection.credential(call.service.clock.now()).fields);
    body.remove("expiry");
    Ok(Response::json(200, &body.into()))
}

/// Decodes an id, which has to be a UUID.
pub(super) fn valid_id(id: &str, message: &str) -> Result<String, Response> {
    let decoded = percent_decode(id);
    if is_uuid(&decoded) {
        return Ok(decoded);
    }
    Err(Response::error(400, "invalid_connection_id", message))
}

/// Responds with the credential. An expired credential is refreshed first.
fn credential(call: &Call<'_>, id: &str) -> Outcome {
    refresh_if_expired(call, id)?;
    // A gateway does not check the connection's status again.
    let service = call.service;
    let mut connections = service.connections.lock();
    let connection = connections.by_id(id);
    let held = connection.filter(|found| found.held.is_some());
    held.map(|found| token_response(service, found))
        .ok_or_else(refusal::token_not_found)
}

/// Refreshes the credential of a usable connection if it has expired.
pub(super) fn refresh_if_expired(call: &Call<'_>, id: &str) -> Result<(), Response> {
    let service = call.service;
    let now = service.clock.now();
    let mut connections = service.connections.lock();
    let connection = refusal::usable(connections.by_id(id))?;
    let works = connection.credential(now).works_at(now);
    if works {
        return Ok(());
    }
    drop(connections);
    refresh::run(call, id).map_err(|failure| match failure {
        Failure::GivenUp => refusal::broker_unavailable(),
        _ => refusal::token_expired(),
    })
}

fn token_response(service: &Service, connection: &mut Connection) -> Response {
    let now = service.clock.now();
    let health = connection.health;
    let credential = connection.credential(now);
    let mut credentials = credential.fields.clone();
    if credential.expires.is_some() {
        let expired = !credential.works_at(now);
        credentials.entry("expired").or_insert(expired.into());
    }
    let mut body = Map::new();
    if connection.provider.has_tokens() {
        body = top_level(&credentials);
    }
    body.insert("health_status".into(), health.into());
    body.insert("credentials".into(), credentials.into());
    let strategy = connection.provider.strategy.clone();
    body.insert("strategy".into(), strategy);
    Response::json(200, &body.into())
}

/// Returns the fields that a gateway copies from the credentials to the top level.
fn top_level(credentials: &Map<String, Value>) -> Map<String, Value> {
    let names = "access_token token_type refresh_token id_token expiry".split(' ');
    let field = |name: &str| Some((name.to_owned(), credentials.get(name)?.clone()));
    names.filter_map(field).collect()
}
