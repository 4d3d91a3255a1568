//! The calls that can refresh a token, and the connections that they are for.

use std::collections::VecDeque;

use crate::cache::{Tenant, TokenCache};
use crate::error::Result;
use crate::error::meaning::Asked;
use crate::gateway::{self, Request};
use crate::sync::Mutex;
use crate::url;

/// The maximum number of connection ids whose workspace and provider a client remembers.
const MAX_KNOWN_IDS: usize = 1000;

/// The connection that a call is for, as the caller names it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Tenant(Tenant),
    Connection(Box<str>),
}

/// A call that can make the gateway refresh a token.
pub(crate) struct Operation {
    pub(super) subject: Subject,
    pub(super) request: Request,
    /// The caller's cache, which gets the token of a resolve.
    pub(super) cache: Option<TokenCache>,
}

impl Subject {
    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Tenant(tenant) => Some(&tenant.provider),
            Self::Connection(_) => None,
        }
    }
}

impl Operation {
    pub(crate) fn new(subject: Subject, request: Request) -> Self {
        Self {
            subject,
            request,
            cache: None,
        }
    }

    pub(crate) fn token(connection_id: &str) -> Result<Self> {
        Self::by_id("/v1/token/", connection_id, Request::get)
    }

    pub(crate) fn check(connection_id: &str) -> Result<Self> {
        Self::by_id("/v1/check-connection/", connection_id, Request::get)
    }

    pub(crate) fn refresh(connection_id: &str) -> Result<Self> {
        let post = |path| Request::post(path).asked(Asked::Refresh);
        Self::by_id("/v1/refresh/", connection_id, post)
    }

    fn by_id(path: &str, connection_id: &str, request: fn(String) -> Request) -> Result<Self> {
        let path = gateway::with_id(path, "connection_id", connection_id)?;
        Ok(Self::new(
            Subject::Connection(connection_id.into()),
            request(path),
        ))
    }

    pub(crate) fn resolve(tenant: Tenant, cache: Option<&TokenCache>) -> Self {
        let parameters = [
            ("workspace_id", Some(&*tenant.workspace_id)),
            ("provider_name", Some(&*tenant.provider)),
        ];
        let request = Request::get(url::with_query("/v1/resolve", &parameters));
        let request = request
            .of_workspace(Some(&tenant.workspace_id))
            .asked(Asked::Resolve);
        Self {
            cache: cache.cloned(),
            ..Self::new(Subject::Tenant(tenant), request)
        }
    }

    pub(super) fn is_resolve(&self) -> bool {
        self.request.asked == Asked::Resolve
    }

    /// Returns the caller's cache, if there is one, and the tenant whose token the cache gets.
    pub(super) fn destination(&self) -> Option<(&TokenCache, &Tenant)> {
        match (&self.cache, &self.subject) {
            (Some(cache), Subject::Tenant(tenant)) => Some((cache, tenant)),
            _ => None,
        }
    }
}

/// The workspaces and providers of the connection ids that the client has requested, the latest last.
#[derive(Default)]
pub(super) struct KnownIds(Mutex<VecDeque<(Box<str>, Tenant)>>);

impl KnownIds {
    pub(super) fn add(&self, connection_id: &str, tenant: Tenant) {
        let mut known = self.0.lock();
        if known.len() >= MAX_KNOWN_IDS {
            known.pop_front();
        }
        known.push_back((connection_id.into(), tenant));
    }

    /// Returns the key of flights and of the lock that processes share. Calls by a known id have the key of its
    /// workspace and provider, so that they take turns with the calls that name these.
    ///
    /// The provider is in lower case, because a gateway ignores its case when a connection is requested, but not when
    /// its token is resolved. Providers that differ only in case therefore take turns.
    pub(super) fn canonical(&self, subject: &Subject) -> Subject {
        let tenant = match subject {
            Subject::Tenant(tenant) => tenant.clone(),
            Subject::Connection(id) => {
                let known = self.0.lock();
                match known.iter().rev().find(|(known, _)| known == id) {
                    Some((_, tenant)) => tenant.clone(),
                    None => return subject.clone(),
                }
            }
        };
        Subject::Tenant(Tenant {
            provider: tenant.provider.to_lowercase().into(),
            ..tenant
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_thousand_ids_have_the_key_of_the_workspace_and_provider_they_were_last_requested_for()
     {
        let known = KnownIds::default();
        let connection = |id: &str| Subject::Connection(id.into());
        let tenant = |workspace_id: &str| Subject::Tenant(Tenant::new(workspace_id, "p"));
        for number in 0..=MAX_KNOWN_IDS {
            known.add(&number.to_string(), Tenant::new("ws", "P"));
        }
        let keys = ["0", "1", "1000", "1001"].map(|id| known.canonical(&connection(id)));
        assert!(keys[0] == connection("0") && keys[3] == connection("1001"));
        assert!(keys[1] == tenant("ws") && keys[2] == tenant("ws"));
        assert_eq!(known.0.lock().len(), MAX_KNOWN_IDS);
        known.add("1", Tenant::new("other", "p"));
        assert!(known.canonical(&connection("1")) == tenant("other"));
    }

    #[test]
    fn calls_share_a_response_if_they_send_the_same_request_without_a_body() {
        let by_id = |operation: fn(&str) -> Result<Operation>, id| operation(id).unwrap();
        let resolve = |provider| Operation::resolve(Tenant::new("ws", provider), None);
        let session = || {
            let request = Request::post("/v1/agent-sessions").json(&serde_json::json!({}));
            Operation::new(Subject::Tenant(Tenant::new("ws", "p")), request)
        };
        let table = [
            (
                by_id(Operation::token, "c"),
                by_id(Operation::token, "c"),
                true,
            ),
            (
                by_id(Operation::refresh, "c"),
                by_id(Operation::refresh, "c"),
                true,
            ),
            (
                by_id(Operation::token, "c"),
                by_id(Operation::token, "d"),
                false,
            ),
            (
                by_id(Operation::token, "c"),
                by_id(Operation::check, "c"),
                false,
            ),
            (
                by_id(Operation::token, "c"),
                by_id(Operation::refresh, "c"),
                false,
            ),
            (resolve("p"), resolve("p"), true),
            (resolve("p"), resolve("P"), false),
            (session(), session(), false),
        ];
        for (number, (one, other, shared)) in table.iter().enumerate() {
            assert_eq!(
                one.request.can_share(&other.request),
                *shared,
                "row {number}"
            );
        }
    }
}
