//! Calls that can make the gateway refresh a token run to their end, whoever leaves.

use std::thread;
use std::time::Duration;

use crate::support::{LONG, Server, client, json, options};
use nexus_sdk::serde_json::json;
use nexus_sdk::{
    AgentSessionInput, FetchOptions, NexusClient, NexusClientOptions, TokenCache, ureq,
};

/// Longer than any caller here waits.
const SLOW: Duration = Duration::from_millis(300);
const HASTY: Duration = Duration::from_millis(30);

/// A gateway that takes its time over tokens.
fn slow_gateway() -> Server {
    Server::start(|request| match request.path() {
        "/v1/agent-sessions" => json(201, &json!({"session_id": "s", "access_token": "a"})),
        path if path.starts_with("/v1/agent-sessions/") => json(200, &json!({})),
        _ => {
            thread::sleep(SLOW);
            json(200, &json!({"access_token": "t", "expires_in": 3600}))
        }
    })
}

/// Leaves a flight behind and drops the last handle of its client.
type Leave = fn(NexusClient, &TokenCache, &Server);

fn hasty_fetch(client: &NexusClient, cache: &TokenCache, server: &Server) {
    let hasty = FetchOptions::default().timeout(HASTY);
    let fetched = client.authenticated_fetch(cache, "ws", "p", &server.url("/"), hasty);
    assert_eq!(fetched.unwrap_err().code(), "timeout");
}

/// Each kind of handle waits for what flies when it is the last.
#[test]
fn the_last_handle_of_any_kind_waits_for_the_flight() {
    let table: [(&str, Leave); 4] = [
        ("a client", |client, cache, server| {
            hasty_fetch(&client, cache, server);
        }),
        ("a fetcher", |client, cache, server| {
            let _fetcher = client.fetcher(cache, "ws", "p");
            hasty_fetch(&client, cache, server);
            drop(client);
        }),
        ("an agent", |client, cache, server| {
            let _agent = client.authenticated_agent(cache, "ws", "p");
            hasty_fetch(&client, cache, server);
            drop(client);
        }),
        ("a session guard", |client, cache, server| {
            let input = AgentSessionInput::new("agent", ["repo"]).provider("ws", "p");
            let session = client.request_agent_session(&input).unwrap();
            let _guard = client.guard_agent_session(session);
            hasty_fetch(&client, cache, server);
            drop(client);
        }),
    ];
    for (case, leave) in table {
        let (server, cache) = (slow_gateway(), TokenCache::new());
        leave(client(&server), &cache, &server);
        let token = cache.get("ws", "p");
        assert!(token.is_some(), "{case}: the flight has not landed");
    }
}

#[test]
fn drain_waits_for_what_was_left() {
    let (server, cache) = (slow_gateway(), TokenCache::new());
    let client = NexusClient::new(options(&server).timeout(HASTY)).unwrap();
    assert!(client.drain(Duration::ZERO), "nothing has been asked");
    assert!(client.get_cached_token(&cache, "ws", "p").is_err());
    assert!(!client.drain(Duration::ZERO), "it is under way");
    assert!(client.drain(LONG));
    assert!(cache.get("ws", "p").is_some());
}

/// None of an own agent's timeouts cuts a refresh short.
#[test]
fn the_timeouts_of_an_own_agent_do_not_end_a_flight() {
    let hasty = Some(HASTY);
    let builder = ureq::Agent::config_builder;
    let agents = [
        ("global", builder().timeout_global(hasty)),
        ("per call", builder().timeout_per_call(hasty)),
        ("response", builder().timeout_recv_response(hasty)),
        ("body", builder().timeout_recv_body(hasty)),
        ("read", builder().timeout_per_read(hasty)),
    ];
    for (case, agent) in agents {
        let (server, cache) = (slow_gateway(), TokenCache::new());
        let options: NexusClientOptions = options(&server).agent(agent.build().new_agent());
        let client = NexusClient::new(options).unwrap();
        let token = client.get_cached_token(&cache, "ws", "p");
        assert_eq!(token.unwrap().access_token, "t", "{case}");
    }
}
