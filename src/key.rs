//! The key of a cache, and how it is found without one being made.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// Workspace and provider, in one place of memory: in a full cache, each place costs more than the
/// rest of a hit. Where the one ends is kept, so `("a:b", "c")` is not `("a", "b:c")`.
pub(crate) struct Key {
    joined: Box<str>,
    split: usize,
}

impl Key {
    pub(crate) fn new(workspace_id: &str, provider: &str) -> Self {
        Self {
            joined: [workspace_id, provider].concat().into(),
            split: workspace_id.len(),
        }
    }
}

/// What a key is found by without one being made for it: the map asks for a reference to a single
/// thing, so it gets one to whatever has both names.
pub(crate) trait Names {
    fn names(&self) -> (&str, &str);
}

impl Names for Key {
    fn names(&self) -> (&str, &str) {
        let names = self.joined.split_at_checked(self.split);
        names.unwrap_or_default()
    }
}

impl Names for (&str, &str) {
    fn names(&self) -> (&str, &str) {
        *self
    }
}

impl Hash for dyn Names + '_ {
    /// Pairs that differ only in where the one name ends and the other begins share a hash, and
    /// are told apart by `eq`: marking the place would be a third of the cost.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (workspace_id, provider) = self.names();
        state.write(workspace_id.as_bytes());
        state.write(provider.as_bytes());
    }
}

impl PartialEq for dyn Names + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for dyn Names + '_ {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn Names).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self as &dyn Names).eq(other)
    }
}

impl Eq for Key {}

impl<'a> Borrow<dyn Names + 'a> for Key {
    fn borrow(&self) -> &(dyn Names + 'a) {
        self
    }
}
