//! The cache: tokens by workspace and provider.

mod entries;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::entries::{Entries, Mark, Stored};
use crate::clock::Now;
use crate::sync::Mutex;
use crate::tenant::{OwnedTenant, Tenant};
use crate::token::CachedToken;

/// How long before its expiry a token counts as expired.
const BUFFER: Duration = Duration::from_secs(30);
/// How long a token that arrives within its buffer is kept, so that its last seconds cost a few
/// resolves: gateways hand the same token out until it has expired.
const GRACE: Duration = Duration::from_secs(5);
/// How long after it was received a token without a known expiry may stand in for a newer one.
const MAX_ASSUMED_USE: Duration = Duration::from_secs(3600);

/// Tokens by workspace and provider, for any number of threads.
///
/// A clone is a handle to the same cache. A token counts as expired 30 seconds (the buffer) before
/// its `expires_at`, by the wall clock or the monotonic one, whichever says so first. At most
/// 10,000 tokens are held; those that expire soonest make room. The key is the pair, so
/// `("a:b", "c")` is not `("a", "b:c")`. It does not name the gateway: give clients of different
/// gateways a cache each.
///
/// A token within its buffer is no longer seen here, but kept until it has really expired: a client
/// goes on with it while the gateway cannot be reached (see
/// [`stale_if_error`](crate::NexusClientOptions::stale_if_error)).
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
///     CachedToken::new("t-1", "Bearer", expires_at)
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
    entries: Mutex<Entries>,
}

/// What a cache has for a tenant.
pub(crate) enum Lookup {
    /// A token to use.
    Fresh(Arc<CachedToken>),
    /// One that has not expired yet, to be used only if there is no newer one to be had.
    Spare(Arc<CachedToken>),
    Nothing,
}

/// The right to put a token here that is being asked for. A delete, set or clear meanwhile ends it.
pub(crate) struct Claim {
    cache: TokenCache,
    tenant: OwnedTenant,
    mark: Mark,
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

    /// An empty cache in which a token counts as expired this long before its `expires_at`. One that
    /// the gateway hands out within that time is used for 5 s, so that its end costs few resolves.
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
    #[must_use]
    pub fn with_buffer(buffer: Duration) -> Self {
        Self(Arc::new(Inner {
            buffer,
            entries: Mutex::new(Entries::new()),
        }))
    }

