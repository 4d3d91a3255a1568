//! The key of a cache, and how it is found without one being made.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// As many bytes of names as most keys have: a UUID and a word.
const SHORT: usize = 46;

/// Workspace and provider. Where the one ends is kept, so `("a:b", "c")` is not `("a", "b:c")`.
///
/// Short names lie in the map itself: in a full cache, each further place of memory costs more than
/// the rest of a hit.
pub(crate) enum Key {
    Short {
        length: u8,
        split: u8,
        names: [u8; SHORT],
    },
    Long {
        names: Box<[u8]>,
        split: usize,
    },
}

impl Key {
    pub(crate) fn new(workspace_id: &str, provider: &str) -> Self {
        let joined = [workspace_id, provider].concat().into_bytes();
        let split = workspace_id.len();
        Self::short(&joined, split).unwrap_or(Self::Long {
            names: joined.into(),
            split,
        })
    }

    fn short(joined: &[u8], split: usize) -> Option<Self> {
        let mut names = [0; SHORT];
        names.get_mut(..joined.len())?.copy_from_slice(joined);
        Some(Self::Short {
            length: joined.len().try_into().ok()?,
            split: split.try_into().ok()?,
            names,
        })
    }
}

/// What a key is found by without one being made for it: the map asks for a reference to a single
/// thing, so it gets one to whatever has both names.
pub(crate) trait Names {
    fn names(&self) -> (&[u8], &[u8]);
}

impl Names for Key {
    fn names(&self) -> (&[u8], &[u8]) {
        let (joined, split) = match self {
            Self::Short {
                length,
                split,
                names,
            } => (names.get(..usize::from(*length)), usize::from(*split)),
            Self::Long { names, split } => (Some(&**names), *split),
        };
        let names = joined.and_then(|joined| joined.split_at_checked(split));
        names.unwrap_or_default()
    }
}

impl Names for (&str, &str) {
    fn names(&self) -> (&[u8], &[u8]) {
        (self.0.as_bytes(), self.1.as_bytes())
    }
}

impl Hash for dyn Names + '_ {
    /// Pairs that differ only in where the one name ends and the other begins share a hash, and
    /// are told apart by `eq`: marking the place would be a third of the cost.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (workspace_id, provider) = self.names();
        state.write(workspace_id);
        state.write(provider);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_key_is_found_by_its_own_names_whatever_their_length() {
        let long = "x".repeat(400);
        let lengths = [0, 1, 22, 45, 46, 47, 254, 255, 256, 400];
        let texts: Vec<&str> = lengths.iter().filter_map(|end| long.get(..*end)).collect();
        let pairs: Vec<(&str, &str)> = texts
            .iter()
            .flat_map(|workspace_id| texts.iter().map(move |provider| (*workspace_id, *provider)))
            .collect();
        assert_eq!(pairs.len(), 100);
        let mut keys = HashMap::new();
        for (number, (workspace_id, provider)) in pairs.iter().enumerate() {
            keys.insert(Key::new(workspace_id, provider), number);
        }
        for (number, pair) in pairs.iter().enumerate() {
            assert_eq!(keys.get(pair as &dyn Names), Some(&number));
        }
        assert!(!keys.contains_key(&("y", "") as &dyn Names));
    }
}
