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
    let headers = headers.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    Hop {
        call: "/{key}",
        method: method.clone(),
        url: url::parse(url).unwrap(),
        headers: headers.collect(),
        body: Some(Vec::new()),
        authenticated: true,
    }
}

fn names<'a>(hop: &'a Hop<'_>) -> Vec<&'a str> {
    let mut names: Vec<_> = hop.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

/// Returns the last URL of a chain of redirects, and whether the request to that URL carries the credential.
fn chain(token: &CachedToken, url: &str, targets: &[&str]) -> (String, bool) {
    let mut hop = hop(
        &Method::GET,
        url,
        &[("authorization", "Bearer canary-token")],
    );
    for target in targets {
        hop.redirect(302, target.as_bytes(), token).unwrap();
    }
    assert_eq!(hop.authenticated, hop.headers.contains_key("authorization"));
    (hop.url.to_string(), hop.authenticated)
}

fn refusal(token: &CachedToken, url: &str, target: &[u8]) -> NexusError {
    let mut hop = hop(&Method::GET, url, &[]);
    hop.redirect(302, target, token).unwrap_err()
}

#[test]
fn which_responses_redirect() {
    let mut headers = HeaderMap::new();
    for status in 100..600 {
        assert_eq!(
            location(status, &headers),
            None,
            "{status} without a Location"
        );
    }
    headers.insert(LOCATION, HeaderValue::from_static("/next"));
    for status in 100..600 {
        let redirects = [301, 302, 303, 307, 308].contains(&status);
        assert_eq!(location(status, &headers).is_some(), redirects, "{status}");
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
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "post",
    ];
    for status in [301, 302, 303, 307, 308] {
        for method in methods {
            let becomes_get = match (status, method) {
                (301 | 302, "POST") => true,
                (303, method) => !["GET", "HEAD"].contains(&method),
                _ => false,
            };
            for target in ["/next", "https://b.example/next"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let mut hop = hop(&method, "https://a.example/", &SENT);
                hop.redirect(status, target.as_bytes(), &bearer()).unwrap();
                let case = format!("{status} {method} {target}");
                assert_eq!(
                    hop.method == Method::GET && method != Method::GET,
                    becomes_get,
                    "{case}"
                );
                assert!(becomes_get || hop.method == method, "{case}");
                assert_eq!(hop.body.is_some(), !becomes_get, "{case}");
                let kept: &[_] = if becomes_get {
                    &["accept", "x-content"]
                } else {
                    &SENT.map(|(name, _)| name)
                };
                assert_eq!(names(&hop), kept, "{case}");
            }
        }
    }
}

#[test]
fn credentials_stay_with_their_origin() {
    const SENT: [(&str, &str); 22] = [
        ("accept", "*/*"),
        ("authorization", "x"),
        ("cookie", "x"),
        ("cookie2", "x"),
        ("proxy-authorization", "x"),
        ("x-api-key", "x"),
        ("apikey", "x"),
        ("api_key", "x"),
        ("x-functions-key", "x"),
        ("dd-application-key", "x"),
        ("x-session-id", "x"),
        ("x-jwt-assertion", "x"),
        ("x-auth-token", "x"),
        ("x-amz-security-token", "x"),
        ("x-client-secret", "x"),
        ("x-password", "x"),
        ("x-credential-id", "x"),
        ("www-authenticate", "x"),
        ("x-injected", "canary-token"),
        ("x-request-id", "1"),
        ("idempotency-key", "1"),
        ("user-agent", "x"),
    ];
    let token = CachedToken::new("canary-token", "x", SystemTime::now()).header("X-Injected", "");
    let table = [
        ("https://a.example/x", "/y", true),
        ("https://a.example/x", "https://A.example:443/y", true),
        ("https://a.example/x", "//a.example?y", true),
        ("https://a.example:8443/x", "https://a.example:8443/", true),
        ("https://[::1]/x", "https://[0:0:0:0:0:0:0:1]/", true),
        ("https://a.example/x", "https://b.example/x", false),
        ("https://a.example/x", "https://sub.a.example/x", false),
        ("https://sub.a.example/x", "https://a.example/x", false),
        ("https://a.example/x", "https://a.example./x", false),
        ("https://a.example/x", "https://a.example:8443/x", false),
        ("https://a.example:8443/x", "https://a.example/x", false),
        ("http://127.0.0.1/x", "https://127.0.0.1/x", false),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:81/x", false),
        ("http://localhost/x", "http://127.0.0.1/x", false),
    ];
    for (from, to, same) in table {
        for status in [301, 302, 303, 307, 308] {
            let mut hop = hop(&Method::GET, from, &SENT);
            hop.redirect(status, to.as_bytes(), &token).unwrap();
            assert_eq!(hop.authenticated, same, "{from} to {to}");
            let mut kept = SENT.map(|(name, _)| name).to_vec();
            if !same {
                kept = vec!["accept", "idempotency-key", "user-agent", "x-request-id"];
            }
            kept.sort_unstable();
            assert_eq!(names(&hop), kept, "{from} to {to}");
        }
    }
}

#[test]
fn what_was_dropped_never_comes_back() {
    let (a, b) = ("https://a.example/1", "https://b.example/2");
    let here = "https://a.example/1?key=canary%2Fkey";
    // The token, the first URL, the targets, the last URL, and whether that URL gets the credential.
    let table: [(_, _, &[&str], _, _); 8] = [
        (bearer(), a, &["/2", "3"], "https://a.example/3", true),
        (bearer(), a, &[b, a], a, false),
        (
            bearer(),
            a,
            &["/2", b, "/3", a, "/4"],
            "https://a.example/4",
            false,
        ),
        (
            by_query(),
            here,
            &["/2"],
            "https://a.example/2?key=canary%2Fkey",
            true,
        ),
        (
            by_query(),
            here,
            &["/2?key=old&a=1"],
            "https://a.example/2?a=1&key=canary%2Fkey",
            true,
        ),
        (by_query(), here, &[b], b, false),
        (
            by_query(),
            here,
            &[b, a, "/5"],
            "https://a.example/5",
            false,
        ),
        (
            by_path(),
            a,
            &["/{key}/canary%2Fkey"],
            "https://a.example/%7Bkey%7D/canary%2Fkey",
            true,
        ),
    ];
    for (token, first, targets, last, authenticated) in table {
        let expected = (last.to_owned(), authenticated);
        assert_eq!(chain(&token, first, targets), expected, "{targets:?}");
    }
}

#[test]
fn the_parameter_of_the_credential_is_removed_by_its_name() {
    let table = [
        ("?key=canary%2Fkey", ""),
        ("?key=canary/key", ""),
        ("?k%65y=%63anary%2fkey", ""),
        ("?key", ""),
        ("?key=public", ""),
        ("?a=1&key=canary/key&b=2&key=canary%252Fkey", "?a=1&b=2"),
        ("?a=1&b", "?a=1&b"),
        ("?&a=%2f&&KEY=1&keys=2", "?&a=%2f&&KEY=1&keys=2"),
        ("?", "?"),
        ("", ""),
        ("?a=canary", "?a=canary"),
    ];
    for (query, kept) in table {
        let away = format!("https://b.example/x{query}");
        let (url, authenticated) = chain(&by_query(), "https://a.example/", &[&away]);
        let expected = format!("https://b.example/x{kept}");
        assert_eq!((url, authenticated), (expected, false), "{query}");
        let home = format!("https://a.example/x{query}");
        let back = ["https://b.example/", &*home];
        let (url, _) = chain(&by_query(), "https://a.example/", &back);
        assert_eq!(url, format!("https://a.example/x{kept}"), "{query}, back");
    }
}

#[test]
fn a_target_that_holds_the_credential_is_refused() {
    let targets = [
        "https://b.example/canary%2Fkey",
        "//b.example/x/canary/key/y",
        "//b.example/xcanary%2fkeyy?a",
        "//b.example/?canary/key",
        "//b.example/?canary/key=1",
        "//b.example/?a=1&other=canary%2Fkey",
        "//b.example/?next=https%3A%2F%2Fa.example%2F%3Fkey%3Dcanary%252Fkey",
        "//b.example/https%3A%2F%2Fa.example%2Fcanary%252Fkey",
        "//b.example/https%253A%252F%252Fa.example%252Fcanary%25252Fkey",
    ];
    for target in targets {
        for token in [by_path(), by_query()] {
            let error = refusal(&token, "https://a.example/", target.as_bytes());
            assert_eq!(error.code(), "insecure_url", "{target}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
    for target in [
        "https://b.example/canary",
        "https://b.example/eu/x",
        "/canary%2Fkey",
    ] {
        hop(&Method::GET, "https://a.example/", &[])
            .redirect(302, target.as_bytes(), &by_path())
            .unwrap();
    }
}

/// Servers may encode characters that the SDK has sent without encoding.
#[test]
fn a_credential_is_found_however_it_is_encoded() {
    let token = token_of(&json!({"strategy": "path", "credentials": {"key": "12345:ca+na=ry"}}));
    for copied in [
        "12345:ca+na=ry",
        "12345%3Aca%2Bna%3Dry",
        "12345%3aca+na%253Dry",
    ] {
        for target in [
            format!("//b.example/{copied}/x"),
            format!("//b.example/?a={copied}"),
        ] {
            let error = refusal(&token, "https://a.example/", target.as_bytes());
            assert_eq!(error.code(), "insecure_url", "{target}");
        }
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
    for target in [
        "http://a.example/",
        "http://b.example/",
        "http://127.0.0.1/",
        "http://localhost:443/",
    ] {
        let error = refusal(&bearer(), "https://a.example/x?canary", target.as_bytes());
        assert_eq!(
            (error.code(), error.message()),
            ("insecure_url", never),
            "{target}"
        );
    }
    for target in ["http://[::1]/", "https://b.example/"] {
        let mut hop = hop(&Method::GET, "http://127.0.0.1/", &[]);
        hop.redirect(302, target.as_bytes(), &bearer()).unwrap();
        assert_eq!(hop.url, target);
    }
}

/// `src/url/tests.rs` has the rules of targets.
#[test]
fn targets_that_are_no_url() {
    let targets: [&[u8]; 4] = [
        b"https://",
        b"https://u:canary@b.example/",
        b"javascript:alert(1)",
        b"\xff",
    ];
    for target in targets {
        let error = refusal(&bearer(), "https://a.example/secret?canary", target);
        let shown = format!("{error:?}");
        assert_eq!(
            (error.code(), error.status_code()),
            ("invalid_response", Some(302)),
            "{shown}"
        );
        let start = "https://a.example: the redirect's Location is not usable: ";
        let end = "; set Redirects::Manual to get the redirect as the response";
        let message = error.message();
        assert!(
            message.starts_with(start) && message.ends_with(end),
            "{shown}"
        );
        assert!(
            !shown.contains("canary") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
