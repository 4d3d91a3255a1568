//! The tokens and connections that a client keeps track of.

use std::collections::VecDeque;
use std::mem;

use crate::cache::Caches;
use crate::gateway::Request;
use crate::sync::Mutex;
use crate::tenant::Tenant;

/// The maximum number of connection ids whose workspace and provider a client remembers.
const MAX_KNOWN_IDS: usize = 1000;

/// The caches that a client has filled, and the connections that it has requested. A form for a credential shares them, and may
/// outlive the client.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) caches: Caches,
    /// The connections, the latest last.
    known: Mutex<VecDeque<Known>>,
}

struct Known {
    id: Box<str>,
    tenant: Tenant,
    was_active: bool,
}

impl Connections {
    /// Remembers the tenant of a connection.
    pub(crate) fn add(&self, id: &str, tenant: Tenant) {
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN_IDS {
            known.pop_front();
        }
        known.push_back(Known {
            id: id.into(),
            tenant,
            was_active: false,
        });
    }

    /// Returns the request as one by this connection id. If the id is known, the call takes turns with the calls that name
    /// its workspace and provider, and counts towards the rate limit of its workspace.
    pub(crate) fn by_id(&self, id: &str, request: Request) -> Request {
        let by_connection = request.of_connection(id);
        match self.tenant(id) {
            Some(tenant) => {
                by_connection.of_tenant(Some(&tenant.workspace_id), Some(&tenant.provider))
            }
            None => by_connection,
        }
    }

    /// Notes that a connection is active. The first time, removes the tokens of the connection before it from the caches.
    pub(crate) fn note_active(&self, id: &str) {
        let mut known = self.known.lock();
        let Some(latest) = known.iter_mut().rev().find(|known| *known.id == *id) else {
            return;
        };
        let was_active = mem::replace(&mut latest.was_active, true);
        let tenant = latest.tenant.clone();
        drop(known);
        if !was_active {
            self.remove_tokens(&tenant);
        }
    }

    /// Removes the tokens of a connection whose credential has changed from all caches that the client has filled. If the
    /// client has not requested the connection, removes all tokens of this workspace and provider, where `None` stands for
    /// all, because any of them may be the connection's.
    pub(crate) fn remove_changed(
        &self,
        id: Option<&str>,
        workspace_id: Option<&str>,
        provider: Option<&str>,
    ) {
        match id.and_then(|id| self.tenant(id)) {
            Some(tenant) => self.remove_tokens(&tenant),
            None => self.caches.remove(workspace_id, provider),
        }
    }

    fn remove_tokens(&self, tenant: &Tenant) {
        let workspace_id = Some(&*tenant.workspace_id);
        self.caches.remove(workspace_id, Some(&tenant.provider));
    }

    /// Returns the tenant that the connection was last requested for.
    fn tenant(&self, id: &str) -> Option<Tenant> {
        let known = self.known.lock();
        let latest = known.iter().rev().find(|known| *known.id == *id)?;
        Some(latest.tenant.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::TokenCache;
    use crate::token::CachedToken;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_latest_thousand_ids_have_the_tenant_they_were_last_requested_for() {
        let connections = Connections::default();
        let tenant = |workspace_id: &str| Tenant::new(workspace_id, "p");
        for number in 0..=MAX_KNOWN_IDS {
            connections.add(&number.to_string(), tenant("ws"));
        }
        let found = ["0", "1", "1000", "1001"].map(|id| connections.tenant(id));
        assert_eq!(found, [None, Some(tenant("ws")), Some(tenant("ws")), None]);
        assert_eq!(connections.known.lock().len(), MAX_KNOWN_IDS);
        connections.add("1000", tenant("other"));
        assert_eq!(connections.tenant("1000"), Some(tenant("other")));
    }

    #[test]
    fn a_connection_becomes_active_once() {
        let (connections, cache) = (Connections::default(), TokenCache::new());
        connections.caches.add(&cache);
        connections.add("id", Tenant::new("ws", "p"));
        // Fills the cache, and returns whether the note empties it.
        let removes = |id| {
            let expires_at = SystemTime::now() + Duration::from_secs(3600);
            let token = CachedToken::new("t", "Bearer", expires_at);
            cache.set("ws", "p", token);
            connections.note_active(id);
            cache.is_empty()
        };
        assert_eq!(["other", "id", "id"].map(removes), [false, true, false]);
    }
}
