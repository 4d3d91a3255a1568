//! The requests that are sent again after a 401: only the request that was refused.

use nexus_sdk::{FetchOptions, TokenCache};
use serde_json::{Value, json};

use crate::support::{Request, Server, client, granting, redirect, text};

fn bearer(number: usize) -> Value {
    json!({"access_token": format!("token-{number}"), "expires_in": 3600})
}

fn by_query(number: usize) -> Value {
    json!({"strategy": {"type": "query_param", "config": {"param_name": "key"}},
        "credentials": {"api_key": format!("key/{number}:long")}})
}

fn by_path(number: usize) -> Value {
    json!({"strategy": {"type": "path"},
        "credentials": {"key": format!("key/{number}:long"), "region": "eu"}})
}

/// Returns the number of the credential that a request carries.
fn number_of(request: &Request) -> usize {
    let (_, number) =
        request.head.split_once("en-").or_else(|| request.head.split_once("key%2F")).unwrap();
    number.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

type Token = fn(usize) -> Value;

#[test]
fn the_hop_that_was_refused_is_sent_again() {
    let table: [(&str, Token, [&str; 4]); 2] = [
        (
            "bearer",
            bearer,
            [
                "POST /start body",
                "GET /region/eu/next",
                "GET /region/eu/next",
                "GET /region/eu/last",
            ],
        ),
        (
            "query_param",
            by_query,
            [
                "POST /start?key=key%2F1%3Along body",
                "GET /region/eu/next?key=key%2F1%3Along",
                "GET /region/eu/next?key=key%2F2%3Along",
                "GET /region/eu/last?key=key%2F2%3Along",
            ],
        ),
    ];
    for (case, token, expected) in table {
        let upstream = Server::start(|request| match (request.path(), number_of(request)) {
            ("/start", _) => redirect(303, "/region/eu/next"),
            ("/region/eu/next", 1) => text(401, "revoked"),
            ("/region/eu/next", _) => redirect(302, "last"),
            _ => text(200, "done"),
        });
        let gateway = granting(2, token);
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200, "{case}");
        let (status, _, body) = fetcher.post(&upstream.url("/start"), "body").unwrap();
        assert_eq!((status, &*body), (200, &b"done"[..]), "{case}");
        assert_eq!(heard(&upstream), expected, "{case}");
        assert_eq!(gateway.count("/v1/resolve"), 2, "{case}");
    }
}

/// Returns the requests after the first: method, target and body.
fn heard(upstream: &Server) -> Vec<String> {
    let heard = upstream.requests().into_iter().skip(1).map(|request| {
        let body = String::from_utf8(request.body).unwrap();
        let line = format!("{} {} {body}", request.method, request.target);
        line.trim_end().to_owned()
    });
    heard.collect()
}

/// The server writes the target of a redirect, so the SDK does not know where in it the credential is.
#[test]
fn a_401_behind_a_redirect_is_the_response_where_the_credential_is_in_the_path() {
    let upstream = Server::start(|request| {
        let (folder, name) = request.path().rsplit_once('/').unwrap();
        match (name, number_of(request)) {
            ("start", _) => redirect(303, &format!("{folder}/next")),
            ("next", 1) => text(401, "revoked"),
            _ => text(200, "done"),
        }
    });
    let gateway = granting(2, by_path);
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let url = |name: &str| upstream.url(&format!("/{{key}}/{name}"));
    assert_eq!(fetcher.get(&url("warm")).unwrap().0, 200);
    assert_eq!(fetcher.post(&url("start"), "body").unwrap().0, 401);
    let expected = ["POST /key%2F1:long/start body", "GET /key%2F1:long/next"];
    assert_eq!(heard(&upstream), expected);
    assert_eq!(gateway.count("/v1/resolve"), 1);
    // The token was dropped from the cache nevertheless.
    assert_eq!(fetcher.get(&url("next")).unwrap().0, 200);
    assert_eq!(gateway.count("/v1/resolve"), 2);
}

#[test]
fn a_401_to_a_credential_in_the_path_is_replayed_without_a_redirect() {
    let upstream = Server::start(|request| match (request.path(), number_of(request)) {
        (path, 1) if path.ends_with("/first") => text(401, "revoked"),
        _ => text(200, "done"),
    });
    let gateway = granting(2, by_path);
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let url = |name: &str| upstream.url(&format!("/{{key}}/{name}"));
    assert_eq!(fetcher.get(&url("warm")).unwrap().0, 200);
    assert_eq!(fetcher.post(&url("first"), "body").unwrap().0, 200);
    let expected = ["POST /key%2F1:long/first body", "POST /key%2F2:long/first body"];
    assert_eq!(heard(&upstream), expected);
}

#[test]
fn one_replay_a_call() {
    let upstream = Server::start(|request| match (request.path(), number_of(request)) {
        ("/warm", _) => text(200, ""),
        ("/start", 2) => redirect(307, "/again"),
        _ => text(401, "revoked"),
    });
    let gateway = granting(2, bearer);
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    assert_eq!(fetcher.get(&upstream.url("/start")).unwrap().0, 401);
    let heard: Vec<_> = upstream.requests().iter().skip(1).map(number_of).collect();
    assert_eq!(heard, [1, 2, 2]);
    assert_eq!(gateway.count("/v1/resolve"), 2);
}

/// The second credential goes into another header. The header of the first one then has the caller's
/// value again.
#[test]
fn a_replay_carries_nothing_of_the_credential_that_was_refused() {
    let gateway = granting(2, |number| {
        let name = ["X-First", "X-Second"][number - 1];
        json!({"strategy": {"type": "header", "config": {"header_name": name}},
            "credentials": {"api_key": format!("token-{number}")}})
    });
    let upstream = Server::start(|request| match request.header("x-second") {
        Some("token-2") => text(200, ""),
        _ if request.path() == "/warm" => text(200, ""),
        _ => text(401, "revoked"),
    });
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    let options = FetchOptions::default().headers([("X-First", "mine"), ("X-Second", "mine")]);
    assert_eq!(fetcher.fetch(&upstream.url("/"), options).unwrap().0, 200);
    let sent: Vec<_> = upstream
        .requests()
        .iter()
        .skip(1)
        .map(|request| (request.all("x-first").concat(), request.all("x-second").concat()))
        .collect();
    let expected = [("token-1", "mine"), ("mine", "token-2")];
    assert_eq!(sent, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}
