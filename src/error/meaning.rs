//! The table of errors, and the rule for errors that are not in it.

use Next::{Final, Reconnect, Retry, Unclear};

/// The operations on which the meaning of an error depends.
pub(crate) const RESOLVE: &str = "resolve";
pub(crate) const REFRESH: &str = "refresh";
pub(crate) const REQUEST_CONNECTION: &str = "request_connection";

/// The caller's next step after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same call may succeed later.
    Retry,
    /// Only the user can fix the error, by connecting the provider. A token that is still good is not used any more.
    Reconnect,
    /// The gateway has refused for good. A token that is still good is not used any more.
    Final,
    /// The same call is likely to fail again, but a token that is still good is used until it expires, and a wait goes on.
    /// The error may come from a proxy in front of the gateway, or from the broker behind it.
    Unclear,
}

/// The codes of gateways and brokers that [`of`] does not list by name, separated by spaces.
const OTHER_CODES: &str = "access_token_unavailable agent_inactive agent_not_found backend_auth_unavailable \
    broker_error broker_invalid_response broker_unexpected_status credentials_rejected decrypt_failed internal_error invalid_agent_id \
    invalid_base_url invalid_json invalid_scope invalid_state invalid_token_format invalid_ttl \
    invalid_user_context_token missing_agent_id missing_connection_selector missing_credential missing_fields \
    missing_scopes provider_ambiguous provider_mismatch provider_not_found provider_not_validatable reason_too_long \
    return_url_not_allowed revoke_failed saml_not_refreshable schema_not_found scope_not_allowed scope_not_granted \
    scope_not_permitted_for_agent session_not_found static_token token_delete_failed \
    unsupported_agent_session_provider unsupported_auth_type upstream_error user_not_authorized_for_scope \
    validation_unreachable";

const AGAIN: &str = "let the user connect the provider again";
const CONNECT: &str = "let the user connect the provider, and check the case of its name";
const ID: &str = "check the connection's id, and the workspace if you passed one";
const WAITS: &str = "the user has not consented yet, or a newer connection has replaced this one";
const TRY_LATER: &str = "the provider may be down for a moment, so try again later; if the user has to connect again, the \
    next call says so";
const TOKEN: &str = "call get_token_by_connection_id to learn the connection's status";
const KEY: &str = "check that api_key is correct";
const KEYS: &str = "the gateway and its broker have different keys; ask the operator to fix it";
const URL: &str = "check that gateway_url is the gateway's own address, and that the gateway is version 0.3 or later";
const MOVED: &str =
    "redirects are not followed; set gateway_url to the base URL that this redirect leads to";
const LIMIT: &str =
    "wait before you try again (for retry_after, if it is set), or set RetryPolicy::retry_on_429";
const BROKER: &str = "the broker behind the gateway, or its database, may be down for a moment, so try again later; if it \
    lasts, tell the operator";
const AWAY: &str = "the gateway may be down for a moment, so try again later";
const RETURN_URL: &str = "the gateway may not allow this return_url; ask its operator to allow it";

/// The caller's next step, the status of a connection whose token call fails in this way (empty if the error does not show
/// it), and the advice to append to the message.
pub(crate) type Meaning = (Next, &'static str, &'static str);

/// Returns the meaning of an error response. `code` is the gateway's code, `http_<status>` if the gateway sent none,
/// empty for a web page, or a code of the SDK with the status 0. `broker` is the status of the broker behind the gateway,
/// if the error states it.
///
/// The last rows are the rule for all other errors: a 4xx status is final only with a code of the gateway's own. A bare
/// status, a web page or another code may come from a proxy or a firewall, and a bare status also from an old gateway for
/// a connection that waits for consent.
pub(crate) fn of(operation: &str, status: u16, code: &str, broker: Option<u64>) -> Meaning {
    match code {
        _ if status == 429 || broker == Some(429) => (Retry, "", LIMIT),
        "broker_error" if matches!(broker, Some(401 | 403)) => (Unclear, "", KEYS),
        "broker_error" if (operation, broker) == (REQUEST_CONNECTION, Some(400)) => {
            (Unclear, "", RETURN_URL)
        }
        // The broker has refused, so a retry would not help.
        _ if status >= 500 && matches!(broker, Some(400..=499)) => (Unclear, "", ""),
        "connection_not_found" if operation == RESOLVE => (Reconnect, "failed", CONNECT),
        "connection_not_found" | "invalid_connection_id" => (Final, "failed", ID),
        "connection_not_active" => (Final, "pending", WAITS),
        "attention_required" => (Reconnect, "attention", AGAIN),
        "credential_refused" => (Reconnect, "", AGAIN),
        "connection_revoked" => (Reconnect, "revoked", AGAIN),
        "token_not_found" | "no_refresh_token" | "http_410" => (Reconnect, "failed", AGAIN),
        "token_expired" => (Retry, "pending", TRY_LATER),
        "upstream_error" if operation == REFRESH => (Unclear, "", TOKEN),
        "invalid_api_key" => (Final, "", KEYS),
        "unauthorized" | "http_401" => (Final, "", KEY),
        "timeout" | "request_failed" => (Retry, "", ""),
        "broker_unavailable" => (Retry, "", BROKER),
        "broker_error" if matches!(status, 502..=504) => (Retry, "", BROKER),
        _ if is_temporary(status) => (Retry, "", AWAY),
        _ if matches!(status, 300..=399) => (Unclear, "", MOVED),
        _ if !matches!(status, 400..=499) => (Unclear, "", ""),
        _ if is_other_code(code) => (Final, "", ""),
        _ if status == 404 => (Unclear, "pending", URL),
        _ => (Unclear, "pending", ""),
    }
}

fn is_other_code(code: &str) -> bool {
    OTHER_CODES.split(' ').any(|own| own == code)
}

/// Returns whether a status says that the same request may succeed in a moment: the server has not read it (408 and 425), or
/// cannot be reached through its proxy (502 to 504, and 520 to 527 and 530 of Cloudflare).
pub(crate) fn is_temporary(status: u16) -> bool {
    matches!(status, 408 | 425 | 502..=504 | 520..=527 | 530)
}

/// Returns whether this is a code of gateways.
pub(crate) fn is_known(code: &str) -> bool {
    is_other_code(code) || of(RESOLVE, 0, code, None).0 != Unclear
}
