//! The calls that refresh a token, and the connections that a refresh can cost.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Provider};
use serde_json::{Map, Value};

use crate::{bearer, code, get, hang_up, post, resolve};

const HOUR: Duration = Duration::from_secs(3600);
const PAIR: &str = "/v1/resolve?workspace_id=ws&provider_name=github";

/// A gateway with a connection to this provider, and the connection's id.
fn connected(provider: Provider) -> (DevGateway, String) {
    let gateway = DevGateway::builder().provider(provider).start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    (gateway, id)
}

/// The same, with a token that has expired.
fn expired(provider: Provider) -> (DevGateway, String) {
    let (gateway, id) = connected(provider);
    resolve(&gateway, "ws", "github");
    gateway.advance(HOUR);
    (gateway, id)
}

fn without_refresh_token() -> Provider {
    let lacking = Map::from_iter([("refresh_token".to_owned(), Value::Null)]);
    github().credentials(lacking)
}

fn github() -> Provider {
    Provider::oauth2("github")
}

#[test]
fn a_provider_that_does_not_rotate_minds_neither() {
    let slow = github().rotating(false);
    let (gateway, _) = expired(slow.refresh_time(Duration::from_millis(200)));
    hang_up(&gateway, "GET", PAIR);
    let start = Barrier::new(2);
    let ask = || {
        start.wait();
        get(&gateway, PAIR)
    };
    let both = thread::scope(|scope| {
        let threads = [scope.spawn(ask), scope.spawn(ask)];
        threads.map(|thread| thread.join().unwrap())
    });
    for (status, token) in both {
        assert_eq!((status, bearer(&gateway, &token)), (200, 200));
    }
}

#[test]
fn every_call_that_refreshes_is_given_up_with_its_caller() {
    for (method, path) in [
        ("GET", "resolve?workspace_id=ws&provider_name=github"),
        ("GET", "token/"),
        ("GET", "check-connection/"),
        ("POST", "refresh/"),
    ] {
        let (gateway, id) = expired(github().refresh_time(Duration::from_millis(100)));
        let id = if path.ends_with('/') { &id } else { "" };
        hang_up(&gateway, method, &format!("/v1/{path}{id}"));
        assert_eq!(code(&get(&gateway, PAIR)), (409, "token_expired"), "{path}");
        let after = get(&gateway, PAIR);
        assert_eq!(code(&after), (404, "connection_not_found"), "{path}");
    }
}

/// The recording shows what happens while the provider is down.
#[test]
fn what_a_refresh_fails_with() {
    for (provider, ends, refreshed) in [
        (github(), true, (409, "attention_required")),
        (without_refresh_token(), false, (502, "upstream_error")),
    ] {
        let [(resolved, _), (gateway, id)] = [(); 2].map(|()| expired(provider.clone()));
        for gateway in [&resolved, &gateway] {
            assert!(!ends || gateway.end_grant("ws", "github"));
        }
        assert_eq!(code(&get(&resolved, PAIR)), (409, "token_expired"));
        let response = post(&gateway, &format!("/v1/refresh/{id}"), "");
        assert_eq!(code(&response), refreshed);
        assert_eq!(get(&gateway, &format!("/v1/token/{id}")).0, 409);
    }
}

#[test]
fn the_health_worker_uses_the_refresh_token() {
    // (the provider rotates refresh tokens, the status of a request with the token from before the worker)
    for (rotating, old) in [(true, 401), (false, 200)] {
        let (gateway, _) = connected(github().rotating(rotating));
        gateway.run_health_worker();
        let first = resolve(&gateway, "ws", "github");
        assert_eq!(first["health_status"], "unknown", "there was no token");
        gateway.run_health_worker();
        let second = resolve(&gateway, "ws", "github");
        assert_eq!(second["health_status"], "healthy");
        let kept = second["refresh_token"] == first["refresh_token"];
        assert_eq!(kept, !rotating);
        let works = [first, second].map(|token| bearer(&gateway, &token));
        assert_eq!(works, [old, 200], "{rotating}");
    }

    for issued in [true, false] {
        let (gateway, id) = connected(github());
        let before = issued.then(|| resolve(&gateway, "ws", "github"));
        assert!(gateway.end_grant("ws", "github"));
        let token = before.unwrap_or_else(|| resolve(&gateway, "ws", "github"));
        assert_eq!(bearer(&gateway, &token), 401, "{issued}");
        gateway.run_health_worker();
        let refused = get(&gateway, &format!("/v1/token/{id}"));
        assert_eq!(code(&refused), (400, "connection_not_active"));
    }

    for provider in [without_refresh_token(), Provider::api_key("github")] {
        let (gateway, _) = connected(provider);
        let token = resolve(&gateway, "ws", "github");
        gateway.run_health_worker();
        assert_eq!(resolve(&gateway, "ws", "github"), token);
    }
}
