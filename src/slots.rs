//! The map under the cache: what is known of each key, how it is bounded, and how room is made.

use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use crate::clock::Now;
use crate::error::Result;
use crate::key::{Key, Names};
use crate::single_flight::Flight;
use crate::token::CachedToken;

/// The most tokens that a cache holds.
const CAPACITY: usize = 10_000;
/// The size at which expired tokens are first looked for.
const FIRST_PURGE: usize = 64;

/// A resolve in flight.
pub(crate) type Landing = Flight<Result<Arc<CachedToken>>>;

/// Every key of a cache.
pub(crate) struct Slots {
    by_key: HashMap<Key, Slot>,
    tokens: usize,
    purge_at: usize,
}

/// What is known of one key. A flight that is taken out of its slot still ends for those who wait,
/// but what it brings is not kept.
#[derive(Default)]
pub(crate) struct Slot {
    stored: Option<Stored>,
    flight: Option<Arc<Landing>>,
}

/// A token and until when it may be handed out.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) token: Arc<CachedToken>,
    pub(crate) fresh_until: Now,
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            by_key: HashMap::new(),
            tokens: 0,
            purge_at: FIRST_PURGE,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens
    }

    #[cfg(test)]
    pub(crate) fn on_board(&mut self, workspace_id: &str, provider: &str) -> usize {
        let slot = self.existing(workspace_id, provider);
        let flight = slot.and_then(|slot| slot.flight.as_ref());
        flight.map_or(0, |flight| Arc::strong_count(flight) - 1)
    }

    /// How many keys anything at all is known of.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.by_key.len()
    }

    /// Drops every token and every flight.
    pub(crate) fn clear(&mut self) {
        self.by_key.clear();
        self.tokens = 0;
    }

    /// The flight of a key, or a new one: `Err` is for whoever has to fly it.
    pub(crate) fn join(
        &mut self,
        workspace_id: &str,
        provider: &str,
    ) -> Result<Arc<Landing>, Arc<Landing>> {
        let slot = self.slot(workspace_id, provider);
        if let Some(flight) = &slot.flight {
            return Ok(Arc::clone(flight));
        }
        let flight = Arc::new(Flight::new());
        slot.flight = Some(Arc::clone(&flight));
        Err(flight)
    }

    /// Takes a flight out of its slot and leaves its token there, if the slot is still its own.
    pub(crate) fn leave(
        &mut self,
        workspace_id: &str,
        provider: &str,
        flight: &Arc<Landing>,
        stored: Option<Stored>,
    ) {
        let own = |slot: &&mut Slot| {
            slot.flight
                .as_ref()
                .is_some_and(|own| Arc::ptr_eq(own, flight))
        };
        let Some(slot) = self.existing(workspace_id, provider).filter(own) else {
            return;
        };
        slot.flight = None;
        match stored {
            Some(stored) => self.insert(workspace_id, provider, stored, Now::read()),
            None => self.drop_if_empty(workspace_id, provider),
        }
    }

    fn existing(&mut self, workspace_id: &str, provider: &str) -> Option<&mut Slot> {
        self.by_key.get_mut(&(workspace_id, provider) as &dyn Names)
    }

    fn slot(&mut self, workspace_id: &str, provider: &str) -> &mut Slot {
        let key = Key::new(workspace_id, provider);
        self.by_key.entry(key).or_default()
    }

    /// What is stored of a key, fresh or not.
    pub(crate) fn stored(&mut self, workspace_id: &str, provider: &str) -> Option<&Stored> {
        self.existing(workspace_id, provider)?.stored.as_ref()
    }

    /// The token of a key; one that is found expired is dropped.
    pub(crate) fn fresh(
        &mut self,
        workspace_id: &str,
        provider: &str,
        now: Now,
    ) -> Option<Arc<CachedToken>> {
        let stored = self.stored(workspace_id, provider)?;
        if now.is_before(stored.fresh_until) {
            return Some(Arc::clone(&stored.token));
        }
        self.take_if(workspace_id, provider, |_| true);
        None
    }

    /// Drops the token of a key if it is the one meant; a flight stays.
    pub(crate) fn take_if(
        &mut self,
        workspace_id: &str,
        provider: &str,
        meant: impl Fn(&Stored) -> bool,
    ) {
        let Some(slot) = self.existing(workspace_id, provider) else {
            return;
        };
        if slot.stored.take_if(|stored| meant(stored)).is_some() {
            self.tokens = self.tokens.saturating_sub(1);
            self.drop_if_empty(workspace_id, provider);
        }
    }

    fn drop_if_empty(&mut self, workspace_id: &str, provider: &str) {
        let slot = self.existing(workspace_id, provider);
        if slot.is_some_and(|slot| slot.is_empty()) {
            self.by_key.remove(&(workspace_id, provider) as &dyn Names);
        }
    }

    /// Drops token and flight of a key.
    pub(crate) fn remove(&mut self, workspace_id: &str, provider: &str) {
        self.take_if(workspace_id, provider, |_| true);
        if let Some(slot) = self.existing(workspace_id, provider) {
            slot.flight = None;
            self.drop_if_empty(workspace_id, provider);
        }
    }

    pub(crate) fn insert(&mut self, workspace_id: &str, provider: &str, stored: Stored, now: Now) {
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
        let mut soonest = BinaryHeap::with_capacity(count);
        for end in self.all().map(|stored| stored.fresh_until.mono) {
            if soonest.len() < count {
                soonest.push(end);
            } else if let Some(mut last) = soonest.peek_mut().filter(|last| end < **last) {
                *last = end;
            }
        }
        let Some(end) = soonest.pop() else { return };
        let mut left = count;
        self.retain(|stored| {
            let keep = left == 0 || stored.fresh_until.mono > end;
            left = left.saturating_sub(usize::from(!keep));
            keep
        });
    }

    fn all(&self) -> impl Iterator<Item = &Stored> {
        self.by_key.values().filter_map(|slot| slot.stored.as_ref())
    }

    fn retain(&mut self, mut keep: impl FnMut(&Stored) -> bool) {
        self.by_key.retain(|_, slot| {
            slot.stored.take_if(|stored| !keep(stored));
            !slot.is_empty()
        });
        self.tokens = self.all().count();
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.stored.is_none() && self.flight.is_none()
    }
}
