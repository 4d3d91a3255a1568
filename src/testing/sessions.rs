//! Agent sessions: what they are, and their paths.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::clock;
use super::encoding::{percent_decode, unguessable};
use super::received::ReceivedRequest;
use super::routes::{Answered, delete, post, usable};
use super::service::Service;
use super::state::{Connection, Connections};

const DEFAULT_TTL: u64 = 900;
const LONGEST_TTL: u64 = 86_400;

/// A session of an agent with a connection.
pub(super) struct Session {
    id: String,
    agent_id: String,
    pub(super) connection_id: String,
    workspace_id: String,
    scopes: Vec<String>,
    /// Whom the agent acts for.
    user: Option<String>,
    token: String,
    /// Whether the token comes as `session_token`.
    own_type: bool,
    expires: u64,
    closed: bool,
}

impl Session {
    pub(super) fn is_open(&self, now: u64) -> bool {
        !self.closed && now < self.expires
    }

    pub(super) fn is_opened_by(&self, token: &str, now: u64) -> bool {
        self.token == token && self.is_open(now)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// All but the token.
    fn described(&self, active: bool) -> Map<String, Value> {
        let of_user = |value: &str| self.user.as_ref().map(|_| value.to_owned());
        let fields = [
            ("session_id", json!(self.id)),
            ("agent_id", json!(self.agent_id)),
            ("connection_id", json!(self.connection_id)),
            ("scopes_granted", json!(self.scopes)),
            ("expires_at", json!(clock::rfc3339(self.expires))),
            ("active", json!(active)),
            ("token_type", json!(self.token_place().0)),
            ("obo", json!(self.user.is_some())),
            ("acting_for", json!(self.user)),
            ("tenant_id", json!(of_user(&self.workspace_id))),
            ("clearance_level", json!(of_user("standard"))),
        ];
        let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
        fields.into_iter().map(owned).collect()
    }

    fn with_token(&self) -> Map<String, Value> {
        let mut fields = self.described(true);
        let field = self.token_place().1.to_owned();
        fields.insert(field, self.token.clone().into());
        fields
    }

    /// The token's type, and the field that it comes in.
    fn token_place(&self) -> (&'static str, &'static str) {
        if self.own_type {
            ("session", "session_token")
        } else {
            ("bearer", "access_token")
        }
    }
}

/// What is below `/v1/agent-sessions`.
pub(super) fn answer(service: &Service, request: &ReceivedRequest, path: &[&str]) -> Answered {
    match path {
        [] => post(request).and_then(|()| open(service, request, false)),
        ["obo"] => post(request).and_then(|()| open(service, request, true)),
        [id] if delete(request).is_ok() => close(service, id),
        [id] => match request.method.as_str() {
            "GET" | "HEAD" => describe(service, id),
            _ => Err(Answer::method_not_allowed("GET, HEAD, DELETE")),
        },
        _ => Err(Answer::not_found()),
    }
}

fn open(service: &Service, request: &ReceivedRequest, obo: bool) -> Answered {
    let body: Map<String, Value> = serde_json::from_slice(&request.body)
        .map_err(|_| Answer::error(400, "invalid_json", "the body is no JSON object"))?;
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
    let reply = session.with_token();
    sessions.push(session);
    Ok(Answer::json(201, &reply.into()))
}

fn describe(service: &Service, id: &str) -> Answered {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    let connection = session.connection_id.clone();
    let open = session.is_open(service.clock.now());
    let mut reply = session.described(false);
    let usable = connections.by_id(&connection);
    let active = open && usable.is_some_and(|connection| connection.is_active());
    reply.insert("active".to_owned(), active.into());
    Ok(Answer::json(200, &reply.into()))
}

fn close(service: &Service, id: &str) -> Answered {
    let mut connections = service.connections.lock();
    let session = by_id(&mut connections, id)?;
    session.close();
    let reply = json!({"status": "closed", "session_id": session.id});
    Ok(Answer::json(200, &reply))
}

fn by_id<'a>(connections: &'a mut Connections, id: &str) -> Result<&'a mut Session, Answer> {
    let id = percent_decode(id);
    let mut sessions = connections.sessions.iter_mut();
    sessions
        .find(|session| session.id == id)
        .ok_or_else(|| Answer::error(404, "session_not_found", "no such session"))
}

/// `user:<name>` stands for that user's own token.
fn user(body: &Map<String, Value>) -> Result<String, Answer> {
    let token = text(body, "user_context_token").unwrap_or_default();
    let name = token.strip_prefix("user:").filter(|name| !name.is_empty());
    let refused = || Answer::error(401, "invalid_user_context_token", "nobody's token");
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
    fn read(body: &'a Map<String, Value>) -> Result<Self, Answer> {
        let refused = |code: &str, problem: &str| Answer::error(400, code, problem);
        let agent_id = text(body, "agent_id")
            .ok_or_else(|| refused("missing_agent_id", "agent_id is required"))?;
        let scopes = scopes(body)?;
        let ttl = ttl(body).ok_or_else(|| {
            let problem = format!("ttl_seconds is a number from 1 to {LONGEST_TTL}");
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
    fn check_agent(&self) -> Result<(), Answer> {
        if self.agent_id.starts_with("unknown-") {
            return Err(Answer::error(404, "agent_not_found", "no such agent"));
        }
        if self.agent_id.starts_with("inactive-") {
            let problem = "the agent is switched off";
            return Err(Answer::error(403, "agent_inactive", problem));
        }
        if self.scopes.iter().any(|scope| scope.starts_with("denied-")) {
            let problem = "the agent may not have this scope";
            return Err(Answer::error(403, "scope_not_allowed", problem));
        }
        Ok(())
    }

    fn connection<'c>(&self, connections: &'c mut Connections) -> Option<&'c mut Connection> {
        match self.selector {
            Selector::Id(id) => connections.by_id(id),
            Selector::Pair(workspace, provider) => connections.by_pair(workspace, provider),
        }
    }
}

fn scopes(body: &Map<String, Value>) -> Result<Vec<&str>, Answer> {
    let given = match body.get("scopes") {
        None | Some(Value::Null) => Some([].as_slice()),
        Some(value) => value.as_array().map(Vec::as_slice),
    };
    let scope = |value: &'_ Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    match given {
        Some([]) => Err(Answer::error(
            400,
            "missing_scopes",
            "at least one is required",
        )),
        Some(list) if list.iter().all(scope) => Ok(list.iter().filter_map(Value::as_str).collect()),
        _ => Err(Answer::error(
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
    let allowed = (1..=LONGEST_TTL).contains(&seconds);
    allowed.then(|| Duration::from_secs(seconds))
}

fn selector(body: &Map<String, Value>) -> Option<Selector<'_>> {
    if let Some(id) = text(body, "connection_id") {
        return Some(Selector::Id(id));
    }
    let (workspace, provider) = (text(body, "workspace_id")?, text(body, "provider_name")?);
    Some(Selector::Pair(workspace, provider))
}
