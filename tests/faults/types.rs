//! The `Debug` output of every public type, with secrets in every field that may hold one.

use std::any::type_name;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Fault, Provider};
use nexus_sdk::{
    AgentSessionInput, CachedToken, ConnectionStatus, ConsentListener, ErrorKind, FetchOptions,
    LogLevel, NexusClient, NexusClientOptions, Origin, Redirects, RequestConnectionInput,
    RetryPolicy, RevokeOptions, TokenCache, WaitOptions,
};

use crate::find_secrets::{KEY, SECRET, check_text};
use crate::secrets::{strategies, token};
use crate::support::{Server, client, exports, json, options, text};

/// The types that were checked, by the last part of their name.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn see<T: Debug>(&mut self, value: &T) {
        let path = type_name::<T>().split('<').next().unwrap();
        let name = path.rsplit("::").next().unwrap();
        check_text(name, &format!("{value:?} {value:#?}"));
        self.0.insert(name.to_owned());
    }
}

#[test]
fn no_debug_of_any_public_type_shows_a_secret() {
    let mut seen = Seen::default();
    see_options(&mut seen);
    see_calls(&mut seen);
    see_tokens(&mut seen);
    see_connections(&mut seen);
    see_sessions(&mut seen);
    see_testing(&mut seen);
    let mut public = [exports("src/lib.rs"), exports("src/testing/mod.rs")].concat();
    assert!(public.len() > 25, "{public:?}");
    // An alias, a trait and a constant have no `Debug`.
    let others = ["Result", "RefreshLock", "NO_SCOPES"];
    public.retain(|name| !seen.0.contains(name) && !others.contains(&&**name));
    assert!(public.is_empty(), "not seen: {public:?}");
}

fn credentials() -> Map<String, Value> {
    Map::from_iter([("api_key".to_owned(), SECRET.into())])
}

fn see_options(seen: &mut Seen) {
    seen.see(&NexusClientOptions::new("http://me:canary@host/?key=canary").api_key(KEY));
    seen.see(&NexusClientOptions::new("canary").agent(ureq::agent()));
    let fetch = FetchOptions::default().data("canary");
    seen.see(&fetch.header("X-Own", SECRET));
    seen.see(&WaitOptions::default().on_poll(|_| std::ops::ControlFlow::Continue(())));
    seen.see(&RetryPolicy::default());
    seen.see(&LogLevel::Debug);
    seen.see(&Redirects::Manual);
    seen.see(&ErrorKind::Timeout);
    seen.see(&Origin::Local);
    seen.see(&ConnectionStatus::Active);
}

/// A gateway that quotes the key in its error, and a program that shows each call.
fn see_calls(seen: &mut Seen) {
    let gateway = Server::play(vec![text(401, KEY), text(503, KEY)]);
    let seen_calls = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&seen_calls);
    let options = options(&gateway).api_key(KEY).on_call(move |call| {
        let mut seen = Seen::default();
        seen.see(call);
        calls.lock().unwrap().push((call.operation, seen));
    });
    seen.see(&options);
    let client = NexusClient::new(options).unwrap();
    assert!(client.resolve_token("ws", "p").is_err());
    assert!(client.capture_schema("canary-state").is_err());
    let calls = std::mem::take(&mut *seen_calls.lock().unwrap());
    let operations: Vec<_> = calls.iter().map(|(operation, _)| *operation).collect();
    assert_eq!(operations, ["resolve", "capture_schema"]);
    seen.0
        .extend(calls.into_iter().flat_map(|(_, seen)| seen.0));
}

fn see_tokens(seen: &mut Seen) {
    let soon = SystemTime::now() + Duration::from_secs(60);
    let own = CachedToken::new("canary", "Bearer", soon).header("Authorization", "canary ");
    seen.see(&own);
    for strategy in strategies() {
        let gateway = Server::play(vec![json(200, &token(&strategy))]);
        let client = NexusClient::new(options(&gateway).api_key(KEY)).unwrap();
        let cache = TokenCache::new();
        seen.see(&client);
        seen.see(&client.get_token_by_connection_id("c").unwrap());
        seen.see(&client.refresh_connection("c").unwrap());
        seen.see(&client.resolve_token("ws", "p").unwrap());
        seen.see(&client.get_cached_token(&cache, "ws", "p").unwrap());
        seen.see(&cache);
        seen.see(&client.fetcher(&cache, "ws", "p"));
        seen.see(&client.authenticated_agent(&cache, "ws", "p"));
        if let Ok(headers) = client.auth_headers(&cache, "ws", "p") {
            seen.see(&headers);
        }
    }
}

fn see_connections(seen: &mut Seen) {
    let metadata = Map::from_iter([("note".to_owned(), SECRET.into())]);
    let input = RequestConnectionInput::new("u", "p", ["s"], "http://localhost/?state=canary");
    let input = input.metadata(metadata);
    seen.see(&input);
    let answer = json!({
        "authUrl": "http://x/?state=canary", "connection_id": "c", "state": "canary-state",
        "status": "active", "redirect_url": "http://x/?code=canary",
        "oauth2": {"p": {"id": "1", "user_info_endpoint": "http://x/"}},
        "schema": {"properties": {"api_key": {}}},
    });
    let gateway = Server::play(vec![json(200, &answer)]);
    let client = client(&gateway);
    seen.see(&client.request_connection(&input).unwrap());
    seen.see(&client.health().unwrap());
    seen.see(&RevokeOptions::default());
    let revoked = client.revoke_connection("c", RevokeOptions::default());
    seen.see(&revoked.unwrap());
    seen.see(&client.capture_schema("canary").unwrap());
    seen.see(&client.capture_credential("canary", &credentials()).unwrap());
    let providers = client.providers().unwrap();
    seen.see(providers.get("p").unwrap());
    seen.see(&providers);
    let listener = ConsentListener::bind().unwrap();
    let (_, path) = listener.return_url().rsplit_once('/').unwrap();
    assert!(!format!("{listener:?}").contains(path));
    seen.see(&listener);
    seen.see(&client.check_connection("").unwrap_err());
}

fn see_sessions(seen: &mut Seen) {
    let tokens = [
        json!({"token_type": "bearer", "access_token": SECRET}),
        json!({"token_type": "session", "session_token": SECRET}),
    ];
    for mut answer in tokens {
        answer["session_id"] = "s".into();
        for user in ["acting_for", "tenant_id", "clearance_level", "anything"] {
            answer[user] = SECRET.into();
        }
        let gateway = Server::play(vec![json(201, &answer)]);
        let client = client(&gateway);
        let input = AgentSessionInput::new("a", ["s"]).provider("ws", "p");
        seen.see(&input);
        let obo = input.clone().on_behalf_of(SECRET);
        seen.see(&obo);
        seen.see(&client.request_agent_session(&obo).unwrap());
        let session = client.request_agent_session(&input).unwrap();
        seen.see(&client.session_fetcher(&session).unwrap());
    }
}

fn see_testing(seen: &mut Seen) {
    let provider = Provider::api_key("p").credentials(credentials());
    seen.see(&provider);
    let builder = DevGateway::builder().api_key(KEY).provider(provider);
    seen.see(&builder);
    let gateway = builder.start().unwrap();
    seen.see(&gateway);
    let address = ([127, 0, 0, 1], 0).into();
    seen.see(&gateway.serve_upstream(address).unwrap());
    let client = NexusClient::new(options(&gateway).api_key(KEY)).unwrap();
    let _ = client.capture_credential("s", &credentials());
    seen.see(&gateway.requests()[0]);
    seen.see(&Fault::reply(200, "text/plain", SECRET));
}
