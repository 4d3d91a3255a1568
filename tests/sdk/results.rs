//! Results of responses: `json` and `http_status_as_error`.

use std::collections::BTreeMap;
use std::time::Duration;

use nexus_sdk::http::HeaderMap;
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{AgentSessionInput, ErrorKind, FetchOptions, NexusError, Origin, TokenCache};
use serde_json::{Value, json};

use crate::support::{
    Server, bytes, client, connected, fetch, fetcher, gateway, granting, options, redirect, reply,
    retrying, text,
};

fn get() -> FetchOptions {
    FetchOptions::default()
}

fn strict() -> FetchOptions {
    get().http_status_as_error(true)
}

type User = BTreeMap<String, String>;

fn parsed<T: serde::de::DeserializeOwned>(
    status: u16,
    body: impl Into<Vec<u8>>,
) -> Result<T, NexusError> {
    let headers = HeaderMap::from_iter([(
        "content-type".parse().unwrap(),
        "text/html".parse().unwrap(),
    )]);
    nexus_sdk::json((status, headers, body.into()))
}

#[test]
fn json_gives_the_value_of_a_success() {
    let mona = User::from([("login".to_owned(), "mona".to_owned())]);
    for body in [
        r#"{"login": "mona"}"#,
        "\u{feff}{\"login\": \"mona\"}",
        " \n{\"login\": \"mona\"}\r\n",
    ] {
        assert_eq!(parsed::<User>(200, body).unwrap(), mona, "{body:?}");
    }
    for (status, body) in [(204, ""), (202, "\u{feff}"), (200, " \r\n"), (200, "null")] {
        parsed::<()>(status, body).unwrap();
        assert_eq!(parsed::<Option<User>>(status, body).unwrap(), None);
        assert_eq!(parsed::<Value>(status, body).unwrap(), Value::Null);
    }
}