    /// The token of this key, if there is one that is fresh.
    ///
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().get("acme", "github").is_none());
    /// ```
    #[must_use]
    pub fn get(&self, workspace_id: &str, provider: &str) -> Option<Arc<CachedToken>> {
        self.fresh(Tenant::new(workspace_id, provider), Now::read())
    }

    /// The same, at a moment that is passed in.
    pub(crate) fn fresh(&self, tenant: Tenant<'_>, now: Now) -> Option<Arc<CachedToken>> {
        let entries = self.0.entries.lock();
        let stored = entries.stored(tenant)?;
        stored.is_fresh(now).then(|| Arc::clone(&stored.token))
    }

    /// Puts a token under this key; one that has expired is not kept, and one within the buffer is not
    /// seen by [`get`](Self::get). A resolve under way does not overwrite it.
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
        let tenant = Tenant::new(workspace_id, provider);
        self.set_at(tenant, token.into(), Now::read());
    }

    fn set_at(&self, tenant: Tenant<'_>, token: Arc<CachedToken>, now: Now) {
        let stored = self.0.stored(token, now, Duration::ZERO);
        self.0.entries.lock().set(&tenant.to_owned(), stored, now);
    }

    /// Drops the token of this key. A resolve under way still brings those who wait for it their
    /// token, but that is not cached.
    ///
    /// ```
    /// let cache = nexus_sdk::TokenCache::new();
    /// cache.delete("acme", "github");
    /// assert!(cache.get("acme", "github").is_none());
    /// ```
    pub fn delete(&self, workspace_id: &str, provider: &str) {
        let tenant = Tenant::new(workspace_id, provider);
        self.0.entries.lock().delete(tenant, Instant::now());
    }

    /// Drops every token, as [`delete`](Self::delete) does for one.
    ///
    /// ```
    /// let cache = nexus_sdk::TokenCache::new();
    /// cache.clear();
    /// assert!(cache.is_empty());
    /// ```
    pub fn clear(&self) {
        self.0.entries.lock().clear(Instant::now());
    }

    /// How many fresh tokens are held. Looks at each, unlike the other methods.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::TokenCache::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.len_at(Now::read())
    }

    fn len_at(&self, now: Now) -> usize {
        self.0.entries.lock().fresh(now)
    }

    /// Whether no fresh tokens are held.
    ///
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn look_up(&self, tenant: Tenant<'_>, now: Now) -> Lookup {
        let entries = self.0.entries.lock();
        match entries.stored(tenant) {
            Some(stored) if stored.is_fresh(now) => Lookup::Fresh(Arc::clone(&stored.token)),
            Some(stored) if stored.is_usable(now) => Lookup::Spare(Arc::clone(&stored.token)),
            _ => Lookup::Nothing,
        }
    }

    /// Claims the place of a token that is about to be asked for.
    pub(crate) fn claim(&self, tenant: &OwnedTenant) -> Claim {
        Claim {
            mark: self.0.entries.lock().claim(tenant),
            cache: self.clone(),
            tenant: tenant.clone(),
        }
    }

    /// Deletes this very token, and not a newer one that has taken its place.
    pub(crate) fn discard(&self, tenant: Tenant<'_>, token: &Arc<CachedToken>) {
        let mut entries = self.0.entries.lock();
        let stored = entries.stored(tenant);
        if stored.is_some_and(|stored| Arc::ptr_eq(&stored.token, token)) {
            entries.delete(tenant, Instant::now());
        }
    }
}

impl Claim {
    /// Puts the token into the cache, if it was asked for after the last delete.
    pub(crate) fn keep(&self, token: Arc<CachedToken>, at: Now) {
        let stored = self.cache.0.stored(token, at, GRACE);
        let mut entries = self.cache.0.entries.lock();
        entries.put(&self.tenant, &self.mark, stored, at);
    }

    /// Drops the token that is here: the gateway has said that there is none.
    pub(crate) fn refuse(&self) {
        let mut entries = self.cache.0.entries.lock();
        entries.put(&self.tenant, &self.mark, None, Now::read());
    }

    /// The token that is here, if it is fresh.
    pub(crate) fn fresh(&self, now: Now) -> Option<Arc<CachedToken>> {
        self.cache.fresh(self.tenant.as_tenant(), now)
    }

    pub(crate) fn is_of_cache(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cache.0, &other.cache.0)
    }

    /// Whether no delete lies between the two, which are of one cache.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mark, &other.mark)
    }

    /// Whether what was asked for at `began` may have been deleted since. It looks at the whole cache,
    /// since it is asked only of one that comes to a flight later than others.
    pub(crate) fn may_be_deleted_since(&self, began: Instant) -> bool {
        let deleted = self.cache.0.entries.lock().deleted;
        deleted.is_some_and(|deleted| deleted >= began)
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

impl Inner {
    /// Until when to keep a token, or `None` for not at all. `grace` is what one within its buffer
    /// gets.
    fn stored(&self, token: Arc<CachedToken>, at: Now, grace: Duration) -> Option<Stored> {
        let left = token.expires_at.duration_since(at.wall).ok()?;
        let fresh = match left.checked_sub(self.buffer).filter(|keep| !keep.is_zero()) {
            Some(keep) => keep,
            None => left.min(grace),
        };
        let usable = if token.assumed_expiry == Some(token.expires_at) {
            MAX_ASSUMED_USE
        } else {
            left
        };
        (!left.is_zero()).then(|| Stored {
            token,
            fresh_until: at.after(fresh),
            spare_for: usable.saturating_sub(fresh),
        })
    }
}

#[cfg(test)]
mod tests;
