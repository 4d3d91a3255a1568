//! The connections that a client has requested.

use std::collections::VecDeque;

use crate::sync::Mutex;
use crate::tenant::Tenant;

/// The maximum number of connection ids whose workspace and provider a client remembers.
const MAX_KNOWN_IDS: usize = 1000;

/// The ids of the connections that a client has requested, the latest last.
#[derive(Default)]
pub(crate) struct KnownIds(Mutex<VecDeque<Known>>);

struct Known {
    id: Box<str>,
    tenant: Tenant,
    was_active: bool,
}

impl KnownIds {
    pub(crate) fn add(&self, id: &str, tenant: Tenant) {
        let mut known = self.0.lock();
        if known.len() >= MAX_KNOWN_IDS {
            known.pop_front();
        }
        known.push_back(Known {
            id: id.into(),
            tenant,
            was_active: false,
        });
    }

    /// Returns the tenant that the connection was last requested for.
    pub(crate) fn tenant(&self, id: &str) -> Option<Tenant> {
        let known = self.0.lock();
        let found = known.iter().rev().find(|known| *known.id == *id)?;
        Some(found.tenant.clone())
    }

    /// Notes that a connection is active. Returns its tenant the first time.
    pub(crate) fn note_active(&self, id: &str) -> Option<Tenant> {
        let mut known = self.0.lock();
        let found = known.iter_mut().rev().find(|known| *known.id == *id)?;
        if found.was_active {
            return None;
        }
        found.was_active = true;
        Some(found.tenant.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_thousand_ids_have_the_tenant_they_were_last_requested_for() {
        let known = KnownIds::default();
        let tenant = |workspace_id: &str| Tenant::new(workspace_id, "p");
        for number in 0..=MAX_KNOWN_IDS {
            known.add(&number.to_string(), tenant("ws"));
        }
        let found = ["0", "1", "1000", "1001"].map(|id| known.tenant(id));
        assert_eq!(found, [None, Some(tenant("ws")), Some(tenant("ws")), None]);
        assert_eq!(known.0.lock().len(), MAX_KNOWN_IDS);
        known.add("1000", tenant("other"));
        assert_eq!(known.tenant("1000"), Some(tenant("other")));
    }

    #[test]
    fn a_connection_becomes_active_once() {
        let known = KnownIds::default();
        known.add("id", Tenant::new("ws", "p"));
        assert_eq!(known.note_active("other"), None);
        assert_eq!(known.note_active("id"), Some(Tenant::new("ws", "p")));
        assert_eq!(known.note_active("id"), None);
    }
}
