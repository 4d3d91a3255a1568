//! The kinds of errors, and the table of codes.

/// What failed, as a value to `match` on; [`NexusError::code`](super::NexusError::code) is the same as text.
///
/// # Codes
///
/// Those of the SDK itself are the kinds below. The gateway's own have the kind
/// [`Gateway`](Self::Gateway); a gateway may send others than these:
///
/// | code | what it means | what to do |
/// |---|---|---|
/// | `connection_not_found` (resolve) | the workspace has no active connection to this provider | let the user connect; mind the case of the provider's name |
/// | `connection_not_found` (by id) | the gateway does not know this id | request a new connection |
/// | `connection_not_active` | the user has yet to consent, or a newer connection took its place | [`wait_for_active`](crate::NexusClient::wait_for_active), or use the newer one |
/// | `attention_required` | the provider refuses to renew the token | let the user connect again |
/// | `connection_revoked` | the connection was revoked | let the user connect again |
/// | `token_not_found`, `no_refresh_token` | nothing is stored to serve or to renew | let the user connect again |
/// | `token_expired` | the token could not be renewed just now | try again later; if the grant is dead, the next call says so |
/// | `static_token`, `saml_not_refreshable` | there is nothing to refresh | use the token as it is |
/// | `upstream_error` (refresh) | the refresh failed; nothing tells why | ask [`get_token_by_connection_id`](crate::NexusClient::get_token_by_connection_id) |
/// | `provider_not_found`, `provider_ambiguous` | no provider, or several, of this name | pick one of [`providers`](crate::NexusClient::providers) |
/// | `missing_fields`, `invalid_json`, `invalid_connection_id` | the gateway cannot use an argument | correct it |
/// | `invalid_state` | the state is unknown, used up or too old | request a new connection |
/// | `broker_error` | the broker refused; with status 400 on a request most likely the return URL | read the message; the operator has to allow the return URL |
/// | `broker_unavailable`, `broker_invalid_response`, `broker_unexpected_status` | the gateway does not get through to its broker | try again later |
/// | `invalid_api_key` (403) | the gateway and its broker disagree on a key | the operator has to fix it |
/// | `unauthorized`, `http_401` | the gateway does not take the API key | correct `api_key` |
/// | `http_429` | too many requests of this workspace | wait for [`retry_after`](super::NexusError::retry_after) |
/// | `http_404` | the gateway has no such path | check `gateway_url`; resolve needs a gateway of 0.3 |
/// | `http_403`, `http_404`, `http_409` (token, empty body) | a gateway before 0.3: not active, unknown, attention | as above |
/// | `schema_not_found`, `unsupported_auth_type` | the provider takes no credential in this way | let the user consent in a browser |
/// | `missing_credential`, `credentials_rejected`, `invalid_base_url` | the credential that was entered is incomplete or wrong | enter it again |
/// | `provider_not_validatable`, `validation_unreachable` | the credential could not be tried out | try again later, or ask the operator |
/// | `sessions_not_supported` | the gateway has no agent sessions | needs a newer gateway |
/// | `session_not_found`, `agent_not_found`, `agent_inactive` | no such session or agent, or it is switched off | correct the id, or ask the operator |
/// | `scope_not_allowed`, `scope_not_granted`, `scope_not_permitted_for_agent`, `user_not_authorized_for_scope` | a scope is more than the agent or user may have | ask for fewer scopes |
/// | `invalid_scope`, `missing_scopes`, `missing_agent_id`, `missing_connection_selector`, `invalid_ttl` | the request for a session is not complete | correct it |
/// | `unsupported_agent_session_provider`, `provider_mismatch` | the provider has no sessions, or is not the connection's | name another provider |
/// | `access_token_unavailable` | the connection has no token for a session just now | try again later, or let the user connect again |
/// | `invalid_user_context_token` | the user's own token is not valid | let the user sign in again |
/// | `reason_too_long` | a revocation's reason is over 512 characters | shorten it |
/// | `token_delete_failed`, `revoke_failed`, `decrypt_failed`, `invalid_token_format`, `internal_error` | the gateway itself failed | its operator has to look into it |
///
/// ```
/// use nexus_sdk::{ErrorKind, NexusClient, NexusClientOptions};
///
/// let error = NexusClient::new(NexusClientOptions::new("no scheme")).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidInput);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `invalid_input`: an argument is unusable; nothing was sent.
    InvalidInput,
    /// `invalid_response`: the gateway's response is not what the contract says.
    InvalidResponse,
    /// `invalid_credentials`: the gateway's response does not have a usable credential.
    InvalidCredentials,
    /// `max_retries_exceeded`: every attempt failed; `source()` is the last failure.
    MaxRetriesExceeded,
    /// `request_failed`: the network failed before the response was complete.
    RequestFailed,
    /// `timeout`: the deadline passed.
    Timeout,
    /// `unsupported_strategy`: the credential cannot be put on a request by this build.
    UnsupportedStrategy,
    /// `host_not_allowed`: the URL's host is neither the fetcher's base nor on its list.
    HostNotAllowed,
    /// `insecure_url`: a credential would have travelled in clear, or been shown to another origin.
    InsecureUrl,
    /// `body_too_large`: a body exceeds `max_body_bytes`.
    BodyTooLarge,
    /// `too_many_redirects`: more than ten redirects in a row.
    TooManyRedirects,
    /// `aborted`: the caller's own callback ended the wait.
    Aborted,
    /// The gateway responded with an error of its own: its code, or `http_<status>`.
    Gateway,
}

impl ErrorKind {
    /// The code of the errors of this kind that the SDK itself makes.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::InvalidResponse => "invalid_response",
            Self::InvalidCredentials => "invalid_credentials",
            Self::MaxRetriesExceeded => "max_retries_exceeded",
            Self::RequestFailed => "request_failed",
            Self::Timeout => "timeout",
            Self::UnsupportedStrategy => "unsupported_strategy",
            Self::HostNotAllowed => "host_not_allowed",
            Self::InsecureUrl => "insecure_url",
            Self::BodyTooLarge => "body_too_large",
            Self::TooManyRedirects => "too_many_redirects",
            Self::Aborted => "aborted",
            Self::Gateway => "http_error",
        }
    }
}
