//! Finds the connection whose credential a request carries.

use serde_json::{Map, Value, json};
use ureq::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};

use crate::base64::base64;
use crate::testing::encoding::{parameters, percent_decode};
use crate::testing::provider::Provider;
use crate::testing::received::ReceivedRequest;
use crate::testing::response::Response;
use crate::testing::service::Service;

/// The owner of a credential.
pub(super) struct Caller {
    pub(super) workspace_id: String,
    pub(super) provider: String,
}

pub(super) fn caller(service: &Service, request: &ReceivedRequest) -> Result<Caller, Response> {
    let now = service.clock.now();
    let connections = service.connections.lock();
    let found = connections.newest_first().find(|connection| {
        let mut accepted = connection.grant.accepted(now);
        let carried = |credential| carries(request, &connection.provider, credential);
        connection.is_active() && accepted.any(carried)
    });
    let of_session = || connections.by_session_token(session_token(request)?, now);
    let refused = || {
        Response::json(401, &json!({"message": "Bad credentials"}))
            .header(WWW_AUTHENTICATE, "Bearer realm=\"sample\"")
    };
    let found = found.or_else(of_session);
    found.ok_or_else(refused).map(|connection| Caller {
        workspace_id: connection.workspace_id.clone(),
        provider: connection.provider.name.clone(),
    })
}

/// Returns whether a request carries a credential as the provider's strategy demands.
fn carries(
    request: &ReceivedRequest,
    provider: &Provider,
    credential: &Map<String, Value>,
) -> bool {
    let strategy = provider.strategy.get("type");
    let matched = match strategy.and_then(Value::as_str).unwrap_or("oauth2") {
        "oauth2" => bearer(request, credential),
        "header" => header(request, provider, credential),
        "basic_auth" => basic(request, provider, credential),
        "query_param" => query_param(request, provider, credential),
        "path" => Some(in_url(request, credential)),
        #[cfg(feature = "signing")]
        "hmac_payload" | "aws_sigv4" => super::signed::verify(request, provider, credential),
        _ => None,
    };
    matched.unwrap_or(false)
}

fn text<'a>(credential: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    credential.get(field)?.as_str()
}

fn sends(headers: &HeaderMap, name: &str, expected: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| value.as_bytes() == expected.as_bytes())
}

/// The token of an agent session is a bearer token, whatever the strategy of its connection is.
fn session_token(request: &ReceivedRequest) -> Option<&str> {
    let (scheme, token) = authorization(request)?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn authorization(request: &ReceivedRequest) -> Option<(&str, &str)> {
    let sent = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    sent.split_once(' ')
}

fn bearer(request: &ReceivedRequest, credential: &Map<String, Value>) -> Option<bool> {
    let (scheme, token) = authorization(request)?;
    let expected = text(credential, "token_type").unwrap_or("Bearer");
    let scheme = scheme.eq_ignore_ascii_case(expected);
    Some(scheme && text(credential, "access_token")? == token)
}

fn header(
    request: &ReceivedRequest,
    provider: &Provider,
    credential: &Map<String, Value>,
) -> Option<bool> {
    let name = provider.config("header_name", "Authorization");
    let standard = name.eq_ignore_ascii_case("authorization");
    let usual = if standard { "Bearer " } else { "" };
    let field = provider.config("credential_field", "api_key");
    let value = text(credential, "access_token").or_else(|| text(credential, field))?;
    let expected = format!("{}{value}", provider.config("value_prefix", usual));
    Some(sends(&request.headers, name, &expected))
}

fn basic(
    request: &ReceivedRequest,
    provider: &Provider,
    credential: &Map<String, Value>,
) -> Option<bool> {
    let user = text(credential, provider.config("username_field", "username"))?;
    let password = provider.config("password_field", "password");
    let password = text(credential, password).unwrap_or_default();
    let pair = base64(format!("{user}:{password}").as_bytes());
    let expected = format!("Basic {pair}");
    Some(sends(&request.headers, "authorization", &expected))
}

fn query_param(
    request: &ReceivedRequest,
    provider: &Provider,
    credential: &Map<String, Value>,
) -> Option<bool> {
    let name = provider.config("param_name", "");
    let expected = text(credential, provider.config("credential_field", "api_key"))?;
    let mut sent = parameters(request.query.as_deref());
    Some(sent.any(|(found, value)| found == name && value == expected))
}

/// Returns whether every text of the credential occurs in the path or the query.
fn in_url(request: &ReceivedRequest, credential: &Map<String, Value>) -> bool {
    let segments = request.path.split('/').map(percent_decode);
    let values = parameters(request.query.as_deref()).map(|(_, value)| value);
    let places: Vec<String> = segments.chain(values).collect();
    let mut secrets = credential.values().filter_map(Value::as_str).peekable();
    secrets.peek().is_some()
        && secrets.all(|secret| places.iter().any(|place| place.contains(secret)))
}
