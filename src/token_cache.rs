//! The cache: tokens by (workspace, provider), and who is resolving which.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::{Now, Received};
use crate::error::{NexusError, Result};
use crate::single_flight::Outcome;
use crate::slots::{Landing, Slots, Stored};
use crate::sync::{AtomicU64, Mutex, MutexGuard};
use crate::token::CachedToken;

/// How long before its expiry a token counts as expired.
const BUFFER: Duration = Duration::from_secs(30);
/// How long a token that arrives within its buffer is kept, so that its last seconds cost a few
/// resolves: gateways hand the same token out until it has expired.
const GRACE: Duration = Duration::from_secs(5);

/// Tokens by workspace and provider, for any number of threads.
///
/// A clone is a handle to the same cache. A token counts as expired 30 seconds (the buffer) before
/// its `expires_at`, by the wall clock or the monotonic one, whichever says so first, and is
/// dropped when that is noticed. At most 10,000 tokens are held; those that expire soonest make
/// room. The key is the pair, so `("a:b", "c")` is not `("a", "b:c")`. It does not name the
/// gateway: give clients of different gateways a cache each.
///
/// No call does I/O or waits for one; each takes one short lock.
///
/// ```
/// use nexus_sdk::{CachedToken, TokenCache};
/// use std::time::{Duration, SystemTime};
///
/// let cache = TokenCache::new();
/// let token = |secs| {
///     let expires_at = SystemTime::now() + Duration::from_secs(secs);
///     CachedToken::new("t-1", "Bearer", expires_at, "Authorization", "Bearer ")
/// };
/// cache.set("acme", "github", token(3600));
/// assert_eq!(cache.get("acme", "github").unwrap().access_token, "t-1");
/// cache.set("acme", "github", token(29));
/// assert!(cache.get("acme", "github").is_none(), "within the buffer of 30 seconds");
/// ```
#[derive(Clone)]
pub struct TokenCache(Arc<Inner>);

struct Inner {
    buffer: Duration,
    slots: Mutex<Slots>,
    /// Counts the changes of `slots`, for those who remember what they saw there.
    version: AtomicU64,
}

/// What was seen of a key, and when.
pub(crate) struct Seen {
    version: u64,
    stored: Stored,
}

/// What a caller who wants a token is to do.
pub(crate) enum Lookup {
    /// Use this one.
    Hit(Arc<CachedToken>),
    /// Ask the gateway, and end the flight with what it said.
    Lead(Leader),
    /// Wait for the thread that is asking.
    Follow(Arc<Landing>),
}

/// The duty to end a flight; dropped without an end, it abandons it.
pub(crate) struct Leader {
    cache: TokenCache,
    key: (Box<str>, Box<str>),
    flight: Arc<Landing>,
    stored: Option<Stored>,
    outcome: Outcome<Result<Arc<CachedToken>>>,
}

