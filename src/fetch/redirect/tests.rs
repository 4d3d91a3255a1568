use std::time::SystemTime;

use serde_json::{Value, json};
use ureq::http::{HeaderName, HeaderValue};

use super::*;
use crate::time::{Now, ResponseClock};
use crate::token::TokenResponse;

fn bearer() -> CachedToken {
    CachedToken::new("canary-token", "Bearer", SystemTime::now())
}

fn token_of(response: &Value) -> CachedToken {
    let received = ResponseClock {
        at: Now::read(),
        date: None,
    };
    let response = TokenResponse::from_json(response.clone()).unwrap();
    response.to_cached(received).unwrap()
}

fn by_query() -> CachedToken {
    token_of(
        &json!({"strategy": {"type": "query_param", "config": {"param_name": "key"}},
        "credentials": {"api_key": "canary/key"}}),
    )
}

fn by_path() -> CachedToken {
    token_of(&json!({"strategy": "path", "credentials": {"key": "canary/key", "region": "eu"}}))
}

fn hop(method: &Method, url: &str, headers: &[(&'static str, &'static str)]) -> Hop<'static> {
    let headers = headers.iter().copied();
    let mut options = FetchOptions::default().headers(headers).data("");
    options.method = method.clone();
    Hop {
        call: "/{key}",
        url: url::parse(url).unwrap(),
        options,
        first: None,
        authenticated: true,
    }
}

fn names<'a>(hop: &'a Hop<'_>) -> Vec<&'a str> {
    let mut names: Vec<_> = hop.options.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// Returns the last URL of a chain of redirects, and whether the request to that URL carries the credential.
fn chain(token: &CachedToken, url: &str, targets: &[&str]) -> (String, bool) {
    let sent = [("authorization", "Bearer canary-token")];
    let mut hop = hop(&Method::GET, url, &sent);
    for target in targets {
        hop.redirect(302, target.as_bytes(), token).unwrap();
    }
    let is_sent = hop.options.headers.contains_key("authorization");
    assert_eq!(hop.authenticated, is_sent);
    (hop.url.to_string(), hop.authenticated)
}

fn refusal(token: &CachedToken, url: &str, target: &[u8]) -> NexusError {
    let mut hop = hop(&Method::GET, url, &[]);
    hop.redirect(302, target, token).unwrap_err()
}

#[test]
fn which_responses_redirect() {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, HeaderValue::from_static("/next"));
    for status in 100..600 {
        let redirects = [301, 302, 303, 307, 308].contains(&status);
        assert_eq!(location(status, &headers).is_some(), redirects, "{status}");
    }
}

/// The rows with a fragment are from RFC 3986 section 4.4, and the others from curl 7.88.
#[test]
fn the_location_that_counts() {
    let table: [(&[&str], Option<&str>); 11] = [
        (&[], None),
        (&[""], None),
        (&[" \t "], None),
        (&["#part"], None),
        (&[" #"], None),
        // As before a URL, in `src/url.rs`.
        (&["\u{A0}"], None),
        (&["\u{A0}/a"], Some("/a")),
        (&["?"], Some("?")),
        (&[" /a\t"], Some("/a")),
        (&["/a", "/b"], Some("/a")),
        (&["", "/b"], Some("/b")),
    ];
    for (values, expected) in table {
        let values = values
            .iter()
            .map(|value| HeaderValue::from_bytes(value.as_bytes()));
        let headers = values.map(|value| (LOCATION, value.unwrap())).collect();
        let found = location(307, &headers);
        assert_eq!(found, expected.map(str::as_bytes), "{headers:?}");
    }
}

