//! The public types that threads can send, share and clone.

use std::any::type_name;
use std::collections::BTreeSet;

/// The name of a type that compiles only with these traits.
fn all<T: Send + Sync + Clone>() -> &'static str {
    type_name::<T>()
}

fn sent_and_shared<T: Send + Sync>() -> &'static str {
    type_name::<T>()
}

fn sent<T: Send>() -> &'static str {
    type_name::<T>()
}

#[test]
fn threads_can_send_share_and_clone_every_public_type_but_two() {
    use nexus_sdk::*;
    let found = [
        all::<AgentSession>(),
        all::<AgentSessionInput>(),
        all::<CachedToken>(),
        all::<CaptureSchema>(),
        all::<CapturedCredential>(),
        all::<ConnectionStatus>(),
        #[cfg(feature = "consent")]
        sent_and_shared::<ConsentListener>(),
        all::<ErrorKind>(),
        all::<FetchOptions>(),
        all::<Fetcher>(),
        all::<Health>(),
        all::<LockRequest<'static>>(),
        all::<LogLevel>(),
        all::<NexusClient>(),
        all::<NexusClientOptions>(),
        all::<NexusError>(),
        all::<ProviderInfo>(),
        all::<Providers>(),
        all::<Redirects>(),
        all::<RequestConnectionInput>(),
        all::<RequestConnectionResponse>(),
        all::<RetryPolicy>(),
        all::<RevokeOptions>(),
        all::<RevokeResult>(),
        all::<TokenCache>(),
        all::<TokenResponse>(),
        sent::<WaitOptions<'static>>(),
    ];
    let name = |path: &'static str| path.split('<').next().unwrap().rsplit("::").next().unwrap();
    assert_eq!(found.into_iter().map(name).collect::<BTreeSet<_>>(), public_types());
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
