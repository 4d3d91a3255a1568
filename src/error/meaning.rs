//! A table of the gateway's errors: what the caller can do next, what the error says about the connection, and the
//! advice to add to its message.

use Next::{Final, Reconnect, Retry, Unclear};

/// The operation, if it is a resolve, or if the meaning of its error depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Resolve,
    Refresh,
    Connection,
    /// A request that contains a token of the user, so that a 401 does not show that `api_key` is wrong.
    UserSession,
    Other,
}

/// What the caller can do after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same call may succeed later.
    Retry,
    /// Only the user can fix the error, by connecting the provider. A token that is still good is not used any more.
    Reconnect,
    /// The gateway has refused for good. A token that is still good is not used any more.
    Final,
    /// The same call is likely to fail again, but a token that is still good is used until it expires. The error may
    /// come from a proxy in front of the gateway, or from the broker behind it.
    Unclear,
}

/// An error response of the gateway.
pub(crate) struct Refused<'a> {
    pub(crate) asked: Asked,
    pub(crate) status: u16,
    /// Empty if the response has no code.
    pub(crate) code: &'a str,
    /// The status of the broker behind the gateway, if the error states it.
    pub(crate) broker_status: Option<u64>,
    /// True if the message is the broker's own error body.
    pub(crate) is_relayed: bool,
}

struct Row {
    code: &'static str,
    /// `None` for every operation.
    asked: Option<Asked>,
    next: Next,
    /// The status of a connection whose token call fails with this error, or empty if the error does not show it.
    connection: &'static str,
    advice: &'static str,
}

const fn row(
    code: &'static str,
    asked: Option<Asked>,
    next: Next,
    connection: &'static str,
    advice: &'static str,
) -> Row {
    Row {
        code,
        asked,
        next,
        connection,
        advice,
    }
}

const AGAIN: &str = "let the user connect the provider again";
const CONNECT: &str = "let the user connect the provider, and check the case of its name";
const CHECK_ID: &str = "check the connection's id, and the workspace if you passed one";
const NOT_ACTIVE: &str =
    "the user has not consented yet, or a newer connection has replaced this one";
const TRY_LATER: &str = "the provider may be down for a moment, so try again later; if the user has to connect again, the \
    next call says so";
const ASK_FOR_TOKEN: &str = "call get_token_by_connection_id to learn the connection's status";

/// The codes whose meaning does not follow from the status. The first row that fits counts.
const TABLE: [Row; 9] = [
    // code, operation, what to do next, status of the connection, advice
    row(
        "connection_not_found",
        Some(Asked::Resolve),
        Reconnect,
        "failed",
        CONNECT,
    ),
    row("connection_not_found", None, Final, "failed", CHECK_ID),
    row("connection_not_active", None, Final, "pending", NOT_ACTIVE),
    row("attention_required", None, Reconnect, "attention", AGAIN),
    row("connection_revoked", None, Reconnect, "revoked", AGAIN),
    row("token_not_found", None, Reconnect, "failed", AGAIN),
    row("no_refresh_token", None, Reconnect, "failed", ""),
    row("token_expired", None, Retry, "pending", TRY_LATER),
    row(
        "upstream_error",
        Some(Asked::Refresh),
        Unclear,
        "",
        ASK_FOR_TOKEN,
    ),
];

/// The gateway's other codes. A 4xx status with one of these codes comes from the gateway, not from a proxy.
const OTHER_CODES: &str = "\
    static_token saml_not_refreshable provider_not_found provider_ambiguous \
    missing_fields invalid_json invalid_connection_id invalid_state broker_error broker_unavailable \
    broker_invalid_response broker_unexpected_status invalid_api_key unauthorized schema_not_found \
    unsupported_auth_type missing_credential credentials_rejected invalid_base_url \
    provider_not_validatable validation_unreachable sessions_not_supported \
    session_not_found agent_not_found agent_inactive scope_not_allowed scope_not_granted \
    scope_not_permitted_for_agent user_not_authorized_for_scope invalid_scope missing_scopes \
    missing_agent_id missing_connection_selector invalid_ttl unsupported_agent_session_provider \
    provider_mismatch access_token_unavailable invalid_user_context_token backend_auth_unavailable \
    reason_too_long token_delete_failed revoke_failed decrypt_failed invalid_token_format \
    internal_error";

