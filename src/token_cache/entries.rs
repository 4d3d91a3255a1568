//! The maps under the cache: the tokens of tenants, who waits for one, and how room is made.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::tenant::{Named, OwnedTenant, Tenant};
use crate::token::CachedToken;

/// The most tokens that a cache holds.
const MAX_TOKENS: usize = 10_000;
/// The size at which tokens past their use are first looked for.
const FIRST_PURGE: usize = 64;

pub(super) struct Entries {
    tokens: HashMap<OwnedTenant, Stored>,
    claimed: HashMap<OwnedTenant, Claimed>,
    purge_at: usize,
    generations: u64,
    /// When anything was deleted last.
    pub(super) deleted: Option<Instant>,
}

/// A token, until when it is handed out, and for how long after that it may stand in for one that
/// cannot be had. The smaller it is, the quicker a hit in a full cache.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) token: Arc<CachedToken>,
    pub(super) fresh_until: Now,
    pub(super) spare_for: Duration,
}

/// How many wait for a token of a tenant. A delete ends it, so that the next who waits are of another
/// generation.
struct Claimed {
    generation: u64,
    count: usize,
}

impl Stored {
    pub(super) fn is_fresh(&self, now: Now) -> bool {
        now.is_before(self.fresh_until)
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        now.is_before(self.fresh_until.after(self.spare_for))
    }
}

impl Entries {
    pub(super) fn new() -> Self {
        Self {
            tokens: HashMap::new(),
            claimed: HashMap::new(),
            purge_at: FIRST_PURGE,
            generations: 0,
            deleted: None,
        }
    }

    /// How many things are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tokens.len() + self.claimed.len()
    }

    pub(super) fn fresh(&self, now: Now) -> usize {
        let tokens = self.tokens.values();
        tokens.filter(|stored| stored.is_fresh(now)).count()
    }

    pub(super) fn stored(&self, tenant: Tenant<'_>) -> Option<&Stored> {
        self.tokens.get(&tenant as &dyn Named)
    }

    pub(super) fn clear(&mut self, now: Instant) {
        self.tokens.clear();
        self.claimed.clear();
        self.deleted = Some(now);
    }

    pub(super) fn delete(&mut self, tenant: Tenant<'_>, now: Instant) {
        self.tokens.remove(&tenant as &dyn Named);
        self.claimed.remove(&tenant as &dyn Named);
        self.deleted = Some(now);
    }

    /// The generation of those who wait for a token of the tenant.
    pub(super) fn claim(&mut self, tenant: &OwnedTenant) -> u64 {
        let generations = &mut self.generations;
        let claimed = self.claimed.entry(tenant.clone()).or_insert_with(|| {
            *generations = generations.wrapping_add(1);
            Claimed {
                generation: *generations,
                count: 0,
            }
        });
        claimed.count = claimed.count.saturating_add(1);
        claimed.generation
    }

    pub(super) fn release(&mut self, tenant: Tenant<'_>, generation: u64) {
        let claimed = self.claimed.get_mut(&tenant as &dyn Named);
        let Some(claimed) = claimed.filter(|claimed| claimed.generation == generation) else {
            return;
        };
        claimed.count = claimed.count.saturating_sub(1);
        if claimed.count == 0 {
            self.claimed.remove(&tenant as &dyn Named);
        }
    }

    /// Puts what a claim has brought, unless the tenant's token was deleted or set meanwhile.
    pub(super) fn put(
        &mut self,
        tenant: &OwnedTenant,
        generation: u64,
        stored: Option<Stored>,
        now: Now,
    ) {
        let claimed = self.claimed.get(tenant);
        if claimed.is_some_and(|claimed| claimed.generation == generation) {
            self.replace(tenant, stored, now);
        }
    }

    pub(super) fn set(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        self.claimed.remove(tenant);
        self.replace(tenant, stored, now);
    }

    /// Drops the token of a tenant if it is the one meant; who waits for another still gets it.
    pub(super) fn discard_if(&mut self, tenant: Tenant<'_>, meant: impl Fn(&Stored) -> bool) {
        if self.stored(tenant).is_some_and(meant) {
            self.tokens.remove(&tenant as &dyn Named);
        }
    }

    fn replace(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        self.tokens.remove(tenant);
        let Some(stored) = stored else { return };
        if self.tokens.len() >= self.purge_at {
            self.purge(now);
        }
        self.tokens.insert(tenant.clone(), stored);
    }

    /// Drops what is past its use and, in a full cache, the sixteenth that expires soonest. Looks
    /// again when the cache has doubled, so that the cost of looking stays in proportion.
    fn purge(&mut self, now: Now) {
        self.tokens.retain(|_, stored| stored.is_usable(now));
        if self.tokens.len() >= MAX_TOKENS {
            self.drop_soonest(MAX_TOKENS / 16);
        }
        let doubled = self.tokens.len().saturating_mul(2);
        self.purge_at = doubled.clamp(FIRST_PURGE, MAX_TOKENS);
    }

    fn drop_soonest(&mut self, count: usize) {
        let mut soonest = BinaryHeap::with_capacity(count);
        for end in self.tokens.values().map(|stored| stored.fresh_until.mono) {
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
        self.tokens
            .retain(|_, stored| match stored.fresh_until.mono.cmp(&last) {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => {
                    let keep = ties == 0;
                    ties = ties.saturating_sub(1);
                    keep
                }
            });
    }
}