/// Fetch standard, "HTTP-redirect fetch", step 12.
#[test]
fn methods_bodies_and_their_headers() {
    const SENT: [(&str, &str); 6] = [
        ("accept", "*/*"),
        ("content-encoding", "gzip"),
        ("content-language", "en"),
        ("content-location", "/x"),
        ("content-type", "text/plain"),
        ("x-content", "1"),
    ];
    for status in [301, 302, 303, 307, 308] {
        for name in ["GET", "HEAD", "POST", "PUT", "QUERY", "post"] {
            let becomes_get = match (status, name) {
                (301 | 302, "POST") => true,
                (303, name) => !["GET", "HEAD"].contains(&name),
                _ => false,
            };
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let mut hop = hop(&method, "https://a.example/", &SENT);
            hop.redirect(status, b"/next", &bearer()).unwrap();
            let expected = if becomes_get { "GET" } else { name };
            assert_eq!(hop.options.method.as_str(), expected, "{status} {name}");
            assert_eq!(hop.options.data.is_some(), !becomes_get, "{status} {name}");
            let mut kept = SENT.map(|(name, _)| name).to_vec();
            if becomes_get {
                kept = vec!["accept", "x-content"];
            }
            assert_eq!(names(&hop), kept, "{status} {name}");
        }
    }
}

/// `src/url/tests.rs` has the spellings of an origin, and `src/header.rs` the names of secret headers.
#[test]
fn credentials_stay_with_their_origin() {
    const SENT: [(&str, &str); 5] = [
        ("accept", "*/*"),
        ("authorization", "x"),
        ("cookie", "x"),
        ("idempotency-key", "1"),
        ("x-injected", "canary-token"),
    ];
    let token = CachedToken::new("canary-token", "x", SystemTime::now()).header("X-Injected", "");
    let table = [
        ("https://a.example/x", "https://A.example:443/y", true),
        ("https://a.example:8443/x", "https://a.example:8443/", true),
        ("https://a.example/x", "https://b.example/x", false),
        ("https://a.example/x", "https://sub.a.example/x", false),
        ("https://a.example/x", "https://a.example:8443/x", false),
        ("http://127.0.0.1/x", "https://127.0.0.1/x", false),
    ];
    for (from, to, same) in table {
        let mut hop = hop(&Method::GET, from, &SENT);
        hop.redirect(307, to.as_bytes(), &token).unwrap();
        assert_eq!(hop.authenticated, same, "{from} to {to}");
        let mut kept = SENT.map(|(name, _)| name).to_vec();
        if !same {
            kept = vec!["accept", "idempotency-key"];
        }
        assert_eq!(names(&hop), kept, "{from} to {to}");
    }
}

#[test]
fn what_was_dropped_never_comes_back() {
    let (a, b) = ("https://a.example/1", "https://b.example/2");
    let in_path = "https://a.example/%7Bkey%7D/canary%2Fkey";
    let in_query = "https://a.example/2?a=1&key=canary%2Fkey";
    // The token, the targets, the last URL, and whether that URL gets the credential.
    let table: [(_, &[&str], _, _); 6] = [
        (bearer(), &["/2", "3"], "https://a.example/3", true),
        (
            bearer(),
            &["/2", b, "/3", a, "/4"],
            "https://a.example/4",
            false,
        ),
        (by_query(), &["/2?key=old&a=1"], in_query, true),
        (by_query(), &[b], b, false),
        (by_query(), &[b, a, "/5"], "https://a.example/5", false),
        (by_path(), &["/{key}/canary%2Fkey"], in_path, true),
    ];
    for (token, targets, last, authenticated) in table {
        let expected = (last.to_owned(), authenticated);
        assert_eq!(chain(&token, a, targets), expected, "{targets:?}");
    }
}

/// `src/token/cached/tests.rs` has the spellings of a name.
#[test]
fn the_parameter_of_the_credential_is_removed_by_its_name() {
    let table = [
        ("?k%65y=%63anary%2fkey", ""),
        ("?key=public", ""),
        ("?a=1&key=canary/key&b=2&key=canary%252Fkey", "?a=1&b=2"),
        ("?&a=%2f&&KEY=1&keys=2", "?&a=%2f&&KEY=1&keys=2"),
        ("?", "?"),
    ];
    for (query, kept) in table {
        let away = format!("https://b.example/x{query}");
        let (url, _) = chain(&by_query(), "https://a.example/", &[&away]);
        assert_eq!(url, format!("https://b.example/x{kept}"), "{query}");
        let home = format!("https://a.example/x{query}");
        let back = ["https://b.example/", &*home];
        let (url, _) = chain(&by_query(), "https://a.example/", &back);
        assert_eq!(url, format!("https://a.example/x{kept}"), "{query}, back");
    }
}

