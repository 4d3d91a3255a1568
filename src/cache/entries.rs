//! The entries of a cache: the times until which a token is used, and the removal of old tokens as the cache grows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::time::Now;
use crate::token::CachedToken;

/// The time for which a token without a known expiry may be used in an outage, counted from its arrival.
const MAX_ASSUMED_USE: Duration = Duration::from_secs(3600);
/// The maximum number of tokens in a cache.
const MAX_TOKENS: usize = 10_000;
/// The number of insertions between two removals of expired tokens.
const PURGE_INTERVAL: usize = 64;

/// The number of changes to all caches so far. The caching of a resolved token is not counted. All caches share one
/// counter, so that a flight can tell for each caller's cache whether the cache has changed since the flight began.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

#[derive(Default)]
pub(super) struct Entries {
    /// The entries by provider, and then by workspace. A map with pairs as keys would need an allocation for each
    /// lookup.
    pub(super) providers: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    insertions: usize,
    /// The value of `CHANGES` after the last change to this cache. A token that was requested before this change must
    /// not be cached.
    pub(super) generation: usize,
}

pub(super) struct Entry {
    pub(super) token: Arc<CachedToken>,
    pub(super) fresh_until: Now,
    /// The time until which the token may be used if the gateway returns no newer token.
    usable_until: Now,
    /// The time until which the token is visible although it is stale. Set when the gateway returns no newer token.
    pub(super) extended_until: Option<Now>,
}

/// Returns the number of changes to all caches so far. The caching of a resolved token is not counted.
pub(crate) fn changes() -> usize {
    CHANGES.load(Ordering::SeqCst)
}

impl Entry {
    /// Returns `None` if the token has expired. A token that is already within the buffer is fresh for `grace`.
    pub(super) fn new(
        token: Arc<CachedToken>,
        now: Now,
        buffer: Duration,
        grace: Duration,
    ) -> Option<Self> {
        let left = token.expires_at.duration_since(now.wall).ok()?;
        let before_buffer = left.saturating_sub(buffer);
        let fresh = if before_buffer.is_zero() {
            left.min(grace)
        } else {
            before_buffer
        };
        let is_assumed = token.assumed_expiry == Some(token.expires_at);
        let usable = if is_assumed { MAX_ASSUMED_USE } else { left };
        Some(Self {
            token,
            fresh_until: now.after(fresh),
            usable_until: now.after(usable),
            extended_until: None,
        })
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        now.is_before(self.usable_until)
    }

    pub(super) fn is_visible(&self, now: Now) -> bool {
        let is_extended = self
            .extended_until
            .is_some_and(|until| now.is_before(until));
        now.is_before(self.fresh_until) || is_extended && self.is_usable(now)
    }
}

impl Entries {
    pub(super) fn get_mut(&mut self, workspace_id: &str, provider: &str) -> Option<&mut Entry> {
        self.providers.get_mut(provider)?.get_mut(workspace_id)
    }

    /// Counts a change, so that tokens that were requested before this change are not cached.
    pub(super) fn raise_generation(&mut self) {
        self.generation = CHANGES.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
    }

    pub(super) fn delete(&mut self, workspace_id: &str, provider: &str) {
        self.raise_generation();
        self.remove(workspace_id, provider);
    }

    pub(super) fn clear(&mut self) {
        self.raise_generation();
        self.providers.clear();
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
        if self.insertions.is_multiple_of(PURGE_INTERVAL) {
            self.purge(now);
        }
        self.insertions = self.insertions.wrapping_add(1);
        let workspaces = self.providers.entry(provider.into()).or_default();
        workspaces.insert(workspace_id.into(), entry);
    }

    pub(super) fn remove(&mut self, workspace_id: &str, provider: &str) {
        if let Some(workspaces) = self.providers.get_mut(provider) {
            workspaces.remove(workspace_id);
        }
    }

    /// Removes expired tokens. If there is still no room for the next `PURGE_INTERVAL` tokens, removes others too.
    fn purge(&mut self, now: Now) {
        let mut room = MAX_TOKENS - PURGE_INTERVAL;
        self.providers.retain(|_, workspaces| {
            workspaces.retain(|_, entry| {
                let keep = room > 0 && entry.is_usable(now);
                room = room.saturating_sub(usize::from(keep));
                keep
            });
            !workspaces.is_empty()
        });
    }
}
