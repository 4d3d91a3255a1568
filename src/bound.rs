//! One key of a cache, for those who ask for it again and again.

use std::array;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::clock::{Deadline, Now};
use crate::error::Result;
use crate::gateway::Gateway;
use crate::resolve::{self, Source, Tenant};
use crate::sync::Mutex;
use crate::token::CachedToken;
use crate::token_cache::{Seen, TokenCache};

/// In how many lanes threads look, so that few of them wait for one another.
const LANES: usize = 8;

thread_local! {
    /// The lane of this thread: they take turns as they start.
    static LANE: usize = {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        STARTED.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

/// What threads saw last. A line of the processor's cache has no two of them.
#[repr(align(64))]
struct Lane(Mutex<Option<Seen>>);

/// A workspace and provider of a cache, and what was last seen there: a hit takes one lock, which
/// is not the cache's own, and no look-up. A clone is a handle to the same.
#[derive(Clone)]
pub(crate) struct Bound {
    cache: TokenCache,
    workspace_id: Arc<str>,
    provider: Arc<str>,
    /// Whether a name is blank; then nothing is a hit, and a miss says so.
    blank: bool,
    lanes: Arc<[Lane; LANES]>,
}

impl Bound {
    pub(crate) fn new(cache: TokenCache, tenant: Tenant<'_>) -> Self {
        Self {
            cache,
            workspace_id: tenant.workspace_id.into(),
            provider: tenant.provider.into(),
            blank: tenant.check().is_err(),
            lanes: Arc::new(array::from_fn(|_| Lane(Mutex::new(None)))),
        }
    }

    pub(crate) fn tenant(&self) -> Tenant<'_> {
        Tenant {
            workspace_id: &self.workspace_id,
            provider: &self.provider,
        }
    }

    /// The token of the cache, if it is fresh.
    pub(crate) fn get(&self, now: Now) -> Option<Arc<CachedToken>> {
        if self.blank {
            return None;
        }
        let lane = self.lanes.get(LANE.with(|lane| *lane))?;
        let mut seen = lane.0.lock();
        self.cache
            .get_again(&self.workspace_id, &self.provider, &mut seen, now)
    }

    /// As [`resolve::cached`]; a hit needs no deadline, and so none of the clock that one is made
    /// from.
    pub(crate) fn cached(
        &self,
        gateway: &Gateway,
        deadline: impl FnOnce() -> Deadline,
    ) -> Result<(Arc<CachedToken>, Source)> {
        if let Some(token) = self.get(Now::read()) {
            return Ok((token, Source::Cache));
        }
        self.tenant().check()?;
        resolve::cached(gateway, &self.cache, self.tenant(), deadline())
    }

    /// Drops this very token, and no newer one that has taken its place.
    pub(crate) fn discard(&self, token: &Arc<CachedToken>) {
        self.cache
            .discard(&self.workspace_id, &self.provider, token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PLACE: Tenant<'_> = Tenant {
        workspace_id: "ws",
        provider: "p",
    };

    fn token(name: &str, secs: u64) -> CachedToken {
        let expires_at = Now::read().wall + Duration::from_secs(secs);
        CachedToken::new(name, "Bearer", expires_at, "Authorization", "Bearer ")
    }

    fn name(bound: &Bound, now: Now) -> Option<String> {
        bound.get(now).map(|token| token.access_token.clone())
    }

    #[test]
    fn what_changes_the_cache_is_seen_at_once() {
        type Change = fn(&TokenCache, &Arc<CachedToken>);
        let table: [(&str, Change, Option<&str>); 8] = [
            ("nothing", |_, _| {}, Some("old")),
            (
                "set",
                |cache, _| cache.set("ws", "p", token("new", 99)),
                Some("new"),
            ),
            (
                "set to one in its buffer",
                |cache, _| cache.set("ws", "p", token("new", 9)),
                None,
            ),
            ("delete", |cache, _| cache.delete("ws", "p"), None),
            ("clear", |cache, _| cache.clear(), None),
            (
                "this token discarded",
                |cache, token| cache.discard("ws", "p", token),
                None,
            ),
            (
                "another token discarded",
                |cache, _| cache.discard("ws", "p", &Arc::new(token("old", 99))),
                Some("old"),
            ),
            (
                "another key deleted",
                |cache, _| cache.delete("ws", "q"),
                Some("old"),
            ),
        ];
        for (case, change, expected) in table {
            let cache = TokenCache::new();
            let (bound, now) = (Bound::new(cache.clone(), PLACE), Now::read());
            assert_eq!(name(&bound, now), None, "{case}");
            cache.set("ws", "p", token("old", 99));
            let old = bound.get(now).unwrap();
            assert!(Arc::ptr_eq(&old, &bound.get(now).unwrap()), "{case}");
            change(&cache, &old);
            assert_eq!(name(&bound, now).as_deref(), expected, "{case}");
            assert_eq!(
                name(&bound.clone(), now).as_deref(),
                expected,
                "{case}: a clone"
            );
        }
    }

    #[test]
    fn it_expires_by_either_clock() {
        let cache = TokenCache::new();
        let (bound, now) = (Bound::new(cache.clone(), PLACE), Now::read());
        cache.set("ws", "p", token("t", 99));
        let late = now.after(Duration::from_secs(70));
        let (slept, stepped) = (
            Now {
                mono: now.mono,
                ..late
            },
            Now {
                wall: now.wall,
                ..late
            },
        );
        for (case, at, expected) in [
            ("now", now, Some("t")),
            ("suspended", slept, None),
            ("set back", stepped, None),
            ("now again", now, Some("t")),
        ] {
            assert_eq!(name(&bound, at).as_deref(), expected, "{case}");
        }
    }

    #[test]
    fn a_blank_name_is_never_a_hit() {
        let cache = TokenCache::new();
        cache.set("ws", " ", token("t", 99));
        let blank = Tenant {
            provider: " ",
            ..PLACE
        };
        assert!(Bound::new(cache, blank).get(Now::read()).is_none());
    }
}