/// `src/hiding/tests.rs` has the ways to write a credential.
#[test]
fn a_target_that_holds_the_credential_is_refused() {
    let targets = [
        "//b.example/xcanary%2fkeyy?a",
        "//b.example/x/canary/key/y",
        "//b.example/?canary/key=1",
        "//b.example/?next=https%3A%2F%2Fa.example%2F%3Fkey%3Dcanary%252Fkey",
        "//b.example/https%253A%252F%252Fa.example%252Fcanary%25252Fkey",
    ];
    for target in targets {
        for token in [by_path(), by_query()] {
            let error = refusal(&token, "https://a.example/", target.as_bytes());
            assert_eq!(error.code(), "insecure_url", "{target}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
    for target in ["//b.example/canary", "//b.example/eu/x", "/canary%2Fkey"] {
        chain(&by_path(), "https://a.example/", &[target]);
    }
}

/// Object stores sign their URLs, so a URL becomes invalid if a parameter is removed.
#[test]
fn other_targets_stay_as_they_are() {
    let fields = json!({"key": "canary/key", "owner": "octocat-org"});
    let by_path = token_of(&json!({"strategy": "path", "credentials": fields}));
    let basic = token_of(&json!({"strategy": "basic_auth",
        "credentials": {"username": "octocat-org", "password": "canary-pass"}}));
    let header = CachedToken::new("canary/key", "x", SystemTime::now()).header("X-A", "");
    let targets = [
        "https://b.example/octocat-org/x?owner=octocat-org&sig=1",
        "https://b.example/x?token=canary-token&key=canary-pass&X-Amz-Signature=%2f",
    ];
    for token in [by_path, basic, header, bearer()] {
        for to in targets {
            let ended = chain(&token, "https://a.example/", &[to]);
            assert_eq!(ended, (to.to_owned(), false));
        }
    }
    let to = "https://b.example/canary%2Fkey?a=canary-token&b=Bearer+canary-token";
    assert_eq!(chain(&bearer(), "https://a.example/", &[to]).0, to);
}

#[test]
fn schemes() {
    let never = "https://a.example: refused a redirect from https to http; set Redirects::Manual to get the redirect as the response";
    for target in ["http://a.example/", "http://localhost:443/"] {
        let error = refusal(&bearer(), "https://a.example/x?canary", target.as_bytes());
        let found = (error.code(), error.message());
        assert_eq!(found, ("insecure_url", never), "{target}");
    }
    for target in ["http://[::1]/", "https://b.example/"] {
        assert_eq!(chain(&bearer(), "http://127.0.0.1/", &[target]).0, target);
    }
}

/// curl 7.88 does the same.
#[test]
fn bytes_that_are_not_ascii_are_percent_encoded() {
    let table = [
        (&b"/r\xE9sum\xE9"[..], "/r%E9sum%E9"),
        ("/résumé?é".as_bytes(), "/r%C3%A9sum%C3%A9?%C3%A9"),
    ];
    for (target, path) in table {
        let mut hop = hop(&Method::GET, "https://a.example/", &[]);
        hop.redirect(302, target, &bearer()).unwrap();
        assert_eq!(hop.url.path_and_query().unwrap(), path);
    }
}

/// `src/url/tests.rs` has the rules of targets. A scheme is a scheme in a reference (RFC 3986 section 4.2); curl 7.88 and
/// Go refuse these schemes as well.
#[test]
fn targets_that_are_no_url() {
    for target in [
        &b"https://u:canary@b.example/"[..],
        b"javascript:alert(1)",
        b"tel:123",
        b"x:1",
        b"urn:1",
        b"localhost:8080/x",
        b"1x:y",
        b"https:",
        b"https:443",
        b"//b\xFC.example/",
    ] {
        let error = refusal(&bearer(), "https://a.example/secret?canary", target);
        let (shown, message) = (format!("{error:?}"), error.message());
        let found = (error.code(), error.status_code());
        assert_eq!(found, ("invalid_response", Some(302)), "{shown}");
        assert!(message.starts_with("https://a.example: the redirect's Location is not usable: "));
        assert!(message.ends_with("; set Redirects::Manual to get the redirect as the response"));
        assert!(
            !shown.contains("canary") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
