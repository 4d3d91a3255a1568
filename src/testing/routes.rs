//! The gateway's own paths: which there are, and those of connections and tokens.

use serde_json::{Map, Value, json};

use super::admin;
use super::answer::Answer;
use super::encoding::{html_escape, percent_decode, query_value};
use super::received::ReceivedRequest;
use super::service::Service;
use super::sessions;
use super::state::{Connection, ConnectionRequest};
use super::upstream;

/// Both sides are answers; the error only ends the work early.
pub(super) type Answered = Result<Answer, Answer>;

pub(super) fn answer(service: &Service, request: &ReceivedRequest) -> Answer {
    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    let answered = match segments.as_slice() {
        _ if service.is_health(&request.path) => get(request).map(|()| health()),
        ["v1", path @ ..] => v1(service, request, path),
        ["consent"] => get(request).and_then(|()| consent(service, request)),
        path => upstream::answer(service, request, path),
    };
    let (Ok(answer) | Err(answer)) = answered;
    answer
}

fn v1(service: &Service, request: &ReceivedRequest, path: &[&str]) -> Answered {
    check_api_key(service, request)?;
    match path {
        ["request-connection"] => post(request).and_then(|()| request_connection(service, request)),
        ["check-connection", id] => get(request).and_then(|()| check_connection(service, id)),
        ["resolve"] => get(request).and_then(|()| resolve(service, request)),
        ["token", id] => get(request).and_then(|()| token(service, id)),
        ["refresh", id] => post(request).and_then(|()| refresh(service, id)),
        ["connections", id] => delete(request).and_then(|()| admin::revoke(service, request, id)),
        ["agent-sessions", path @ ..] if service.sessions => {
            sessions::answer(service, request, path)
        }
        ["providers"] => get(request).map(|()| admin::providers(service)),
        ["capture-schema"] => get(request).and_then(|()| admin::capture_schema(service, request)),
        ["capture-credential"] => {
            post(request).and_then(|()| admin::capture_credential(service, request))
        }
        _ => Err(Answer::not_found()),
    }
}

pub(super) fn get(request: &ReceivedRequest) -> Result<(), Answer> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(()),
        _ => Err(Answer::method_not_allowed("GET, HEAD")),
    }
}

pub(super) fn post(request: &ReceivedRequest) -> Result<(), Answer> {
    only("POST", request)
}

pub(super) fn delete(request: &ReceivedRequest) -> Result<(), Answer> {
    only("DELETE", request)
}

fn only(method: &str, request: &ReceivedRequest) -> Result<(), Answer> {
    if request.method == method {
        return Ok(());
    }
    Err(Answer::method_not_allowed(method))
}

fn check_api_key(service: &Service, request: &ReceivedRequest) -> Result<(), Answer> {
    let sent = request.headers.get("x-api-key");
    match &service.api_key {
        Some(key) if sent.is_none_or(|sent| sent.as_bytes() != key.as_bytes()) => Err(
            Answer::error(401, "unauthorized", "missing or wrong API key"),
        ),
        _ => Ok(()),
    }
}

fn health() -> Answer {
    let version = env!("CARGO_PKG_VERSION");
    Answer::json(200, &json!({"status": "healthy", "version": version}))
}

struct Wanted {
    workspace_id: String,
    provider: String,
    request: ConnectionRequest,
}

/// `None`: not JSON, or not of the right shape. A string that is missing is empty.
fn wanted(body: &[u8]) -> Option<Wanted> {
    let body: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let value = |name: &str| body.get(name).cloned().unwrap_or_default();
    let string = |name: &str| serde_json::from_value::<Option<String>>(value(name)).ok();
    // Only its shape counts.
    serde_json::from_value::<Option<Map<String, Value>>>(value("metadata")).ok()?;
    Some(Wanted {
        workspace_id: string("user_id")?.unwrap_or_default(),
        provider: string("provider_name")?.unwrap_or_default(),
        request: ConnectionRequest {
            scopes: serde_json::from_value(value("scopes")).ok()?,
            return_url: string("return_url")?.unwrap_or_default(),
        },
    })
}

fn request_connection(service: &Service, request: &ReceivedRequest) -> Answered {
    let wanted = wanted(&request.body)
        .ok_or_else(|| Answer::error(400, "invalid_json", "the body is no valid request"))?;
    let given = [
        &wanted.workspace_id,
        &wanted.provider,
        &wanted.request.return_url,
    ];
    if given.iter().any(|text| text.is_empty()) {
        return Err(missing_fields("user_id, provider_name and return_url"));
    }
    let mut connections = service.connections.lock();
    connections
        .open(&wanted.workspace_id, &wanted.provider, wanted.request)
        .map(|connection| requested(&service.url, connection))
        .ok_or_else(|| Answer::error(404, "provider_not_found", "no such provider"))
}

