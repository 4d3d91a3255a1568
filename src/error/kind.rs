//! The kinds of errors, the codes, and the places of failures.

use Origin::{Api, Gateway, Local};

/// A class of failure, to `match` on. [`NexusError::code`](super::NexusError::code) is more specific.
///
/// # Example
///
/// ```
/// use nexus_sdk::{ErrorKind, NexusClient, NexusClientOptions};
///
/// let error = NexusClient::new(NexusClientOptions::new("no scheme")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// ```
///
/// # Codes
///
/// Each kind below has one code, except [`Gateway`](Self::Gateway). If a request was [retried](crate::RetryPolicy) and every
/// attempt has failed, the code is `max_retries_exceeded`, and the kind is the kind of the last failure, which `source()`
/// returns.
///
/// The set of the gateways' codes is open: this table has the codes that gateways are known to send, and another version of
/// a gateway may send others. For a response without a code, the SDK sets `http_<status>` or `sessions_not_supported`.
///
/// Only the gateway's own words are final: a code of the table with a 4xx status, except `token_expired` and any code with
/// 429. After a final error, a cached token is no longer used, and
/// [`wait_for_active`](crate::NexusClient::wait_for_active) ends. `http_401` and `http_410` are final too, unless the
/// response is a web page. Any other code or status may come from a proxy, a firewall or an old gateway, so a cached token
/// stays in use, and a wait goes on.
///
/// | code | what it means | what to do |
/// |---|---|---|
/// | `connection_not_found` (resolve) | the workspace has no active connection to this provider | let the user connect; check the case of the provider's name |
/// | `connection_not_found` (by id) | the gateway does not know this id, or the connection belongs to another workspace | check the id and the workspace, or request a new connection |
/// | `connection_not_active` | the user has not consented yet or has refused, the connection has expired, or a newer connection has replaced this one | call [`wait_for_active`](crate::NexusClient::wait_for_active), use the newer connection, or request a new connection |
/// | `attention_required` | the provider refuses to renew the token | let the user connect again |
/// | `connection_revoked`, `http_410` | the connection was revoked | let the user connect again |
/// | `token_not_found`, `no_refresh_token` | the gateway has no token, or no way to renew it | let the user connect again |
/// | `token_expired` | the token could not be renewed just now | try again later; if the user has to connect again, the next call fails with `connection_not_found` or `attention_required` |
/// | `static_token`, `saml_not_refreshable` | this kind of credential cannot be refreshed | use the token without refreshing it |
/// | `upstream_error` (refresh) | the refresh failed, temporarily or permanently | call [`get_token_by_connection_id`](crate::NexusClient::get_token_by_connection_id) to learn the connection's state |
/// | `provider_not_found`, `provider_ambiguous` | no provider, or more than one, has this name | pick one of [`providers`](crate::NexusClient::providers) |
/// | `missing_fields`, `invalid_json`, `invalid_connection_id` | the gateway cannot use an argument | correct the argument |
/// | `invalid_state` | the state is unknown, expired or already used | request a new connection |
/// | `broker_error` | the broker, the service behind the gateway, returned an error | read the message; if it begins with another code from this table, see the row of that code |
/// | `broker_unavailable`, `broker_invalid_response`, `broker_unexpected_status` | the gateway cannot reach its broker, or cannot read the broker's response | try again later |
/// | `invalid_api_key` (403) | the gateway and its broker have different keys | ask the operator to fix it |
/// | `unauthorized`, `http_401` | the gateway does not accept the API key | correct `api_key` |
/// | `http_429` | too many requests for this workspace, or from this machine | wait for [`retry_after`](super::NexusError::retry_after) |
/// | `http_404` | the gateway does not have this path, or it is version 0.2 and does not know the connection's id | check `gateway_url` and the id; resolving needs version 0.3 or later |
/// | `schema_not_found`, `unsupported_auth_type` | the provider does not accept credentials that a user enters in a form | let the user consent in a browser |
/// | `missing_credential`, `credentials_rejected`, `invalid_base_url` | the credential that was entered is incomplete or wrong | enter it again |
/// | `provider_not_validatable`, `validation_unreachable` | the gateway could not check the credential | try again later, or ask the operator |
/// | `sessions_not_supported` | the gateway has no agent sessions, and no released gateway has | ask the operator for a gateway that passes these requests on to its broker |
/// | `session_not_found`, `agent_not_found`, `agent_inactive` | the session or agent does not exist, or is switched off | correct the id, or ask the operator |
/// | `scope_not_allowed`, `scope_not_permitted_for_agent`, `user_not_authorized_for_scope` | one of the scopes is not allowed for the agent or the user | ask for fewer scopes |
/// | `scope_not_granted` | the connection was not requested with one of the scopes | ask for fewer scopes, or request a new connection with that scope |
/// | `invalid_scope`, `missing_scopes`, `missing_agent_id`, `missing_connection_selector`, `invalid_ttl` | the request for a session is incomplete or invalid | correct the request |
/// | `unsupported_agent_session_provider` | the provider does not support agent sessions | use another provider |
/// | `provider_mismatch` | the connection belongs to another provider | name the connection by its id alone, or by its workspace and its own provider |
/// | `access_token_unavailable` | the connection has no token at the moment | try again later, or let the user connect again |
/// | `invalid_user_context_token` | the user's own token is not valid | let the user sign in again |
/// | `backend_auth_unavailable` | the gateway cannot authenticate the user at the moment | try again later |
/// | `reason_too_long` | the reason for a revocation is over 512 characters | shorten it |
/// | `credential_refused` | the API refuses the credential with 401, and the gateway has no other | let the user connect again |
/// | `token_delete_failed`, `revoke_failed`, `decrypt_failed`, `invalid_token_format`, `internal_error` | the gateway itself failed | report the error to its operator |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `invalid_input`: an argument, an option or an environment variable is unusable. The request was not sent.
    InvalidInput,
    /// `invalid_response`: a response from the gateway does not have the documented form, or a redirect's target is not
    /// a usable URL.
    InvalidResponse,
    /// `invalid_credentials`: the credential from the gateway is unusable, or has no field for a placeholder in the
    /// URL.
    InvalidCredentials,
    /// `max_retries_exceeded`: the kind of an error that a program has made with this code, for its own tests. The SDK's
    /// errors with this code have the kind of the last failure.
    MaxRetriesExceeded,
    /// `request_failed`: the network, the server or this machine failed before the response was complete.
    /// [`may_have_been_sent`](super::NexusError::may_have_been_sent) tells if the server may have acted on the request.
    RequestFailed,
    /// `timeout`: the deadline passed.
    Timeout,
    /// `unsupported_strategy`: this build, or the method that was called, does not support the provider's strategy.
    UnsupportedStrategy,
    /// `host_not_allowed`: the URL does not have the scheme, host and port of the fetcher's base URL, and no rule of
    /// `allow_hosts` matches the URL.
    HostNotAllowed,
    /// `insecure_url`: the request would have been sent unencrypted, or would have disclosed the credential to another
    /// origin.
    InsecureUrl,
    /// `body_too_large`: a response body exceeds `max_body_bytes` or, in a successful response of the gateway, 256 KiB
    /// (2 MiB for the list of providers).
    BodyTooLarge,
    /// `too_many_redirects`: more than ten redirects in a row.
    TooManyRedirects,
    /// `aborted`: the caller's callback ended the wait.
    Aborted,
    /// The gateway responded with an error. The code is the gateway's own, or a code that the SDK derives
    /// from the status, such as `http_503`.
    Gateway,
    /// The API that a fetch is for responded with an error status, and the caller asked for that to be an error. The code
    /// is `http_<status>`, or `credential_refused`.
    Api,
}

