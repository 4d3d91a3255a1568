//! Credentials that a user enters.

use serde_json::{Map, Value, json};

use super::refusal::quoted_broker_error;
use crate::testing::connections::{Connection, Connections};
use crate::testing::encoding::{parameter, with_parameters};
use crate::testing::provider::Provider;
use crate::testing::received::{GET, ReceivedRequest};
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;

/// Responds with the JSON Schema of the form for a connection that waits for its credential.
pub(super) fn schema(service: &Service, request: &ReceivedRequest) -> Outcome {
    request.allow(GET)?;
    let mut connections = service.connections.lock();
    let state = parameter(request.query.as_deref(), "state");
    let waiting = waiting(&mut connections, &state, service.clock.now());
    let provider = &waiting
        .map_err(|(code, message)| Response::error(400, code, message))?
        .provider;
    let property = |(name, secret): &(String, bool)| {
        let schema = if *secret {
            json!({"type": "string", "title": name, "format": "password"})
        } else {
            json!({"type": "string", "title": name})
        };
        (name.clone(), schema)
    };
    let properties: Map<String, Value> = provider.form().iter().map(property).collect();
    let required: Vec<_> = properties.keys().collect();
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let body = json!({"provider_name": provider.name, "schema": schema});
    Ok(Response::json(200, &body))
}

pub(super) fn credential(service: &Service, request: &ReceivedRequest) -> Outcome {
    request.allow("POST")?;
    let body = request.json_object()?;
    let state = body.get("state").and_then(Value::as_str);
    let credentials = body.get("credentials").and_then(Value::as_object);
    let (Some(state), Some(credentials)) = (state, credentials) else {
        return Err(Response::missing_fields("state and credentials"));
    };
    let mut connections = service.connections.lock();
    let connection = waiting(&mut connections, state, service.clock.now())
        .map_err(|(code, message)| quoted_broker_error(code, message))?;
    check(&connection.provider, credentials)?;
    connection.capture(credentials.clone());
    let id = connection.id.clone();
    let told = [("connection_id", id.as_str()), ("status", "success")];
    let redirect_url = with_parameters(&connection.request.return_url, &told);
    connections.activate(&id);
    let body = json!({"connection_id": id, "status": "success", "redirect_url": redirect_url});
    Ok(Response::json(200, &body))
}

/// Returns the connection with this state if it is waiting for its credential.
///
/// # Errors
///
/// The broker's code and message.
fn waiting<'a>(
    connections: &'a mut Connections,
    state: &str,
    now: u64,
) -> Result<&'a mut Connection, (&'static str, &'static str)> {
    let named = connections.by_state(state);
    let connection = named
        .filter(|found| found.waits_for_consent(now))
        .ok_or(("invalid_state", "Invalid state"))?;
    if connection.provider.has_tokens() {
        return Err((
            "unsupported_auth_type",
            "this provider asks for consent and has no form",
        ));
    }
    Ok(connection)
}

/// Fails if a field is missing, or if it is empty and must not be. The error's message quotes the broker's error.
fn check(provider: &Provider, credentials: &Map<String, Value>) -> Result<(), Response> {
    let given = |name: &str| {
        let value = credentials.get(name).and_then(Value::as_str);
        value.is_some_and(|value| !value.is_empty() || provider.may_be_empty(name))
    };
    match provider.form().into_iter().find(|(name, _)| !given(name)) {
        Some((missing, _)) => {
            let message = format!("missing required field: {missing}");
            Err(quoted_broker_error("missing_credential", &message))
        }
        None => Ok(()),
    }
}