impl TokenCache {
    /// An empty cache with a buffer of 30 seconds.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::TokenCache::new().len(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_buffer(BUFFER)
    }

    /// An empty cache in which a token counts as expired this long before its `expires_at`.
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let cache = TokenCache::with_buffer(Duration::ZERO);
    /// let soon = SystemTime::now() + Duration::from_secs(20);
    /// cache.set("acme", "github", CachedToken::new("t", "Bearer", soon, "Authorization", "Bearer "));
    /// assert!(cache.get("acme", "github").is_some());
    /// ```
    #[must_use]
    pub fn with_buffer(buffer: Duration) -> Self {
        Self(Arc::new(Inner {
            buffer,
            slots: Mutex::new(Slots::new()),
            version: AtomicU64::new(0),
        }))
    }

    /// The token of this key, if there is one that is fresh.
    ///
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().get("acme", "github").is_none());
    /// ```
    #[must_use]
    pub fn get(&self, workspace_id: &str, provider: &str) -> Option<Arc<CachedToken>> {
        self.get_at(workspace_id, provider, Now::read())
    }

    fn get_at(&self, workspace_id: &str, provider: &str, now: Now) -> Option<Arc<CachedToken>> {
        self.0.slots.lock().fresh(workspace_id, provider, now)
    }

    /// Puts a token under this key; one that is expired, or within the buffer, is not kept. A
    /// resolve in flight does not overwrite it.
    ///
    /// ```
    /// use nexus_sdk::{CachedToken, TokenCache};
    /// use std::time::{Duration, SystemTime};
    ///
    /// let cache = TokenCache::new();
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// cache.set("acme", "weather", CachedToken::new("k-1", "api_key", in_an_hour, "X-API-Key", ""));
    /// assert_eq!(cache.len(), 1);
    /// ```
    pub fn set(&self, workspace_id: &str, provider: &str, token: impl Into<Arc<CachedToken>>) {
        self.set_at(workspace_id, provider, token.into(), Now::read());
    }

    fn set_at(&self, workspace_id: &str, provider: &str, token: Arc<CachedToken>, now: Now) {
        let stored = self.0.stored(token, now, Duration::ZERO);
        let mut slots = self.0.change();
        slots.remove(workspace_id, provider);
        if let Some(stored) = stored {
            slots.insert(workspace_id, provider, stored, now);
        }
    }

    /// Drops the token of this key. A resolve in flight still answers those who wait for it, but
    /// its result is not cached.
    ///
    /// ```
    /// let cache = nexus_sdk::TokenCache::new();
    /// cache.delete("acme", "github");
    /// assert!(cache.get("acme", "github").is_none());
    /// ```
    pub fn delete(&self, workspace_id: &str, provider: &str) {
        self.0.change().remove(workspace_id, provider);
    }

    /// Drops every token, as [`delete`](Self::delete) does for one.
    ///
    /// ```
    /// let cache = nexus_sdk::TokenCache::new();
    /// cache.clear();
    /// assert!(cache.is_empty());
    /// ```
    pub fn clear(&self) {
        self.0.change().clear();
    }

    /// How many tokens are held, those included whose expiry nobody has noticed yet.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::TokenCache::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slots.lock().len()
    }

    /// Whether no tokens are held.
    ///
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token of this key. As long as the cache does not change, what was seen of it last
    /// answers without a look-up.
    pub(crate) fn get_again(
        &self,
        workspace_id: &str,
        provider: &str,
        seen: &mut Option<Seen>,
        now: Now,
    ) -> Option<Arc<CachedToken>> {
        let version = self.0.version.load(Ordering::Acquire);
        if seen.as_ref().is_none_or(|seen| seen.version != version) {
            *seen = self.see(workspace_id, provider);
        }
        let stored = &seen.as_ref()?.stored;
        now.is_before(stored.fresh_until)
            .then(|| Arc::clone(&stored.token))
    }

    fn see(&self, workspace_id: &str, provider: &str) -> Option<Seen> {
        let mut slots = self.0.slots.lock();
        let stored = slots.stored(workspace_id, provider)?.clone();
        let version = self.0.version.load(Ordering::Relaxed);
        Some(Seen { version, stored })
    }

    /// The token of this key, or what to do to get one.
    pub(crate) fn look_up(&self, workspace_id: &str, provider: &str, now: Now) -> Lookup {
        let mut slots = self.0.slots.lock();
        if let Some(token) = slots.fresh(workspace_id, provider, now) {
            return Lookup::Hit(token);
        }
        match slots.join(workspace_id, provider) {
            Ok(flight) => Lookup::Follow(flight),
            Err(flight) => Lookup::Lead(Leader {
                cache: self.clone(),
                key: (workspace_id.into(), provider.into()),
                flight,
                stored: None,
                outcome: Outcome::Abandoned,
            }),
        }
    }

    /// How many threads fly or wait for a key's flight.
    #[cfg(test)]
    pub(crate) fn on_board(&self, workspace_id: &str, provider: &str) -> usize {
        self.0.slots.lock().on_board(workspace_id, provider)
    }

    /// Drops this very token, and no newer one that has taken its place.
    pub(crate) fn discard(&self, workspace_id: &str, provider: &str, token: &Arc<CachedToken>) {
        self.0.change().take_if(workspace_id, provider, |stored| {
            Arc::ptr_eq(&stored.token, token)
        });
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("buffer", &self.0.buffer)
            .finish_non_exhaustive()
    }
}

impl Leader {
    /// Ends the flight with a token off the gateway, and caches it if the key was not deleted or
    /// set meanwhile.
    pub(crate) fn land(mut self, token: Arc<CachedToken>, received: Received) {
        self.stored = self.cache.0.stored(Arc::clone(&token), received.at, GRACE);
        self.outcome = Outcome::Landed(Ok(token));
    }

    /// Ends the flight with an error for all who wait.
    pub(crate) fn fail(mut self, error: NexusError) {
        self.outcome = Outcome::Landed(Err(error));
    }
}

impl Drop for Leader {
    /// Every flight ends here, so that a panic or an early return strands nobody who waits.
    fn drop(&mut self) {
        let (workspace_id, provider) = &self.key;
        let stored = self.stored.take();
        let mut slots = self.cache.0.change();
        slots.leave(workspace_id, provider, &self.flight, stored);
        drop(slots);
        let outcome = mem::replace(&mut self.outcome, Outcome::Abandoned);
        self.flight.end(outcome);
    }
}

impl Inner {
    /// The slots, to change what a look-up finds there other than by its expiry.
    fn change(&self) -> MutexGuard<'_, Slots> {
        let slots = self.slots.lock();
        self.version.fetch_add(1, Ordering::Release);
        slots
    }

    /// Until when to keep a token, or `None` for not at all. `grace` is what one within its buffer
    /// gets.
    fn stored(&self, token: Arc<CachedToken>, at: Now, grace: Duration) -> Option<Stored> {
        let left = token.expires_at.duration_since(at.wall).ok()?;
        let keep = match left.checked_sub(self.buffer).filter(|keep| !keep.is_zero()) {
            Some(keep) => keep,
            None => left.min(grace),
        };
        (!keep.is_zero()).then(|| Stored {
            token,
            fresh_until: at.after(keep),
        })
    }
}

#[cfg(test)]
mod tests;
