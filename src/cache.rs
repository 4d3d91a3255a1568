//! The cache of tokens by workspace and provider. A token is fresh, stale or missing.

mod entries;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::entries::{Entries, Entry, Key, SHORT_USE};
use crate::error::{self, Result};
use crate::log::debug_only;
use crate::sync::Mutex;
use crate::time::Now;
use crate::token::CachedToken;

/// By default, the cache hides a token this long before its `expires_at`.
const BUFFER: Duration = Duration::from_secs(30);

/// A cache of tokens by workspace and provider, for any number of threads.
///
/// A clone is a handle to the same cache. By default, [`get`](Self::get) stops returning a token 30 seconds (the
/// buffer) before its `expires_at`. The cache checks both the wall clock and the monotonic clock, and the earlier
/// expiry counts. The cache holds at most 10,000 tokens. To make room, it drops expired tokens first and, if that is
/// not enough, arbitrary other tokens. The key is the pair of workspace and provider (the tenant), so `("a:b", "c")`
/// is not `("a", "b:c")`. The key does not include the gateway, so use a separate cache for each gateway.
///
/// The cache hides a token within its buffer, but keeps it until it expires. A client that needs such a token makes it
/// visible for 5 s, and asks the gateway for a newer token in the meantime (see
/// [`stale_if_error`](crate::NexusClientOptions::stale_if_error)).
///
/// No method does I/O or waits for I/O.
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
#[must_use]
pub struct TokenCache {
    buffer: Duration,
    entries: Arc<Mutex<Entries>>,
}

/// The result of a lookup in a cache.
pub(crate) enum Lookup {
    Fresh(Arc<CachedToken>),
    /// The token may still be used, but is within its buffer or past an expiry that was only assumed. This caller must ask
    /// the gateway for a newer token. In the next 5 s, the cache gives the token as fresh.
    Stale {
        /// True for the first caller that finds the token stale since it was last put into the cache.
        is_first: bool,
    },
    Missing,
}

/// A workspace and a provider. `("a:b", "c")` and `("a", "b:c")` are different tenants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tenant {
    pub(crate) workspace_id: Box<str>,
    pub(crate) provider: Box<str>,
}

impl Tenant {
    pub(crate) fn new(workspace_id: &str, provider: &str) -> Self {
        Self {
            workspace_id: workspace_id.into(),
            provider: provider.into(),
        }
    }

    /// Returns the tenant with these names.
    ///
    /// # Errors
    ///
    /// `invalid_input` for a blank name.
    pub(crate) fn checked(workspace_id: &str, provider: &str) -> Result<Arc<Self>> {
        error::not_blank("workspace_id", workspace_id)?;
        error::not_blank("provider", provider)?;
        Ok(Arc::new(Self::new(workspace_id, provider)))
    }

    pub(crate) fn key(&self) -> Key<'_> {
        (&self.workspace_id, &self.provider)
    }
}

impl TokenCache {
    /// Returns an empty cache with a buffer of 30 seconds.
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
            entries: Arc::default(),
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
        self.get_at((workspace_id, provider), Now::read())
    }

    /// Puts a token into the cache, and replaces the tenant's old token.
    ///
    /// An expired token is not kept, and a token within its buffer is hidden from [`get`](Self::get). A resolve
    /// that is already under way does not overwrite the token.
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
        self.entries.lock().delete((workspace_id, provider));
    }

    /// Removes all tokens, each as [`delete`](Self::delete) does.
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
        self.entries.lock().clear();
    }

    /// Returns the number of tokens that [`get`](Self::get) would return. Takes time in proportion to the size of the
    /// cache.
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
    /// ```
    /// assert!(nexus_sdk::TokenCache::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len_at(&self, now: Now) -> usize {
        let entries = self.entries.lock();
        let entries = entries.providers.values().flat_map(HashMap::values);
        entries.filter(|entry| entry.is_fresh(now)).count()
    }

    pub(crate) fn get_at(&self, key: Key<'_>, now: Now) -> Option<Arc<CachedToken>> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(key)?;
        entry.is_fresh(now).then(|| Arc::clone(&entry.token))
    }

    /// Looks a token up for a client. A caller that finds the token stale must ask the gateway. Unless `use_stale` is
    /// set, a stale token counts as missing.
    pub(crate) fn lookup(&self, tenant: &Tenant, use_stale: bool, now: Now) -> Lookup {
        let mut entries = self.entries.lock();
        match entries.get_mut(tenant.key()) {
            Some(entry) if entry.is_fresh(now) => Lookup::Fresh(Arc::clone(&entry.token)),
            Some(entry) if use_stale && entry.is_usable(now) => {
                let is_first = entry.begin_renewal(now);
                Lookup::Stale { is_first }
            }
            _ => Lookup::Missing,
        }
    }

    pub(crate) fn set_at(&self, key: Key<'_>, token: Arc<CachedToken>, now: Now) {
        let entry = Entry::new(token, now, now, self.buffer, Duration::ZERO);
        let mut entries = self.entries.lock();
        entries.note_change(key);
        entries.replace(key, entry, now);
    }

    /// Replaces the tenant's token with the gateway's token, or removes it if `token` is `None`. Does nothing if the
    /// tenant's token was set or deleted since `begun`, the time at which the call to the gateway began. Also does
    /// nothing if the cached token was requested after `requested` or at the same time.
    pub(crate) fn update(
        &self,
        tenant: &Tenant,
        token: Option<Arc<CachedToken>>,
        requested: Now,
        now: Now,
        begun: Instant,
    ) {
        let (key, buffer) = (tenant.key(), self.buffer);
        let mut entries = self.entries.lock();
        if entries.is_unchanged(key, begun) && entries.is_older(key, requested) {
            let entry =
                token.and_then(|token| Entry::new(token, requested, now, buffer, SHORT_USE));
            entries.replace(key, entry, now);
        }
    }

    /// Returns the token to use after an upstream has refused `refused` with 401: the token that has replaced it, or the
    /// same token if the gateway was asked about it a short time ago. Returns `None` if the caller must ask the gateway.
    pub(crate) fn after_refusal(
        &self,
        tenant: &Tenant,
        refused: &CachedToken,
        now: Now,
    ) -> Option<Arc<CachedToken>> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(tenant.key())?;
        let is_used = entry.is_usable(now) && !entry.begin_replacement(refused, now);
        is_used.then(|| Arc::clone(&entry.token))
    }

    /// Returns true if the tenant's token was neither set nor deleted at this time or later. Caching a resolved token,
    /// or removing a token that the gateway has refused, does not count.
    pub(crate) fn is_unchanged(&self, tenant: &Tenant, since: Instant) -> bool {
        self.entries.lock().is_unchanged(tenant.key(), since)
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
