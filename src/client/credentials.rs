//! Static credentials, such as API keys, which a user enters instead of consenting on a page.

use serde_json::{Value, json};

use super::NexusClient;
use crate::capture::{CaptureSchema, CapturedCredential};
use crate::error::{self, Result};
use crate::gateway::{Gateway, Request};
use crate::inner::connections::Connections;
use crate::json::Object;
use crate::url;

impl NexusClient {
    /// Returns the fields of a provider's static credential. `state` is from the response of
    /// [`request_connection`](Self::request_connection).
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state. From the gateway: `invalid_state` (400), `schema_not_found`,
    /// `unsupported_auth_type`.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "weather", ["read"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// let form = client.capture_schema(connection.state.as_deref().unwrap())?;
    /// assert_eq!(form.fields(), ["api_key"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_schema(&self, state: &str) -> Result<CaptureSchema> {
        error::not_blank("state", state)?;
        let path = url::with_parameter("/v1/capture-schema", "state", state);
        CaptureSchema::from_json(
            self.send(&Request::get("capture_schema", path).secret(state.to_owned()))?,
        )
    }

    /// Sends the gateway the static credential of a connection, which replaces the user's consent. `state`
    /// is from the response of [`request_connection`](Self::request_connection).
    ///
    /// Once the gateway has accepted the credential, the workspace's old token for the provider is removed from all caches
    /// that this client has filled. If another client has requested the connection, all tokens are removed.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state. From the gateway: `broker_error` (502), whose message begins with the
    /// broker's own code, such as `invalid_state`, `missing_credential`, `credentials_rejected`,
    /// `invalid_base_url`, `provider_not_validatable` or `validation_unreachable`. A gateway may also return
    /// the broker's code directly.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    /// use nexus_sdk::serde_json::Map;
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "weather", ["read"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// let credentials = Map::from_iter([("api_key".to_string(), "k-1".into())]);
    /// let state = connection.state.as_deref().unwrap();
    /// assert_eq!(client.capture_credential(state, &credentials)?.status, "success");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_credential(
        &self,
        state: &str,
        credentials: &Object,
    ) -> Result<CapturedCredential> {
        capture(&self.0.gateway, &self.0.connections, state, credentials)
    }
}

/// Sends a static credential. Takes no client, because the form of a consent listener must not keep its client open.
pub(crate) fn capture(
    gateway: &Gateway,
    connections: &Connections,
    state: &str,
    credentials: &Object,
) -> Result<CapturedCredential> {
    error::not_blank("state", state)?;
    let body = json!({"state": state, "credentials": credentials});
    let post = Request::post("capture_credential", "/v1/capture-credential");
    let request = with_secrets(post.json(&body), &body);
    let sent = gateway.send(&request);
    let captured = sent.and_then(|success| CapturedCredential::from_json(success.body.into()));
    match &captured {
        Ok(captured) => connections.remove_changed(Some(&captured.connection_id), None, None),
        Err(error) if error.may_have_taken_effect() => connections.remove_changed(None, None, None),
        Err(_) => {}
    }
    captured
}

/// Adds each text and number in the body as a secret, because the gateway's error may repeat any of them.
fn with_secrets(request: Request, value: &Value) -> Request {
    match value {
        Value::String(text) => request.secret(text.clone()),
        Value::Number(_) => request.secret(value.to_string()),
        Value::Array(items) => items.iter().fold(request, with_secrets),
        Value::Object(fields) => fields.values().fold(request, with_secrets),
        Value::Null | Value::Bool(_) => request,
    }
}
