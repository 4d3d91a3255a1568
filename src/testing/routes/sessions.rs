//! The paths of agents and their sessions, as broker 0.4 serves them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::refusal;
use super::tokens::{refresh_if_expired, valid_id};
use crate::testing::call::Call;
use crate::testing::clock;
use crate::testing::connections::{Connection, Connections};
use crate::testing::encoding::percent_decode;
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;
use crate::testing::session::{Agent, Session};

const DEFAULT_TTL: u64 = 900;

/// Registers an agent.
pub(super) fn register(call: &Call<'_>) -> Outcome {
    call.request.allow("POST")?;
    let body = call.request.json_object()?;
    let given_id = text(&body, "agent_id").filter(|id| is_agent_id(id));
    let id = given_id.ok_or_else(|| {
        let problem = "agent_id must start with a letter or number and contain only letters, numbers, dots, \
            underscores, colons, or hyphens";
        Response::error(400, "invalid_agent_id", problem)
    })?;
    let agent = Agent {
        id: id.to_owned(),
        allowed_scopes: scopes(&body, "allowed_scopes")?,
    };
    let body = json!({
        "agent_id": agent.id,
        "allowed_scopes": agent.allowed_scopes,
        "created_at": clock::rfc3339(call.service.clock.now()),
        "active": true,
    });
    if !call.service.connections.lock().register(agent) {
        return Err(Response::error(409, "agent_exists", "Agent already exists"));
    }
    Ok(Response::json(201, &body))
}

fn is_agent_id(id: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    id.starts_with(|c: char| c.is_ascii_alphanumeric()) && id.chars().all(is_plain)
}

/// Responds to `/v1/agent-sessions` and the paths below it. Broker 0.4 has no path for `/obo`: it takes `obo` for
/// the id of a session, and responds to a POST with 405.
pub(super) fn respond(call: &Call<'_>, path: &[&str]) -> Outcome {
    let service = call.service;
    let request = call.request;
    match path {
        [] => open(call),
        [id] if request.method == "DELETE" => close(service, id),
        [id] => {
            request.allow("GET, HEAD, DELETE")?;
            describe(service, id)
        }
        _ => Err(Response::not_found()),
    }
}

fn open(call: &Call<'_>) -> Outcome {
    let service = call.service;
    let request = call.request;
    request.allow("POST")?;
    let body = request.json_object()?;
    let agent_id = text(&body, "agent_id")
        .ok_or_else(|| Response::error(400, "missing_agent_id", "agent_id is required"))?;
    let scopes = scopes(&body, "scopes")?;
    if scopes.is_empty() {
        let problem = "at least one scope is required";
        return Err(Response::error(400, "missing_scopes", problem));
    }
    let ttl = ttl(&body)?;
    let mut connections = service.connections.lock();
    check_agent(connections.agent(agent_id), &scopes)?;
    let connection = selected(&mut connections, &body)?;
    check_connection(connection, &scopes)?;
    let connection_id = connection.id.clone();
    drop(connections);
    refresh_if_expired(call, &connection_id)?;
    let mut connections = service.connections.lock();
    let now = service.clock.now();
    let connection = connections.by_id(&connection_id);
    let credential = connection.map(|found| found.credential(now));
    let held_token = credential.and_then(|held| held.text("access_token"));
    let token = held_token.map(str::to_owned).ok_or_else(|| {
        let problem = "OAuth access token is unavailable for this connection";
        Response::error(400, "access_token_unavailable", problem)
    })?;
    let number = connections.sessions.len().saturating_add(1);
    let session = Session {
        id: format!("sess_{number:032}"),
        agent_id: agent_id.to_owned(),
        connection_id,
        scopes,
        expires: clock::after(now, ttl),
        closed: false,
    };
    let mut body = session.described(now);
    body.insert("token_type".to_owned(), "bearer".into());
    body.insert("access_token".to_owned(), token.into());
    connections.sessions.push(session);
    Ok(Response::json(201, &body.into()))
}

fn describe(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    let body = session.described(service.clock.now());
    Ok(Response::json(200, &body.into()))
}

fn close(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    session.closed = true;
    let body = json!({"status": "closed", "session_id": session.id, "active": false});
    Ok(Response::json(200, &body))
}

