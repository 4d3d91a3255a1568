//! The forms in which scopes can be given.

/// A list of scopes: an array of `&str`, a `Vec`, a slice or a reference to a collection, or an iterator.
/// An empty array needs no type.
///
/// `FORM` tells the implementations apart and is always inferred.
///
/// ```
/// use nexus_sdk::AgentSessionInput;
///
/// let scopes: Vec<String> = vec!["read".into(), "write".into()];
/// let expected = AgentSessionInput::new("agent-7", ["read", "write"]);
/// assert_eq!(AgentSessionInput::new("agent-7", &scopes), expected);
/// assert_eq!(AgentSessionInput::new("agent-7", scopes.iter()), expected);
/// assert_eq!(AgentSessionInput::new("agent-7", "read write".split(' ')), expected);
/// assert_eq!(AgentSessionInput::new("agent-7", scopes), expected);
/// let none = AgentSessionInput::new("agent-7", []);
/// ```
pub trait IntoScopes<const FORM: char> {
    /// Returns the scopes as owned texts.
    fn into_scopes(self) -> Vec<String>;
}

// Arrays have one implementation only, so that the compiler knows the type of an empty one.
impl<const N: usize> IntoScopes<'a'> for [&str; N] {
    fn into_scopes(self) -> Vec<String> {
        owned(self)
    }
}

impl<S: AsRef<str>> IntoScopes<'v'> for Vec<S> {
    fn into_scopes(self) -> Vec<String> {
        owned(self)
    }
}

impl<'a, C: ?Sized, S> IntoScopes<'r'> for &'a C
where
    &'a C: IntoIterator<Item = &'a S>,
    S: AsRef<str> + ?Sized + 'a,
{
    fn into_scopes(self) -> Vec<String> {
        owned(self)
    }
}

impl<I: Iterator<Item: AsRef<str>>> IntoScopes<'i'> for I {
    fn into_scopes(self) -> Vec<String> {
        owned(self)
    }
}

fn owned<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Vec<String> {
    let scopes = scopes.into_iter();
    scopes.map(|scope| scope.as_ref().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scopes<const FORM: char>(scopes: impl IntoScopes<FORM>) -> Vec<String> {
        scopes.into_scopes()
    }

    #[test]
    fn scopes_are_taken_in_every_usual_form() {
        const SLICE: &[&str] = &["a", "b"];
        let strings = vec!["a".to_owned(), "b".to_owned()];
        let set: BTreeSet<String> = strings.iter().cloned().collect();
        let all = [
            scopes(["a", "b"]),
            scopes(SLICE),
            scopes(&["a", "b"]),
            scopes(vec!["a", "b"]),
            scopes(&strings),
            scopes(&*strings),
            scopes(strings.clone()),
            scopes(&["a".to_owned(), "b".to_owned()]),
            scopes(strings.iter()),
            scopes(SLICE.iter().map(|scope| (*scope).to_owned())),
            scopes("a b".split_whitespace()),
            scopes(&set),
        ];
        for scopes in all {
            assert_eq!(scopes, ["a", "b"]);
        }
        let none: [&str; 0] = [];
        assert_eq!([scopes([]), scopes(none)].concat(), [""; 0]);
        assert_eq!(scopes(Vec::<String>::new()), [""; 0]);
    }
}
