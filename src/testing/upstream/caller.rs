//! Finds the connection whose credential a request carries.

use serde_json::{Map, Value, json};
use ureq::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use crate::header::base64;
use crate::testing::connections::Connection;
use crate::testing::encoding::{parameters, percent_decode};
use crate::testing::provider::Provider;
use crate::testing::received::ReceivedRequest;
use crate::testing::response::Response;
use crate::testing::service::Service;

/// Finds the workspace and the provider of the credential that a request carries.
///
/// # Errors
///
/// The 401 for a request without a working credential, or the 403 for a token that lacks a scope.
pub(super) fn caller(
    service: &Service,
    request: &ReceivedRequest,
) -> Result<(String, String), Response> {
    let now = service.clock.now();
    let connections = service.connections.lock();
    let found = connections.newest_first().find(|connection| {
        let provider = &connection.provider;
        let carried = |credential| {
            let check = CredentialCheck {
                request,
                provider,
                credential,
            };
            check.passes().unwrap_or(false)
        };
        connection.is_active() && connection.grant.accepted(now).any(carried)
    });
    let connection = found.ok_or_else(|| {
        let response = Response::json(401, &json!({"message": "Bad credentials"}));
        response.header(WWW_AUTHENTICATE, "Bearer realm=\"sample\"")
    })?;
    check_scopes(service, request, connection)?;
    let provider = connection.provider.name.clone();
    Ok((connection.request.workspace_id.clone(), provider))
}

/// Fails with 403 if the grant lacks a scope that a test requires at this path. RFC 6750, section 3.1 defines the header.
fn check_scopes(
    service: &Service,
    request: &ReceivedRequest,
    connection: &Connection,
) -> Result<(), Response> {
    let mut required = service.settings.scopes.iter();
    let lacking =
        required.find(|(path, scope)| path.matches(request) && !connection.grant.allows(scope));
    let Some((_, scope)) = lacking else {
        return Ok(());
    };
    let problem = format!("the token lacks the scope {scope}");
    let challenge =
        format!("Bearer realm=\"sample\", error=\"insufficient_scope\", scope=\"{scope}\"");
    let response = Response::json(403, &json!({"message": problem}));
    Err(response.header(WWW_AUTHENTICATE, &challenge))
}

fn authorization(request: &ReceivedRequest) -> Option<(&str, &str)> {
    let sent = request.headers.get(AUTHORIZATION)?.to_str().ok()?;
    sent.split_once(' ')
}

/// Checks whether a request carries a credential.
struct CredentialCheck<'a> {
    request: &'a ReceivedRequest,
    provider: &'a Provider,
    credential: &'a Map<String, Value>,
}

impl CredentialCheck<'_> {
    /// Returns `None` if the request or the credential lacks something that the strategy needs, or if the upstream does
    /// not support the strategy.
    fn passes(&self) -> Option<bool> {
        let strategy = self.provider.strategy.get("type");
        match strategy.and_then(Value::as_str).unwrap_or("oauth2") {
            "oauth2" => self.is_bearer(),
            "header" => self.is_in_header(),
            "basic_auth" => self.is_basic(),
            "query_param" => self.is_in_query(),
            "path" => Some(self.is_in_url()),
            #[cfg(feature = "signing")]
            "hmac_payload" | "aws_sigv4" => {
                super::signed::verify(self.request, self.provider, self.credential)
            }
            _ => None,
        }
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.credential.get(field)?.as_str()
    }

    /// Returns the field of the credential that a setting of the strategy names.
    fn configured(&self, setting: &str, default: &str) -> Option<&str> {
        self.text(self.provider.config(setting, default))
    }

    fn has_header(&self, name: &str, expected: &str) -> bool {
        let mut values = self.request.headers.get_all(name).iter();
        values.any(|value| value.as_bytes() == expected.as_bytes())
    }

    fn is_bearer(&self) -> Option<bool> {
        let (scheme, token) = authorization(self.request)?;
        let expected = self.text("token_type").unwrap_or("Bearer");
        Some(scheme.eq_ignore_ascii_case(expected) && self.text("access_token")? == token)
    }

    fn is_in_header(&self) -> Option<bool> {
        let name = self.provider.config("header_name", "Authorization");
        let is_standard = name.eq_ignore_ascii_case("authorization");
        let default_prefix = if is_standard { "Bearer " } else { "" };
        let prefix = self.provider.config("value_prefix", default_prefix);
        let key = || self.configured("credential_field", "api_key");
        let value = self.text("access_token").or_else(key)?;
        Some(self.has_header(name, &format!("{prefix}{value}")))
    }

    fn is_basic(&self) -> Option<bool> {
        let user = self.configured("username_field", "username")?;
        let password = self.configured("password_field", "password");
        let pair = format!("{user}:{}", password.unwrap_or_default());
        let expected = format!("Basic {}", base64(pair.as_bytes()));
        Some(self.has_header("authorization", &expected))
    }

    fn is_in_query(&self) -> Option<bool> {
        let name = self.provider.config("param_name", "");
        let expected = self.configured("credential_field", "api_key")?;
        let mut sent = parameters(self.request.query.as_deref());
        Some(sent.any(|(found, value)| found == name && value == expected))
    }

    /// Returns whether every string field of the credential occurs in the path or the query.
    fn is_in_url(&self) -> bool {
        let segments = self.request.path.split('/').map(percent_decode);
        let values = parameters(self.request.query.as_deref()).map(|(_, value)| value);
        let places: Vec<String> = segments.chain(values).collect();
        let mut secrets = self
            .credential
            .values()
            .filter_map(Value::as_str)
            .peekable();
        secrets.peek().is_some()
            && secrets.all(|secret| places.iter().any(|place| place.contains(secret)))
    }
}