fn requested(url: &str, connection: &Connection) -> Answer {
    let body = json!({
        "authUrl": format!("{url}/consent?state={}", connection.state),
        "connection_id": connection.id,
        "state": connection.state,
        "scopes": connection.request.scopes,
        "provider_id": connection.provider.id(),
    });
    Answer::json(200, &body)
}

pub(super) fn missing_fields(names: &str) -> Answer {
    Answer::error(400, "missing_fields", &format!("{names} are required"))
}

/// What the user's browser opens: `deny=1` refuses.
fn consent(service: &Service, request: &ReceivedRequest) -> Answered {
    let query = request.query.as_deref();
    let mut connections = service.connections.lock();
    let connection = connections
        .by_state(&query_value(query, "state"))
        .ok_or_else(Answer::not_found)?;
    let denied = query_value(query, "deny") == "1";
    let status = if denied { "failed" } else { "active" };
    status.clone_into(&mut connection.status);
    Ok(consent_page(connection, denied))
}

fn consent_page(connection: &Connection, denied: bool) -> Answer {
    let outcome = if denied { "denied" } else { "granted" };
    let provider = html_escape(connection.provider.name());
    let target = html_escape(&connection.request.return_url);
    let web = ["http://", "https://"]
        .iter()
        .any(|scheme| target.starts_with(scheme));
    // Any other target, as javascript:, is shown and cannot be clicked.
    let link = if web {
        format!("<a href=\"{target}\">Return to {target}</a>")
    } else {
        target
    };
    let page = format!(
        "<!doctype html>\n<title>Consent</title>\n<p>Consent for {provider} {outcome}.</p>\n<p>{link}</p>\n"
    );
    Answer::new(200, "text/html; charset=utf-8", page)
}

fn check_connection(service: &Service, id: &str) -> Answered {
    let mut connections = service.connections.lock();
    let connection = connections.by_id(&percent_decode(id));
    connection
        .map(|found| Answer::json(200, &json!({"status": found.status})))
        .ok_or_else(|| Answer::new(400, super::answer::TEXT, "no such connection\n"))
}

fn resolve(service: &Service, request: &ReceivedRequest) -> Answered {
    let query = request.query.as_deref();
    let workspace = query_value(query, "workspace_id");
    let provider = query_value(query, "provider_name");
    if workspace.is_empty() || provider.is_empty() {
        return Err(missing_fields("workspace_id and provider_name"));
    }
    let mut connections = service.connections.lock();
    let connection = usable(connections.by_pair(&workspace, &provider))?;
    Ok(token_answer(service, connection))
}

fn token(service: &Service, id: &str) -> Answered {
    let mut connections = service.connections.lock();
    let connection = usable(connections.by_id(&percent_decode(id)))?;
    Ok(token_answer(service, connection))
}

pub(super) fn connection_not_found() -> Answer {
    Answer::error(404, "connection_not_found", "no such connection")
}

pub(super) fn usable(connection: Option<&mut Connection>) -> Result<&mut Connection, Answer> {
    let connection = connection.ok_or_else(connection_not_found)?;
    match connection.status.as_str() {
        "active" => Ok(connection),
        "attention" => Err(Answer::json(
            409,
            &json!({"error": "attention_required", "detail": "the user has to reconnect"}),
        )),
        "revoked" => Err(Answer::error(
            410,
            "connection_revoked",
            "the connection was revoked",
        )),
        status => Err(Answer::error(
            400,
            "connection_not_active",
            &format!("the connection is {status}"),
        )),
    }
}

fn token_answer(service: &Service, connection: &mut Connection) -> Answer {
    let credentials = connection.credential(service.clock.now(), service.token_lifetime);
    let credentials = credentials.fields.clone();
    let provider = &connection.provider;
    let mut body = Map::new();
    if provider.serves_tokens() {
        body.clone_from(&credentials);
        body.extend(scope(connection));
    }
    body.insert("provider".into(), provider.name().into());
    body.insert("credentials".into(), credentials.into());
    body.insert("strategy".into(), provider.served_strategy().clone());
    Answer::json(200, &body.into())
}

fn scope(connection: &Connection) -> Option<(String, Value)> {
    let scopes = connection.request.scopes.as_deref()?;
    Some(("scope".into(), scopes.join(" ").into()))
}

fn refresh(service: &Service, id: &str) -> Answered {
    let mut connections = service.connections.lock();
    let connection = usable(connections.by_id(&percent_decode(id)))?;
    if !connection.provider.serves_tokens() {
        let message = "this provider's credentials are static";
        return Err(Answer::error(400, "static_token", message));
    }
    connection.kill_credential();
    let fresh = connection.credential(service.clock.now(), service.token_lifetime);
    let body = json!({
        "access_token": fresh.fields.get("access_token"),
        "token_type": fresh.fields.get("token_type"),
        "expiry": fresh.fields.get("expires_at"),
    });
    Ok(Answer::json(200, &body))
}
