//! The paths of agent sessions.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::refusal::usable;
use super::tokens::refresh_if_expired;
use crate::testing::call::Call;
use crate::testing::clock;
use crate::testing::connections::{Connection, Connections};
use crate::testing::encoding::{percent_decode, unguessable};
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;
use crate::testing::session::Session;

const DEFAULT_TTL: u64 = 900;
const MAX_TTL: u64 = 86_400;

/// Responds to `/v1/agent-sessions` and the paths below it.
pub(super) fn respond(call: &Call<'_>, path: &[&str]) -> Outcome {
    let (service, request) = (call.service, call.request);
    match path {
        [] => open(call, false),
        ["obo"] => open(call, true),
        [id] if request.method == "DELETE" => close(service, id),
        [id] => {
            request.allow("GET, HEAD, DELETE")?;
            describe(service, id)
        }
        _ => Err(Response::not_found()),
    }
}

fn open(call: &Call<'_>, obo: bool) -> Outcome {
    let (service, request) = (call.service, call.request);
    request.allow("POST")?;
    let body = request.json_object()?;
    let agent_id = text(&body, "agent_id")
        .ok_or_else(|| Response::error(400, "missing_agent_id", "agent_id is required"))?;
    let scopes = scopes(&body)?;
    let ttl = ttl(&body)?;
    let user = if obo { Some(user(&body)?) } else { None };
    check_agent(agent_id, &scopes)?;
    let mut connections = service.connections.lock();
    let connection = selected(&mut connections, &body)?;
    let connection_id = connection.id.clone();
    let workspace_id = connection.request.workspace_id.clone();
    drop(connections);
    refresh_if_expired(call, &connection_id)?;
    let mut connections = service.connections.lock();
    let number = connections.sessions.len().saturating_add(1);
    let session = Session {
        id: format!("session-{number}"),
        agent_id: agent_id.to_owned(),
        connection_id,
        workspace_id,
        scopes,
        user,
        token: unguessable(),
        expires: clock::after(service.clock.now(), ttl),
        closed: false,
    };
    let (token_type, field) = token_kind(service);
    let mut body = session.described(true, token_type);
    if let Some(fields) = body.as_object_mut() {
        fields.insert(field.to_owned(), session.token.clone().into());
    }
    connections.sessions.push(session);
    Ok(Response::json(201, &body))
}

/// Returns the type of a session's token, and the name of the field that contains the token.
fn token_kind(service: &Service) -> (&'static str, &'static str) {
    if service.settings.session_tokens {
        return ("session", "session_token");
    }
    ("bearer", "access_token")
}

fn describe(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let token = by_id(&mut connections, id)?.token.clone();
    let connection = connections.by_session_token(&token, service.clock.now());
    let active = connection.is_some();
    let session = by_id(&mut connections, id)?;
    let body = session.described(active, token_kind(service).0);
    Ok(Response::json(200, &body))
}

fn close(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    session.closed = true;
    let body = json!({"status": "closed", "session_id": session.id});
    Ok(Response::json(200, &body))
}

fn by_id<'a>(connections: &'a mut Connections, id: &str) -> Result<&'a mut Session, Response> {
    let id = percent_decode(id);
    let mut sessions = connections.sessions.iter_mut();
    let session = sessions.find(|session| session.id == id);
    session.ok_or_else(|| Response::error(404, "session_not_found", "Session not found"))
}

/// Returns the name of the user whose token is `user:<name>`.
fn user(body: &Map<String, Value>) -> Result<String, Response> {
    let token = text(body, "user_context_token").unwrap_or_default();
    let name = token.strip_prefix("user:").filter(|name| !name.is_empty());
    let refused = || Response::error(401, "invalid_user_context_token", "no user has this token");
    name.map(str::to_owned).ok_or_else(refused)
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let text = body.get(name)?.as_str();
    text.filter(|text| !text.trim().is_empty())
}

/// Applies the rules for agents from the documentation of `testing`.
fn check_agent(agent_id: &str, scopes: &[String]) -> Result<(), Response> {
    if agent_id.starts_with("unknown-") {
        return Err(Response::error(404, "agent_not_found", "Agent not found"));
    }
    if agent_id.starts_with("inactive-") {
        let problem = "the agent is not active";
        return Err(Response::error(403, "agent_inactive", problem));
    }
    if scopes.iter().any(|scope| scope.starts_with("denied-")) {
        let problem = "the agent may not have this scope";
        return Err(Response::error(403, "scope_not_allowed", problem));
    }
    Ok(())
}

fn scopes(body: &Map<String, Value>) -> Result<Vec<String>, Response> {
    let given = body.get("scopes").cloned().unwrap_or_default();
    let given: Option<Vec<String>> = serde_json::from_value(given).map_err(|_| invalid_scope())?;
    let scopes = given.unwrap_or_default();
    if scopes.is_empty() {
        let problem = "at least one scope is required";
        return Err(Response::error(400, "missing_scopes", problem));
    }
    if scopes.iter().any(|scope| scope.trim().is_empty()) {
        return Err(invalid_scope());
    }
    Ok(scopes)
}

fn invalid_scope() -> Response {
    Response::error(400, "invalid_scope", "scopes must be a list of names")
}

fn ttl(body: &Map<String, Value>) -> Result<Duration, Response> {
    let given = body.get("ttl_seconds").filter(|ttl| !ttl.is_null());
    let seconds = given.map_or(Some(DEFAULT_TTL), Value::as_u64);
    let seconds = seconds.filter(|seconds| (1..=MAX_TTL).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let problem = format!("ttl_seconds must be from 1 to {MAX_TTL}");
        Response::error(400, "invalid_ttl", &problem)
    })
}

/// Returns the connection that a request names by its id, or by its workspace and provider.
fn selected<'a>(
    connections: &'a mut Connections,
    body: &Map<String, Value>,
) -> Result<&'a mut Connection, Response> {
    if let Some(id) = text(body, "connection_id") {
        return usable(connections.by_id(id));
    }
    let pair = (text(body, "workspace_id"), text(body, "provider_name"));
    let (Some(workspace), Some(provider)) = pair else {
        let problem = "give either connection_id or both workspace_id and provider_name";
        return Err(Response::error(400, "missing_connection_selector", problem));
    };
    let connection = connections.by_pair(workspace, provider);
    usable(connection.filter(|found| found.is_active()))
}
