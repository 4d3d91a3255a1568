//! Redirects: the request that follows, and the end of the chain.

use crate::support::{Reply, Server, fetch, redirect, reply, text};
use nexus_sdk::{FetchOptions, Redirects};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

#[test]
fn methods_and_bodies_follow_the_fetch_standard() {
    let table = [
        ("POST", ["GET", "GET", "GET", "POST", "POST"]),
        ("PUT", ["PUT", "PUT", "GET", "PUT", "PUT"]),
        ("PATCH", ["PATCH", "PATCH", "GET", "PATCH", "PATCH"]),
        ("DELETE", ["DELETE", "DELETE", "GET", "DELETE", "DELETE"]),
        (
            "PROPFIND",
            ["PROPFIND", "PROPFIND", "GET", "PROPFIND", "PROPFIND"],
        ),
        ("GET", ["GET", "GET", "GET", "GET", "GET"]),
        ("HEAD", ["HEAD", "HEAD", "HEAD", "HEAD", "HEAD"]),
    ];
    for (method, expected) in table {
        for (status, next) in STATUSES.into_iter().zip(expected) {
            check_next(method, status, next);
        }
    }
}

/// Sends `method`, with a body where that is common, to a server that redirects.
fn check_next(method: &'static str, status: u16, next: &str) {
    let server = Server::start(move |request| match request.path() {
        "/start" if method == "HEAD" => redirect_without_body(status, "/end"),
        "/start" => redirect(status, "/end"),
        _ => reply(204, &[], ""),
    });
    let sends = !matches!(method, "GET" | "HEAD");
    let mut options = FetchOptions::default()
        .method(method)
        .header("Accept", "a/b");
    if sends {
        let typed = [("Content-Type", "c/d"), ("Content-Language", "e")];
        options = options.headers(typed).data("payload");
    }
    fetch(&server.url("/start"), options).unwrap();
    let end = &server.requests()[1];
    let case = format!("{method} {status}");
    assert_eq!(end.method, next, "{case}");
    let kept = sends && method == next;
    assert_eq!(end.body, if kept { &b"payload"[..] } else { b"" }, "{case}");
    for name in ["Content-Type", "Content-Language", "Content-Length"] {
        assert_eq!(end.header(name).is_some(), kept, "{case}: {name}");
    }
    assert_eq!(end.header("Accept"), Some("a/b"), "{case}");
}

/// A HEAD has no body, whatever its `Content-Length`.
fn redirect_without_body(status: u16, location: &str) -> Reply {
    reply(status, &[("Location", location)], "")
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
    for status in STATUSES {
        let server = Server::play(vec![redirect(status, "/elsewhere?x=1")]);
        let options = FetchOptions::default().redirects(Redirects::Manual);
        let (got, headers, body) = fetch(&server.url("/"), options).unwrap();
        assert_eq!((got, &*body), (status, &b"moved"[..]));
        assert_eq!(headers["location"], "/elsewhere?x=1");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn other_3xx_and_a_missing_location_are_data() {
    let table = [
        (300, Some("/x")),
        (304, Some("/x")),
        (305, Some("/x")),
        (200, Some("/x")),
        (301, None),
        (308, None),
    ];
    for (status, location) in table {
        let headers: Vec<_> = location.map(|to| ("Location", to)).into_iter().collect();
        let server = Server::play(vec![reply(status, &headers, "")]);
        assert_eq!(
            fetch(&server.url("/"), FetchOptions::default()).unwrap().0,
            status
        );
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn locations_are_read_as_references() {
    let table = [
        ("/a/b", "/a/b"),
        ("b?x=1#part", "/dir/b?x=1"),
        ("../up", "/up"),
        ("?only=query", "/dir/start?only=query"),
        ("./a/../b/.", "/dir/b/"),
        ("/a b", "/a%20b"),
        ("/caf\u{e9}", "/caf%C3%A9"),
        ("/%2e%41", "/%2e%41"),
        ("//{authority}/net", "/net"),
        ("HTTP://{authority}/case", "/case"),
    ];
    for (location, target) in table {
        let server = Server::start(move |request| {
            let authority = request.header("host").unwrap();
            let location = location.replace("{authority}", authority);
            if request.target == "/dir/start" {
                redirect(302, &location)
            } else {
                text(200, "")
            }
        });
        fetch(&server.url("/dir/start"), FetchOptions::default()).unwrap();
        let end = &server.requests()[1];
        assert_eq!(end.target, target, "{location}");
        assert_eq!(
            end.header("authorization"),
            Some("Bearer t-1"),
            "{location}"
        );
    }
}

#[test]
fn locations_that_are_no_http_url_are_errors_with_the_status() {
    let table = [
        "mailto:a@b.example",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "http://a b/",
        "https://me:pw@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "//",
        "http://[::1",
    ];
    for location in table {
        let server = Server::play(vec![redirect(302, location)]);
        let error = fetch(&server.url("/"), FetchOptions::default()).unwrap_err();
        assert_eq!(
            (error.code(), error.status_code()),
            ("invalid_response", Some(302)),
            "{location}: {error}"
        );
        assert!(!error.to_string().contains("pw"), "{error}");
        assert_eq!(server.requests().len(), 1, "{location}");
    }
    let mut odd = redirect(302, "/x");
    let at = odd.bytes.windows(2).position(|pair| pair == b"/x").unwrap();
    odd.bytes[at + 1] = 0xFF;
    let server = Server::play(vec![odd]);
    let error = fetch(&server.url("/"), FetchOptions::default()).unwrap_err();
    assert_eq!(
        (error.code(), error.status_code()),
        ("invalid_response", Some(302))
    );
}
