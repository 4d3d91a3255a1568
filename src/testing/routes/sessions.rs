//! The paths of agent sessions.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::refusal::usable;
use crate::testing::clock;
use crate::testing::connections::{Connection, Connections};
use crate::testing::encoding::{percent_decode, unguessable};
use crate::testing::method::{delete, post};
use crate::testing::received::ReceivedRequest;
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;
use crate::testing::session::Session;

const DEFAULT_TTL: u64 = 900;
const MAX_TTL: u64 = 86_400;

/// What is below `/v1/agent-sessions`.
pub(super) fn respond(service: &Service, request: &ReceivedRequest, path: &[&str]) -> Outcome {
    match path {
        [] => post(request).and_then(|()| open(service, request, false)),
        ["obo"] => post(request).and_then(|()| open(service, request, true)),
        [id] if delete(request).is_ok() => close(service, id),
        [id] => match request.method.as_str() {
            "GET" | "HEAD" => describe(service, id),
            _ => Err(Response::method_not_allowed("GET, HEAD, DELETE")),
        },
        _ => Err(Response::not_found()),
    }
}

fn open(service: &Service, request: &ReceivedRequest, obo: bool) -> Outcome {
    let body: Map<String, Value> = serde_json::from_slice(&request.body)
        .map_err(|_| Response::error(400, "invalid_json", "the body is not a JSON object"))?;
    let wanted = Wanted::read(&body)?;
    let user = if obo { Some(user(&body)?) } else { None };
    wanted.check_agent()?;
    let mut connections = service.connections.lock();
    let connection = usable(wanted.connection(&mut connections))?;
    let (connection_id, workspace_id) = (connection.id.clone(), connection.workspace_id.clone());
    let sessions = &mut connections.sessions;
    let session = Session {
        id: format!("session-{}", sessions.len().saturating_add(1)),
        agent_id: wanted.agent_id.to_owned(),
        connection_id,
        workspace_id,
        scopes: wanted.scopes.into_iter().map(str::to_owned).collect(),
        user,
        token: unguessable(),
        own_type: service.session_tokens,
        expires: clock::after(service.clock.now(), wanted.ttl),
        closed: false,
    };
    let body = session.with_token();
    sessions.push(session);
    Ok(Response::json(201, &body.into()))
}

fn describe(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    let connection = session.connection_id.clone();
    let open = session.is_open(service.clock.now());
    let mut body = session.described(false);
    let usable = connections.by_id(&connection);
    let active = open && usable.is_some_and(|connection| connection.is_active());
    body.insert("active".to_owned(), active.into());
    Ok(Response::json(200, &body.into()))
}

fn close(service: &Service, id: &str) -> Outcome {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    session.close();
    let body = json!({"status": "closed", "session_id": session.id});
    Ok(Response::json(200, &body))
}

fn by_id<'a>(connections: &'a mut Connections, id: &str) -> Result<&'a mut Session, Response> {
    let id = percent_decode(id);
    let mut sessions = connections.sessions.iter_mut();
    sessions
        .find(|session| session.id == id)
        .ok_or_else(|| Response::error(404, "session_not_found", "Session not found"))
}

/// `user:<name>` stands for that user's own token.
fn user(body: &Map<String, Value>) -> Result<String, Response> {
    let token = text(body, "user_context_token").unwrap_or_default();
    let name = token.strip_prefix("user:").filter(|name| !name.is_empty());
    let refused = || Response::error(401, "invalid_user_context_token", "nobody's token");
    name.map(str::to_owned).ok_or_else(refused)
}

fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name)?
        .as_str()
        .filter(|text| !text.trim().is_empty())
}

enum Selector<'a> {
    Id(&'a str),
    Pair(&'a str, &'a str),
}

/// What a session is asked for with.
struct Wanted<'a> {
    agent_id: &'a str,
    scopes: Vec<&'a str>,
    ttl: Duration,
    selector: Selector<'a>,
}

impl<'a> Wanted<'a> {
    fn read(body: &'a Map<String, Value>) -> Result<Self, Response> {
        let refused = |code: &str, problem: &str| Response::error(400, code, problem);
        let agent_id = text(body, "agent_id")
            .ok_or_else(|| refused("missing_agent_id", "agent_id is required"))?;
        let scopes = scopes(body)?;
        let ttl = ttl(body).ok_or_else(|| {
            let problem = format!("ttl_seconds is a number from 1 to {MAX_TTL}");
            refused("invalid_ttl", &problem)
        })?;
        let selector = selector(body).ok_or_else(|| {
            let problem = "connection_id, or provider_name and workspace_id, are required";
            refused("missing_connection_selector", problem)
        })?;
        Ok(Self {
            agent_id,
            scopes,
            ttl,
            selector,
        })
    }

    /// The rules that the module's documentation states.
    fn check_agent(&self) -> Result<(), Response> {
        if self.agent_id.starts_with("unknown-") {
            return Err(Response::error(404, "agent_not_found", "Agent not found"));
        }
        if self.agent_id.starts_with("inactive-") {
            let problem = "the agent is switched off";
            return Err(Response::error(403, "agent_inactive", problem));
        }
        if self.scopes.iter().any(|scope| scope.starts_with("denied-")) {
            let problem = "the agent may not have this scope";
            return Err(Response::error(403, "scope_not_allowed", problem));
        }
        Ok(())
    }

    fn connection<'c>(&self, connections: &'c mut Connections) -> Option<&'c mut Connection> {
        match self.selector {
            Selector::Id(id) => connections.by_id(id),
            Selector::Pair(workspace, provider) => connections
                .by_pair(workspace, provider)
                .filter(|found| found.is_active()),
        }
    }
}

fn scopes(body: &Map<String, Value>) -> Result<Vec<&str>, Response> {
    let given = match body.get("scopes") {
        None | Some(Value::Null) => Some([].as_slice()),
        Some(value) => value.as_array().map(Vec::as_slice),
    };
    let scope = |value: &'_ Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    match given {
        Some([]) => Err(Response::error(
            400,
            "missing_scopes",
            "at least one is required",
        )),
        Some(list) if list.iter().all(scope) => Ok(list.iter().filter_map(Value::as_str).collect()),
        _ => Err(Response::error(
            400,
            "invalid_scope",
            "scopes is a list of names",
        )),
    }
}

fn ttl(body: &Map<String, Value>) -> Option<Duration> {
    let seconds = match body.get("ttl_seconds") {
        None | Some(Value::Null) => DEFAULT_TTL,
        Some(value) => value.as_u64()?,
    };
    let allowed = (1..=MAX_TTL).contains(&seconds);
    allowed.then(|| Duration::from_secs(seconds))
}

fn selector(body: &Map<String, Value>) -> Option<Selector<'_>> {
    if let Some(id) = text(body, "connection_id") {
        return Some(Selector::Id(id));
    }
    let (workspace, provider) = (text(body, "workspace_id")?, text(body, "provider_name")?);
    Some(Selector::Pair(workspace, provider))
}
