//! Records each request, and routes it: to a fault, to the gateway's own paths, or to the sample upstream.

mod admin;
mod capture;
mod connecting;
mod refresh;
mod refusal;
mod sessions;
mod tokens;

use std::net::TcpStream;
use std::sync::Arc;

use serde_json::json;
use ureq::http::StatusCode;
use ureq::http::header::{DATE, HOST, RETRY_AFTER};

use super::call::Call;
use super::clock::imf_fixdate;
use super::fault::Fault;
use super::received::{GET, ReceivedRequest};
use super::response::{Outcome, Response, TEXT};
use super::service::Service;
use super::upstream;
use crate::loopback::{self, Request};
use crate::url;

impl loopback::Service for Service {
    fn respond(&self, request: Request, client: &TcpStream) -> Option<Response> {
        self.handle(request, client, route)
    }

    fn refuse(&self, status: StatusCode) -> Response {
        let reason = status.canonical_reason().unwrap_or_default();
        dated(self, Response::new(status.as_u16(), TEXT, reason))
    }
}

impl Service {
    /// Records a request, and responds with the scheduled fault, or else as `route` says. Returns `None` to close the
    /// connection without a response.
    pub(super) fn handle(
        &self,
        request: Request,
        client: &TcpStream,
        route: impl Fn(&Call<'_>) -> Outcome,
    ) -> Option<Response> {
        let received = Arc::new(ReceivedRequest::new(request));
        if !is_for_loopback(&received) {
            let problem = "a development gateway serves only this machine: use http://localhost with its port\n";
            return Some(dated(self, Response::new(421, TEXT, problem)));
        }
        self.requests.lock().record(Arc::clone(&received));
        let fault = self.faults.lock().take(&received.path);
        let response = match fault {
            Some(Fault::Status(status)) => Response::empty(status),
            Some(Fault::Reply {
                status,
                content_type,
                body,
            }) => Response::new(status, &content_type, body),
            Some(Fault::RetryAfter { status, value }) => too_many_requests(status, &value),
            Some(Fault::Cut) => return None,
            fault => {
                let call = Call {
                    service: self,
                    request: &received,
                    client,
                    fault,
                };
                if let Some(Fault::Delay(delay)) = call.fault
                    && call.hangs_up_within(delay)
                {
                    return None;
                }
                let (Ok(response) | Err(response)) = route(&call);
                response
            }
        };
        Some(dated(self, response))
    }
}

/// Returns whether the request names a host of this machine, or no host. A web page can give its own host name the
/// address of this machine, and could then read the responses (DNS rebinding).
fn is_for_loopback(request: &ReceivedRequest) -> bool {
    let Some(host) = request.headers.get(HOST) else {
        return true;
    };
    let name = host.to_str().unwrap_or_default();
    url::parse(&format!("http://{name}/")).is_ok_and(|url| url::is_loopback(&url))
}

fn dated(service: &Service, response: Response) -> Response {
    response.header(DATE, &imf_fixdate(service.clock.now()))
}

fn too_many_requests(status: u16, retry_after: &str) -> Response {
    Response::new(status, TEXT, "Too Many Requests\n").header(RETRY_AFTER, retry_after)
}

fn route(call: &Call<'_>) -> Outcome {
    let service = call.service;
    let request = call.request;
    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    match segments.as_slice() {
        _ if request.path == service.settings.health_at => {
            request.allow(GET)?;
            Ok(Response::json(200, &json!({"status": "healthy"})))
        }
        ["v1", path @ ..] => v1(call, path),
        ["admin", "v1", "agents"] if service.settings.sessions => {
            check_api_key(service, request)?;
            sessions::register(call)
        }
        ["consent"] => connecting::consent(service, request),
        ["auth", "capture-schema"] => capture::schema(service, request),
        path => upstream::respond(service, request, path),
    }
}

fn v1(call: &Call<'_>, path: &[&str]) -> Outcome {
    let service = call.service;
    let request = call.request;
    check_api_key(service, request)?;
    check_rate(call)?;
    match path {
        ["resolve"] => tokens::resolve(call),
        ["connections", id] => admin::revoke(call, id),
        ["agent-sessions", path @ ..] if service.settings.sessions => sessions::respond(call, path),
        ["request-connection"] => connecting::request_connection(call),
        ["check-connection", id] => tokens::check_connection(call, id),
        ["token", id] => tokens::token(call, id),
        ["refresh", id] => tokens::refresh(call, id),
        ["providers"] => admin::providers(call),
        ["capture-schema"] => capture::schema(service, request),
        ["capture-credential"] => capture::credential(service, request),
        _ => Err(Response::not_found()),
    }
}

fn check_api_key(service: &Service, request: &ReceivedRequest) -> Result<(), Response> {
    let sent = request.headers.get("x-api-key");
    match &service.settings.api_key {
        Some(key) if sent.is_none_or(|sent| sent.as_bytes() != key.as_bytes()) => Err(
            Response::error(401, "unauthorized", "missing or wrong API key"),
        ),
        _ => Ok(()),
    }
}

fn check_rate(call: &Call<'_>) -> Result<(), Response> {
    if !call.service.settings.rate_limits {
        return Ok(());
    }
    let now = call.service.clock.now();
    let taken = call.service.limits.lock().take(call.request, now);
    taken.map_err(|seconds| too_many_requests(429, &seconds.to_string()))
}
