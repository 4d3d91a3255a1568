//! The paths beside those of tokens and sessions: revoking, the list of providers, and credentials
//! that are entered in a form.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::clock;
use super::encoding::{percent_decode, query_value};
use super::provider::Provider;
use super::received::ReceivedRequest;
use super::routes::{Answered, connection_not_found, missing_fields};
use super::service::Service;
use super::state::{Connection, Connections};

const LONGEST_REASON: usize = 512;

/// Revoking again changes nothing and says so.
pub(super) fn revoke(service: &Service, request: &ReceivedRequest, id: &str) -> Answered {
    let query = request.query.as_deref();
    if query_value(query, "reason").chars().count() > LONGEST_REASON {
        let problem = "the reason is longer than 512 characters";
        return Err(Answer::error(400, "invalid_reason", problem));
    }
    let owner = query_value(query, "workspace_id");
    let now = service.clock.now();
    let mut connections = service.connections.lock();
    let connection = connections
        .by_id(&percent_decode(id))
        .filter(|found| owner.is_empty() || found.workspace_id == owner)
        .ok_or_else(connection_not_found)?;
    let newly = connection.status != "revoked";
    let revoked_at = connection.revoke(now);
    let oauth2 = connection.provider.serves_tokens();
    let mut reply = json!({
        "connection_id": connection.id,
        "provider_name": connection.provider.name(),
        "status": connection.status,
        "revoked_at": clock::rfc3339(revoked_at),
        "already_revoked": !newly,
        "token_deleted": newly,
        // Only OAuth 2 has a way to tell the provider.
        "provider_revoked": newly && oauth2,
        "sessions_closed": 0,
    });
    let id = connection.id.clone();
    if let Some(closed) = reply.get_mut("sessions_closed") {
        *closed = connections.close_sessions(&id, now).into();
    }
    Ok(Answer::json(200, &reply))
}

/// By auth type and name.
pub(super) fn providers(service: &Service) -> Answer {
    let connections = service.connections.lock();
    let mut all: Map<String, Value> = Map::new();
    for provider in connections.providers() {
        let group = all.entry(provider.auth_type()).or_insert_with(|| json!({}));
        if let Some(group) = group.as_object_mut() {
            group.insert(provider.name().to_owned(), leaf(service, provider));
        }
    }
    Answer::json(200, &all.into())
}

fn leaf(service: &Service, provider: &Provider) -> Value {
    let scopes: &[&str] = if provider.serves_tokens() {
        &["repo", "user"]
    } else {
        &[]
    };
    json!({
        "id": provider.id(),
        "api_base_url": service.url,
        "user_info_endpoint": format!("{}/user", service.url),
        "scopes": scopes,
        "description": format!("The sample upstream as {}", provider.name()),
        "category": "development",
    })
}

/// The form of a connection that waits for its credential.
pub(super) fn capture_schema(service: &Service, request: &ReceivedRequest) -> Answered {
    let mut connections = service.connections.lock();
    let state = query_value(request.query.as_deref(), "state");
    let provider = &waiting(&mut connections, &state)?.provider;
    let fields = provider.form();
    let property = |(name, secret): &(String, bool)| {
        let mut property = json!({"type": "string", "title": name});
        if let Some(property) = property.as_object_mut().filter(|_| *secret) {
            property.insert("format".to_owned(), "password".into());
        }
        (name.clone(), property)
    };
    let properties: Map<String, Value> = fields.iter().map(property).collect();
    let required: Vec<_> = properties.keys().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let reply = json!({"provider_name": provider.name(), "schema": schema});
    Ok(Answer::json(200, &reply))
}

pub(super) fn capture_credential(service: &Service, request: &ReceivedRequest) -> Answered {
    let body: Map<String, Value> = serde_json::from_slice(&request.body)
        .map_err(|_| Answer::error(400, "invalid_json", "the body is no JSON object"))?;
    let state = body.get("state").and_then(Value::as_str);
    let credentials = body.get("credentials").and_then(Value::as_object);
    let (Some(state), Some(credentials)) = (state, credentials) else {
        return Err(missing_fields("state and credentials"));
    };
    let mut connections = service.connections.lock();
    let connection = waiting(&mut connections, state)?;
    check(&connection.provider, credentials)?;
    connection.capture(credentials.clone());
    let reply = json!({
        "connection_id": connection.id,
        "status": connection.status,
        "redirect_url": connection.request.return_url,
    });
    Ok(Answer::json(200, &reply))
}

/// A state is good until its connection is made.
fn waiting<'a>(
    connections: &'a mut Connections,
    state: &str,
) -> Result<&'a mut Connection, Answer> {
    let connection = connections.by_state(state);
    let connection = connection
        .filter(|found| found.status == "pending")
        .ok_or_else(|| Answer::error(400, "invalid_state", "no connection waits for this"))?;
    if connection.provider.serves_tokens() {
        let problem = "this provider asks for consent and has no form";
        return Err(Answer::error(400, "unsupported_auth_type", problem));
    }
    Ok(connection)
}

/// The refusal is the broker's, which the gateway passes on as a string.
fn check(provider: &Provider, credentials: &Map<String, Value>) -> Result<(), Answer> {
    let given = |name: &str| {
        let value = credentials.get(name).and_then(Value::as_str);
        value.is_some_and(|value| !value.is_empty() || provider.may_be_empty(name))
    };
    let Some((missing, _)) = provider.form().into_iter().find(|(name, _)| !given(name)) else {
        return Ok(());
    };
    let problem = format!("missing required field: {missing}");
    let inner = json!({"error": "invalid_credentials", "message": problem});
    let outer = json!({"error": "broker_error", "status": 400, "message": inner.to_string()});
    Err(Answer::json(502, &outer))
}
