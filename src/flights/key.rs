//! The connection that a call is for.

use crate::error::Subject;

/// The connection that a call is for. Calls with the same key take turns, in the client and among processes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A workspace, and a provider in lower case. A gateway ignores the case of the provider's name when a connection is
    /// requested, but not when its token is resolved.
    Tenant(Box<str>, Box<str>),
    /// The id of a connection that the client has not requested.
    Connection(Box<str>),
}

impl Key {
    pub(super) fn of(subject: &Subject) -> Self {
        match (&subject.workspace_id, &subject.provider) {
            (Some(workspace_id), Some(provider)) => {
                Self::Tenant(workspace_id.clone(), provider.to_ascii_lowercase().into())
            }
            _ => Self::Connection(subject.connection_id.clone().unwrap_or_default()),
        }
    }

    pub(super) fn provider(&self) -> Option<&str> {
        match self {
            Self::Tenant(_, provider) => Some(provider),
            Self::Connection(_) => None,
        }
    }

    /// Returns the name of the key's lock: the 128-bit FNV-1a hash of the gateway's URL and the key. All versions of this crate must compute the
    /// same hash, and the hashers of the standard library may change.
    pub(super) fn lock_name(&self, address: &str) -> String {
        let parts: &[&str] = match self {
            Key::Tenant(workspace_id, provider) => &[address, "tenant", workspace_id, provider],
            Key::Connection(id) => &[address, "connection", id],
        };
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        for part in parts {
            // Ends each part with a byte that UTF-8 never contains, so that `["ab", "c"]` and `["a", "bc"]` differ.
            for byte in part.bytes().chain([0xFF]) {
                hash ^= u128::from(byte);
                hash = hash.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
            }
        }
        format!("{hash:032x}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn tenant(workspace_id: &str, provider: &str) -> Key {
        Key::of(&Subject::tenant(workspace_id, provider))
    }

    #[test]
    fn keys_never_change_and_tell_nothing() {
        let connection = |id: &str| Key::of(&Subject::connection(id));
        let name = tenant("acme", "github").lock_name("https://gateway");
        assert_eq!(name, "78076186090d0aa8a64d13d1c4a33ebf");
        let name = connection("c-1").lock_name("https://gateway");
        assert_eq!(name, "366f538831840efe426fc407c037fcaa");
        let names = BTreeSet::from([
            tenant("ws", "p").lock_name("https://gateway"),
            tenant("ws", "p").lock_name("https://other"),
            tenant("ws", "q").lock_name("https://gateway"),
            tenant("wsp", "").lock_name("https://gateway"),
            connection("ws").lock_name("https://gateway"),
            connection("wsp").lock_name("https://gateway"),
        ]);
        assert_eq!(names.len(), 6, "each has a key of its own");
    }
}
