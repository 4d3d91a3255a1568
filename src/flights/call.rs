//! The calls that can refresh a token, and the connections that they are for.

use std::sync::Arc;

use crate::cache::{Tenant, TokenCache};
use crate::error::meaning::Asked;
use crate::gateway::Request;
use crate::time::Now;
use crate::token::CachedToken;
use crate::url;

/// The connection that a call is for. Calls with the same key take turns, in the client and among processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// A workspace, and a provider in lower case. A gateway ignores the case of the provider's name when a connection is
    /// requested, but not when its token is resolved.
    Tenant(Box<str>, Box<str>),
    /// The id of a connection that the client has not requested.
    Connection(Box<str>),
}

/// A call that can make the gateway refresh a token.
pub(crate) struct Call {
    pub(super) key: Key,
    pub(super) request: Request,
    /// For a resolve: the cache that gets the token, its tenant, and the reason.
    pub(super) resolve: Option<(TokenCache, Arc<Tenant>, Reason)>,
}

/// The reason for resolving a token.
pub(crate) enum Reason {
    /// The caller has no token.
    Missing,
    /// The caller's token is about to expire.
    Stale,
    /// An upstream has refused this token with 401.
    Refused(Arc<CachedToken>),
}

impl Key {
    pub(crate) fn tenant(tenant: &Tenant) -> Self {
        let provider = tenant.provider.to_lowercase();
        Self::Tenant(tenant.workspace_id.clone(), provider.into())
    }

    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Tenant(_, provider) => Some(provider),
            Self::Connection(_) => None,
        }
    }
}

impl Call {
    /// A call whose caller gets the response.
    pub(crate) fn new(key: Key, request: Request) -> Self {
        Self {
            key,
            request,
            resolve: None,
        }
    }

    pub(crate) fn resolve(tenant: &Arc<Tenant>, cache: &TokenCache, reason: Reason) -> Self {
        let workspace_id = Some(&*tenant.workspace_id);
        let parameters = [
            ("workspace_id", workspace_id),
            ("provider_name", Some(&*tenant.provider)),
        ];
        let request = Request::get(url::with_query("/v1/resolve", &parameters));
        let request = request.of_workspace(workspace_id).asked(Asked::Resolve);
        Self {
            key: Key::tenant(tenant),
            request,
            resolve: Some((cache.clone(), Arc::clone(tenant), reason)),
        }
    }

    pub(super) fn is_resolve(&self) -> bool {
        self.resolve.is_some()
    }

    /// Returns the cache that gets the token of a resolve, and the tenant.
    pub(super) fn destination(&self) -> Option<(&TokenCache, &Tenant)> {
        let (cache, tenant, _) = self.resolve.as_ref()?;
        Some((cache, tenant))
    }

    /// Returns the token in the caller's cache if it makes the call unnecessary. Another thread may have put the token
    /// there while the caller waited for its turn.
    pub(super) fn cached_token(&self, now: Now) -> Option<Arc<CachedToken>> {
        let (cache, tenant, reason) = self.resolve.as_ref()?;
        match reason {
            Reason::Missing => cache.get_at(tenant.key(), now),
            Reason::Stale => None,
            Reason::Refused(token) => cache.after_refusal(tenant, token, now),
        }
    }

    /// Returns whether this call's response can serve the other call. A call that began before a token was refused may
    /// return that token again, so a call for a refused token joins only a call for the same token.
    pub(super) fn serves(&self, other: &Self) -> bool {
        let is_recent = match (self.refused(), other.refused()) {
            (Some(one), Some(other)) => one.same_credential(other),
            (_, other) => other.is_none(),
        };
        is_recent && self.request.can_share(&other.request)
    }

    fn refused(&self) -> Option<&CachedToken> {
        match self.resolve.as_ref()? {
            (_, _, Reason::Refused(token)) => Some(token),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_a_response_if_they_send_the_same_request_without_a_body() {
        let get = |path: &str| Call::new(Key::Connection("c".into()), Request::get(path));
        let post = |path: &str| Call::new(Key::Connection("c".into()), Request::post(path));
        let resolve = |provider| {
            let tenant = Arc::new(Tenant::new("ws", provider));
            Call::resolve(&tenant, &TokenCache::new(), Reason::Missing)
        };
        let refused = |name: &str| {
            let token = CachedToken::new(name, "Bearer", Now::read().wall);
            let tenant = Arc::new(Tenant::new("ws", "p"));
            Call::resolve(
                &tenant,
                &TokenCache::new(),
                Reason::Refused(Arc::new(token)),
            )
        };
        let session = || {
            let body = serde_json::json!({"agent_id": "agent"});
            Call::new(
                Key::tenant(&Tenant::new("ws", "p")),
                Request::post("/v1/agent-sessions").json(&body),
            )
        };
        let table = [
            (get("/v1/token/c"), get("/v1/token/c"), true),
            (post("/v1/refresh/c"), post("/v1/refresh/c"), true),
            (get("/v1/token/c"), get("/v1/token/d"), false),
            (get("/v1/token/c"), get("/v1/check-connection/c"), false),
            (get("/v1/refresh/c"), post("/v1/refresh/c"), false),
            (resolve("p"), resolve("p"), true),
            (resolve("p"), resolve("P"), false),
            (session(), session(), false),
            // A token that an upstream refused before the first call began may be refused again.
            (resolve("p"), refused("t"), false),
            (refused("t"), resolve("p"), true),
            (refused("t"), refused("t"), true),
            (refused("t"), refused("u"), false),
        ];
        for (number, (one, other, shared)) in table.iter().enumerate() {
            assert_eq!(one.serves(other), *shared, "row {number}");
        }
    }
}