/// The place of a failure, from [`NexusError::origin`](super::NexusError::origin).
///
/// # Example
///
/// ```
/// use nexus_sdk::{NexusClient, NexusClientOptions, Origin};
///
/// let error = NexusClient::new(NexusClientOptions::new("no scheme")).unwrap_err();
/// assert_eq!(error.origin(), Origin::Local);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// This program or this machine. The failed request was not sent, unless the writer of a
    /// [`download`](crate::Fetcher::download) has failed.
    Local,
    /// The gateway, or the network on the way to it. In a fetch, the token could not be had.
    Gateway,
    /// The API that a fetch is for, or the network on the way to it.
    Api,
}

impl ErrorKind {
    /// The kinds, their names, and the origin of most of their errors.
    const CODES: [(Self, &'static str, Origin); 14] = [
        (Self::InvalidInput, "invalid_input", Local),
        (Self::InvalidResponse, "invalid_response", Gateway),
        (Self::InvalidCredentials, "invalid_credentials", Gateway),
        (Self::MaxRetriesExceeded, "max_retries_exceeded", Gateway),
        (Self::RequestFailed, "request_failed", Gateway),
        (Self::Timeout, "timeout", Gateway),
        (Self::UnsupportedStrategy, "unsupported_strategy", Local),
        (Self::HostNotAllowed, "host_not_allowed", Local),
        (Self::InsecureUrl, "insecure_url", Local),
        (Self::BodyTooLarge, "body_too_large", Api),
        (Self::TooManyRedirects, "too_many_redirects", Api),
        (Self::Aborted, "aborted", Local),
        (Self::Gateway, "gateway", Gateway),
        (Self::Api, "api", Api),
    ];

    /// Returns the name of the kind, which is the code of its errors. The kinds that have several codes are `gateway` and
    /// `api`.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(nexus_sdk::ErrorKind::Timeout.as_str(), "timeout");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::CODES.iter().find(|(kind, ..)| *kind == self);
        found.map_or("", |(_, name, _)| name)
    }

    /// Returns the kind with this name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let found = Self::CODES.iter().find(|(_, own, _)| *own == name);
        found.map(|(kind, ..)| *kind)
    }

    /// Returns the origin of most errors of a kind.
    pub(super) fn usual_origin(self) -> Origin {
        let found = Self::CODES.iter().find(|(kind, ..)| *kind == self);
        found.map_or(Gateway, |(.., origin)| *origin)
    }
}