fn by_id<'a>(connections: &'a mut Connections, id: &str) -> Result<&'a mut Session, Response> {
    let decoded_id = percent_decode(id);
    let mut sessions = connections.sessions.iter_mut();
    let found = sessions.find(|session| session.id == decoded_id);
    found.ok_or_else(|| Response::error(404, "session_not_found", "Agent session not found"))
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = body.get(name)?.as_str()?.trim();
    Some(text).filter(|text| !text.is_empty())
}

fn check_agent(agent: Option<&Agent>, scopes: &[String]) -> Result<(), Response> {
    let Some(agent) = agent else {
        return Err(Response::error(404, "agent_not_found", "Agent not found"));
    };
    let mut missing = scopes
        .iter()
        .filter(|scope| !agent.allowed_scopes.contains(scope));
    let Some(scope) = missing.next() else {
        return Ok(());
    };
    let problem = format!("scope {scope:?} is not allowed for agent {}", agent.id);
    Err(Response::error(403, "scope_not_allowed", &problem))
}

/// A connection that was requested without scopes allows any scope.
fn check_connection(connection: &Connection, scopes: &[String]) -> Result<(), Response> {
    if !connection.provider.has_tokens() {
        let problem = "agent sessions currently require an OAuth2 connection";
        let code = "unsupported_agent_session_provider";
        return Err(Response::error(400, code, problem));
    }
    let granted = connection.request.scopes.as_deref().unwrap_or_default();
    let mut missing = scopes.iter().filter(|scope| !granted.contains(scope));
    match missing.next() {
        Some(scope) if !granted.is_empty() => {
            let problem = format!("scope {scope:?} was not granted on the underlying connection");
            Err(Response::error(403, "scope_not_granted", &problem))
        }
        _ => Ok(()),
    }
}

/// Returns the scopes without repetitions.
fn scopes(body: &Map<String, Value>, field: &str) -> Result<Vec<String>, Response> {
    let value = body.get(field).cloned().unwrap_or_default();
    let given: Option<Vec<String>> = serde_json::from_value(value).map_err(|_| invalid_json())?;
    let mut scopes = Vec::new();
    for scope in given.unwrap_or_default() {
        let trimmed = scope.trim().to_owned();
        if trimmed.is_empty() {
            let problem = "scopes must not contain empty values";
            return Err(Response::error(400, "invalid_scope", problem));
        }
        if !scopes.contains(&trimmed) {
            scopes.push(trimmed);
        }
    }
    Ok(scopes)
}

fn invalid_json() -> Response {
    Response::error(400, "invalid_json", "a field has the wrong type")
}

/// Zero stands for the default.
fn ttl(body: &Map<String, Value>) -> Result<Duration, Response> {
    let given = body.get("ttl_seconds").filter(|ttl| !ttl.is_null());
    let seconds = given.map_or(Some(0), Value::as_i64);
    match u64::try_from(seconds.ok_or_else(invalid_json)?) {
        Ok(0) => Ok(Duration::from_secs(DEFAULT_TTL)),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => {
            let problem = "ttl_seconds must be greater than or equal to zero";
            Err(Response::error(400, "invalid_ttl", problem))
        }
    }
}

/// Returns the active connection that a request names by its id, or by its workspace and provider.
fn selected<'a>(
    connections: &'a mut Connections,
    body: &Map<String, Value>,
) -> Result<&'a mut Connection, Response> {
    let provider = text(body, "provider_name");
    if let Some(id) = text(body, "connection_id") {
        let id = valid_id(id, "connection_id must be a UUID")?;
        let named = connections.by_id(&id);
        let connection = named.ok_or_else(refusal::connection_not_found)?;
        if provider.is_some_and(|name| !name.eq_ignore_ascii_case(&connection.provider.name)) {
            let problem = "provider_name does not match connection provider";
            return Err(Response::error(400, "provider_mismatch", problem));
        }
        if !connection.is_active() {
            return Err(refusal::not_active());
        }
        return Ok(connection);
    }
    let pair = text(body, "workspace_id").zip(provider);
    let (workspace, provider) = pair.ok_or_else(|| {
        let problem = "provide connection_id or both workspace_id and provider_name";
        Response::error(400, "missing_connection_selector", problem)
    })?;
    let connection = connections.by_pair(workspace, provider);
    let active = connection.filter(|found| found.is_active());
    active.ok_or_else(refusal::no_active_connection)
}
