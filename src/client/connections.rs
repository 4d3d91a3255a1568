//! Connections: request, status, token, and revocation.

use super::NexusClient;
use crate::connection::{
    ConnectionStatus, RequestConnectionInput, RequestConnectionResponse, RevokeOptions,
    RevokeResult,
};
use crate::error::meaning::{REFRESH, REQUEST_CONNECTION};
use crate::error::{NexusError, Result};
use crate::gateway::{Request, with_id};
use crate::json::Object;
use crate::tenant::Tenant;
use crate::time::Deadline;
use crate::token::TokenResponse;
use crate::wait::{self, WaitOptions};

impl NexusClient {
    /// Requests a connection between a user and a provider. The user then consents on the page at the
    /// response's `auth_url`. A provider of static credentials has no such page: use `capture_schema` and
    /// `capture_credential`, which need the feature `consent`. This client's later calls by the connection's id take turns
    /// with calls by its workspace and provider: see [`refreshes`](crate::refreshes).
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank `user_id`, `provider_name` or `return_url`. `invalid_response` for a
    /// response without an id or a usable `auth_url`. From the gateway: `provider_not_found` (404), `provider_ambiguous`
    /// (409), `missing_fields` (400), and `broker_error` (502), most likely because the broker does not
    /// allow the return URL.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, RequestConnectionInput, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/");
    /// let connection = client.request_connection(&input)?;
    /// println!("open {}", connection.auth_url);
    /// assert!(connection.auth_url.starts_with(gateway.url()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn request_connection(
        &self,
        input: &RequestConnectionInput,
    ) -> Result<RequestConnectionResponse> {
        let request = Request::post(REQUEST_CONNECTION, "/v1/request-connection")
            .json(&input.body()?)
            .of_tenant(Some(&input.user_id), Some(&input.provider_name));
        let response = RequestConnectionResponse::from_json(self.send(&request)?)
            .map_err(|error| error.about(&request.subject))?;
        let tenant = Tenant::new(&input.user_id, &input.provider_name);
        self.0.connections.add(&response.connection_id, tenant);
        Ok(response)
    }

    /// Returns whether a workspace has an active connection to a provider, bypassing the cache. After `false`, let the
    /// user connect the provider. Unlike a call by id, this call may run while others use the connection:
    /// see [`refreshes`](crate::refreshes).
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{NexusClient, NexusClientOptions, testing::DevGateway};
    ///
    /// let gateway = DevGateway::start()?;
    /// gateway.connect("acme", "github")?;
    /// let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// assert!(client.is_connected("acme", "github")?);
    /// assert!(!client.is_connected("acme", "slack")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Details
    ///
    /// A connection counts as active if the gateway returns a credential, even if the SDK cannot use it (for example
    /// `unsupported_strategy`). While the broker's database is away, the call returns an error and never `false`:
    /// [`refreshes`](crate::refreshes#whether-a-connection-is-missing) says how an answer is confirmed.
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt. An answer of `false` takes half a second longer.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank name, `invalid_response` for a response without a credential, and any error for which
    /// [`needs_reconnect`](crate::NexusError::needs_reconnect) is false. One of these is `token_expired` (409): the token
    /// could not be renewed just now, so try again later. Another is `broker_error` (502), in an outage of the broker's
    /// database.
    pub fn is_connected(&self, workspace_id: &str, provider: &str) -> Result<bool> {
        let deadline = self.0.gateway.longest_call();
        let tenant = Tenant::new(workspace_id, provider);
        let response = match self.0.resolve(&tenant, deadline) {
            Err(error) if error.needs_reconnect() => return Ok(false),
            resolved => resolved?,
        };
        TokenResponse::from_json(response.body.clone().into())?;
        Ok(true)
    }

    /// Returns the status of a connection.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// A gateway infers the status by requesting the token from its broker. It reports `failed` whenever
    /// the broker refuses, for example because the id is unknown or the user has not consented yet.
    /// [`wait_for_active`](Self::wait_for_active) tells most of these cases apart. As with that method, the first `active` of a
    /// connection that this client has requested removes the workspace's old token from the caches.
    ///
    /// If others may fetch with the connection, call [`is_connected`](Self::is_connected) instead, unless this client
    /// has requested the connection: see [`refreshes`](crate::refreshes).
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id. From the gateway: `http_400` and `http_502`, with the gateway's
    /// text as the message.
    pub fn check_connection(&self, connection_id: &str) -> Result<ConnectionStatus> {
        self.status(connection_id, self.0.gateway.longest_call())
    }

    /// Polls a connection until its status is final, and returns that status. The final statuses are
    /// `active`, `failed`, `attention`, `expired`, `revoked` and `superseded`. Compare the result with
    /// `active` before you use the connection.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// If this client has requested the connection, the first `active` removes the workspace's old token for the provider
    /// from all caches that the client has filled, so that the next fetch uses the new consent.
    ///
    /// Gateways also report `failed` until the user has consented. The SDK then requests
    /// `GET /v1/token/{id}`, because the error in the response shows whether the connection may still become
    /// active. Of the error statuses without a code, only 401 and 410 end the wait, and no web page does. The others may come
    /// from a proxy, or from gateway 0.2, which sends 403 until the user has consented. Gateways up to version 0.4 report a failed consent or a
    /// superseded connection in the same way as a connection that waits for consent. The wait then ends with the error
    /// `timeout`.
    ///
    /// If others may already fetch with the connection, call [`is_connected`](Self::is_connected) instead, unless this
    /// client has requested the connection. [`refreshes`](crate::refreshes) also says what the broker's health worker does
    /// to a new connection.
    ///
    /// Blocks for at most [`WaitOptions::timeout`] (300 s). With a timeout of zero, this method polls once, and blocks
    /// for as long as [`check_connection`](Self::check_connection). A poll that fails with a temporary error is
    /// repeated.
    ///
    /// # Errors
    ///
    /// `timeout` if the status is still not final after [`WaitOptions::timeout`]. `aborted` if
    /// [`WaitOptions::on_poll`] returns `Break`. `invalid_input` for a blank id. `invalid_api_key` (403) if the gateway
    /// and its broker have different keys, and any other error that is [final](crate::ErrorKind#codes) and does not tell the
    /// connection's status, such as `http_401`. `request_failed` if TLS fails before the gateway has responded to a poll.
    pub fn wait_for_active(
        &self,
        connection_id: &str,
        options: WaitOptions<'_>,
    ) -> Result<ConnectionStatus> {
        #[cfg(feature = "consent")]
        let options = options.awaiting(connection_id);
        wait::until_final(
            options,
            self.0.gateway.longest_call(),
            |deadline| self.status(connection_id, deadline),
            |deadline| self.token(connection_id, deadline).map(drop),
        )
        .map_err(|error| error.of_connection(connection_id))
    }

    /// Requests the token of one connection from the gateway, bypassing the cache.
    ///
    /// If others may fetch with the connection, call [`resolve_token`](Self::resolve_token) instead, unless this client
    /// has requested the connection: see [`refreshes`](crate::refreshes).
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id. `invalid_response` for a response with neither an access token nor
    /// credentials. From the gateway: `connection_not_found`, `token_not_found` (404),
    /// `attention_required`, `token_expired` (409), `connection_revoked` (410), `connection_not_active`
    /// (400), `broker_unavailable` (502).
    ///
    /// # Example
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
    #[doc(alias = "get_token")]
    pub fn get_token_by_connection_id(&self, connection_id: &str) -> Result<TokenResponse> {
        self.token(connection_id, self.0.gateway.longest_call())
    }

    /// Makes the gateway refresh a connection's token now. Caches keep the old token: remove it with
    /// [`clear_token`](Self::clear_token). Gateways refresh expired tokens themselves, so few programs
    /// need this method.
    ///
    /// # Example
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
    ///
    /// # Details
    ///
    /// If others may fetch with the connection, and this client has not requested it, call
    /// [`clear_token`](Self::clear_token) instead. The next fetch then resolves the token: see
    /// [`refreshes`](crate::refreshes).
    ///
    /// Blocks for at most the client's timeout (30 s) for each attempt. The response often lacks the strategy and the
    /// expiry. Call [`get_token_by_connection_id`](Self::get_token_by_connection_id) to get both.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id. `invalid_response` for a response with neither an access token nor
    /// credentials. From the gateway: `attention_required` (409), `invalid_connection_id` (400),
    /// `broker_unavailable` and `upstream_error` (502).
    ///
    /// Gateway 0.4 reports most failures as `upstream_error`, for example a static credential, a missing
    /// refresh token, or an unknown or revoked connection. Other gateways send `static_token`,
    /// `no_refresh_token` or `saml_not_refreshable` (400), or the errors of
    /// [`get_token_by_connection_id`](Self::get_token_by_connection_id).
    ///
    /// `upstream_error` is not retried, because it can stand for a permanent failure. Call
    /// [`get_token_by_connection_id`](Self::get_token_by_connection_id) to learn the connection's state. Even if
    /// that call succeeds, a refresh may never succeed, for example with an API key, so do not retry in a loop.
    pub fn refresh_connection(&self, connection_id: &str) -> Result<TokenResponse> {
        let path = with_id("/v1/refresh/", "connection_id", connection_id)?;
        let request = Request::post(REFRESH, path);
        let deadline = self.0.gateway.longest_call();
        self.token_by(request, connection_id, deadline)
    }

    /// Revokes a connection. The gateway deletes its token, asks the provider to revoke the grant if the provider supports
    /// that, and closes the connection's agent sessions. Needs a gateway of version 0.4 or later. The token is removed from
    /// all caches that this client has filled. If another client has requested the connection and no workspace is passed,
    /// the tokens of all workspaces are removed for that provider, and resolved again when they are needed.
    ///
    /// Blocks for one request to the gateway.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank id or workspace. From the gateway: `connection_not_found` (404, even if
    /// the connection exists in another workspace), `invalid_connection_id`, `reason_too_long` (400),
    /// `token_delete_failed`, `revoke_failed` (500).
    ///
    /// # Example
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
    #[doc(alias("logout", "disconnect"))]
    pub fn revoke_connection(
        &self,
        connection_id: &str,
        options: RevokeOptions,
    ) -> Result<RevokeResult> {
        let path = with_id("/v1/connections/", "connection_id", connection_id)?;
        let target = options.append_to(&path)?;
        let workspace_id = options.workspace_id;
        let connections = &self.0.connections;
        let request = Request::delete("revoke", target)
            .of_tenant(workspace_id.as_deref(), None)
            .of_connection(connection_id);
        let send = || self.0.gateway.send(&request);
        let answer = self.0.flights.ask(&request, send);
        let result = answer
            .and_then(|success| RevokeResult::from_json(success.body.into()))
            .map_err(|error| error.about(&request.subject));
        let error = result.as_ref().err();
        if error.is_none_or(NexusError::may_have_taken_effect) {
            let revoked = result.as_ref().ok();
            let provider = revoked.and_then(|revoked| revoked.provider_name.as_deref());
            connections.remove_changed(Some(connection_id), workspace_id.as_deref(), provider);
        }
        result
    }

    fn status(&self, connection_id: &str, deadline: Deadline) -> Result<ConnectionStatus> {
        let path = with_id("/v1/check-connection/", "connection_id", connection_id)?;
        let request = Request::get("check_connection", path);
        let status = self.call_by_id(connection_id, request, deadline, ConnectionStatus::of)?;
        if status == ConnectionStatus::Active {
            self.0.connections.note_active(connection_id);
        }
        Ok(status)
    }

    fn token(&self, connection_id: &str, deadline: Deadline) -> Result<TokenResponse> {
        let path = with_id("/v1/token/", "connection_id", connection_id)?;
        self.token_by(Request::get("token", path), connection_id, deadline)
    }

    fn token_by(
        &self,
        request: Request,
        connection_id: &str,
        deadline: Deadline,
    ) -> Result<TokenResponse> {
        let read = |body: &Object| TokenResponse::from_json(body.clone().into());
        let token = self.call_by_id(connection_id, request, deadline, read)?;
        self.0.connections.note_active(connection_id);
        Ok(token)
    }

    fn call_by_id<T>(
        &self,
        connection_id: &str,
        request: Request,
        deadline: Deadline,
        read: impl Fn(&Object) -> Result<T>,
    ) -> Result<T> {
        let by_id = self.0.connections.by_id(connection_id, request);
        let response = self.0.call(by_id, deadline)?;
        read(&response.body).map_err(|error| error.of_connection(connection_id))
    }
}
