//! The cache of tokens: a bounded map of slots, one for each workspace and provider.

mod slots;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use self::slots::{Key, Slots};
use crate::log::debug_only;
use crate::slot::{Asker, Outcome, Question, Reason, Slot, Want};
use crate::sync::Mutex;
use crate::tenant::Tenant;
use crate::time::Now;
use crate::token::CachedToken;

/// By default, the cache hides a token this long before its `expires_at`.
const BUFFER: Duration = Duration::from_secs(30);

/// A cache of tokens by workspace and provider, for any number of threads.
///
/// # Example
///
/// ```
/// use nexus_sdk::{CachedToken, TokenCache};
/// use std::time::{Duration, SystemTime};
///
/// let cache = TokenCache::new();
/// let token = |secs| {
///     let expires_at = SystemTime::now() + Duration::from_secs(secs);
///     CachedToken::new("t-1", "Bearer", expires_at)
/// };
/// cache.set("acme", "github", token(3600));
/// assert_eq!(cache.get("acme", "github").unwrap().access_token, "t-1");
/// cache.set("acme", "github", token(29));
/// assert!(cache.get("acme", "github").is_none(), "within the buffer of 30 seconds");
/// ```
///
/// # Details
///
/// A clone is a handle to the same cache. By default, [`get`](Self::get) stops returning a token 30 seconds (the
/// buffer) before its `expires_at`. The cache checks both the wall clock and the monotonic clock, and the earlier
/// expiry counts. The cache holds at most 10,000 tokens. To make room, it drops expired tokens first and, if that is
/// not enough, arbitrary other tokens. The key is the pair of workspace and provider (the tenant), so `("a:b", "c")`
/// is not `("a", "b:c")`. A token knows the gateway that returned it, and is missing for a client of another gateway.
///
/// The cache hides a token within its buffer, but keeps it until it expires. A client that needs such a token makes it
/// visible for 5 s, and asks the gateway for a newer token in the meantime (see
/// [`stale_if_error`](crate::NexusClientOptions::stale_if_error)).
///
/// No method does I/O or waits for I/O.
#[derive(Clone)]
#[must_use]
pub struct TokenCache {
    buffer: Duration,
    slots: Arc<Mutex<Slots>>,
}

// A panic poisons nothing: the locks of `parking_lot` know no poison, and no code that can panic runs while one is held.
impl UnwindSafe for TokenCache {}
impl RefUnwindSafe for TokenCache {}

/// A question for the gateway, and the slot that it is about. Whoever has the outcome reports it with [`done`](Self::done).
pub(crate) struct Ticket {
    pub(crate) cache: TokenCache,
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) question: Question,
}

/// The caches that a client has filled, without keeping them alive. When the client learns that a tenant's credential has
/// changed, it removes the old credential from all of them.
#[derive(Default)]
pub(crate) struct Caches(Mutex<Vec<Weak<Mutex<Slots>>>>);

impl TokenCache {
    /// Returns an empty cache with a buffer of 30 seconds.
    ///
    /// # Example
    ///
    /// ```
    /// assert_eq!(nexus_sdk::TokenCache::new().len(), 0);
    /// ```
    pub fn new() -> Self {
        Self::with_buffer(BUFFER)
    }

    /// Returns an empty cache that hides a token this long before its `expires_at`.
    ///
    /// If the gateway returns a token that is already within the buffer, the token is used for up to 5 s
    /// before the gateway is asked again. Without these 5 s, every call near the end of a token's life
    /// would ask the gateway.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let cache = TokenCache::with_buffer(Duration::ZERO);
    /// let soon = SystemTime::now() + Duration::from_secs(20);
    /// cache.set("acme", "github", CachedToken::new("t", "Bearer", soon));
    /// assert!(cache.get("acme", "github").is_some());
    /// ```
    pub fn with_buffer(buffer: Duration) -> Self {
        Self {
            buffer,
            slots: Arc::default(),
        }
    }

    /// Returns the tenant's token. Returns `None` if the cache has no token for the tenant, or if the token has expired or
    /// is within its buffer.
    ///
    /// A token within its buffer is returned in two cases only: for up to 5 s after the gateway has returned it, and for
    /// up to 5 s after a client has begun to ask the gateway for a newer token. In the second case, a token without a
    /// stated expiry can be returned for up to an hour after it was requested, because its `expires_at` is only an
    /// assumption.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// # use std::time::{Duration, SystemTime};
    ///
    /// # let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// let cache = TokenCache::new();
    /// cache.set("acme", "github", CachedToken::new("t-1", "Bearer", in_an_hour));
    /// assert_eq!(cache.get("acme", "github").unwrap().access_token, "t-1");
    /// assert!(cache.get("acme", "slack").is_none());
    /// ```
    #[must_use]
    pub fn get(&self, workspace_id: &str, provider: &str) -> Option<Arc<CachedToken>> {
        self.fresh((workspace_id, provider), None, Now::read())
    }

    /// Puts a token into the cache, and replaces the tenant's old token.
    ///
    /// An expired token is not kept, and a token within its buffer is hidden from [`get`](Self::get). A resolve
    /// that is already under way does not overwrite the token.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let cache = TokenCache::new();
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// cache.set("acme", "weather", CachedToken::new("k-1", "api_key", in_an_hour).header("X-API-Key", ""));
    /// assert_eq!(cache.len(), 1);
    /// ```
    pub fn set(&self, workspace_id: &str, provider: &str, token: impl Into<Arc<CachedToken>>) {
        self.set_at((workspace_id, provider), token.into(), Now::read());
    }

