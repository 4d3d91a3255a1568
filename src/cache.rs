//! The cache as its users see it: tokens by workspace and provider.

mod entries;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::entries::{Entries, Inner};
use crate::sync::Mutex;
use crate::tenant::Tenant;
use crate::time::Now;
use crate::token::CachedToken;

pub use self::entries::TokenCache;
pub(crate) use self::entries::{Claim, Lookup};

/// How long before its expiry a token counts as expired.
const BUFFER: Duration = Duration::from_secs(30);

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

#[cfg(test)]
mod tests;