#[test]
fn what_is_no_json_says_where_and_what_it_looks_like() {
    let long = "<html>\r\n\t<p>\u{202e}\u{1b}[31m".to_owned() + &"x".repeat(500);
    // The status, the body, and the parts of the message.
    let table: [(u16, &[u8], &[&str]); 7] = [
        (200, b"", &["the response with status 200 has no body"]),
        (
            200,
            b"{\"login\": \n 7}",
            &["not what was expected", "integer `7`", "line 2 column 2"],
        ),
        (
            200,
            br#"{"a": "b""#,
            &["is not JSON", "line 1 column 9", "text/html"],
        ),
        (
            200,
            b"<html>",
            &["is not JSON", "line 1 column 1", "text/html"],
        ),
        (206, long.as_bytes(), &["is not JSON"]),
        (200, b"\xff\xfe{", &["is not JSON", "line 1 column 1"]),
        (
            200,
            b"{\"login\": \"a\"} trailing",
            &["is not JSON", "trailing characters at line 1 column 16"],
        ),
    ];
    for (status, body, said) in table {
        let error = parsed::<User>(status, body).unwrap_err();
        assert_eq!(
            (error.code(), error.status_code()),
            ("invalid_response", Some(status)),
            "{error}"
        );
        assert_eq!(
            (error.origin(), error.is_retryable()),
            (Origin::Api, false),
            "{error}"
        );
        assert!(!error.needs_reconnect() && error.may_have_been_sent());
        for part in said {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(!error.message().contains(char::is_control), "{error}");
        assert!(error.message().chars().count() < 400, "{error}");
    }
    let secret = parsed::<Vec<u8>>(200, format!("\"{}\"", "x".repeat(9000))).unwrap_err();
    assert!(secret.message().chars().count() < 300, "{secret}");
}

/// The error for a status, from `json` and from a fetch that asks for it.
#[test]
fn a_status_that_is_no_success_is_an_error() {
    let body = r#"{"message": "Not Found"}"#;
    // The status, whether it may pass, and whether a fetch makes it an error.
    let table = [
        (304, false, false),
        (400, false, true),
        (404, false, true),
        (408, true, true),
        (410, false, true),
        (425, true, true),
        (429, true, true),
        (500, true, true),
        (501, true, true),
        (503, true, true),
        (599, true, true),
    ];
    for (status, is_retryable, is_error) in table {
        let server = Server::play(vec![reply(status, &[("Retry-After", "7")], body)]);
        let plain = fetch(&server.url("/secret?query"), get()).unwrap();
        let of_json = nexus_sdk::json::<Value>(plain).unwrap_err();
        let of_fetch = fetch(&server.url("/secret?query"), strict());
        assert_eq!(of_fetch.is_err(), is_error, "{status}");
        for error in [Some(of_json), of_fetch.err()].into_iter().flatten() {
            assert_eq!(error.code(), format!("http_{status}"));
            assert_eq!(
                (error.kind(), error.origin()),
                (ErrorKind::Api, Origin::Api)
            );
            assert_eq!(error.status_code(), Some(status));
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            assert_eq!(error.is_retryable(), is_retryable, "{error}");
            assert!(
                !error.needs_reconnect() && error.may_have_been_sent(),
                "{error}"
            );
            let says_body = error.message().ends_with(&format!(": {body}"));
            assert_eq!(says_body, status != 304, "{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
    let date = [
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT"),
    ];
    let server = Server::play(vec![reply(503, &date, "")]);
    let error = fetch(&server.url("/"), strict()).unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert!(
        error
            .message()
            .ends_with("the API responded with status 503 (Service Unavailable)"),
        "{error}"
    );
}

#[test]
fn an_error_shows_200_characters_of_the_body_and_never_the_credential() {
    for (before, hidden) in [(0, true), (190, true), (300, true), (0, false)] {
        let body = format!(
            "{} \0\u{1b}[2J\r\n canary-token {}",
            "\u{e9}".repeat(before),
            "y".repeat(300)
        );
        let upstream = Server::play(vec![reply(400, &[], body)]);
        let gateway = gateway(&json!({"access_token": "canary-token"}));
        let fetcher = client(&gateway)
            .fetcher(&TokenCache::new(), "ws", "p")
            .hide_credential(hidden);
        let error = fetcher.fetch(&upstream.url("/"), strict()).unwrap_err();
        let (_, shown) = error.message().split_once("(Bad Request): ").unwrap();
        assert!(shown.chars().count() <= 203, "{shown}");
        assert!(
            !shown.contains("canary") && !shown.contains(char::is_control),
            "{shown}"
        );
        let is_said = shown.contains("[2J [credential] y");
        assert_eq!(is_said, before == 0, "{shown}");
    }
}

/// The status is the error, whatever becomes of the body.
#[test]
fn an_error_for_a_status_does_not_depend_on_its_body() {
    let bodies = [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\ncut off".to_owned(),
        "HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nplain, alas!".to_owned(),
        format!("HTTP/1.1 404 Not Found\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000)),
    ];
    for body in bodies {
        let server = Server::play(vec![bytes(body)]);
        let limited = options(&server).max_body_bytes(1000);
        let error = fetcher(limited)
            .fetch(&server.url("/"), strict())
            .unwrap_err();
        assert_eq!(
            (error.code(), error.is_retryable()),
            ("http_404", false),
            "{error}"
        );
    }
}

#[test]
fn an_error_comes_after_the_retries() {
    let server = Server::play(vec![text(503, "busy"), text(503, "busy"), text(200, "ok")]);
    let retried = strict().retry_policy(retrying(1, Duration::from_millis(1)));
    let error = fetch(&server.url("/"), retried.clone()).unwrap_err();
    assert_eq!((error.code(), server.requests().len()), ("http_503", 2));
    assert_eq!(fetch(&server.url("/"), retried).unwrap().0, 200);
}

fn bearer(number: usize) -> Value {
    json!({"access_token": format!("token-{number}")})
}

fn by_path(number: usize) -> Value {
    json!({"strategy": {"type": "path"}, "credentials": {"key": format!("key-{number}")}})
}

/// An API that accepts the credential at `/warm` and refuses it everywhere else.
fn refusing() -> Server {
    Server::start(|request| match request.path() {
        path if path.ends_with("/warm") => text(200, ""),
        path if path.ends_with("/moved") => redirect(307, "/key-1/refused"),
        _ => reply(401, &[], "Bad credentials"),
    })
}

#[test]
fn a_lasting_401_says_whether_the_gateway_has_confirmed_the_credential() {
    type Token = fn(usize) -> Value;
    // The number of tokens that the gateway has, the token, whether it comes from the cache, and the path.
    let table: [(&str, usize, Token, bool, &str, &str); 5] = [
        (
            "just resolved",
            1,
            bearer,
            false,
            "/refused",
            "credential_refused",
        ),
        (
            "confirmed",
            1,
            bearer,
            true,
            "/refused",
            "credential_refused",
        ),
        (
            "replaced",
            2,
            bearer,
            true,
            "/refused",
            "credential_refused",
        ),
        (
            "in a path",
            1,
            by_path,
            true,
            "/{key}/refused",
            "credential_refused",
        ),
        (
            "replaced, but not sent again",
            2,
            by_path,
            true,
            "/{key}/moved",
            "http_401",
        ),
    ];
    for (case, last, token, is_cached, path, code) in table {
        let (gateway, upstream) = (granting(last, token), refusing());
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        if is_cached {
            let warm = if path.contains('{') {
                "/{key}/warm"
            } else {
                "/warm"
            };
            assert_eq!(fetcher.get(&upstream.url(warm)).unwrap().0, 200);
        }
        let error = fetcher.fetch(&upstream.url(path), strict()).unwrap_err();
        let is_refused = code == "credential_refused";
        assert_eq!(
            (error.code(), error.status_code()),
            (code, Some(401)),
            "{case}"
        );
        assert_eq!(
            (error.kind(), error.origin()),
            (ErrorKind::Api, Origin::Api),
            "{case}"
        );
        assert_eq!(
            (error.needs_reconnect(), error.is_retryable()),
            (is_refused, false),
            "{case}"
        );
        assert!(error.message().contains("Bad credentials"), "{error}");
        // A second refusal of the same token, a moment later, is not asked about.
        let again = fetcher.fetch(&upstream.url(path), strict()).unwrap_err();
        assert_eq!(
            again.needs_reconnect(),
            is_refused || case.ends_with("again"),
            "{case}: {again}"
        );
    }
}

#[test]
fn a_401_about_which_the_gateway_could_not_be_asked_is_the_gateways_error() {
    let (gateway, upstream) = (connected(), refusing());
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "acme", "github");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    gateway.fail_next(usize::MAX, Fault::reply(502, "text/plain", "down"));
    let error = fetcher
        .fetch(&upstream.url("/refused"), strict())
        .unwrap_err();
    assert_eq!(
        (error.code(), error.origin()),
        ("http_502", Origin::Gateway)
    );
    assert!(error.is_retryable() && !error.needs_reconnect());
    let (status, ..) = fetcher.get(&upstream.url("/refused")).unwrap();
    assert_eq!(
        status, 401,
        "a status is data unless the options say otherwise"
    );
}

#[test]
fn a_401_that_says_nothing_about_a_connection_needs_no_user() {
    let abroad = refusing();
    let there = abroad.url("/refused");
    let upstream = Server::start(move |_| redirect(302, &there));
    let error = fetch(&upstream.url("/"), strict()).unwrap_err();
    assert_eq!(
        (error.code(), error.needs_reconnect()),
        ("http_401", false),
        "without a credential"
    );

    let builder = DevGateway::builder().agent("agent-7", ["repo"]);
    let gateway = builder.connection("acme", "github").start().unwrap();
    let client = client(&gateway);
    let input = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = client.request_agent_session(&input).unwrap();
    let fetcher = client.session_fetcher(&session).unwrap();
    let error = fetcher
        .fetch(&abroad.url("/refused"), strict())
        .unwrap_err();
    assert_eq!(
        (error.code(), error.needs_reconnect()),
        ("http_401", false),
        "a session's"
    );
}
