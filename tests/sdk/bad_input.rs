//! Input that cannot be used: the error names its place, and nothing is sent. `src/url/tests.rs` has the rules of URLs.

use std::time::Duration;

use crate::support::{self, Server, bearer, client, options};
use nexus_sdk::http::HeaderName;
use nexus_sdk::serde_json::Map;
use nexus_sdk::{
    AgentSessionInput, FetchOptions, NexusClient, NexusClientOptions, NexusError,
    RequestConnectionInput, RevokeOptions, TokenCache, WaitOptions,
};

/// Checks a table of errors, and that the server heard nothing of them.
fn check(server: &Server, table: Vec<(&str, NexusError, &str, &str)>) {
    for (case, error, code, place) in table {
        assert_eq!(error.code(), code, "{case:?}: {error}");
        assert!(error.message().starts_with(place), "{case:?}: {error}");
        assert_eq!(
            (error.status_code(), error.is_retryable()),
            (None, false),
            "{case:?}"
        );
        assert_eq!(error.to_string().lines().count(), 1, "{case:?}: {error}");
    }
    assert_eq!(server.requests().len(), 0);
    assert_eq!(server.connections(), 0);
}

#[test]
fn blank_texts() {
    let server = Server::play(vec![bearer("t")]);
    let (client, cache) = (client(&server), TokenCache::new());
    let connect = |user: &str, provider: &str, url: &str| {
        let input = RequestConnectionInput::new(user, provider, ["s"], url);
        client.request_connection(&input).err()
    };
    let get = |workspace: &str, provider: &str| {
        let fetcher = client.fetcher(&cache, workspace, provider);
        fetcher.get(&server.url("/")).err()
    };
    let fetch = |workspace: &str, provider: &str| {
        let (url, options) = (server.url("/"), FetchOptions::default());
        client
            .authenticated_fetch(&cache, workspace, provider, &url, options)
            .err()
    };
    let revoke = |id: &str, workspace: Option<&str>| {
        let options = RevokeOptions::default();
        let options = workspace.map_or(options.clone(), |id| options.workspace_id(id));
        client.revoke_connection(id, options).err()
    };
    let session = |input: AgentSessionInput| client.request_agent_session(&input).err();
    let agent = || AgentSessionInput::new("a", ["s"]).connection_id("c");
    for blank in ["", " ", "\t", "\r\n", "\u{a0}\u{2003}"] {
        let table = vec![
            (client.check_connection(blank).err(), "connection_id: "),
            (
                client.wait_for_active(blank, WaitOptions::default()).err(),
                "connection_id: ",
            ),
            (
                client.get_token_by_connection_id(blank).err(),
                "connection_id: ",
            ),
            (client.refresh_connection(blank).err(), "connection_id: "),
            (revoke(blank, None), "connection_id: "),
            (revoke("c", Some(blank)), "workspace_id: "),
            (client.resolve_token(blank, "p").err(), "workspace_id: "),
            (client.resolve_token("w", blank).err(), "provider: "),
            (
                client.get_cached_token(&cache, blank, "p").err(),
                "workspace_id: ",
            ),
            (
                client.get_cached_token(&cache, "w", blank).err(),
                "provider: ",
            ),
            (
                client.auth_headers(&cache, blank, "p").err(),
                "workspace_id: ",
            ),
            (fetch(blank, "p"), "workspace_id: "),
            (fetch("w", blank), "provider: "),
            (get("w", blank), "provider: "),
            (connect(blank, "p", "http://x/"), "user_id: "),
            (connect("u", blank, "http://x/"), "provider_name: "),
            (connect("u", "p", blank), "return_url: "),
            (client.capture_schema(blank).err(), "state: "),
            (
                client.capture_credential(blank, &Map::new()).err(),
                "state: ",
            ),
            (client.get_agent_session(blank).err(), "session_id: "),
            (client.close_agent_session(blank).err(), "session_id: "),
            (session(agent().on_behalf_of(blank)), "user_token: "),
            (session(AgentSessionInput::new("a", ["s"])), ""),
        ];
        let row = |(error, place): (Option<NexusError>, _)| {
            (blank, error.unwrap(), "invalid_input", place)
        };
        check(&server, table.into_iter().map(row).collect());
    }
}

#[test]
fn options_of_a_client() {
    let server = Server::play(vec![bearer("t")]);
    let refused = |options: NexusClientOptions| NexusClient::new(options).unwrap_err();
    let urls = [
        ("", "gateway_url: is empty"),
        ("https://me:pw@host", "gateway_url: has a user name"),
        (
            "https://host/?a=b",
            "gateway_url: has a query; leave it out",
        ),
        ("https://host/v1?", "gateway_url: has a query; leave it out"),
    ];
    let urls = urls.map(|(url, place)| {
        let error = refused(NexusClientOptions::new(url));
        (url, error, "invalid_input", place)
    });
    check(&server, urls.into());
    // No server takes the last one.
    let long = "x".repeat(64 * 1024 + 1);
    let keys = ["a\nb", "a\r\nX: y", "a\0", "\u{7f}", &long].map(|key| {
        let error = refused(options(&server).api_key(key));
        (key, error, "invalid_input", "api_key: ")
    });
    check(&server, keys.into());
    let error = refused(options(&server).timeout(Duration::ZERO));
    check(&server, vec![("0 s", error, "invalid_input", "timeout: ")]);
}

