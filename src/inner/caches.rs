//! The caches that a client has filled.

use crate::cache::{TokenCache, WeakCache};
use crate::sync::Mutex;

/// The caches that a client has filled, without keeping them alive. When the client learns that a tenant's credential has
/// changed, it removes the old credential from all of them.
#[derive(Default)]
pub(crate) struct Caches(Mutex<Vec<WeakCache>>);

impl Caches {
    pub(crate) fn add(&self, cache: &TokenCache) {
        let mut caches = self.0.lock();
        caches.retain(WeakCache::is_alive);
        if !caches.iter().any(|other| other.is_of(cache)) {
            caches.push(cache.downgrade());
        }
    }

    /// Removes the tokens of this workspace and provider, whatever the case of the provider's name. `None` stands for all.
    pub(crate) fn remove(&self, workspace_id: Option<&str>, provider: Option<&str>) {
        for cache in &*self.0.lock() {
            cache.remove(workspace_id, provider);
        }
    }
}
