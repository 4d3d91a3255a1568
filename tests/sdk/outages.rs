//! A broker whose database is away or out of connections says that there is no connection. Nobody acts on it before it is
//! confirmed.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nexus_sdk::serde_json::json as value;
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{
    FetchOptions, NexusClient, NexusError, RequestConnectionInput, RevokeOptions, TokenCache,
    WaitOptions,
};

use crate::support::{Server, client, connected, json, options, retrying, said, text, visit};

const HOUR: Duration = Duration::from_secs(3600);

/// The failure of the list of providers is the error, whatever a program asks.
#[test]
fn while_the_database_is_away_no_connection_is_said_to_be_missing() {
    type Ask = fn(&NexusClient, &str) -> Result<(), NexusError>;
    let table: [(&str, Ask); 5] = [
        ("resolve_token", |client, _| {
            client.resolve_token("acme", "github").map(drop)
        }),
        ("get_cached_token", |client, _| {
            let cache = TokenCache::new();
            client.get_cached_token(&cache, "acme", "github").map(drop)
        }),
        ("is_connected", |client, _| {
            client.is_connected("acme", "github").map(drop)
        }),
        ("get_token_by_connection_id", |client, id| {
            client.get_token_by_connection_id(id).map(drop)
        }),
        ("revoke_connection", |client, id| {
            client
                .revoke_connection(id, RevokeOptions::default())
                .map(drop)
        }),
    ];
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("acme", "github").unwrap();
    let client = client(&gateway);
    gateway.database_away(true);
    for (name, ask) in table {
        let error = ask(&client, &id).unwrap_err();
        assert_eq!(said(&error), ("broker_error", Some(502)), "{name}");
        assert!(error.is_retryable() && !error.needs_reconnect(), "{name}");
    }
    gateway.database_away(false);
    assert!(client.is_connected("acme", "github").unwrap());
}

#[test]
fn a_stale_token_outlives_the_outage_of_a_database() {
    let gateway = connected();
    let client = client(&gateway);
    let cache = TokenCache::with_buffer(HOUR * 2);
    let github = client.fetcher(&cache, "acme", "github");
    let github = github.base_url(gateway.url()).unwrap();
    let token = github.get_cached_token().unwrap();
    // A token that is set within its buffer is stale at once.
    cache.set("acme", "github", token.as_ref().clone());
    gateway.database_away(true);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(github.get("/user").unwrap().0, 200);
                }
            });
        }
    });
}

/// Under load, the second question is answered.
#[test]
fn a_false_answer_is_corrected_by_the_second_question() {
    let gateway = connected();
    let client = client(&gateway);
    gateway.fail_next_at("/v1/resolve", 1, Fault::DatabaseError);
    assert!(client.is_connected("acme", "github").unwrap());
    let asked = ["/v1/resolve", "/v1/providers"].map(|path| gateway.count(path));
    assert_eq!(asked, [2, 1]);
}

#[test]
fn a_wait_outlasts_the_outage_of_a_database() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let back = "http://localhost:3000/";
    let input = RequestConnectionInput::new("acme", "github", ["repo"], back);
    let connection = client.request_connection(&input).unwrap();
    visit(&connection.auth_url);
    gateway.database_away(true);
    let options = WaitOptions::default().interval(Duration::from_millis(10));
    let status = thread::scope(|scope| {
        let waits = scope.spawn(|| client.wait_for_active(&connection.connection_id, options));
        while gateway.count("/v1/providers") < 3 {
            thread::sleep(Duration::from_millis(1));
        }
        gateway.database_away(false);
        waits.join().unwrap()
    });
    assert_eq!(status.unwrap(), "active");
}

/// A status page asks about a user who has not connected.
#[test]
fn a_question_about_a_missing_connection_costs_two_resolves_and_one_list_in_five_seconds() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    for _ in 0..3 {
        assert!(!client.is_connected("acme", "github").unwrap());
    }
    let error = client.resolve_token("acme", "github").unwrap_err();
    assert!(error.needs_reconnect(), "{error}");
    let asked = ["/v1/resolve", "/v1/providers"].map(|path| gateway.count(path));
    assert_eq!(asked, [8, 1]);
    // Each tenant has an answer of its own.
    assert!(!client.is_connected("acme", "slack").unwrap());
    assert_eq!(gateway.count("/v1/providers"), 2);
}

