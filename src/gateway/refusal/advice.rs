//! What a refusal calls for, as far as the call, the status and the code tell.

/// A refusal, as gateways of all versions write it.
pub(super) struct Refusal<'a> {
    /// The path of the call, below the gateway's address.
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) code: Option<&'a str>,
    /// The status of the broker behind the gateway, where the error has it.
    pub(super) broker_status: Option<u64>,
    /// The gateway repeats an error body of the broker.
    pub(super) is_repeated: bool,
    pub(super) is_empty: bool,
}

const KEYS: &str =
    "the gateway and its broker disagree on their key, which the operator has to fix";

impl Refusal<'_> {
    /// Whether only the user can help.
    pub(super) fn needs_reconnect(&self) -> bool {
        match self.meaning() {
            "attention_required" | "connection_revoked" | "no_refresh_token"
            | "token_not_found" => true,
            "connection_not_found" => self.asks("/v1/resolve"),
            _ => self.status == 410,
        }
    }

    /// Whether the same call may succeed later.
    pub(super) fn may_pass(&self) -> bool {
        match self.meaning() {
            "token_expired" => true,
            "upstream_error" if self.asks("/v1/refresh/") => false,
            // The broker has refused the request itself, so that no other attempt can help.
            _ if self.is_repeated || matches!(self.broker_status, Some(400..=499)) => false,
            _ => matches!(self.status, 429 | 502..=504),
        }
    }

    /// What to do, worded to follow the gateway's own message; empty where that says enough.
    pub(super) fn advice(&self) -> &'static str {
        match (self.meaning(), self.status) {
            ("connection_not_found", _) if self.asks("/v1/resolve") => {
                "let the user connect the provider, and check its name, whose case matters"
            }
            ("connection_not_found", _) if self.asks("/v1/connections/") => {
                "check the connection's id, and its workspace"
            }
            ("connection_not_found", _) if self.asks_for_token() => "check the connection's id",
            ("connection_not_active", _) => {
                "the user has yet to consent, or a newer connection has taken its place"
            }
            ("attention_required" | "connection_revoked" | "token_not_found", _) => {
                "let the user connect the provider again"
            }
            ("token_expired", _) => {
                "but the provider may only be down just now: try again later; if the grant is dead, \
                 the next call says so"
            }
            ("upstream_error", _) if self.asks("/v1/refresh/") => {
                "get_token_by_connection_id tells what has become of the connection"
            }
            ("invalid_api_key", 403) => KEYS,
            ("broker_error", _) => match self.broker_status {
                Some(401 | 403) => KEYS,
                Some(400) if self.asks("/v1/request-connection") => {
                    "most likely the gateway is not set to allow this return_url: ask its operator"
                }
                _ => "",
            },
            ("", 404) if self.asks("/v1/resolve") => {
                "this gateway has no /v1/resolve: it is older than 0.3, or gateway_url is not its \
                 address"
            }
            ("", 404) => "is gateway_url the gateway's own address?",
            // There, the user's own token may be the one that is refused.
            _ if self.asks("/v1/agent-sessions/obo") => "",
            ("" | "unauthorized", 401) => "is api_key one that the gateway takes?",
            _ => "",
        }
    }

    /// The code; of a gateway before 0.3, which refuses tokens with a bare status, the one that a
    /// later gateway has for it.
    fn meaning(&self) -> &str {
        let bare = self.is_empty && self.asks_for_token();
        match (self.code, self.status) {
            (Some(code), _) => code,
            (None, 403) if bare => "connection_not_active",
            (None, 404) if bare => "connection_not_found",
            (None, 409) if bare => "attention_required",
            (None, 410) => "connection_revoked",
            (None, _) => "",
        }
    }

    fn asks_for_token(&self) -> bool {
        self.asks("/v1/token/") || self.asks("/v1/refresh/")
    }

    fn asks(&self, path: &str) -> bool {
        self.path.starts_with(path)
    }
}