fn refused(server: &Server, url: &str, options: FetchOptions) -> NexusError {
    let result = client(server).authenticated_fetch(&TokenCache::new(), "w", "p", url, options);
    result.unwrap_err()
}

#[test]
fn urls_to_fetch() {
    let server = Server::play(vec![bearer("t")]);
    let authority = server.url("").replace("http://", "");
    let urls = [
        (String::new(), "invalid_input"),
        (format!("http://me:secret@{authority}/"), "invalid_input"),
        (format!("ftp://{authority}/"), "invalid_input"),
        (format!("http://{authority}/a\r\nX: y"), "invalid_input"),
        (format!(" http://{authority}/"), "invalid_input"),
        ("http://{key}/".to_owned(), "invalid_input"),
        (
            "http://api.example.com/x?q=secret".to_owned(),
            "insecure_url",
        ),
        ("http://localhost.example.com/".to_owned(), "insecure_url"),
        ("http://0.0.0.0/".to_owned(), "insecure_url"),
    ];
    let table = urls.iter().map(|(url, code)| {
        let error = refused(&server, url, FetchOptions::default());
        assert!(!error.message().contains("secret"), "{error}");
        (url.as_str(), error, *code, "url: ")
    });
    check(&server, table.collect());
}

#[test]
fn methods() {
    let server = Server::play(vec![bearer("t")]);
    #[rustfmt::skip]
    let methods = [
        "", " ", "GE T", "GET ", "GET\r\n", "GET / HTTP/1.1\r\nX: y", "M\u{e9}thod", "a/b", "CONNECT",
        "connect", "TRACE", "Trace", "TRACK", "track", "PRI", "pri",
    ];
    let table = methods.map(|method| {
        let options = FetchOptions::default().method(method);
        let error = refused(&server, &server.url("/"), options);
        (method, error, "invalid_input", "method: ")
    });
    check(&server, table.into());
}

#[test]
fn headers() {
    let server = Server::play(vec![bearer("t")]);
    let headers: [(&str, &[u8]); 19] = [
        ("", b"x"),
        (" ", b"x"),
        ("X Y", b"x"),
        ("X:", b"x"),
        ("X\r\nY", b"x"),
        ("X\n", b"x"),
        ("X\0", b"x"),
        ("caf\u{e9}", b"x"),
        ("X-Ok", b"a\r\nY: z"),
        ("X-Ok", b"a\nb"),
        ("X-Ok", b"a\r"),
        ("X-Ok", b"\0"),
        ("X-Ok", b"\x7f"),
        ("Authorization", b"Bearer kl\xc3\xbc"),
        ("Host", b"evil.example"),
        ("Transfer-Encoding", b"chunked"),
        ("TRANSFER-ENCODING", b"identity"),
        ("Connection", b"close"),
        ("te", b"trailers"),
    ];
    let table = headers.map(|(name, value)| {
        let options = FetchOptions::default()
            .header("X-First", "1")
            .header(name, value);
        let error = refused(&server, &server.url("/"), options);
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        // A name that is none may be a secret in the wrong place.
        let place = if is_name {
            "header 2 ("
        } else {
            "header 2: its"
        };
        (name, error, "invalid_input", place)
    });
    check(&server, table.into());
}

#[test]
fn options_of_a_fetch() {
    let server = Server::play(vec![bearer("t")]);
    let odd = std::collections::HashMap::from([((1, 2), 3)]);
    let get = FetchOptions::default;
    let table = [
        ("a map", get().method("POST").json(&odd), "json: "),
        ("0 s", get().timeout(Duration::ZERO), "timeout: "),
    ];
    let table = table.map(|(case, options, place)| {
        let error = refused(&server, &server.url("/"), options);
        (case, error, "invalid_input", place)
    });
    check(&server, table.into());
}

#[test]
fn extremes_that_can_be_used_are_no_panic() {
    let upstream = Server::play(vec![support::text(200, "ok")]);
    let options = FetchOptions::default().timeout(Duration::MAX).data("ab");
    assert_eq!(support::fetch(&upstream.url("/"), options).unwrap().0, 200);
    let long = FetchOptions::default().method("M".repeat(200_000));
    let error = support::fetch(&upstream.url("/"), long).unwrap_err();
    assert_eq!(error.code(), "request_failed", "{error}");
    let many = (0..40_000).map(|n| (format!("X-{n}"), "1"));
    let error =
        support::fetch(&upstream.url("/"), FetchOptions::default().headers(many)).unwrap_err();
    assert_eq!(error.code(), "invalid_input", "{error}");
    let brief = FetchOptions::default().timeout(Duration::from_nanos(1));
    assert_eq!(
        support::fetch(&upstream.url("/"), brief)
            .unwrap_err()
            .code(),
        "timeout"
    );
}
