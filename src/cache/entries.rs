//! What is under the cache: the tokens of tenants, who may put one there, and how room is made.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::sync::Mutex;
use crate::tenant::{Named, OwnedTenant, Tenant};
use crate::time::Now;
use crate::token::CachedToken;

/// How long a token that arrives within its buffer is kept, so that its last seconds cost a few
/// resolves: gateways hand the same token out until it has expired.
const GRACE: Duration = Duration::from_secs(5);
/// How long after it was received a token without a known expiry may stand in for a newer one.
const MAX_ASSUMED_USE: Duration = Duration::from_secs(3600);
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
    deleted: Option<Instant>,
}

/// A token, until when it is handed out, and for how long after that it may stand in for one that
/// cannot be had. The smaller it is, the quicker a hit in a full cache.
#[derive(Clone)]
pub(super) struct Stored {
    token: Arc<CachedToken>,
    fresh_until: Now,
    spare_for: Duration,
}

/// What those who wait for a token of one tenant together hold.
type Mark = Arc<()>;

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
pub struct TokenCache(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) buffer: Duration,
    pub(super) entries: Mutex<Entries>,
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
    /// The token of a tenant, if it is fresh at a moment that is passed in.
    pub(crate) fn fresh(&self, tenant: Tenant<'_>, now: Now) -> Option<Arc<CachedToken>> {
        let entries = self.0.entries.lock();
        let stored = entries.stored(tenant)?;
        stored.is_fresh(now).then(|| Arc::clone(&stored.token))
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
        self.cache.fresh(self.tenant.names(), now)
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

impl Inner {
    /// Until when to keep a token, or `None` for not at all. `grace` is what one within its buffer
    /// gets.
    pub(super) fn stored(
        &self,
        token: Arc<CachedToken>,
        at: Now,
        grace: Duration,
    ) -> Option<Stored> {
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

impl Stored {
    fn is_fresh(&self, now: Now) -> bool {
        now.is_before(self.fresh_until)
    }

    fn is_usable(&self, now: Now) -> bool {
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

    fn stored(&self, tenant: Tenant<'_>) -> Option<&Stored> {
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
    fn claim(&mut self, tenant: &OwnedTenant) -> Mark {
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
            .retain(|(claimed, _)| claimed.names() != tenant);
    }

    /// Puts what a claim has brought, unless the tenant's token was deleted or set meanwhile.
    fn put(&mut self, tenant: &OwnedTenant, mark: &Mark, stored: Option<Stored>, now: Now) {
        if self.mark(tenant).is_some_and(|own| Arc::ptr_eq(&own, mark)) {
            self.replace(tenant, stored, now);
        }
    }

    pub(super) fn set(&mut self, tenant: &OwnedTenant, stored: Option<Stored>, now: Now) {
        self.unclaim(tenant.names());
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
