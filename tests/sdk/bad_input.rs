//! Input that cannot be used: the error names its place, and nothing is sent. `src/url/tests.rs` has the rules of URLs.

use std::collections::HashMap;
use std::time::Duration;

use crate::support::{self, Server, client, options};
use nexus_sdk::serde_json::Map;
use nexus_sdk::{
    AgentSessionInput, FetchOptions, NexusClient, NexusError, Origin, RequestConnectionInput,
    RevokeOptions, TokenCache, WaitOptions,
};

fn get() -> FetchOptions {
    FetchOptions::default()
}

/// A server for requests that must not be sent.
fn unused() -> Server {
    Server::play(vec![support::bearer("t")])
}

fn check(case: &str, error: &NexusError, code: &str, place: &str) {
    assert_eq!(error.code(), code, "{case:?}: {error}");
    // A call for a tenant names it first.
    let named = format!(": {place}");
    assert!(error.to_string().contains(&named), "{case:?}: {error}");
    let places = (error.origin(), error.may_have_been_sent());
    assert_eq!(places, (Origin::Local, false), "{case:?}: {error}");
    assert!(error.status_code().is_none() && !error.is_retryable());
    assert_eq!(error.to_string().lines().count(), 1, "{case:?}: {error}");
    assert!(!error.message().contains("secret"), "{error}");
}

