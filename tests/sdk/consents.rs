//! A credential that has changed is not used any more: after another consent, another key, or a revocation.

use std::thread;
use std::time::Duration;

use nexus_sdk::serde_json::json;
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{
    Fetcher, NexusClient, RequestConnectionInput, RequestConnectionResponse, RevokeOptions,
    TokenCache, WaitOptions,
};

use crate::support::{Server, bearer, bytes, client, connected, granting, said, text, visit};

const BACK: &str = "http://localhost:3000/";

fn request(client: &NexusClient, provider: &str) -> RequestConnectionResponse {
    let input = RequestConnectionInput::new("acme", provider, ["repo"], BACK);
    client.request_connection(&input).unwrap()
}

fn fetcher(client: &NexusClient, cache: &TokenCache, provider: &str, base: &str) -> Fetcher {
    let fetcher = client.fetcher(cache, "acme", provider);
    fetcher.base_url(base).unwrap()
}

fn token(fetcher: &Fetcher) -> String {
    fetcher.get_cached_token().unwrap().access_token.clone()
}

/// Each call from which a client learns that the new connection is active.
#[test]
fn after_another_consent_the_old_token_is_in_no_cache_that_the_client_has_filled() {
    type Learn = fn(&NexusClient, &str);
    let table: [(&str, Learn); 4] = [
        ("wait_for_active", |client, id| {
            let options = WaitOptions::default().interval(Duration::from_millis(10));
            assert!(client.wait_for_active(id, options).unwrap() == "active");
        }),
        ("check_connection", |client, id| {
            assert!(client.check_connection(id).unwrap() == "active");
        }),
        ("get_token_by_connection_id", |client, id| {
            client.get_token_by_connection_id(id).unwrap();
        }),
        ("refresh_connection", |client, id| {
            client.refresh_connection(id).unwrap();
        }),
    ];
    for (name, learn) in table {
        let gateway = connected();
        let client = client(&gateway);
        let caches = [TokenCache::new(), TokenCache::new()];
        let fetchers = caches
            .each_ref()
            .map(|cache| fetcher(&client, cache, "github", gateway.url()));
        let old = fetchers.each_ref().map(token);
        // A gateway ignores the case of the provider's name.
        let connection = request(&client, "GitHub");
        assert_eq!(
            fetchers.each_ref().map(token),
            old,
            "{name}: nothing has changed"
        );
        visit(&connection.auth_url);
        learn(&client, &connection.connection_id);
        let new = fetchers.each_ref().map(token);
        assert!(old.iter().all(|old| !new.contains(old)), "{name}");
        // The connection becomes active once, so a status page clears no cache.
        gateway.forget_requests();
        assert!(client.check_connection(&connection.connection_id).unwrap() == "active");
        assert_eq!(fetchers.each_ref().map(token), new, "{name}");
        assert_eq!(gateway.count("/v1/resolve"), 0, "{name}");
    }
}

/// A resolve tells names apart by their case, so the answer for one says nothing about another.
#[test]
fn a_name_that_is_spelled_otherwise_costs_no_good_token() {
    let gateway = granting_to("github");
    let client = client(&gateway);
    let cache = TokenCache::new();
    client.get_cached_token(&cache, "acme", "github").unwrap();
    assert!(!client.is_connected("acme", "GitHub").unwrap());
    client.get_cached_token(&cache, "acme", "github").unwrap();
    let asked = gateway.count("/v1/resolve");
    assert_eq!(asked, 3, "once for the token, and twice for the other name");
}

