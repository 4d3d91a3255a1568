//! Connection requests, and the consent page.

use serde_json::{Map, Value, json};
use ureq::http::header::LOCATION;

use super::refusal;
use crate::loopback::escape;
use crate::testing::call::Call;
use crate::testing::connections::{Connection, ConnectionRequest};
use crate::testing::encoding::{parameter, with_parameters};
use crate::testing::fault::Fault;
use crate::testing::received::{GET, ReceivedRequest};
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;

/// Reads the body of a request. A missing string field becomes an empty string. Returns `None` if the body is not a
/// JSON object or a field has the wrong type.
fn read(body: &[u8]) -> Option<ConnectionRequest> {
    let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let value = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let text = |name: &str| {
        let given = serde_json::from_value::<Option<String>>(value(name)).ok()?;
        Some(given.unwrap_or_default())
    };
    // Only the type of the metadata is checked.
    serde_json::from_value::<Option<Map<String, Value>>>(value("metadata")).ok()?;
    Some(ConnectionRequest {
        workspace_id: text("user_id")?,
        provider_name: text("provider_name")?,
        scopes: serde_json::from_value(value("scopes")).ok()?,
        return_url: text("return_url")?,
    })
}

pub(super) fn request_connection(call: &Call<'_>) -> Outcome {
    call.request.allow("POST")?;
    let invalid = || Response::error(400, "invalid_json", "the body is not a valid request");
    let request = read(&call.request.body).ok_or_else(invalid)?;
    let name = request.provider_name.clone();
    if name.is_empty() || request.return_url.is_empty() {
        return Err(Response::missing_fields("return_url and provider"));
    }
    if request.workspace_id.is_empty() {
        let message = "user_id is required";
        return Err(Response::error(400, "missing_fields", message));
    }
    refusal::hidden_broker(call)?;
    if call.has_fault(&Fault::ReturnUrlRefused) {
        return Err(refusal::broker_error(400));
    }
    let service = call.service;
    let mut connections = service.connections.lock();
    let opened = connections.open(request, service.clock.now());
    let connection = opened.ok_or_else(|| {
        let message = "provider not found";
        let body =
            json!({"error": "provider_not_found", "message": message, "provider_name": name});
        Response::json(404, &body)
    })?;
    Ok(requested(&service.url, connection))
}

/// Describes the new connection. A static credential has no consent page, so `authUrl` leads to the JSON Schema of the
/// form.
fn requested(url: &str, connection: &Connection) -> Response {
    let path = if connection.provider.has_tokens() {
        "consent"
    } else {
        "auth/capture-schema"
    };
    let body = json!({
        "authUrl": format!("{url}/{path}?state={}", connection.state),
        "connection_id": connection.id,
        "state": connection.state,
        "scopes": connection.request.scopes,
        "provider_id": connection.provider.id(),
    });
    Response::json(200, &body)
}

/// The consent page. Opening the page grants consent, or denies it with `deny=1`.
pub(super) fn consent(service: &Service, request: &ReceivedRequest) -> Outcome {
    request.allow(GET)?;
    let query = request.query.as_deref();
    let now = service.clock.now();
    let mut connections = service.connections.lock();
    let connection = connections
        .by_state(&parameter(query, "state"))
        .filter(|found| found.waits_for_consent(now) && found.provider.has_tokens())
        .ok_or_else(|| {
            let message = "Connection not found or expired";
            Response::error(404, "connection_not_found", message)
        })?;
    if parameter(query, "deny") == "1" {
        "failed".clone_into(&mut connection.status);
        // The page does not redirect, so the application is not told.
        return Ok(page(
            400,
            connection,
            "denied",
            "You can close this window.",
        ));
    }
    let id = connection.id.clone();
    let told = [
        ("connection_id", id.as_str()),
        ("provider", connection.provider.name.as_str()),
        ("status", "success"),
    ];
    let target = with_parameters(&connection.request.return_url, &told);
    let page = page(302, connection, "granted", "").header(LOCATION, &target);
    connections.activate(&id);
    Ok(page)
}

fn page(status: u16, connection: &Connection, outcome: &str, more: &str) -> Response {
    let provider = escape(&connection.provider.name);
    let page = format!(
        "<!doctype html>\n<title>Consent</title>\n<p>Consent for {provider} {outcome}.</p>\n<p>{more}</p>\n"
    );
    Response::new(status, "text/html; charset=utf-8", page)
}