fn find(code: &str, asked: Asked) -> Option<&'static Row> {
    let fits = |row: &&Row| row.code == code && row.asked.is_none_or(|own| own == asked);
    TABLE.iter().find(fits)
}

/// Returns the codes that gateways are known to send.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    let table = TABLE.iter().map(|row| row.code);
    table.chain(OTHER_CODES.split(' '))
}

pub(crate) fn is_known(code: &str) -> bool {
    known().any(|own| own == code)
}

/// Returns the status of a connection whose token call failed with this code, if the code tells.
pub(crate) fn connection(code: &str) -> Option<&'static str> {
    let row = find(code, Asked::Other)?;
    Some(row.connection).filter(|status| !status.is_empty())
}

/// Returns whether the request must be sent again to learn what the code means.
pub(crate) fn needs_second(code: &str) -> bool {
    code == "token_expired"
}

/// Returns whether an error says something about the gateway or the network, but nothing about the connection.
pub(crate) fn is_about_gateway(code: &str, status: Option<u16>, next: Next) -> bool {
    let is_of_gateway =
        matches!(status, Some(401 | 403) | None) || next == Retry || code == "http_500";
    is_of_gateway && connection(code).is_none()
}

/// Returns whether a failure may be temporary, so that a wait goes on. True for every 5xx status.
pub(crate) fn may_pass(status: Option<u16>, next: Next) -> bool {
    next == Retry || status >= Some(500)
}

/// Returns whether the gateway may still be working on a call that a proxy has given up on, so that a second request
/// could refresh the token at the same time. A POST (a refresh, or a request for a session) may also be under way after a
/// proxy's 502, and acts even if the token has not expired.
pub(crate) fn is_under_way(code: &str, status: Option<u16>, is_post: bool) -> bool {
    match status {
        Some(504) => true,
        Some(502) => is_post && !is_known(code),
        _ => false,
    }
}

/// Returns the meaning of a code alone, as in a resolve.
pub(crate) fn of_code(code: &str, status: Option<u16>) -> Next {
    if matches!(code, "timeout" | "request_failed" | "broker_unavailable") {
        return Retry;
    }
    Refused {
        asked: Asked::Resolve,
        status: status.unwrap_or_default(),
        code,
        broker_status: None,
        is_relayed: false,
    }
    .next()
}

impl Refused<'_> {
    /// Returns the status that decides whether the policy retries. A gateway may pass on a broker's 429.
    pub(crate) fn status_to_retry(&self) -> u16 {
        if self.broker_status == Some(429) {
            return 429;
        }
        self.status
    }

    pub(crate) fn next(&self) -> Next {
        if let Some(row) = find(self.code, self.asked) {
            return row.next;
        }
        match (self.status, self.broker_status) {
            (_, Some(429)) => Retry,
            (410, _) => Reconnect,
            (401 | 403, _) => Final,
            (400..=428 | 430..=499, _) if is_known(self.code) => Final,
            // The refusal comes from the broker behind the gateway, so a retry would not help.
            (_, Some(400..=499)) => Unclear,
            _ if self.is_relayed => Unclear,
            (429 | 502..=504, _) => Retry,
            _ => Unclear,
        }
    }

    /// Returns the advice to append to the gateway's message, or an empty string if the message needs no advice.
    pub(crate) fn advice(&self) -> &'static str {
        if let Some(row) = find(self.code, self.asked) {
            return row.advice;
        }
        match (self.code, self.status, self.broker_status) {
            ("invalid_api_key", 403, _) | ("broker_error", _, Some(401 | 403)) => {
                "the gateway and its broker have different keys; ask the operator to fix it"
            }
            ("broker_error", _, Some(400)) if self.asked == Asked::Connection => {
                "the gateway may not allow this return_url; ask its operator to allow it"
            }
            ("", 410, _) => AGAIN,
            ("", 404, _) => {
                "check that gateway_url is the gateway's own address, and that the gateway is version 0.3 or later"
            }
            ("" | "unauthorized", 401, _) if self.asked != Asked::UserSession => {
                "check that api_key is correct"
            }
            _ => "",
        }
    }
}