/// A gateway that resolves this provider only.
fn granting_to(provider: &str) -> Server {
    let query = format!("provider_name={provider}");
    Server::start(move |request| match request.path() {
        "/v1/resolve" if request.query().ends_with(&query) => bearer("t-1"),
        "/v1/resolve" => text(404, r#"{"error": "connection_not_found"}"#),
        _ => text(200, "{}"),
    })
}

#[test]
fn an_accepted_credential_replaces_the_cached_one() {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("acme", "weather").unwrap();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let weather = fetcher(&client, &cache, "weather", gateway.url());
    let old = token(&weather);
    let connection = request(&client, "weather");
    let credentials = json!({"api_key": "another-key"});
    let state = connection.state.unwrap();
    let captured = client.capture_credential(&state, credentials.as_object().unwrap());
    captured.unwrap();
    let new = token(&weather);
    assert_ne!(new, old);
    assert_eq!(new, "another-key");
}

/// The connection may have been requested by this client or by another one.
#[test]
fn a_revoked_token_is_not_sent_again() {
    let workspace = || RevokeOptions::default().workspace_id("acme");
    let table = [
        ("by this client", true, RevokeOptions::default()),
        ("by another client, in this workspace", false, workspace()),
        ("by another client", false, RevokeOptions::default()),
    ];
    for (case, is_own, options) in table {
        let gateway = DevGateway::start().unwrap();
        let (client, other) = (client(&gateway), client(&gateway));
        let connection = request(if is_own { &client } else { &other }, "github");
        visit(&connection.auth_url);
        let cache = TokenCache::new();
        let github = fetcher(&client, &cache, "github", gateway.url());
        assert_eq!(github.get("/user").unwrap().0, 200, "{case}");
        gateway.forget_requests();
        client
            .revoke_connection(&connection.connection_id, options)
            .unwrap();
        let error = github.get("/user").unwrap_err();
        assert_eq!(said(&error), ("connection_not_found", Some(404)), "{case}");
        assert_eq!(gateway.count("/user"), 0, "{case}");
    }
}

/// Two clients share a cache.
#[test]
fn a_gateway_never_gets_the_token_of_another() {
    let gateways = [connected(), connected()];
    let cache = TokenCache::new();
    let clients = gateways.each_ref().map(client);
    for _ in 0..2 {
        for (gateway, client) in gateways.iter().zip(&clients) {
            let github = fetcher(client, &cache, "github", gateway.url());
            assert_eq!(github.get("/user").unwrap().0, 200);
            let resolved = client.get_cached_token(&cache, "acme", "github");
            assert_eq!(resolved.unwrap().access_token, token(&github));
        }
    }
}

/// The API refuses the old token with 403, because it lacks a scope. Another process has connected the user again.
#[test]
fn a_new_consent_is_found_after_a_403() {
    let api = Server::start(|request| {
        if request.head.contains("token-1") {
            text(403, "a scope is missing")
        } else {
            text(200, "done")
        }
    });
    let gateway = granting(
        2,
        |number| json!({"access_token": format!("token-{number}"), "expires_in": 3600}),
    );
    let client = client(&gateway);
    let cache = TokenCache::new();
    let fetcher = fetcher(&client, &cache, "github", &api.url(""));
    assert_eq!(fetcher.get("/first").unwrap().0, 403, "the token is new");
    assert_eq!(fetcher.get("/second").unwrap().0, 200);
    assert_eq!(api.requests().len(), 3, "one is sent again");
}

/// The token is dead, and the gateway is down when it is asked first.
#[test]
fn a_gateway_that_is_back_is_asked_two_seconds_after_the_last_question() {
    let gateway = connected();
    let client = client(&gateway);
    let cache = TokenCache::new();
    let github = fetcher(&client, &cache, "github", gateway.url());
    assert_eq!(github.get("/user").unwrap().0, 200);
    assert!(gateway.rotate("acme", "github"));
    gateway.forget_requests();
    gateway.fail_next_at("/v1/resolve", 1, Fault::Status(503));
    while github.get("/user").unwrap().0 != 200 {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(gateway.count("/v1/resolve"), 2);
}

/// Another client revokes the connection.
#[test]
fn a_client_that_learns_of_a_revocation_sends_the_token_no_more() {
    type Learn = fn(&NexusClient, &str);
    let table: [(&str, Learn); 2] = [
        ("is_connected", |client, _| {
            assert!(!client.is_connected("acme", "github").unwrap());
        }),
        ("get_token_by_connection_id", |client, id| {
            let error = client.get_token_by_connection_id(id).unwrap_err();
            assert_eq!(error.code(), "connection_revoked");
        }),
    ];
    for (name, learn) in table {
        let gateway = DevGateway::start().unwrap();
        let (client, other) = (client(&gateway), client(&gateway));
        let connection = request(&client, "github");
        visit(&connection.auth_url);
        let cache = TokenCache::new();
        let github = fetcher(&client, &cache, "github", gateway.url());
        assert_eq!(github.get("/user").unwrap().0, 200, "{name}");
        let id = &connection.connection_id;
        other
            .revoke_connection(id, RevokeOptions::default())
            .unwrap();
        learn(&client, id);
        gateway.forget_requests();
        github.get("/user").unwrap_err();
        assert_eq!(gateway.count("/user"), 0, "{name}");
    }
}

/// The response is lost or cannot be read, so the revocation may have been carried out.
#[test]
fn a_revocation_without_a_readable_response_removes_the_token() {
    let table = [
        ("cut off", bytes(""), true),
        ("no JSON", text(200, "<html>"), true),
        ("refused", text(403, ""), false),
    ];
    for (case, reply, removes) in table {
        let server = Server::start(move |request| match request.path() {
            "/v1/resolve" => bearer("t-1"),
            _ => reply.clone(),
        });
        let client = client(&server);
        let cache = TokenCache::new();
        client.get_cached_token(&cache, "ws", "p").unwrap();
        client
            .revoke_connection("id", RevokeOptions::default())
            .unwrap_err();
        assert_eq!(cache.is_empty(), removes, "{case}");
    }
}
