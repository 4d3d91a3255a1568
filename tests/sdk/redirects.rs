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
        let headers = [
            ("Content-Type", "c/d"),
            ("Content-Language", "e"),
            ("Accept", "a/b"),
        ];
        let options = FetchOptions::default()
            .method("POST")
            .headers(headers)
            .data("payload");
        fetch(&server.url("/dir/start"), options).unwrap();
        let next = &server.requests()[1];
        assert_eq!((&*next.method, &*next.target), (method, "/dir/b%20c?x=1"));
        assert_eq!(next.body, body.as_bytes(), "{status}");
        for name in ["Content-Type", "Content-Language", "Content-Length"] {
            assert_eq!(
                next.header(name).is_some(),
                !body.is_empty(),
                "{status}: {name}"
            );
        }
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
    assert_eq!(
        fetch(&server.url("/10"), FetchOptions::default())
            .unwrap()
            .2,
        b"end"
    );
    assert_eq!(server.requests().len(), 11);
    let error = fetch(&server.url("/11"), FetchOptions::default()).unwrap_err();
    assert_eq!(error.code(), "too_many_redirects");
    assert_eq!(server.requests().len(), 22, "the eleventh is not followed");
}

#[test]
fn manual_returns_the_redirect_itself() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::play(vec![redirect(status, "https://not-allowed.example/?x=1")]);
        let manual = FetchOptions::default().redirects(Redirects::Manual);
        let fetcher = fetcher(options(&server))
            .allow_hosts(["127.0.0.1"])
            .unwrap();
        let (got, headers, body) = fetcher.fetch(&server.url("/"), manual).unwrap();
        assert_eq!((got, &*body), (status, &b"moved"[..]));
        assert_eq!(headers["location"], "https://not-allowed.example/?x=1");
        assert_eq!(server.requests().len(), 1);
    }
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
