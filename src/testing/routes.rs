//! What a request meets: the log, the faults, the limits, then the gateway's own paths and the sample upstream.

mod admin;
mod capture;
mod connecting;
mod refresh;
mod refusal;
mod sessions;
mod tokens;

use serde_json::json;
use ureq::http::header::RETRY_AFTER;

use super::call::{Call, Caller};
use super::fault::Effect;
use super::method::{delete, get, post};
use super::received::ReceivedRequest;
use super::response::{Outcome, Response, TEXT};
use super::service::Service;
use super::upstream;

/// `None`: the connection is to be cut.
pub(super) fn respond(
    service: &Service,
    request: &ReceivedRequest,
    caller: &dyn Caller,
) -> Option<Response> {
    service.requests.lock().record(request.clone());
    let effect = service.faults.lock().take(&request.path);
    let trouble = match effect {
        Effect::Response(response) => return Some(response),
        Effect::Cut => return None,
        Effect::Wait(delay) if service.stop.wait(delay) => return None,
        Effect::Wait(_) | Effect::None => None,
        Effect::Trouble(trouble) => Some(trouble),
    };
    let call = Call {
        service,
        request,
        caller,
        trouble,
    };
    let (Ok(response) | Err(response)) = route(&call);
    Some(response)
}

fn route(call: &Call<'_>) -> Outcome {
    let (service, request) = (call.service, call.request);
    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    match segments.as_slice() {
        _ if request.path == service.health_at => get(request).map(|()| health()),
        ["v1", path @ ..] => v1(call, path),
        ["consent"] => get(request).and_then(|()| connecting::consent(service, request)),
        ["auth", "capture-schema"] => get(request).and_then(|()| capture::schema(service, request)),
        path => upstream::respond(service, request, path),
    }
}

fn v1(call: &Call<'_>, path: &[&str]) -> Outcome {
    let (service, request) = (call.service, call.request);
    check_api_key(service, request)?;
    if service.v0_2 {
        return v0_2(call, path);
    }
    check_rate(call)?;
    match path {
        ["resolve"] => get(request).and_then(|()| tokens::resolve(call)),
        ["connections", id] => delete(request).and_then(|()| admin::revoke(call, id)),
        ["agent-sessions", path @ ..] if service.sessions => {
            sessions::respond(service, request, path)
        }
        path => always(call, path),
    }
}

/// Gateway 0.2 has neither resolve nor revoking nor sessions, and forwards errors of tokens without a body.
fn v0_2(call: &Call<'_>, path: &[&str]) -> Outcome {
    let response = always(call, path);
    match path {
        ["token" | "refresh", _] => response.map_err(|error| match error.status() {
            400 => Response::empty(403),
            status => Response::empty(status),
        }),
        _ => response,
    }
}

fn always(call: &Call<'_>, path: &[&str]) -> Outcome {
    let (service, request) = (call.service, call.request);
    match path {
        ["request-connection"] => post(request).and_then(|()| connecting::request_connection(call)),
        ["check-connection", id] => get(request).and_then(|()| tokens::check_connection(call, id)),
        ["token", id] => get(request).and_then(|()| tokens::token(call, id)),
        ["refresh", id] => post(request).and_then(|()| tokens::refresh(call, id)),
        ["providers"] => get(request).and_then(|()| admin::providers(call)),
        ["capture-schema"] => get(request).and_then(|()| capture::schema(service, request)),
        ["capture-credential"] => {
            post(request).and_then(|()| capture::credential(service, request))
        }
        _ => Err(Response::not_found()),
    }
}

fn check_api_key(service: &Service, request: &ReceivedRequest) -> Result<(), Response> {
    let sent = request.headers.get("x-api-key");
    match &service.api_key {
        Some(key) if sent.is_none_or(|sent| sent.as_bytes() != key.as_bytes()) => Err(
            Response::error(401, "unauthorized", "missing or wrong API key"),
        ),
        _ => Ok(()),
    }
}

fn check_rate(call: &Call<'_>) -> Result<(), Response> {
    let Some(limits) = &call.service.limits else {
        return Ok(());
    };
    let now = call.service.clock.now();
    limits.lock().take(call.request, now).map_err(|seconds| {
        Response::new(429, TEXT, "Too Many Requests\n").header(RETRY_AFTER, &seconds.to_string())
    })
}

fn health() -> Response {
    Response::json(200, &json!({"status": "healthy"}))
}
