//! Calls that can make the gateway refresh a token run to their end, even if their callers leave.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Server, client, json, options};
use nexus_sdk::serde_json::json;
use nexus_sdk::{AgentSessionInput, FetchOptions, NexusClient, TokenCache, ureq};

/// The timeout of a caller that leaves. A flight takes longer.
const HASTY: Duration = Duration::from_millis(30);

/// A gateway that responds with a token some time after it is told that the caller has left.
struct Slow {
    server: Server,
    left: Arc<AtomicBool>,
}

impl Slow {
    fn start() -> Self {
        let left = Arc::<AtomicBool>::default();
        let told = Arc::clone(&left);
        let server = Server::start(move |request| match request.path() {
            "/v1/agent-sessions" => json(201, &json!({"session_id": "s", "access_token": "a"})),
            "/v1/capture-schema" => json(200, &json!({"properties": {"key": {}}})),
            path if path.starts_with("/v1/agent-sessions/") => json(200, &json!({})),
            _ => {
                while !told.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
                thread::sleep(HASTY * 5);
                json(200, &json!({"access_token": "t", "expires_in": 3600}))
            }
        });
        Self { server, left }
    }

    fn go_on(&self) {
        self.left.store(true, Ordering::SeqCst);
    }

    /// Starts a flight and leaves it.
    fn leave(&self, client: &NexusClient, cache: &TokenCache) {
        // On a busy machine the caller may leave before the gateway gets the request.
        while self.server.count("/v1/resolve") == 0 {
            let hasty = FetchOptions::default().timeout(HASTY);
            let url = self.server.url("/");
            let fetched = client.authenticated_fetch(cache, "ws", "p", &url, hasty);
            assert_eq!(fetched.unwrap_err().code(), "timeout");
        }
        self.go_on();
    }
}

/// Each kind of handle waits for flights if it is the last one.
#[test]
fn the_last_handle_of_any_kind_waits_for_the_flight() {
    type Handle = fn(&NexusClient, &TokenCache) -> Box<dyn Any>;
    let table: [(&str, Handle); 4] = [
        ("a client", |client, _| Box::new(client.clone())),
        ("a fetcher", |client, cache| {
            Box::new(client.fetcher(cache, "ws", "p"))
        }),
        ("an agent", |client, cache| {
            Box::new(client.authenticated_agent(cache, "ws", "p"))
        }),
        ("a session's fetcher", |client, _| {
            let input = AgentSessionInput::new("agent", ["repo"]).provider("ws", "p");
            let session = client.request_agent_session(&input).unwrap();
            Box::new(client.session_fetcher(&session).unwrap())
        }),
    ];
    thread::scope(|scope| {
        for (case, handle) in table {
            scope.spawn(move || {
                let (gateway, cache) = (Slow::start(), TokenCache::new());
                let client = client(&gateway.server);
                let last = handle(&client, &cache);
                gateway.leave(&client, &cache);
                drop(client);
                drop(last);
                assert!(
                    cache.get("ws", "p").is_some(),
                    "{case}: the flight has not ended"
                );
            });
        }
    });
}

/// A form stays open as long as its listener, possibly until the program ends.
#[test]
fn a_form_is_no_handle() {
    let (gateway, cache) = (Slow::start(), TokenCache::new());
    let client = client(&gateway.server);
    let listener = nexus_sdk::ConsentListener::bind().unwrap();
    listener.credential_form(&client, "s").unwrap();
    gateway.leave(&client, &cache);
    drop(client);
    assert!(cache.get("ws", "p").is_some(), "the flight has not ended");
}

/// No timeout of the caller's own agent cuts a refresh short.
#[test]
fn the_timeouts_of_a_callers_agent_do_not_end_a_flight() {
    let hasty = Some(HASTY);
    let builder = ureq::Agent::config_builder;
    let agents = [
        ("global", builder().timeout_global(hasty)),
        ("per call", builder().timeout_per_call(hasty)),
        ("response", builder().timeout_recv_response(hasty)),
        ("body", builder().timeout_recv_body(hasty)),
        ("read", builder().timeout_per_read(hasty)),
    ];
    thread::scope(|scope| {
        for (case, agent) in agents {
            scope.spawn(move || {
                let (gateway, cache) = (Slow::start(), TokenCache::new());
                gateway.go_on();
                let options = options(&gateway.server).agent(agent.build().new_agent());
                let client = NexusClient::new(options).unwrap();
                let token = client.get_cached_token(&cache, "ws", "p");
                assert_eq!(token.unwrap().access_token, "t", "{case}");
            });
        }
    });
}
