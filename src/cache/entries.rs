//! The map of a cache, and the removal of old tokens as the map grows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::time::Now;
use crate::token::CachedToken;

/// The time for which a stale token is used before a caller asks the gateway again.
const STALE_USE: Duration = Duration::from_secs(5);
/// The most tokens that a cache holds.
const MAX_TOKENS: usize = 10_000;
/// The size at which a cache is first purged.
const FIRST_PURGE: usize = 64;

/// Counts the changes to all caches, other than by resolved tokens. One counter serves all caches, so that a
/// flight can be compared with a cache that it was not started for.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of changes to all caches so far. A token that a flight resolves does not count.
pub(crate) fn changes() -> usize {
    CHANGES.load(Ordering::SeqCst)
}

#[derive(Default)]
pub(super) struct Entries {
    /// Entries by provider, and then by workspace. A lookup in a map of pairs would have to allocate a pair.
    providers: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    len: usize,
    purge_at: usize,
    /// The number of the last change. A token that was requested before this change must not be cached.
    generation: usize,
}

pub(super) struct Entry {
    pub(super) token: Arc<CachedToken>,
    pub(super) fresh_until: Now,
    /// The time until which the token may be used if the gateway returns no newer token.
    pub(super) usable_until: Now,
    /// True if the token was made fresh again because the gateway returned no newer token.
    pub(super) extended: bool,
}

impl Entry {
    pub(super) fn is_fresh(&self, now: Now) -> bool {
        now.is_before(self.fresh_until)
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        now.is_before(self.usable_until)
    }

    /// Makes the token fresh for another 5 s, but never past `usable_until`.
    pub(super) fn extend(&mut self, now: Now) {
        let (until, end) = (now.after(STALE_USE), self.usable_until);
        self.fresh_until = Now {
            wall: until.wall.min(end.wall),
            mono: until.mono.min(end.mono),
        };
        self.extended = true;
    }
}

impl Entries {
    pub(super) fn get(&self, workspace_id: &str, provider: &str) -> Option<&Entry> {
        self.providers.get(provider)?.get(workspace_id)
    }

    pub(super) fn get_mut(&mut self, workspace_id: &str, provider: &str) -> Option<&mut Entry> {
        self.providers.get_mut(provider)?.get_mut(workspace_id)
    }

    pub(super) fn count_fresh(&self, now: Now) -> usize {
        let entries = self.providers.values().flat_map(HashMap::values);
        entries.filter(|entry| entry.is_fresh(now)).count()
    }

    pub(super) fn is_unchanged_since(&self, changes: usize) -> bool {
        self.generation <= changes
    }

    /// Counts a change, so that tokens that were requested before this change are not cached.
    pub(super) fn raise_generation(&mut self) {
        self.generation = CHANGES.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
    }

    pub(super) fn clear(&mut self) {
        self.providers.clear();
        self.len = 0;
    }

    /// Removes the tenant's entry, and inserts the new entry if there is one.
    pub(super) fn replace(
        &mut self,
        workspace_id: &str,
        provider: &str,
        entry: Option<Entry>,
        now: Now,
    ) {
        self.remove(workspace_id, provider);
        let Some(entry) = entry else { return };
        if self.len >= self.purge_at.max(FIRST_PURGE) {
            self.purge(now);
        }
        let workspaces = self.providers.entry(provider.into()).or_default();
        workspaces.insert(workspace_id.into(), entry);
        self.len = self.len.saturating_add(1);
    }

    pub(super) fn remove(&mut self, workspace_id: &str, provider: &str) {
        let Some(workspaces) = self.providers.get_mut(provider) else {
            return;
        };
        let removed = workspaces.remove(workspace_id);
        if workspaces.is_empty() {
            self.providers.remove(provider);
        }
        self.len = self.len.saturating_sub(usize::from(removed.is_some()));
    }

    /// Removes expired tokens. If the cache is still full, also removes the 1/16 of the tokens that expires
    /// soonest. The next purge comes when the cache has doubled or is full, so the average cost of an insertion
    /// stays constant.
    fn purge(&mut self, now: Now) {
        self.retain(|entry| entry.is_usable(now));
        if self.len >= MAX_TOKENS {
            self.drop_soonest(MAX_TOKENS / 16);
        }
        self.purge_at = self.len.saturating_mul(2).min(MAX_TOKENS);
    }

    fn drop_soonest(&mut self, count: usize) {
        let entries = self.providers.values().flat_map(HashMap::values);
        let mut ends: Vec<Instant> = entries.map(|entry| entry.fresh_until.mono).collect();
        let (sooner, last, _) = ends.select_nth_unstable(count);
        let mut ties = sooner.iter().filter(|end| *end == last).count();
        self.retain(|entry| {
            let end = &entry.fresh_until.mono;
            let tie = end == last && ties > 0;
            ties = ties.saturating_sub(usize::from(tie));
            end >= last && !tie
        });
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        self.providers.retain(|_, workspaces| {
            workspaces.retain(|_, entry| keep(entry));
            !workspaces.is_empty()
        });
        self.len = self.providers.values().map(HashMap::len).sum();
    }

    /// Returns the number of providers plus the number of tokens.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        let tokens: usize = self.providers.values().map(HashMap::len).sum();
        assert_eq!(self.len, tokens);
        self.providers.len() + tokens
    }
}
