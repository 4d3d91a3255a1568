//! The calls that refresh a token, and the connections that a refresh can cost.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Fault, Provider};
use serde_json::{Map, Value, json};

use crate::{UNKNOWN, agent, bearer, code, delete, get, hang_up, post, resolve};

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
    let slow = slow.refresh_time(Duration::from_millis(200));
    let (gateway, id) = expired(slow);
    for path in [PAIR.to_owned(), format!("/v1/token/{id}")] {
        hang_up(&gateway, "GET", &path);
        let start = Barrier::new(2);
        let ask = || {
            start.wait();
            get(&gateway, &path)
        };
        let tokens =
            thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|t| t.join().unwrap()));
        for (status, token) in tokens {
            assert_eq!((status, bearer(&gateway, &token)), (200, 200));
        }
        gateway.advance(HOUR);
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

#[test]
fn a_token_that_lives_needs_no_provider() {
    let (gateway, _) = connected(github().refresh_time(HOUR));
    gateway.fail_next(usize::MAX, Fault::ProviderDown);
    assert_eq!(bearer(&gateway, &resolve(&gateway, "ws", "github")), 200);
}

/// The recording shows what happens while the provider is down.
#[test]
fn what_a_refresh_fails_with() {
    type Cause = fn(&DevGateway);
    let ended: Cause = |gateway| assert!(gateway.end_grant("ws", "github"));
    for (provider, cause, refreshed) in [
        (github(), ended, (409, "attention_required")),
        (without_refresh_token(), |_| {}, (502, "upstream_error")),
    ] {
        let (gateway, _) = expired(provider.clone());
        cause(&gateway);
        assert_eq!(code(&get(&gateway, PAIR)), (409, "token_expired"));
        let (gateway, id) = expired(provider);
        cause(&gateway);
        let response = post(&gateway, &format!("/v1/refresh/{id}"), "");
        assert_eq!(code(&response), refreshed);
        assert_eq!(get(&gateway, &format!("/v1/token/{id}")).0, 409);
    }
}

#[test]
fn the_end_of_the_gateway_is_the_end_of_a_refresh() {
    let (gateway, _) = expired(github().refresh_time(HOUR));
    let url = format!("{}{PAIR}", gateway.url());
    gateway.forget_requests();
    thread::scope(|scope| {
        let asked = scope.spawn(|| agent().get(&url).call());
        while gateway.count("/v1/resolve") == 0 {
            thread::yield_now();
        }
        drop(gateway);
        assert!(asked.join().unwrap().is_err());
    });
}

#[test]
fn the_health_worker_leaves_cached_tokens_dead() {
    let gateway = DevGateway::start().unwrap();
    for provider in ["github", "weather"] {
        gateway.connect("ws", provider).unwrap();
    }
    let [token, key] = ["github", "weather"].map(|it| resolve(&gateway, "ws", it));
    assert_eq!(token["health_status"], "unknown");
    gateway.run_health_worker();
    assert_eq!(bearer(&gateway, &token), 401);
    let next = resolve(&gateway, "ws", "github");
    assert_eq!(bearer(&gateway, &next), 200);
    assert_eq!(next["health_status"], "healthy");
    assert_eq!(resolve(&gateway, "ws", "weather"), key);
}

#[test]
fn the_health_worker_uses_the_refresh_token() {
    let (gateway, _) = connected(github().rotating(false));
    gateway.run_health_worker();
    let first = resolve(&gateway, "ws", "github");
    assert_eq!(first["health_status"], "unknown", "there was no token");
    gateway.run_health_worker();
    let second = resolve(&gateway, "ws", "github");
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(second["refresh_token"], first["refresh_token"]);
    let works = [first, second].map(|token| bearer(&gateway, &token));
    assert_eq!(works, [200, 200]);

    // (the provider rotates refresh tokens, a token was issued before the grant ended)
    for (rotating, issued) in [(true, true), (false, true), (true, false)] {
        let (gateway, id) = connected(github().rotating(rotating));
        let before = issued.then(|| resolve(&gateway, "ws", "github"));
        assert!(gateway.end_grant("ws", "github"));
        let token = before.unwrap_or_else(|| resolve(&gateway, "ws", "github"));
        assert_eq!(bearer(&gateway, &token), 401, "{rotating}, {issued}");
        gateway.run_health_worker();
        assert_eq!(bearer(&gateway, &token), 401);
        let refused = get(&gateway, &format!("/v1/token/{id}"));
        let expected = (400, "connection_not_active");
        assert_eq!(code(&refused), expected, "{rotating}");
    }

    let (gateway, _) = connected(without_refresh_token());
    let token = resolve(&gateway, "ws", "github");
    gateway.run_health_worker();
    assert_eq!(resolve(&gateway, "ws", "github"), token);
}

#[test]
fn gateway_0_2_refreshes_nothing_and_says_little() {
    let gateway = DevGateway::builder().like_v0_2().start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    let path = format!("/v1/token/{id}");
    let (_, token) = get(&gateway, &path);
    assert_eq!(token["credentials"]["expired"], false);
    gateway.advance(HOUR);
    let (status, later) = get(&gateway, &path);
    let known = &token["access_token"];
    assert_eq!((status, &later["access_token"]), (200, known));
    assert_eq!(later["credentials"]["expired"], true);
    let (status, fresh) = post(&gateway, &format!("/v1/refresh/{id}"), "");
    assert_eq!((status, bearer(&gateway, &fresh)), (200, 200));

    let gone = json!("404 page not found\n");
    assert_eq!(get(&gateway, PAIR), (404, gone.clone()));
    let revoked = delete(&gateway, &format!("/v1/connections/{id}"));
    assert_eq!(revoked, (404, gone.clone()));
    assert_eq!(post(&gateway, "/v1/agent-sessions", ""), (404, gone));
    for (status, expected) in [("attention", 409), ("pending", 403), ("superseded", 403)] {
        assert!(gateway.set_status(&id, status));
        assert_eq!(get(&gateway, &path), (expected, json!("")), "{status}");
        let refused = post(&gateway, &format!("/v1/refresh/{id}"), "");
        assert_eq!(refused, (expected, json!("")), "{status}");
        let check = get(&gateway, &format!("/v1/check-connection/{id}"));
        assert_eq!(check, (200, json!({"status": "failed"})));
    }
    let unknown = format!("/v1/token/{UNKNOWN}");
    assert_eq!(get(&gateway, &unknown), (404, json!("")));
}
