//! Connections: asking for them, their status and tokens, credentials without a browser, and their end.

use super::{NexusClient, with_id};
use crate::capture::{CaptureSchema, CapturedCredential};
use crate::connection::{
    ConnectionStatus, RequestConnectionInput, RequestConnectionResponse, RevokeOptions,
    RevokeResult,
};
use crate::error::{self, Result};
use crate::flights::Call;
use crate::gateway::Request;
use crate::json::Object;
use crate::time::Deadline;
use crate::token::TokenResponse;
use crate::url;
use crate::wait::{self, WaitOptions};

impl NexusClient {
    /// Asks for a connection of a user to a provider; the user then consents on its `auth_url`.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank `user_id`, `provider_name` or `return_url`; `invalid_response`
    /// without a URL or id in the response. Of the gateway: `provider_not_found` (404),
    /// `provider_ambiguous` (409), `missing_fields` (400), `broker_error` (502; most likely the gateway
    /// is not set to allow the return URL).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// println!("open {}", connection.auth_url);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_connection(
        &self,
        input: &RequestConnectionInput,
    ) -> Result<RequestConnectionResponse> {
        input.check()?;
        let request = Request::post("/v1/request-connection").json(input)?;
        let request = request.of_workspace(&*input.user_id);
        RequestConnectionResponse::from_response(&self.send(&request)?)
    }

    /// Asks for the status of a connection.
    ///
    /// A gateway infers it from a token call. So it says `failed` for every connection whose token the
    /// broker refuses, one that waits for consent and an unknown id included;
    /// [`wait_for_active`](Self::wait_for_active) tells these apart. And it may refresh an expired
    /// token, so the request goes on when its caller has timed out.
    ///
    /// Blocks for the client's timeout (30 s) at most, retries added.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; `http_400` and `http_502`, with the gateway's text as message.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.check_connection(&connection)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_connection(&self, connection_id: &str) -> Result<ConnectionStatus> {
        self.status(connection_id, self.0.gateway.longest_call())
    }

    /// Polls a connection until its status is final: `active`, or another that waiting does not change
    /// (`failed`, `attention`, `expired`, `revoked`, `superseded`), which is `Ok` too: compare it.
    ///
    /// A gateway also says `failed` while the user has yet to consent. So `failed` is followed by
    /// `GET /v1/token/{id}`: a connection that may still become active is waited for, any other is
    /// returned with the status that the response reveals. Gateways do not tell a consent that failed,
    /// or a superseded connection, from one that still waits: those end in `timeout`.
    ///
    /// Blocks for the options' timeout (300 s) at most. Polls that fail with a transient error are
    /// retried.
    ///
    /// # Errors
    ///
    /// `timeout` when the time is up, `aborted` when [`WaitOptions::on_poll`] breaks,
    /// `invalid_input` for a blank id, `invalid_api_key` (403) when the gateway and its broker do not
    /// agree, and any error of [`check_connection`](Self::check_connection) that is not transient.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, WaitOptions, testing::DevGateway};
    /// use std::time::Duration;
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = WaitOptions::default().timeout(Duration::from_secs(60));
    /// assert!(client.wait_for_active(&connection, options)? == "active");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_for_active(
        &self,
        connection_id: &str,
        options: WaitOptions<'_>,
    ) -> Result<ConnectionStatus> {
        error::not_blank("connection_id", connection_id)?;
        #[cfg(feature = "consent")]
        let options = options.awaiting(connection_id);
        wait::until_final(
            options,
            |deadline| self.status(connection_id, deadline),
            |deadline| self.token(Call::Token, connection_id, deadline).map(drop),
        )
    }

    /// Asks for the token of one connection, past every cache.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id; `invalid_response` for a response with neither an access token
    /// nor credentials. Of the gateway: `connection_not_found`, `token_not_found` (404),
    /// `attention_required`, `token_expired` (409), `connection_revoked` (410),
    /// `connection_not_active` (400), `broker_unavailable` (502).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let token = client.get_token_by_connection_id(&connection)?;
    /// assert_eq!(token.token_type.as_deref(), Some("Bearer"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_token_by_connection_id(&self, connection_id: &str) -> Result<TokenResponse> {
        self.token(Call::Token, connection_id, self.0.gateway.longest_call())
    }

    /// Makes the gateway refresh a connection's token now. Tokens in a cache are not touched.
    ///
    /// Blocks for one request to the gateway. The response often lacks the strategy and the expiry:
    /// [`get_token_by_connection_id`](Self::get_token_by_connection_id) then has both. A gateway
    /// refreshes an expired token by itself, so few programs need this.
    ///
    /// # Errors
    ///
    /// As [`get_token_by_connection_id`](Self::get_token_by_connection_id), and of the gateway
    /// `static_token`, `no_refresh_token`, `saml_not_refreshable` (400), and `upstream_error` (502),
    /// which is not retried: it covers all that keeps a connection from being refreshed, and
    /// [`get_token_by_connection_id`](Self::get_token_by_connection_id) tells which it is.
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let old = client.get_token_by_connection_id(&connection)?;
    /// assert_ne!(client.refresh_connection(&connection)?.access_token, old.access_token);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh_connection(&self, connection_id: &str) -> Result<TokenResponse> {
        self.token(Call::Refresh, connection_id, self.0.gateway.longest_call())
    }

    /// Revokes a connection: the gateway deletes its token, tells the provider and closes its agent
    /// sessions. Needs a gateway of version 0.4 or later. Tokens in a cache are not touched: drop
    /// the connection's with [`clear_token`](Self::clear_token).
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id or a reason of more than 512 characters. Of the gateway:
    /// `connection_not_found` (404, also when it is another workspace's), `invalid_connection_id`
    /// (400), `token_delete_failed`, `revoke_failed` (500).
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RevokeOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let connection = gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let options = RevokeOptions::default().workspace_id("acme").reason("left the team");
    /// assert!(client.revoke_connection(&connection, options)?.status == "revoked");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(
        clippy::needless_pass_by_value,
        reason = "options are passed by value, here as everywhere"
    )]
    pub fn revoke_connection(
        &self,
        connection_id: &str,
        options: RevokeOptions,
    ) -> Result<RevokeResult> {
        let path = with_id("/v1/connections/", "connection_id", connection_id)?;
        let request = Request::delete(options.on(&path)?);
        let request = request.of_workspace(options.workspace_id.as_deref());
        Ok(RevokeResult::from_response(&self.send(&request)?))
    }

    /// Asks which fields a provider's credential has, for a connection that was requested.
    /// `state` is that of [`request_connection`](Self::request_connection)'s response.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state; of the gateway `invalid_state` (400), `schema_not_found`,
    /// `unsupported_auth_type`.
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
        let path = url::with_query("/v1/capture-schema", &[("state", Some(state))]);
        self.send(&Request::get(path))
            .map(CaptureSchema::from_response)
    }

    /// Gives the gateway the credential of a connection that was requested, in place of a consent.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank state; of the gateway `invalid_state` (400), `missing_credential`,
    /// `credentials_rejected`, `invalid_base_url`, `provider_not_validatable`,
    /// `validation_unreachable`, and `broker_error` (502), whose message starts with the broker's own
    /// code.
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
    /// assert!(client.capture_credential(state, &credentials)?.status == "success");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_credential(
        &self,
        state: &str,
        credentials: &Object,
    ) -> Result<CapturedCredential> {
        CapturedCredential::capture(&self.0.gateway, state, credentials)
    }

    fn status(&self, connection_id: &str, deadline: Deadline) -> Result<ConnectionStatus> {
        error::not_blank("connection_id", connection_id)?;
        let response = self.0.call(Call::Check, connection_id, deadline)?;
        ConnectionStatus::from_response(&response)
    }

    fn token(&self, call: Call, connection_id: &str, deadline: Deadline) -> Result<TokenResponse> {
        error::not_blank("connection_id", connection_id)?;
        TokenResponse::from_response(self.0.call(call, connection_id, deadline)?)
    }
}
