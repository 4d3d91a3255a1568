//! The pair that a token belongs to, and how a map finds it without making a key.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::{self, Result};

/// A workspace and a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tenant<'a> {
    pub(crate) workspace_id: &'a str,
    pub(crate) provider: &'a str,
}

impl<'a> Tenant<'a> {
    pub(crate) fn new(workspace_id: &'a str, provider: &'a str) -> Self {
        Self {
            workspace_id,
            provider,
        }
    }

    /// # Errors
    ///
    /// `invalid_input` for a name that is blank.
    pub(crate) fn check(self) -> Result<()> {
        error::not_blank("workspace_id", self.workspace_id)?;
        error::not_blank("provider", self.provider)
    }

    pub(crate) fn to_owned(self) -> OwnedTenant {
        OwnedTenant {
            text: [self.workspace_id, self.provider].concat().into(),
            split: self.workspace_id.len(),
        }
    }
}

/// The same, to be kept. Both names lie in one place, because each further one costs more than the
/// rest of a hit in a full cache; where the first ends is part of the key, so `("a:b", "c")` is not
/// `("a", "b:c")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedTenant {
    text: Arc<str>,
    split: usize,
}

/// Whatever has both names. A key is found by it, because a map asks for a reference to a single thing.
pub(crate) trait Named {
    fn names(&self) -> Tenant<'_>;
}

impl Named for Tenant<'_> {
    fn names(&self) -> Tenant<'_> {
        *self
    }
}

impl Named for OwnedTenant {
    fn names(&self) -> Tenant<'_> {
        let (workspace_id, provider) = self.text.split_at(self.split);
        Tenant::new(workspace_id, provider)
    }
}

impl<'a> Borrow<dyn Named + 'a> for OwnedTenant {
    fn borrow(&self) -> &(dyn Named + 'a) {
        self
    }
}

impl Hash for dyn Named + '_ {
    /// Pairs that differ only in where the one name ends and the other begins share a hash, and are
    /// told apart by `eq`: marking the place would be a third of the cost.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let tenant = self.names();
        state.write(tenant.workspace_id.as_bytes());
        state.write(tenant.provider.as_bytes());
    }
}

impl PartialEq for dyn Named + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

impl Eq for dyn Named + '_ {}

impl Hash for OwnedTenant {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self as &dyn Named).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_tenant_is_found_by_its_own_names_and_no_others() {
        let pairs = [
            ("a:b", "c"),
            ("a", "b:c"),
            ("a:b:c", ""),
            ("", "a:b:c"),
            ("c", "a:b"),
            ("ä", "ö"),
        ];
        let tenant = |(workspace_id, provider)| Tenant {
            workspace_id,
            provider,
        };
        let mut numbers = HashMap::new();
        for (number, pair) in pairs.into_iter().enumerate() {
            numbers.insert(tenant(pair).to_owned(), number);
        }
        for (number, pair) in pairs.into_iter().enumerate() {
            let found = numbers.get(&tenant(pair) as &dyn Named);
            assert_eq!(found, Some(&number), "{pair:?}");
            assert_eq!(tenant(pair).to_owned().names(), tenant(pair));
        }
        assert!(!numbers.contains_key(&tenant(("y", "")) as &dyn Named));
    }
}
