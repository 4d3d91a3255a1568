//! Which public types threads can send, share and clone.

use std::collections::BTreeSet;
use std::marker::PhantomData;

struct Probe<T: ?Sized>(PhantomData<T>);

/// The result for a type without the trait. An inherent method takes precedence.
trait Without {
    fn holds(&self) -> bool {
        false
    }
}

impl<T: ?Sized> Without for Probe<T> {}

/// Returns whether the type implements the trait.
macro_rules! implements {
    ($type:ty, $trait:ident, $name:ident) => {{
        struct $name<T: ?Sized>(Probe<T>);
        impl<T: ?Sized> std::ops::Deref for $name<T> {
            type Target = Probe<T>;
            fn deref(&self) -> &Probe<T> {
                &self.0
            }
        }
        #[allow(dead_code, reason = "not called for a type without the trait")]
        impl<T: $trait> $name<T> {
            fn holds(&self) -> bool {
                true
            }
        }
        $name::<$type>(Probe(PhantomData)).holds()
    }};
}

macro_rules! row {
    ($type:ty) => {
        (
            stringify!($type),
            (
                implements!($type, Send, Sent),
                implements!($type, Sync, Shared),
                implements!($type, Clone, Cloned),
            ),
        )
    };
}

const ALL: (bool, bool, bool) = (true, true, true);

#[test]
fn what_threads_can_send_share_and_clone() {
    use nexus_sdk::*;
    // Send, Sync, Clone.
    let table = vec![
        (row!(AgentSession), ALL),
        (row!(AgentSessionInput), ALL),
        (row!(CachedToken), ALL),
        (row!(CaptureSchema), ALL),
        (row!(CapturedCredential), ALL),
        (row!(ConnectionStatus), ALL),
        #[cfg(feature = "consent")]
        (row!(ConsentListener), (true, true, false)),
        (row!(ErrorKind), ALL),
        (row!(FetchOptions), ALL),
        (row!(Fetcher), ALL),
        (row!(Health), ALL),
        (row!(LockRequest<'static>), ALL),
        (row!(LogLevel), ALL),
        (row!(NexusClient), ALL),
        (row!(NexusClientOptions), ALL),
        (row!(NexusError), ALL),
        (row!(ProviderInfo), ALL),
        (row!(Providers), ALL),
        (row!(Redirects), ALL),
        (row!(RequestConnectionInput), ALL),
        (row!(RequestConnectionResponse), ALL),
        (row!(RetryPolicy), ALL),
        (row!(RevokeOptions), ALL),
        (row!(RevokeResult), ALL),
        (row!(TokenCache), ALL),
        (row!(TokenResponse), ALL),
        (row!(WaitOptions<'static>), (true, false, false)),
    ];
    for ((name, found), expected) in &table {
        assert_eq!(found, expected, "{name}");
    }
    let rows = table.iter().map(|((name, _), _)| name.split('<').next().unwrap());
    assert_eq!(rows.collect::<BTreeSet<_>>(), public_types());
    assert!(!implements!(std::rc::Rc<u8>, Send, Sent));
}

/// Returns the types that `lib.rs` exports.
fn public_types() -> BTreeSet<&'static str> {
    let source = include_str!("../../src/lib.rs");
    let exports = source.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let names = exports.flat_map(|path| path.split(['{', '}', ',', ':']).map(str::trim));
    let is_type = |name: &&str| {
        let is_camel =
            name.starts_with(|c: char| c.is_uppercase()) && name.contains(char::is_lowercase);
        let is_built = cfg!(feature = "consent") || *name != "ConsentListener";
        is_camel && is_built && !["Result", "RefreshLock"].contains(name)
    };
    names.filter(is_type).collect()
}
