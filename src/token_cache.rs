//! The cache: tokens by (workspace, provider), and who is resolving which.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Now, Received};
use crate::error::Result;
use crate::single_flight::{Flight, Outcome};
use crate::token::CachedToken;

/// How long before its expiry a token counts as expired.
const BUFFER: Duration = Duration::from_secs(30);
/// How long a token that arrives within its buffer is kept, so that its last seconds cost a few
/// resolves: gateways hand the same token out until it has expired.
const GRACE: Duration = Duration::from_secs(5);
/// The most tokens that a cache holds.
const CAPACITY: usize = 10_000;
/// The size at which expired tokens are first looked for.
const FIRST_PURGE: usize = 64;

type Landing = Flight<Result<Arc<CachedToken>>>;

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
    state: Mutex<State>,
}

struct State {
    /// Two levels rather than a map by pairs, so that a look-up needs no key made for it.
    workspaces: HashMap<Box<str>, HashMap<Box<str>, Slot>>,
    tokens: usize,
    purge_at: usize,
}

/// What is known of one key. A flight that is taken out of its slot still ends for those who wait,
/// but what it brings is not kept.
#[derive(Default)]
struct Slot {
    stored: Option<Stored>,
    flight: Option<Arc<Landing>>,
}

struct Stored {
    token: Arc<CachedToken>,
    fresh_until: Now,
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
        let state = State {
            workspaces: HashMap::new(),
            tokens: 0,
            purge_at: FIRST_PURGE,
        };
        Self(Arc::new(Inner {
            buffer,
            state: Mutex::new(state),
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
        self.0.state.lock().fresh(workspace_id, provider, now)
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
        let mut state = self.0.state.lock();
        state.remove(workspace_id, provider);
        if let Some(stored) = stored {
            state.insert(workspace_id, provider, stored, now);
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
        self.0.state.lock().remove(workspace_id, provider);
    }

    /// Drops every token, as [`delete`](Self::delete) does for one.
    ///
    /// ```
    /// let cache = nexus_sdk::TokenCache::new();
    /// cache.clear();
    /// assert!(cache.is_empty());
    /// ```
    pub fn clear(&self) {
        let mut state = self.0.state.lock();
        state.workspaces.clear();
        state.tokens = 0;
    }

    /// How many tokens are held, those included whose expiry nobody has noticed yet.
    ///
    /// ```
    /// assert_eq!(nexus_sdk::TokenCache::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.state.lock().tokens
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

    /// The token of this key, or what to do to get one.
    pub(crate) fn look_up(&self, workspace_id: &str, provider: &str, now: Now) -> Lookup {
        let mut state = self.0.state.lock();
        if let Some(token) = state.fresh(workspace_id, provider, now) {
            return Lookup::Hit(token);
        }
        let slot = state.slot(workspace_id, provider);
        if let Some(flight) = &slot.flight {
            return Lookup::Follow(Arc::clone(flight));
        }
        let flight = Arc::new(Flight::new());
        slot.flight = Some(Arc::clone(&flight));
        let key = (workspace_id.into(), provider.into());
        Lookup::Lead(Leader {
            cache: self.clone(),
            key,
            flight,
        })
    }

    /// Drops this very token, and no newer one that has taken its place.
    pub(crate) fn discard(&self, workspace_id: &str, provider: &str, token: &Arc<CachedToken>) {
        self.0
            .state
            .lock()
            .take_if(workspace_id, provider, |stored| {
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
    pub(crate) fn land(self, token: Arc<CachedToken>, received: Received) {
        let stored = self.cache.0.stored(Arc::clone(&token), received.at, GRACE);
        self.leave(stored);
        self.flight.end(Outcome::Landed(Ok(token)));
    }

    /// Ends the flight with an error for all who wait.
    pub(crate) fn fail(self, error: crate::error::NexusError) {
        self.leave(None);
        self.flight.end(Outcome::Landed(Err(error)));
    }

    /// Takes the flight out of its slot and leaves its result there, if the slot is still its own.
    fn leave(&self, stored: Option<Stored>) {
        let (workspace_id, provider) = &self.key;
        let mut state = self.cache.0.state.lock();
        let Some(slot) = state.existing(workspace_id, provider) else {
            return;
        };
        if !slot
            .flight
            .as_ref()
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight))
        {
            return;
        }
        slot.flight = None;
        match stored {
            Some(stored) => state.insert(workspace_id, provider, stored, Now::read()),
            None => state.drop_if_empty(workspace_id, provider),
        }
    }
}

impl Drop for Leader {
    /// A panic or an early return must not strand those who wait. After an end, both steps find
    /// nothing to do.
    fn drop(&mut self) {
        self.leave(None);
        self.flight.end(Outcome::Abandoned);
    }
}

impl Inner {
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

impl State {
    fn existing(&mut self, workspace_id: &str, provider: &str) -> Option<&mut Slot> {
        self.workspaces.get_mut(workspace_id)?.get_mut(provider)
    }

    fn slot(&mut self, workspace_id: &str, provider: &str) -> &mut Slot {
        let providers = self.workspaces.entry(workspace_id.into()).or_default();
        providers.entry(provider.into()).or_default()
    }

    fn fresh(&mut self, workspace_id: &str, provider: &str, now: Now) -> Option<Arc<CachedToken>> {
        let stored = self.existing(workspace_id, provider)?.stored.as_ref()?;
        if now.is_before(stored.fresh_until) {
            return Some(Arc::clone(&stored.token));
        }
        self.take_if(workspace_id, provider, |_| true);
        None
    }

    /// Drops the token of a key if it is the one meant; a flight stays.
    fn take_if(&mut self, workspace_id: &str, provider: &str, meant: impl Fn(&Stored) -> bool) {
        let Some(slot) = self.existing(workspace_id, provider) else {
            return;
        };
        if slot.stored.take_if(|stored| meant(stored)).is_some() {
            self.tokens = self.tokens.saturating_sub(1);
            self.drop_if_empty(workspace_id, provider);
        }
    }

    fn drop_if_empty(&mut self, workspace_id: &str, provider: &str) {
        let Some(providers) = self.workspaces.get_mut(workspace_id) else {
            return;
        };
        if providers.get(provider).is_some_and(Slot::is_empty) {
            providers.remove(provider);
        }
        if providers.is_empty() {
            self.workspaces.remove(workspace_id);
        }
    }

    /// Drops token and flight of a key.
    fn remove(&mut self, workspace_id: &str, provider: &str) {
        self.take_if(workspace_id, provider, |_| true);
        if let Some(slot) = self.existing(workspace_id, provider) {
            slot.flight = None;
            self.drop_if_empty(workspace_id, provider);
        }
    }

    fn insert(&mut self, workspace_id: &str, provider: &str, stored: Stored, now: Now) {
        if self.tokens >= self.purge_at {
            self.purge(now);
        }
        if self
            .slot(workspace_id, provider)
            .stored
            .replace(stored)
            .is_none()
        {
            self.tokens = self.tokens.saturating_add(1);
        }
    }

    /// Drops what has expired and, in a full cache, the sixteenth that expires soonest. Looks again
    /// when the cache has doubled, so that the cost of looking stays in proportion.
    fn purge(&mut self, now: Now) {
        self.retain(|stored| now.is_before(stored.fresh_until));
        if self.tokens >= CAPACITY {
            self.drop_soonest(CAPACITY / 16);
        }
        self.purge_at = self.tokens.saturating_mul(2).clamp(FIRST_PURGE, CAPACITY);
    }

    fn drop_soonest(&mut self, count: usize) {
        let mut ends: Vec<_> = self.all().map(|stored| stored.fresh_until.mono).collect();
        let last = ends.len().saturating_sub(1);
        let (_, end, _) = ends.select_nth_unstable(count.min(last));
        let (end, mut left) = (*end, count);
        self.retain(|stored| {
            let keep = left == 0 || stored.fresh_until.mono > end;
            left = left.saturating_sub(usize::from(!keep));
            keep
        });
    }

    fn all(&self) -> impl Iterator<Item = &Stored> {
        self.workspaces
            .values()
            .flat_map(HashMap::values)
            .filter_map(|slot| slot.stored.as_ref())
    }

    fn retain(&mut self, mut keep: impl FnMut(&Stored) -> bool) {
        for providers in self.workspaces.values_mut() {
            for slot in providers.values_mut() {
                slot.stored.take_if(|stored| !keep(stored));
            }
            providers.retain(|_, slot| !slot.is_empty());
        }
        self.workspaces.retain(|_, providers| !providers.is_empty());
        self.tokens = self.all().count();
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.stored.is_none() && self.flight.is_none()
    }
}
