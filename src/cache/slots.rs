//! The slots of a cache by provider and workspace, and the limit on their number.

use std::collections::HashMap;
use std::time::Instant;

use crate::slot::Slot;
use crate::tenant::Tenant;
use crate::time::Now;

/// The maximum number of slots in a cache.
const MAX_SLOTS: usize = 10_000;
/// The number of insertions between two removals of unused slots.
const PURGE_INTERVAL: usize = 64;

/// A workspace and a provider.
pub(super) type Key<'a> = (&'a str, &'a str);

#[derive(Default)]
pub(super) struct Slots {
    /// The slots by provider, and then by workspace. A map with pairs as keys would need an allocation for each lookup.
    providers: HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    insertions: usize,
    /// The last time at which slots were removed. A new slot counts as changed then, because its old one may have changed.
    removed: Option<Instant>,
}

pub(super) fn key(tenant: &Tenant) -> Key<'_> {
    (&tenant.workspace_id, &tenant.provider)
}

impl Slots {
    pub(super) fn get(&self, (workspace_id, provider): Key<'_>) -> Option<&Slot> {
        self.providers.get(provider)?.get(workspace_id)
    }

    pub(super) fn get_mut(&mut self, (workspace_id, provider): Key<'_>) -> Option<&mut Slot> {
        self.providers.get_mut(provider)?.get_mut(workspace_id)
    }

    /// Returns an empty slot for a tenant that has none here.
    pub(super) fn empty_slot(&self) -> Slot {
        Slot::empty(self.removed)
    }

    /// Replaces the tenant's slot.
    pub(super) fn insert(&mut self, (workspace_id, provider): Key<'_>, slot: Slot, now: Now) {
        if self.insertions.is_multiple_of(PURGE_INTERVAL) {
            self.purge(now);
        }
        self.insertions = self.insertions.wrapping_add(1);
        let workspaces = self.providers.entry(provider.into()).or_default();
        workspaces.insert(workspace_id.into(), slot);
    }

    /// Empties the slot of exactly this workspace and provider, if there is one.
    pub(super) fn empty(&mut self, key: Key<'_>) {
        if let Some(slot) = self.get_mut(key) {
            *slot = Slot::empty(Some(Instant::now()));
        }
    }

    /// Empties the slots of this workspace and provider, whatever the case of the provider's name. `None` stands for all.
    pub(super) fn empty_matching(&mut self, workspace_id: Option<&str>, provider: Option<&str>) {
        let now = Instant::now();
        for (name, workspaces) in &mut self.providers {
            let is_listed = provider.is_none_or(|listed| listed.eq_ignore_ascii_case(name));
            let listed = workspaces.iter_mut().filter(|_| is_listed);
            for (id, slot) in listed {
                if workspace_id.is_none_or(|listed_id| listed_id == &**id) {
                    *slot = Slot::empty(Some(now));
                }
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.removed = Some(Instant::now());
        self.providers.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.providers.values().flat_map(HashMap::values)
    }

    /// Returns the number of providers plus the number of slots.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.providers
            .values()
            .map(|workspaces| workspaces.len() + 1)
            .sum()
    }

    /// Removes unused slots. If there is still no room for the next `PURGE_INTERVAL` slots, removes others too.
    fn purge(&mut self, now: Now) {
        let mut room = MAX_SLOTS - PURGE_INTERVAL;
        let mut removed = self.removed;
        self.providers.retain(|_, workspaces| {
            workspaces.retain(|_, slot| {
                let keep = room > 0 && slot.is_in_use(now);
                if keep {
                    room = room.saturating_sub(1);
                } else {
                    removed = removed.max(slot.changed());
                }
                keep
            });
            !workspaces.is_empty()
        });
        self.removed = removed;
    }
}
