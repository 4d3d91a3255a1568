//! The errors of gateway 0.4, word for word, except that the plain-text error of check-connection omits the broker's
//! URL.

use serde_json::json;

use crate::testing::call::Call;
use crate::testing::connections::Connection;
use crate::testing::fault::Fault;
use crate::testing::response::Response;

const NOT_ACTIVE: &str = "Connection not active";
const REVOKED: &str = "Connection has been revoked. A new connection must be established.";

/// Fails if the broker has a fault. Paths that pass on the broker's errors use this.
pub(super) fn broker(call: &Call<'_>) -> Result<(), Response> {
    if call.has_fault(&Fault::BrokerDown) {
        return Err(broker_unavailable());
    }
    if call.has_fault(&Fault::WrongBrokerKey) {
        return Err(Response::error(403, "invalid_api_key", "invalid api key"));
    }
    Ok(())
}

/// Like [`broker`], for paths that replace the broker's error with a `broker_error`, which contains only the broker's
/// status.
pub(super) fn hidden_broker(call: &Call<'_>) -> Result<(), Response> {
    if call.has_database_error() {
        return Err(broker_error(500));
    }
    if call.has_fault(&Fault::WrongBrokerKey) {
        return Err(broker_error(403));
    }
    broker(call)
}

/// Fails if the broker's database fails. The broker takes the failure for an empty result, which `empty` reports.
pub(super) fn database(call: &Call<'_>, empty: fn() -> Response) -> Result<(), Response> {
    if call.has_database_error() {
        return Err(empty());
    }
    Ok(())
}

pub(super) fn broker_unavailable() -> Response {
    Response::error(502, "broker_unavailable", "broker request failed")
}

pub(super) fn broker_error(status: u16) -> Response {
    let message = format!("broker returned status {status}");
    let body = json!({"error": "broker_error", "message": message, "status": status});
    Response::json(502, &body)
}

/// Returns a `broker_error` whose message is the broker's own JSON error.
pub(super) fn quoted_broker_error(code: &str, message: &str) -> Response {
    let inner = json!({"error": code, "message": message});
    Response::error(502, "broker_error", &inner.to_string())
}

pub(super) fn connection_not_found() -> Response {
    Response::error(404, "connection_not_found", "Connection not found")
}

pub(super) fn no_active_connection() -> Response {
    let message = "Active connection not found for workspace and provider";
    Response::error(404, "connection_not_found", message)
}

pub(super) fn token_not_found() -> Response {
    Response::error(404, "token_not_found", "Token not found")
}

pub(super) fn token_expired() -> Response {
    let message = "Token has expired and could not be refreshed. Re-authentication is required.";
    Response::error(409, "token_expired", message)
}

pub(super) fn attention_required() -> Response {
    let detail = "Connection requires attention. The user must re-authenticate.";
    let body = json!({"error": "attention_required", "detail": detail});
    Response::json(409, &body)
}

pub(super) fn not_active() -> Response {
    Response::error(400, "connection_not_active", NOT_ACTIVE)
}

/// Returns the connection if it is active.
///
/// # Errors
///
/// The error response of a token call.
pub(super) fn usable(connection: Option<&mut Connection>) -> Result<&mut Connection, Response> {
    let found = connection.ok_or_else(connection_not_found)?;
    match found.status.as_str() {
        "active" => Ok(found),
        "attention" => Err(attention_required()),
        "revoked" => Err(Response::error(410, "connection_revoked", REVOKED)),
        _ => Err(not_active()),
    }
}

/// Returns the connection if it can be refreshed. Every failure is a 502.
pub(super) fn refreshable(
    connection: Option<&mut Connection>,
) -> Result<&mut Connection, Response> {
    let unknown = "Connection not active or not found: sql: no rows in result set";
    let found = connection.ok_or_else(|| upstream_error(unknown))?;
    match found.status.as_str() {
        "active" if found.provider.has_tokens() => Ok(found),
        "active" => Err(upstream_error("Static credentials cannot be refreshed")),
        "revoked" => Err(upstream_error(REVOKED)),
        _ => Err(upstream_error(NOT_ACTIVE)),
    }
}

/// Returns the error of a refresh whose connection the broker could not read.
pub(super) fn connection_unreadable() -> Response {
    upstream_error(
        "Connection not active or not found: dial tcp 127.0.0.1:5432: connect: connection refused",
    )
}

pub(super) fn upstream_error(message: &str) -> Response {
    Response::error(502, "upstream_error", message)
}