/// A gateway that has no list, or a test's own server.
#[test]
fn without_a_list_of_providers_the_second_answer_counts() {
    let gateway = Server::start(|request| match request.path() {
        "/v1/resolve" => json(404, &value!({"error": "connection_not_found"})),
        _ => text(404, "404 page not found"),
    });
    let client = client(&gateway);
    assert!(!client.is_connected("ws", "p").unwrap());
    assert_eq!(gateway.count("/v1/resolve"), 2);
}

/// A flight that pauses, here before it confirms an answer or before its next attempt, ends at once.
#[test]
fn a_program_that_ends_does_not_wait_for_a_pause() {
    let long = Duration::from_secs(3600);
    let policy = retrying(3, long);
    let gateway = Server::start(|_| text(503, ""));
    let client = NexusClient::new(options(&gateway).retry_policy(policy).timeout(long)).unwrap();
    thread::scope(|scope| {
        let asks = scope.spawn(|| client.resolve_token("ws", "p").unwrap_err());
        while gateway.count("/v1/resolve") == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(client.drain(long), "all have ended");
        assert_eq!(said(&asks.join().unwrap()), ("http_503", Some(503)));
    });
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

/// A gateway, and a client that has asked it just before the user connected.
fn connected_after_a_question() -> (DevGateway, NexusClient) {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    assert!(!client.is_connected("acme", "github").unwrap());
    gateway.connect("acme", "github").unwrap();
    (gateway, client)
}

/// The user connects, and the database goes away a moment later.
#[test]
fn an_answer_is_not_believed_after_another_answer() {
    let (gateway, client) = connected_after_a_question();
    assert!(client.is_connected("acme", "github").unwrap());
    gateway.database_away(true);
    let error = client.is_connected("acme", "github").unwrap_err();
    assert_eq!(said(&error), ("broker_error", Some(502)));
}

/// The list fails for one workspace, so the broker may err about all others.
#[test]
fn an_answer_is_not_believed_once_the_list_has_failed() {
    let (gateway, client) = connected_after_a_question();
    gateway.database_away(true);
    for workspace_id in ["other", "acme"] {
        let error = client.is_connected(workspace_id, "github").unwrap_err();
        assert_eq!(said(&error), ("broker_error", Some(502)), "{workspace_id}");
    }
}

/// What a program watches in an outage: no attempt tells it to send the user to the consent page.
#[test]
fn no_attempt_in_an_outage_says_that_the_user_has_to_connect() {
    let gateway = connected();
    let codes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&codes);
    let watched = options(&gateway).on_call(move |call| {
        if let Some(error) = call.error {
            assert!(!error.needs_reconnect() && error.is_retryable(), "{error}");
            seen.lock().unwrap().push(error.code().to_owned());
        }
    });
    let client = NexusClient::new(watched).unwrap();
    gateway.database_away(true);
    client.resolve_token("acme", "github").unwrap_err();
    assert_eq!(
        *codes.lock().unwrap(),
        ["connection_not_found", "broker_error"]
    );
}

/// A 403 is common, and does not mean that a token is dead.
#[test]
fn a_403_waits_for_a_gateway_that_hangs_for_a_second_at_most() {
    let gateway = connected();
    let client = client(&gateway);
    let api = Server::start(|_| text(403, "not allowed"));
    let github = client.fetcher(&TokenCache::new(), "acme", "github");
    github.get_cached_token().unwrap();
    gateway.fail_next_at("/v1/resolve", 1, Fault::Delay(HOUR));
    let options = FetchOptions::default().timeout(HOUR);
    assert_eq!(github.fetch(&api.url("/"), options).unwrap().0, 403);
}

/// The pauses of a flight that confirms an answer end as well.
#[test]
fn a_program_that_ends_does_not_wait_for_a_confirmation() {
    let gateway = DevGateway::start().unwrap();
    let policy = retrying(9, HOUR);
    let client = NexusClient::new(options(&gateway).retry_policy(policy).timeout(HOUR)).unwrap();
    gateway.database_away(true);
    thread::scope(|scope| {
        let asks = scope.spawn(|| client.is_connected("acme", "github").unwrap_err());
        while gateway.count("/v1/providers") == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(client.drain(HOUR));
        assert!(!asks.join().unwrap().needs_reconnect());
    });
    assert_eq!(gateway.count("/v1/providers"), 1);
}
