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
        sent_and_shared::<ConsentListener>(),
        all::<ErrorKind>(),
        all::<FetchOptions>(),
        all::<Fetcher>(),
        all::<GatewayCall<'static>>(),
        all::<Health>(),
        all::<LogLevel>(),
        all::<NexusClient>(),
        all::<NexusClientOptions>(),
        all::<NexusError>(),
        all::<Origin>(),
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
    let found: BTreeSet<_> = found
        .into_iter()
        .map(|path| name(path).to_owned())
        .collect();
    let mut public = BTreeSet::from_iter(crate::support::exports("src/lib.rs"));
    public.retain(|name| !["Result", "RefreshLock", "NO_SCOPES"].contains(&name.as_str()));
    assert_eq!(found, public);
}
