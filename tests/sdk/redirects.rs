//! How many redirects are followed. `src/fetch/redirect/tests.rs` has the rules of one redirect, `replay.rs` the requests
//! that follow it, and `tests/credential_leaks` the origins that get a credential.

use nexus_sdk::{FetchOptions, Redirects};

use crate::support::{Server, fetch, fetcher, options, redirect, reply, text};

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

/// curl 7.88 sends one request as well, except for `#part`, for which RFC 3986 section 4.4 says so.
#[test]
fn a_location_that_leads_nowhere_is_no_redirect() {
    for location in [None, Some(""), Some("  "), Some("#part")] {
        let headers: Vec<_> = location.map(|to| ("Location", to)).into_iter().collect();
        let server = Server::play(vec![reply(307, &headers, "moved")]);
        let options = FetchOptions::default().method("POST").data("x");
        let (status, _, body) = fetch(&server.url("/"), options).unwrap();
        assert_eq!((status, &*body), (307, &b"moved"[..]), "{location:?}");
        assert_eq!(server.requests().len(), 1, "{location:?}");
    }
}

/// A scheme is a scheme in a reference (RFC 3986 section 4.2).
#[test]
fn a_location_with_another_scheme_is_not_followed() {
    for location in ["tel:123", "x:1", "urn:1", "localhost:8080/x"] {
        let server = Server::play(vec![redirect(302, location), text(200, "")]);
        let error = fetch(&server.url("/"), FetchOptions::default()).unwrap_err();
        let found = (error.code(), error.status_code());
        assert_eq!(found, ("invalid_response", Some(302)), "{location}");
        assert_eq!(server.requests().len(), 1, "{location}");
    }
}
