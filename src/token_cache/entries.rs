//! The map under the cache: what is known of each tenant, how it is bounded, and how room is made.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::clock::Now;
use crate::tenant::{Named, OwnedTenant, Tenant};
use crate::token::CachedToken;

/// The most tokens that a cache holds.
const MAX_TOKENS: usize = 10_000;
/// The size at which tokens past their use are first looked for.
const FIRST_PURGE: usize = 64;

pub(super) struct Entries {
    by_tenant: HashMap<OwnedTenant, Entry>,
    tokens: usize,
    purge_at: usize,
    generations: u64,
}

/// What is known of one tenant. A delete ends the entry, so that the next one is of another
/// generation.
struct Entry {
    stored: Option<Stored>,
    generation: u64,
    /// How many wait for a token to put here; they keep an entry without one.
    claims: u32,
}

/// A token, until when it is handed out, and until when it may stand in for one that cannot be had.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) token: Arc<CachedToken>,
    pub(super) fresh_until: Now,
    pub(super) usable_until: Now,
}

impl Entries {
    pub(super) fn new() -> Self {
        Self {
            by_tenant: HashMap::new(),
            tokens: 0,
            purge_at: FIRST_PURGE,
            generations: 0,
        }
    }

    /// How many tenants anything at all is known of.
    #[cfg(test)]
    pub(super) fn tenants(&self) -> usize {
        self.by_tenant.len()
    }

    pub(super) fn fresh(&self, now: Now) -> usize {
        self.all()
            .filter(|stored| now.is_before(stored.fresh_until))
            .count()
    }

    pub(super) fn stored(&self, tenant: Tenant<'_>) -> Option<&Stored> {
        let entry = self.by_tenant.get(&tenant as &dyn Named)?;
        entry.stored.as_ref()
    }

    pub(super) fn clear(&mut self) {
        self.by_tenant.clear();
        self.tokens = 0;
    }

    pub(super) fn delete(&mut self, tenant: Tenant<'_>) {
        let entry = self.by_tenant.remove(&tenant as &dyn Named);
        if entry.is_some_and(|entry| entry.stored.is_some()) {
            self.tokens = self.tokens.saturating_sub(1);
        }
    }

    /// The generation that the tenant's entry is of, from now on kept until it is released.
    pub(super) fn claim(&mut self, tenant: &OwnedTenant) -> u64 {
        let entry = self.entry(tenant);
        entry.claims = entry.claims.saturating_add(1);
        entry.generation
    }

    pub(super) fn release(&mut self, tenant: Tenant<'_>, generation: u64) {
        if let Some(entry) = self.of_generation(tenant, generation) {
            entry.claims = entry.claims.saturating_sub(1);
            self.remove_if_empty(tenant);
        }
    }

    /// Puts what a claim has brought, if the tenant's entry is still the one that was claimed.
    pub(super) fn put(
        &mut self,
        tenant: &OwnedTenant,
        generation: u64,
        stored: Option<Stored>,
        now: Now,
    ) {
        if self.of_generation(tenant.as_tenant(), generation).is_some() {
            self.replace(tenant, stored, now);
        }
    }

    pub(super) fn set(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        self.delete(tenant.as_tenant());
        self.replace(tenant, stored, now);
    }

    /// Drops the token of a tenant if it is the one meant; the entry stays of its generation.
    pub(super) fn discard_if(&mut self, tenant: Tenant<'_>, meant: impl Fn(&Stored) -> bool) {
        let Some(entry) = self.by_tenant.get_mut(&tenant as &dyn Named) else {
            return;
        };
        if entry.stored.take_if(|stored| meant(stored)).is_some() {
            self.tokens = self.tokens.saturating_sub(1);
            self.remove_if_empty(tenant);
        }
    }

    fn entry(&mut self, tenant: &OwnedTenant) -> &mut Entry {
        let generations = &mut self.generations;
        self.by_tenant.entry(tenant.clone()).or_insert_with(|| {
            *generations = generations.wrapping_add(1);
            Entry {
                stored: None,
                generation: *generations,
                claims: 0,
            }
        })
    }

    fn of_generation(&mut self, tenant: Tenant<'_>, generation: u64) -> Option<&mut Entry> {
        let entry = self.by_tenant.get_mut(&tenant as &dyn Named)?;
        (entry.generation == generation).then_some(entry)
    }

    fn remove_if_empty(&mut self, tenant: Tenant<'_>) {
        let entry = self.by_tenant.get(&tenant as &dyn Named);
        if entry.is_some_and(Entry::is_empty) {
            self.by_tenant.remove(&tenant as &dyn Named);
        }
    }

    fn replace(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        let Some(stored) = stored else {
            return self.discard_if(tenant.as_tenant(), |_| true);
        };
        if self.tokens >= self.purge_at {
            self.purge(now);
        }
        if self.entry(tenant).stored.replace(stored).is_none() {
            self.tokens = self.tokens.saturating_add(1);
        }
    }

    /// Drops what is past its use and, in a full cache, the sixteenth that expires soonest. Looks
    /// again when the cache has doubled, so that the cost of looking stays in proportion.
    fn purge(&mut self, now: Now) {
        self.retain(|stored| now.is_before(stored.usable_until));
        if self.tokens >= MAX_TOKENS {
            self.drop_soonest(MAX_TOKENS / 16);
        }
        self.purge_at = self.tokens.saturating_mul(2).clamp(FIRST_PURGE, MAX_TOKENS);
    }

    fn drop_soonest(&mut self, count: usize) {
        let mut soonest = BinaryHeap::with_capacity(count);
        for end in self.all().map(|stored| stored.fresh_until.mono) {
            if soonest.len() < count {
                soonest.push(end);
            } else if let Some(mut last) = soonest.peek_mut().filter(|last| end < **last) {
                *last = end;
            }
        }
        let Some(last) = soonest.peek().copied() else {
            return;
        };
        let mut ties = soonest.iter().filter(|end| **end == last).count();
        self.retain(|stored| match stored.fresh_until.mono.cmp(&last) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => {
                let keep = ties == 0;
                ties = ties.saturating_sub(1);
                keep
            }
        });
    }

    fn all(&self) -> impl Iterator<Item = &Stored> {
        self.by_tenant
            .values()
            .filter_map(|entry| entry.stored.as_ref())
    }

    fn retain(&mut self, mut keep: impl FnMut(&Stored) -> bool) {
        self.by_tenant.retain(|_, entry| {
            entry.stored.take_if(|stored| !keep(stored));
            !entry.is_empty()
        });
        self.tokens = self.all().count();
    }
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.stored.is_none() && self.claims == 0
    }
}
