//! The entries of a cache: how long each token may be used, and how tokens are evicted.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::time::Now;
use crate::token::CachedToken;

/// The time for which a token without a known expiry may be used in an outage, counted from the request for it.
const MAX_ASSUMED_USE: Duration = Duration::from_secs(3600);
/// The maximum number of tokens in a cache.
const MAX_TOKENS: usize = 10_000;
/// The number of insertions between two removals of expired tokens.
const PURGE_INTERVAL: usize = 64;
/// The time for which a token within its buffer is used without asking the gateway again: after the gateway has returned
/// it, and after a caller has begun to ask for a newer token.
pub(super) const SHORT_USE: Duration = Duration::from_secs(5);
/// After upstreams have refused a token, the gateway is asked about it at most once in this time, because some endpoints
/// refuse every token.
const REFUSAL_INTERVAL: Duration = Duration::from_secs(30);
/// The first such interval is shorter, because a gateway may return the old token once more while it stores a new token.
const FIRST_REFUSAL_INTERVAL: Duration = Duration::from_secs(2);
/// A workspace and a provider.
pub(super) type Key<'a> = (&'a str, &'a str);

#[derive(Default)]
pub(super) struct Entries {
    /// The entries by provider, and then by workspace. A map with pairs as keys would need an allocation for each
    /// lookup.
    pub(super) providers: HashMap<Box<str>, HashMap<Box<str>, Entry>>,
    insertions: usize,
    /// The time of the last change to a tenant's token, by a hash of the tenant. Caching a resolved token does not count as
    /// a change.
    pub(super) changes: HashMap<u64, Instant>,
    /// The time of the last change to all tenants' tokens.
    all_changed: Option<Instant>,
}

pub(super) struct Entry {
    pub(super) token: Arc<CachedToken>,
    /// The time of the request for the token. An older token never replaces a newer one.
    requested: Instant,
    /// The time until which the token is used without asking the gateway.
    fresh_until: Now,
    /// The time until which the token may be used if the gateway returns no newer token.
    usable_until: Now,
    /// True once a caller has asked for a newer token because this token was stale.
    was_stale: bool,
    /// The time until which a caller whose token was refused does not ask the gateway.
    next_refusal: Option<Instant>,
}

impl Entry {
    /// Returns `None` if the token has expired. Its life counts from the time at which it was requested. The token is
    /// fresh for at least `grace`, also within the buffer.
    pub(super) fn new(
        token: Arc<CachedToken>,
        requested: Now,
        now: Now,
        buffer: Duration,
        grace: Duration,
    ) -> Option<Self> {
        let left = token.expires_at.duration_since(requested.wall).ok()?;
        let is_assumed = token.stated_expiry().is_none();
        let usable_until = requested.after(if is_assumed { MAX_ASSUMED_USE } else { left });
        let before_buffer = requested.after(left.saturating_sub(buffer));
        let short_use = now.after(grace);
        let entry = Self {
            token,
            requested: requested.mono,
            fresh_until: if short_use.is_before(before_buffer) {
                before_buffer
            } else {
                short_use
            },
            usable_until,
            was_stale: false,
            next_refusal: None,
        };
        (now.is_before(requested.after(left))).then_some(entry)
    }

    pub(super) fn is_usable(&self, now: Now) -> bool {
        now.is_before(self.usable_until)
    }

    pub(super) fn is_fresh(&self, now: Now) -> bool {
        now.is_before(self.fresh_until) && self.is_usable(now)
    }

    /// Makes a stale token fresh for a short time, in which one caller asks the gateway for a newer token. Returns true
    /// for the entry's first extension.
    pub(super) fn begin_renewal(&mut self, now: Now) -> bool {
        self.fresh_until = now.after(SHORT_USE);
        !std::mem::replace(&mut self.was_stale, true)
    }

    /// Returns whether the caller must ask the gateway for another token, because an upstream has refused `refused` with
    /// 401. If so, starts the interval in which later callers do not ask.
    pub(super) fn begin_replacement(&mut self, refused: &CachedToken, now: Now) -> bool {
        let is_soon = self.next_refusal.is_some_and(|next| now.mono < next);
        if is_soon || !self.token.same_credential(refused) {
            return false;
        }
        let is_first = self.next_refusal.is_none();
        let interval = if is_first {
            FIRST_REFUSAL_INTERVAL
        } else {
            REFUSAL_INTERVAL
        };
        self.next_refusal = Some(now.after(interval).mono);
        true
    }
}

impl Entries {
    pub(super) fn get_mut(&mut self, (workspace_id, provider): Key<'_>) -> Option<&mut Entry> {
        self.providers.get_mut(provider)?.get_mut(workspace_id)
    }

    fn hash(&self, key: Key<'_>) -> u64 {
        self.providers.hasher().hash_one(key)
    }

    /// Notes a change, so that a token of this tenant that is being requested is not cached. Reads the clock again, because
    /// the caller read it before it took the lock.
    pub(super) fn note_change(&mut self, key: Key<'_>) {
        if self.changes.len() >= MAX_TOKENS {
            // Forgetting a change could bring a deleted token back, so this counts as a change to all tokens.
            self.note_change_of_all();
        }
        self.changes.insert(self.hash(key), Instant::now());
    }

    fn note_change_of_all(&mut self) {
        self.all_changed = Some(Instant::now());
        self.changes.clear();
    }

    /// Returns true if no change to the tenant's token was noted at this time or later.
    pub(super) fn is_unchanged(&self, key: Key<'_>, since: Instant) -> bool {
        let changed = self.changes.get(&self.hash(key)).copied();
        changed
            .max(self.all_changed)
            .is_none_or(|changed| changed < since)
    }

    /// Returns true if the tenant has no token, or a token that was requested before this time.
    pub(super) fn is_older(&mut self, key: Key<'_>, requested: Now) -> bool {
        let newest = self.get_mut(key).map(|entry| entry.requested);
        newest.is_none_or(|newest| newest < requested.mono)
    }

    pub(super) fn delete(&mut self, key: Key<'_>) {
        self.note_change(key);
        drop(self.remove(key));
    }

    pub(super) fn clear(&mut self) {
        self.note_change_of_all();
        self.providers.clear();
    }

    /// Removes the tenant's entry, and inserts the new entry if there is one.
    pub(super) fn replace(&mut self, key: Key<'_>, entry: Option<Entry>, now: Now) {
        let old = self.remove(key);
        let Some(mut entry) = entry else { return };
        let same = old.filter(|old| old.token.same_credential(&entry.token));
        entry.next_refusal = same.and_then(|same| same.next_refusal);
        if self.insertions.is_multiple_of(PURGE_INTERVAL) {
            self.purge(now);
        }
        self.insertions = self.insertions.wrapping_add(1);
        let (workspace_id, provider) = key;
        let workspaces = self.providers.entry(provider.into()).or_default();
        workspaces.insert(workspace_id.into(), entry);
    }

    fn remove(&mut self, (workspace_id, provider): Key<'_>) -> Option<Entry> {
        self.providers.get_mut(provider)?.remove(workspace_id)
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