    /// Removes the tenant's token.
    ///
    /// Callers that wait for a resolve of the tenant still get its token, but the token is not put into this cache.
    /// Later callers with this cache wait until that resolve has ended, and then resolve the token again.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// # use std::time::{Duration, SystemTime};
    ///
    /// # let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// let cache = TokenCache::new();
    /// cache.set("acme", "github", CachedToken::new("t-1", "Bearer", in_an_hour));
    /// cache.delete("acme", "github");
    /// assert!(cache.get("acme", "github").is_none());
    /// ```
    pub fn delete(&self, workspace_id: &str, provider: &str) {
        let mut slots = self.slots.lock();
        let slot = Slot::empty(Some(Instant::now()));
        slots.insert((workspace_id, provider), slot, Now::read());
    }

    /// Removes all tokens, each as [`delete`](Self::delete) does.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// # use std::time::{Duration, SystemTime};
    ///
    /// # let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// let cache = TokenCache::new();
    /// cache.set("acme", "github", CachedToken::new("t-1", "Bearer", in_an_hour));
    /// cache.clear();
    /// assert!(cache.is_empty());
    /// ```
    pub fn clear(&self) {
        self.slots.lock().clear();
    }

    /// Returns the number of tokens that [`get`](Self::get) would return. Takes time in proportion to the size of the
    /// cache.
    ///
    /// # Example
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// # use std::time::{Duration, SystemTime};
    ///
    /// # let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// let cache = TokenCache::new();
    /// cache.set("acme", "github", CachedToken::new("t-1", "Bearer", in_an_hour));
    /// assert_eq!(cache.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.len_at(Now::read())
    }

    /// Returns whether [`len`](Self::len) is zero.
    ///
    /// # Example
    ///
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len_at(&self, now: Now) -> usize {
        let slots = self.slots.lock();
        slots
            .iter()
            .filter(|slot| slot.fresh(None, now).is_some())
            .count()
    }

    /// Returns a token that can be used without asking the gateway. With a `gateway`, a token from another gateway is
    /// missing.
    pub(crate) fn fresh(
        &self,
        key: Key<'_>,
        gateway: Option<&Arc<str>>,
        now: Now,
    ) -> Option<Arc<CachedToken>> {
        let slots = self.slots.lock();
        slots.get(key)?.fresh(gateway, now).cloned()
    }

    pub(crate) fn set_at(&self, key: Key<'_>, token: Arc<CachedToken>, now: Now) {
        let mut slots = self.slots.lock();
        // The caller read the clock before it took the lock. A request may have begun since.
        let slot = Slot::set(token, self.buffer, now, Instant::now());
        slots.insert(key, slot, now);
    }

    /// Decides what a caller does to get the tenant's token.
    pub(crate) fn want(&self, tenant: &Tenant, reason: &Reason, asker: &Asker, now: Now) -> Want {
        let mut slots = self.slots.lock();
        let key = slots::key(tenant);
        if let Some(slot) = slots.get_mut(key) {
            return slot.want(reason, asker, now);
        }
        let mut new_slot = slots.empty_slot();
        let want = new_slot.want(reason, asker, now);
        slots.insert(key, new_slot, now);
        want
    }
}

impl Ticket {
    /// Puts the outcome into the slot, unless the slot has changed since it handed out the ticket.
    pub(crate) fn done(&self, outcome: Outcome, now: Now) {
        let mut slots = self.cache.slots.lock();
        if let Some(slot) = slots.get_mut(slots::key(&self.tenant)) {
            slot.done(&self.question, outcome, self.cache.buffer, now);
        }
    }

    /// Returns whether the slot is as it was when it handed out the ticket. Otherwise the caller looks at the slot again.
    pub(crate) fn is_open(&self) -> bool {
        let slots = self.cache.slots.lock();
        let slot = slots.get(slots::key(&self.tenant));
        slot.is_some_and(|slot| slot.is_open(&self.question))
    }
}

impl Caches {
    pub(crate) fn add(&self, cache: &TokenCache) {
        let mut caches = self.0.lock();
        caches.retain(|slots| slots.strong_count() > 0);
        let added = Arc::downgrade(&cache.slots);
        if !caches.iter().any(|slots| slots.ptr_eq(&added)) {
            caches.push(added);
        }
    }

    /// Removes the tokens of this workspace and provider, whatever the case of the provider's name. `None` stands for all.
    pub(crate) fn remove(&self, workspace_id: Option<&str>, provider: Option<&str>) {
        self.for_each(|slots| slots.empty_matching(workspace_id, provider));
    }

    /// Removes the token of exactly this workspace and provider.
    pub(crate) fn remove_exactly(&self, workspace_id: &str, provider: &str) {
        self.for_each(|slots| slots.empty((workspace_id, provider)));
    }

    fn for_each(&self, change: impl Fn(&mut Slots)) {
        for slots in self.0.lock().iter().filter_map(Weak::upgrade) {
            change(&mut slots.lock());
        }
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}

debug_only!(TokenCache: buffer);

#[cfg(test)]
mod tests;
