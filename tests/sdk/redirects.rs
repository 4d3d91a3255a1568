//! Redirects on real sockets. `src/fetch/redirect/tests.rs` has the rules of one redirect, and `tests/credential_leaks`
//! the origins that get a credential.

use nexus_sdk::{FetchOptions, Redirects};

use crate::support::{Server, fetch, fetcher, options, redirect, reply, said, text};

#[test]
fn the_next_request_arrives_as_the_rules_say() {
    for (status, method, body) in [(302, "GET", ""), (307, "POST", "payload")] {
        let server = Server::start(move |request| match request.path() {
            "/dir/start" => redirect(status, "b c?x=1#part"),
            _ => reply(204, &[], ""),
        });
        let options = FetchOptions::default().method("POST").data("payload");
        let options = options.headers([("Content-Type", "c/d"), ("Accept", "a/b")]);
        fetch(&server.url("/dir/start"), options).unwrap();
        let next = &server.requests()[1];
        assert_eq!((&*next.method, &*next.target), (method, "/dir/b%20c?x=1"));
        assert_eq!(next.body, body.as_bytes(), "{status}");
        let content_type = (!body.is_empty()).then_some("c/d");
        assert_eq!(next.header("Content-Type"), content_type, "{status}");
        assert_eq!(next.header("Accept"), Some("a/b"), "{status}");
        assert_eq!(next.header("Authorization"), Some("Bearer t-1"), "{status}");
    }
}

#[test]
fn ten_redirects_are_followed_and_eleven_are_not() {
    let server =
        Server::start(
            |request| match request.path().trim_start_matches('/').parse::<u32>() {
                Ok(0) => text(200, "end"),
                Ok(left) => redirect(302, &format!("/{}", left - 1)),
                Err(_) => text(500, ""),
            },
        );
    let fetch = |path| fetch(&server.url(path), FetchOptions::default());
    assert_eq!(fetch("/10").unwrap().2, b"end");
    assert_eq!(server.requests().len(), 11);
    assert_eq!(fetch("/11").unwrap_err().code(), "too_many_redirects");
    assert_eq!(server.requests().len(), 22, "the eleventh is not followed");
}

#[test]
fn manual_returns_the_redirect_itself() {
    let server = Server::play(vec![redirect(308, "https://not-allowed.example/?x=1")]);
    let manual = FetchOptions::default().redirects(Redirects::Manual);
    let fetcher = fetcher(options(&server)).allow_hosts(["127.0.0.1"]);
    let (status, headers, body) = fetcher.unwrap().fetch(&server.url("/"), manual).unwrap();
    assert_eq!((status, &*body), (308, &b"moved"[..]));
    assert_eq!(headers["location"], "https://not-allowed.example/?x=1");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_redirect_out_of_the_rules_says_so_first() {
    let table = [
        ("https://evil.example/", "host_not_allowed"),
        ("http://evil.example/", "insecure_url"),
        ("https://127.0.0.1@evil.example/", "invalid_response"),
    ];
    for (target, code) in table {
        let start = Server::play(vec![redirect(307, target)]);
        let bound = fetcher(options(&start)).allow_hosts(["127.0.0.1"]).unwrap();
        let error = bound.get(&start.url("/start")).unwrap_err();
        assert_eq!(said(&error).0, code, "{target}");
        assert_eq!(start.requests().len(), 1);
    }
}
