//! What is under the cache: the tokens of tenants, whose are being asked for, and how room is made.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
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
    /// Whose token is being asked for. A delete forgets them, so that whoever asks next has another
    /// mark.
    claimed: Vec<(OwnedTenant, Weak<()>)>,
    purge_at: usize,
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

/// What those who wait for a token of one tenant together hold.
pub(super) type Mark = Arc<()>;

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
            claimed: Vec::new(),
            purge_at: FIRST_PURGE,
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
        self.unclaim(tenant);
        self.deleted = Some(now);
    }

    /// The mark of those who wait for a token of the tenant.
    pub(super) fn claim(&mut self, tenant: &OwnedTenant) -> Mark {
        self.claimed.retain(|(_, mark)| mark.strong_count() > 0);
        self.mark(tenant).unwrap_or_else(|| {
            let mark = Mark::default();
            let claimed = (tenant.clone(), Arc::downgrade(&mark));
            self.claimed.push(claimed);
            mark
        })
    }

    fn mark(&self, tenant: &OwnedTenant) -> Option<Mark> {
        let mut claimed = self.claimed.iter();
        let (_, mark) = claimed.find(|(claimed, _)| claimed == tenant)?;
        mark.upgrade()
    }

    fn unclaim(&mut self, tenant: Tenant<'_>) {
        self.claimed
            .retain(|(claimed, _)| claimed.as_tenant() != tenant);
    }

    /// Puts what a claim has brought, unless the tenant's token was deleted or set meanwhile.
    pub(super) fn put(
        &mut self,
        tenant: &OwnedTenant,
        mark: &Mark,
        stored: Option<Stored>,
        now: Now,
    ) {
        if self.mark(tenant).is_some_and(|own| Arc::ptr_eq(&own, mark)) {
            self.replace(tenant, stored, now);
        }
    }

    pub(super) fn set(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        self.unclaim(tenant.as_tenant());
        self.replace(tenant, stored, now);
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
        let ends = self.tokens.values().map(|stored| stored.fresh_until.mono);
        let mut ends: Vec<Instant> = ends.collect();
        let (sooner, last, _) = ends.select_nth_unstable(count);
        let mut ties = sooner.iter().filter(|end| *end == last).count();
        self.tokens.retain(|_, stored| {
            let end = &stored.fresh_until.mono;
            let tie = end == last && ties > 0;
            ties = ties.saturating_sub(usize::from(tie));
            end >= last && !tie
        });
    }
}
