//! Calls by connection id beside calls by workspace and provider. The provider rotates refresh tokens, so two refreshes
//! at once end the grant.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Fault, Provider};
use nexus_sdk::{
    AgentSessionInput, NexusClient, NexusError, RequestConnectionInput, TokenCache, WaitOptions,
};

use crate::support::{Server, client, options, text, visit};

const HOUR: Duration = Duration::from_secs(3600);

type Call = fn(&NexusClient, &str) -> Result<(), NexusError>;

const BY_ID: [(&str, Call); 4] = [
    ("token", |client, id| {
        client.get_token_by_connection_id(id).map(drop)
    }),
    ("check", |client, id| client.check_connection(id).map(drop)),
    ("wait", |client, id| {
        let options = WaitOptions::default().timeout(Duration::ZERO);
        client.wait_for_active(id, options).map(drop)
    }),
    ("refresh", |client, id| {
        client.refresh_connection(id).map(drop)
    }),
];

fn gateway() -> DevGateway {
    let slow = Provider::oauth2("github").refresh_time(Duration::from_millis(50));
    let builder = DevGateway::builder().provider(slow);
    builder.agent("agent-7", ["repo"]).start().unwrap()
}

/// Requests a connection, consents, and returns its id. Resolves the token once, so that its lifetime starts now.
fn connect(client: &NexusClient, provider: &str) -> String {
    let input = RequestConnectionInput::new("acme", provider, ["repo"], "http://localhost:3000/");
    let connection = client.request_connection(&input).unwrap();
    visit(&connection.auth_url);
    let id = connection.connection_id;
    client.get_token_by_connection_id(&id).unwrap();
    id
}

/// Asserts that the connection outlives another expiry. Two refreshes at once would have ended it.
fn survives(client: &NexusClient, gateway: &DevGateway, case: &str) {
    gateway.advance(HOUR);
    assert!(client.is_connected("acme", "github").unwrap(), "{case}");
}

fn user(client: &NexusClient, cache: &TokenCache, gateway: &DevGateway) -> u16 {
    let fetcher = client
        .fetcher(cache, "acme", "github")
        .base_url(gateway.url())
        .unwrap();
    fetcher.get("/user").unwrap().0
}

fn together(first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            first();
        });
        start.wait();
        second();
    });
}

#[test]
fn an_expiry_costs_one_refresh_whether_callers_name_the_id_or_the_pair() {
    for (name, by_id) in BY_ID {
        for fetches in [false, true] {
            let gateway = gateway();
            let client = client(&gateway);
            // A gateway ignores the case of a provider's name when a connection is requested.
            let id = connect(&client, if fetches { "github" } else { "GitHub" });
            let cache = TokenCache::new();
            gateway.advance(HOUR);
            let by_pair = || {
                if fetches {
                    // The refresh by id may replace a token between its resolve and its use.
                    let status = user(&client, &cache, &gateway);
                    let replaced = (name, status) == ("refresh", 401);
                    assert!(status == 200 || replaced, "{name}: {status}");
                } else {
                    assert!(client.is_connected("acme", "github").unwrap(), "{name}");
                }
            };
            together(|| by_id(&client, &id).unwrap(), by_pair);
            survives(&client, &gateway, &format!("{name}, fetches: {fetches}"));
        }
    }
}

/// The two clients stand for two processes. Only one of them knows the id.
#[test]
fn a_known_id_has_the_lock_of_its_pair() {
    let dir = std::env::temp_dir().join(format!("nexus-by-id-{}", std::process::id()));
    for (name, by_id) in BY_ID {
        let gateway = gateway();
        let locked = || NexusClient::new(options(&gateway).lock_dir(&dir)).unwrap();
        let (own, other) = (locked(), locked());
        let id = connect(&own, "github");
        gateway.advance(HOUR);
        together(
            || by_id(&own, &id).unwrap(),
            || drop(other.resolve_token("acme", "github").unwrap()),
        );
        survives(&other, &gateway, name);
    }
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn whether_a_pair_is_connected_is_read_from_the_response_to_a_resolve() {
    let odd = r#"{"access_token": "t", "strategy": {"type": "saml"}}"#;
    let table = [
        (200, odd, Ok(true)),
        (200, r#"{"status": "ok"}"#, Err("invalid_response")),
        (404, r#"{"error": "connection_not_found"}"#, Ok(false)),
        (409, r#"{"error": "attention_required"}"#, Ok(false)),
        (410, "{}", Ok(false)),
        (404, "{}", Err("http_404")),
        (409, r#"{"error": "token_expired"}"#, Err("token_expired")),
        (
            401,
            r#"{"error": "invalid_api_key"}"#,
            Err("invalid_api_key"),
        ),
    ];
    for (status, body, expected) in table {
        let server = Server::play(vec![text(status, body)]);
        let got = client(&server).is_connected("ws", "p");
        assert_eq!(
            got.as_ref().map_err(NexusError::code),
            expected.as_ref().map_err(|code| *code)
        );
    }
}

/// A gateway may refresh the connection's token before it opens a session.
#[test]
fn a_request_for_a_session_takes_its_turn_and_runs_to_its_end() {
    let gateway = gateway();
    let client = client(&gateway);
    let id = connect(&client, "github");
    let inputs = [
        AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github"),
        AgentSessionInput::new("agent-7", ["repo"]).connection_id(&id),
    ];
    for input in &inputs {
        gateway.advance(HOUR);
        together(
            || drop(client.request_agent_session(input).unwrap()),
            || drop(client.resolve_token("acme", "github").unwrap()),
        );
    }
    gateway.advance(HOUR);
    // Longer than a busy machine may take to wake a caller whose time is up.
    let delay = Fault::Delay(Duration::from_secs(1));
    gateway.fail_next_at("/v1/agent-sessions", 1, delay);
    let hasty = options(&gateway).timeout(Duration::from_millis(10));
    let hasty = NexusClient::new(hasty).unwrap();
    let left = hasty.request_agent_session(&inputs[0]).unwrap_err();
    assert_eq!(left.code(), "timeout");
    assert!(hasty.drain(Duration::from_secs(20)));
    assert!(client.is_connected("acme", "github").unwrap());
    let open = || client.request_agent_session(&inputs[0]).unwrap().session_id;
    let ids = thread::scope(|scope| {
        let opened = [(); 2].map(|()| scope.spawn(open));
        opened.map(|thread| thread.join().unwrap())
    });
    assert_ne!(ids[0], ids[1], "each request opens a session of its own");
}