#[test]
fn blank_texts() {
    let server = unused();
    let (client, cache) = (client(&server), TokenCache::new());
    let connect = |user: &str, provider: &str, url: &str| {
        let input = RequestConnectionInput::new(user, provider, ["s"], url);
        client.request_connection(&input).err()
    };
    let revoke = |id: &str, workspace: Option<&str>| {
        let options = RevokeOptions::default();
        let options = workspace.map_or(options.clone(), |id| options.workspace_id(id));
        client.revoke_connection(id, options).err()
    };
    let fetcher_of = |provider| client.fetcher(&cache, "w", provider);
    let cached = |workspace| client.get_cached_token(&cache, workspace, "p").err();
    let fetch = |workspace: &str, url: &str| {
        let fetched = client.authenticated_fetch(&cache, workspace, "p", url, get());
        fetched.err()
    };
    let get = |provider| fetcher_of(provider).get(&server.url("/")).err();
    let token = |id| client.get_token_by_connection_id(id).err();
    let wait = |id| client.wait_for_active(id, WaitOptions::default()).err();
    let capture = |state| client.capture_credential(state, &Map::new()).err();
    let session = |input: AgentSessionInput| client.request_agent_session(&input).err();
    let agent = || AgentSessionInput::new("a", ["s"]);
    for blank in ["", "\t\u{a0}\u{2003}\r\n"] {
        let table = [
            (client.check_connection(blank).err(), "connection_id: "),
            (wait(blank), "connection_id: "),
            (token(blank), "connection_id: "),
            (client.refresh_connection(blank).err(), "connection_id: "),
            (revoke(blank, None), "connection_id: "),
            (revoke("c", Some(blank)), "workspace_id: "),
            (client.resolve_token(blank, "p").err(), "workspace_id: "),
            (client.resolve_token("w", blank).err(), "provider: "),
            (client.is_connected("w", blank).err(), "provider: "),
            (cached(blank), "workspace_id: "),
            (fetch(blank, &server.url("/")), "workspace_id: "),
            (fetch("w", blank), "url: "),
            (get(blank), "provider: "),
            (connect(blank, "p", "http://x/"), "user_id: "),
            (connect("u", blank, "http://x/"), "provider_name: "),
            (connect("u", "p", blank), "return_url: "),
            (client.capture_schema(blank).err(), "state: "),
            (capture(blank), "state: "),
            (client.get_agent_session(blank).err(), "session_id: "),
            (client.close_agent_session(blank).err(), "session_id: "),
            (session(agent()), ""),
        ];
        for (error, place) in table {
            check(blank, &error.unwrap(), "invalid_input", place);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn options_of_a_client() {
    let server = unused();
    let at = |url: &str| nexus_sdk::NexusClientOptions::new(url);
    let key = |key: &str| options(&server).api_key(key);
    // No server accepts a longer key.
    let long = "x".repeat(64 * 1024 + 1);
    let table = [
        (at(""), "gateway_url: is empty"),
        (at("https://me:pw@host"), "gateway_url: has a user name"),
        (
            at("https://host/v1?"),
            "gateway_url: has a query or a fragment; leave",
        ),
        (
            at("https://host/#v1"),
            "gateway_url: has a query or a fragment; leave",
        ),
        (key("a\r\nX: y"), "api_key: "),
        (key("\u{7f}"), "api_key: "),
        (key(&long), "api_key: "),
        (options(&server).timeout(Duration::ZERO), "timeout: "),
    ];
    for (options, place) in table {
        let error = NexusClient::new(options).unwrap_err();
        check(place, &error, "invalid_input", place);
    }
}

#[test]
fn urls_and_options_of_a_fetch() {
    let server = unused();
    let url = &*server.url("/");
    let with_user = url.replace("127", "me:secret@127");
    let odd = HashMap::from([((1, 2), 3)]);
    let mut table = vec![
        (&*with_user, get(), "url: "),
        ("ftp://127.0.0.1/", get(), "url: "),
        ("http://{key}/", get(), "url: "),
        (url, get().method("POST").json(&odd), "json: "),
        (url, get().timeout(Duration::ZERO), "timeout: "),
    ];
    #[rustfmt::skip]
    let methods = ["", "GE T", "GET / HTTP/1.1\r\nX: y", "M\u{e9}thod", "CONNECT", "Trace", "track", "PRI"];
    table.extend(methods.map(|method| (url, get().method(method), "method: ")));
    // The name of a header that is not valid may be a secret in the wrong place.
    let (odd_name, named) = ("header 2: its", "header 2 (");
    let headers: [(&str, &[u8], &str); 11] = [
        ("", b"x", odd_name),
        ("X Y", b"x", odd_name),
        ("X\r\nY", b"x", odd_name),
        ("secret\u{e9}", b"x", odd_name),
        ("X-Ok", b"a\r\nY: z", named),
        ("X-Ok", b"\x7f", named),
        ("Authorization", b"Bearer kl\xc3\xbc", named),
        ("Host", b"evil.example", named),
        ("TRANSFER-ENCODING", b"identity", named),
        ("Connection", b"close", named),
        ("te", b"trailers", named),
    ];
    table.extend(headers.map(|(name, value, place)| {
        let options = get().header("X-First", "1").header(name, value);
        (url, options, place)
    }));
    let client = client(&server);
    let fetch = |url: &str, options| {
        let fetched = client.authenticated_fetch(&TokenCache::new(), "w", "p", url, options);
        fetched.unwrap_err()
    };
    for (url, options, place) in table {
        let case = format!("{url} {options:?}");
        check(&case, &fetch(url, options), "invalid_input", place);
    }
    for url in ["http://api.example.com/x?q=secret", "http://0.0.0.0/"] {
        check(url, &fetch(url, get()), "insecure_url", "url: ");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn extremes_that_can_be_used_are_no_panic() {
    let upstream = Server::play(vec![support::text(200, "ok")]);
    let many = (0..40_000).map(|n| (format!("X-{n}"), "1"));
    let table = [
        (get().timeout(Duration::MAX).data("ab"), None),
        (get().method("M".repeat(200_000)), Some("request_failed")),
        (get().headers(many), Some("invalid_input")),
        (get().timeout(Duration::from_nanos(1)), Some("timeout")),
    ];
    for (options, expected) in table {
        let error = support::fetch(&upstream.url("/"), options).err();
        assert_eq!(error.as_ref().map(NexusError::code), expected, "{error:?}");
    }
}
