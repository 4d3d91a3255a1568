//! The calls that a program's `on_call` gets.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{GatewayCall, NexusClient, NexusClientOptions, RefreshLock, Result, TokenCache};

use crate::errors::METHODS;
use crate::support::{connected, options, retrying};

type Calls = Arc<Mutex<Vec<String>>>;

/// Describes a call, except for its duration.
fn described(call: &GatewayCall<'_>) -> String {
    let names = [call.workspace_id, call.provider, call.connection_id];
    let names = names.map(|name| name.unwrap_or("-")).join(" ");
    let code = call.error.map_or("ok", |error| error.code());
    format!("{} {names} {} {code}", call.operation, call.attempt)
}

/// Returns options that collect the calls.
fn collecting(options: NexusClientOptions) -> (NexusClientOptions, Calls) {
    let calls = Calls::default();
    let collected = Arc::clone(&calls);
    let options = options.on_call(move |call| {
        collected.lock().unwrap().push(described(call));
    });
    (options, calls)
}

fn taken(calls: &Calls) -> Vec<String> {
    std::mem::take(&mut *calls.lock().unwrap())
}

#[test]
fn each_attempt_is_reported_with_its_operation_and_names() {
    let gateway = connected();
    let policy = retrying(2, Duration::ZERO);
    let (options, calls) = collecting(options(&gateway).retry_policy(policy));
    let client = NexusClient::new(options).unwrap();
    gateway.fail_next(2, Fault::Status(503));
    client.resolve_token("acme", "github").unwrap();
    let expected = [
        "resolve acme github - 1 http_503",
        "resolve acme github - 2 http_503",
        "resolve acme github - 3 ok",
    ];
    assert_eq!(taken(&calls), expected);

    let cache = TokenCache::new();
    let get = || client.get_cached_token(&cache, "acme", "github").unwrap();
    get();
    assert_eq!(taken(&calls), ["resolve acme github - 1 ok"]);
    get();
    assert_eq!(
        taken(&calls),
        [""; 0],
        "a token from the cache needs no call"
    );

    for (name, call) in METHODS {
        gateway.fail_next(1, Fault::Status(500));
        assert!(call(&client).is_some(), "{name}");
        let operation = match name.split(',').next().unwrap() {
            "get_token_by_connection_id" => "token",
            "refresh_connection" => "refresh",
            "resolve_token" => "resolve",
            "revoke_connection" => "revoke",
            own => own,
        };
        let names = match operation {
            "resolve" | "request_agent_session" => "acme github -",
            "token" | "refresh" | "check_connection" => "- - c",
            "revoke" => "- - 00000000-0000-4000-8000-000000000001",
            "request_connection" => "u github -",
            _ => "- - -",
        };
        let expected = format!("{operation} {names} 1 http_500");
        assert_eq!(taken(&calls), [expected], "{name}");
    }
}

/// A connection that this client has requested has a tenant, also in a call by its id.
#[test]
fn a_call_by_a_known_id_names_the_tenant() {
    let gateway = DevGateway::start().unwrap();
    let (options, calls) = collecting(options(&gateway));
    let client = NexusClient::new(options).unwrap();
    let id = client
        .request_connection(&crate::requests::input())
        .unwrap();
    let id = id.connection_id;
    let error = client.get_token_by_connection_id(&id).unwrap_err();
    let names = format!("workspace \"u\", provider \"github\", connection \"{id}\": ");
    assert!(error.message().starts_with(&names), "{error}");
    let token = format!("token u github {id} 1 connection_not_active");
    assert_eq!(
        taken(&calls),
        ["request_connection u github - 1 ok".to_owned(), token]
    );
}

/// A lock that knows whether it is held.
#[derive(Clone, Default)]
struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

/// The options' own handle, whose end releases nothing.
struct Lock(Arc<AtomicBool>);

impl RefreshLock for Lock {
    fn try_lock(&self, _key: &str, _lease: Duration) -> io::Result<Option<Box<dyn Send>>> {
        let is_free = !self.0.swap(true, SeqCst);
        Ok(is_free.then(|| Box::new(Watched(Arc::clone(&self.0))) as Box<dyn Send>))
    }
}

#[test]
fn no_lock_is_held_meanwhile_and_a_panic_costs_no_refresh() {
    let gateway = connected();
    let held = Arc::new(AtomicBool::new(false));
    let (seen, was_held) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (is_held, saw, found) = (Arc::clone(&held), Arc::clone(&seen), Arc::clone(&was_held));
    let options = options(&gateway)
        .refresh_lock(Lock(held))
        .on_call(move |call| {
            saw.store(true, SeqCst);
            found.fetch_or(is_held.load(SeqCst), SeqCst);
            panic!("of {}", call.operation);
        });
    let client = NexusClient::new(options).unwrap();
    let cache = TokenCache::new();
    let get = || -> Result<_> { client.get_cached_token(&cache, "acme", "github") };
    let first = get().unwrap();
    assert!(seen.load(SeqCst) && !was_held.load(SeqCst));
    assert_eq!(get().unwrap(), first, "the token was cached");
    assert!(client.providers().is_ok(), "without a flight as well");
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

#[test]
fn a_function_may_use_the_client() {
    let gateway = connected();
    let inner = NexusClient::new(options(&gateway)).unwrap();
    let health = Arc::new(Mutex::new(None));
    let found = Arc::clone(&health);
    let options = options(&gateway).on_call(move |_| {
        *found.lock().unwrap() = inner.health().ok();
    });
    NexusClient::new(options)
        .unwrap()
        .resolve_token("acme", "github")
        .unwrap();
    assert!(health.lock().unwrap().is_some());
}
