//! `authenticated_fetch`: the request and the response.

use std::time::Duration;

use crate::support::{Server, fetch, fetcher, holder, options, reply, retrying, text};
use nexus_sdk::{FetchOptions, Fetcher, RetryPolicy};
use serde_json::json;

fn get() -> FetchOptions {
    FetchOptions::default()
}

#[test]
fn every_status_of_the_upstream_is_data() {
    for status in [200, 204, 304, 404, 503, 599] {
        let server = Server::play(vec![reply(status, &[("X-Kind", "a")], "text")]);
        let (got, headers, body) = fetch(&server.url("/"), get()).unwrap();
        assert_eq!((got, &headers["x-kind"]), (status, &"a".parse().unwrap()));
        let bodyless = matches!(status, 204 | 304);
        // Responses with 204 and 304 have no body, even if bytes follow the header.
        assert_eq!(body, if bodyless { &b""[..] } else { b"text" }, "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn an_upstream_is_asked_again_only_if_the_options_say_so() {
    let policy = retrying(2, Duration::from_millis(1));
    let table = [
        ("GET", 503, RetryPolicy::default(), 1),
        ("PUT", 502, policy.clone(), 3),
        ("POST", 503, policy.clone(), 1),
        ("GET", 429, policy.clone(), 1),
        ("GET", 429, policy.retry_on_429(true), 3),
    ];
    for (method, status, policy, sent) in table {
        let server = Server::play(vec![text(status, "busy")]);
        let options = get().method(method).retry_policy(policy);
        let (got, _, body) = fetch(&server.url("/"), options).unwrap();
        assert_eq!((got, &*body), (status, &b"busy"[..]));
        assert_eq!(server.requests().len(), sent, "{method} {status}");
    }
}

#[test]
fn any_method_takes_any_body() {
    let lower = [("delete", "DELETE"), ("propfind", "PROPFIND")];
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "PROPFIND"].map(|name| (name, name));
    for (method, sent) in methods.into_iter().chain(lower) {
        for data in [None, Some(""), Some("payload \0 \u{e9}")] {
            let server = Server::play(vec![reply(200, &[], "")]);
            let options = get().method(method);
            let options = match data {
                Some(data) => options.data(data),
                None => options,
            };
            fetch(&server.url("/x"), options).unwrap();
            let request = &server.requests()[0];
            let case = format!("{method} {data:?}");
            let body = data.unwrap_or_default();
            assert_eq!((&*request.method, &*request.body), (sent, body.as_bytes()));
            let says_length = data.is_some() || matches!(method, "POST" | "PUT" | "PATCH");
            let length = says_length.then(|| body.len().to_string());
            let found = request.header("content-length");
            assert_eq!(found, length.as_deref(), "{case}");
            assert_eq!(request.header("content-type"), None, "{case}");
        }
    }
}

#[test]
fn every_verb_sends_its_method_and_body() {
    type Verb = fn(&Fetcher, &str) -> nexus_sdk::Result<u16>;
    let verbs: [(&str, &[u8], Verb); 6] = [
        ("GET", b"", |fetcher, url| Ok(fetcher.get(url)?.0)),
        ("HEAD", b"", |fetcher, url| Ok(fetcher.head(url)?.0)),
        ("DELETE", b"", |fetcher, url| Ok(fetcher.delete(url)?.0)),
        ("POST", b"p", |fetcher, url| Ok(fetcher.post(url, "p")?.0)),
        ("PUT", b"\0\xff", |fetcher, url| {
            Ok(fetcher.put(url, [0, 255])?.0)
        }),
        ("PATCH", b"p", |fetcher, url| Ok(fetcher.patch(url, "p")?.0)),
    ];
    let server = Server::play(vec![reply(200, &[], "")]);
    let fetcher = fetcher(options(&server));
    for (method, body, call) in verbs {
        assert_eq!(call(&fetcher, &server.url("/")).unwrap(), 200, "{method}");
        let sent = server.requests().pop().unwrap();
        assert_eq!((&*sent.method, &*sent.body), (method, body));
        assert_eq!(sent.header("authorization"), Some("Bearer t-1"));
    }
}

#[test]
fn json_is_the_body_and_its_type() {
    let value = json!({"name": "d\u{e9}mo", "n": [1, null]});
    let (own, typed) = ("application/json", "application/vnd.api+json");
    let whole = value.to_string();
    // The options, and the `Content-Type` and body that arrive.
    let table = [
        (get().data("first").json(&value), Some(own), &*whole),
        (
            get().json(&value).header("Content-Type", typed),
            Some(typed),
            &whole,
        ),
        (
            get().header("Content-Type", typed).json(&value),
            Some(typed),
            &whole,
        ),
        (get().json(&value).data("last"), None, "last"),
        (
            get().header("Content-Length", "99").data("abc"),
            None,
            "abc",
        ),
    ];
    for (options, content_type, body) in table {
        let server = Server::play(vec![reply(200, &[], "")]);
        let shown = format!("{options:?}");
        fetch(&server.url("/x"), options.method("POST")).unwrap();
        let request = &server.requests()[0];
        assert_eq!(request.body, body.as_bytes(), "{shown}");
        let expected: Vec<&str> = content_type.into_iter().collect();
        assert_eq!(request.all("content-type"), expected, "{shown}");
        let length = body.len().to_string();
        assert_eq!(request.header("content-length"), Some(&*length), "{shown}");
    }
}

#[test]
fn parameters_are_appended_to_the_query() {
    let table = [
        ("/x", "/x?"),
        ("/x?c", "/x?c&"),
        ("/x?c&", "/x?c&"),
        ("/x?a=2#part?d", "/x?a=2&"),
        ("", "/?"),
    ];
    let options = get().query("a", 1).query("b", "tea & c=+/#\u{e9}{k}");
    for (target, before) in table {
        let server = Server::play(vec![reply(200, &[], "")]);
        fetch(&server.url(target), options.clone()).unwrap();
        let expected = format!("{before}a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D");
        assert_eq!(server.requests()[0].target, expected, "{target}");
    }
    let server = Server::play(vec![reply(200, &[], "")]);
    fetch(&server.url("/"), get().query("a&b=", "")).unwrap();
    assert_eq!(server.requests()[0].target, "/?a%26b%3D=");
}

#[test]
fn headers_keep_their_order_and_repeats_both_ways() {
    let answer = [
        ("Set-Cookie", "a=1"),
        ("X-One", "1"),
        ("Set-Cookie", "b=2"),
        ("X-One", "2"),
        ("X-Latin", "caf\u{e9}"),
    ];
    let server = Server::play(vec![reply(200, &answer, "")]);
    let options = get()
        .headers([
            ("X-B", "1"),
            ("X-A", "2"),
            ("X-B", "3"),
            ("Accept", "a/b"),
            ("User-Agent", "mine"),
        ])
        .header("X-Latin", b"caf\xE9");
    let (_, headers, _) = fetch(&server.url("/"), options).unwrap();
    let all = |name: &str| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(all("x-one"), ["1", "2"]);
    assert_eq!(all("x-latin"), ["caf\u{e9}"]);

    let request = &server.requests()[0];
    assert_eq!(request.all("x-b"), ["1", "3"]);
    assert_eq!(request.all("accept"), ["a/b"], "and no other");
    assert_eq!(request.all("user-agent"), ["mine"]);
    // The server reads bytes as Latin-1.
    assert_eq!(request.all("x-latin"), ["caf\u{e9}"]);
    assert_eq!(request.all("host"), [server.url("").replace("http://", "")]);
    let names = request.headers.iter().map(|(name, _)| name.to_lowercase());
    let names: Vec<_> = names
        .filter(|name| ["x-b", "x-a", "accept"].contains(&&**name))
        .collect();
    assert_eq!(names, ["x-b", "x-b", "x-a", "accept"]);
}

#[test]
fn targets_arrive_as_written() {
    let server = Server::play(vec![reply(200, &[], "")]);
    for target in ["/a%2Fb?c=%20d&e", "/a//b/../c;d=1,2?x=/y?z+b"] {
        fetch(&server.url(&format!("{target}#part")), get()).unwrap();
        assert_eq!(server.requests().pop().unwrap().target, target);
    }
}

#[test]
fn a_request_may_begin_with_60_kb() {
    let upstream = Server::play(vec![text(200, "ok")]);
    let url = upstream.url("/");
    let long = "x".repeat(60_000);
    let (client, cache) = holder(options(&upstream), &long);
    let with_long_token = client.fetcher(&cache, "ws", "p");
    let fetcher = fetcher(options(&upstream));
    for (fetcher, options) in [
        (&with_long_token, get()),
        (&fetcher, get().header("X-Long", &long)),
        (&fetcher, get().query("q", &long)),
    ] {
        assert_eq!(fetcher.fetch(&url, options).unwrap().0, 200);
    }
    let longer = get().header("X-Long", "x".repeat(80_000));
    let error = fetcher.fetch(&url, longer).unwrap_err();
    assert_eq!(error.code(), "request_failed");
    assert!(!error.is_retryable());
    assert!(
        error.message().contains("URL and headers are too long"),
        "{error}"
    );
}
