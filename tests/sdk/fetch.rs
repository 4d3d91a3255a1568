//! `authenticated_fetch`: the request and the response.

use std::time::Duration;

use crate::support::{End, Server, fetch, fetcher, holder, options, reply, text};
use nexus_sdk::{FetchOptions, Fetcher, NexusClientOptions, RetryPolicy};
use serde_json::json;

fn get() -> FetchOptions {
    FetchOptions::default()
}

#[test]
fn every_status_of_the_upstream_is_data() {
    for status in [
        200, 201, 204, 206, 207, 299, 304, 400, 403, 404, 409, 410, 418, 429, 500, 502, 503, 504,
        599,
    ] {
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
    let policy = RetryPolicy::default()
        .retries(2)
        .min_delay(Duration::from_millis(1));
    let table = [
        ("GET", 503, RetryPolicy::default(), 1),
        ("GET", 503, policy.clone(), 3),
        ("PUT", 502, policy.clone(), 3),
        ("POST", 503, policy.clone(), 1),
        ("GET", 500, policy.clone(), 1),
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
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "X-Own",
    ];
    for method in methods {
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
            assert_eq!(request.method, method);
            assert_eq!(request.body, data.unwrap_or_default().as_bytes(), "{case}");
            let says_length = data.is_some() || matches!(method, "POST" | "PUT" | "PATCH");
            let length = says_length.then(|| data.unwrap_or_default().len().to_string());
            assert_eq!(
                request.header("content-length"),
                length.as_deref(),
                "{case}"
            );
            assert_eq!(request.header("content-type"), None, "{case}");
        }
    }
    let server = Server::play(vec![reply(200, &[], "")]);
    fetch(&server.url("/"), get().method("delete")).unwrap();
    assert_eq!(
        server.requests()[0].method,
        "DELETE",
        "standard names in any case"
    );
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
    let typed = "application/vnd.api+json";
    // The options, and the `Content-Type` and body that arrive.
    let table = [
        (
            get().json(&value),
            Some("application/json"),
            value.to_string(),
        ),
        (
            get().json("text"),
            Some("application/json"),
            "\"text\"".into(),
        ),
        (
            get().json(&value).header("Content-Type", typed),
            Some(typed),
            value.to_string(),
        ),
        (
            get().header("Content-Type", typed).json(&value),
            Some(typed),
            value.to_string(),
        ),
        (
            get().data("first").json(&[1, 2]),
            Some("application/json"),
            "[1,2]".into(),
        ),
        (get().json(&value).data("last"), None, "last".into()),
        (
            get().header("Content-Length", "99").data("abc"),
            None,
            "abc".into(),
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
        ("/x", "/x?a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D"),
        ("/x?c", "/x?c&a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D"),
        ("/x?", "/x?a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D"),
        ("/x?c&", "/x?c&a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D"),
        (
            "/x?c=d?",
            "/x?c=d?&a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D",
        ),
        (
            "/x?a=2#part?d",
            "/x?a=2&a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D",
        ),
        ("", "/?a=1&b=tea%20%26%20c%3D%2B%2F%23%C3%A9%7Bk%7D"),
    ];
    let options = get().query("a", 1).query("b", "tea & c=+/#\u{e9}{k}");
    for (target, expected) in table {
        let server = Server::play(vec![reply(200, &[], "")]);
        fetch(&server.url(target), options.clone()).unwrap();
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
    for target in [
        "/",
        "/a%2Fb?c=%20d&e",
        "/a//b/../c?x=/y?z",
        "/?q=a+b",
        "/.well-known/x;y=1,2",
    ] {
        let server = Server::play(vec![reply(200, &[], "").then(End::Close)]);
        fetch(&server.url(target), get()).unwrap();
        fetch(&server.url(&format!("{target}#part")), get()).unwrap();
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.target == target),
            "{target}"
        );
    }
}

#[test]
fn a_request_may_begin_with_60_kb() {
    let upstream = Server::start(|_| text(200, "ok"));
    let url = upstream.url("/");
    let long = "x".repeat(60_000);
    let (client, cache) = holder(NexusClientOptions::new("http://127.0.0.1:1"), &long);
    let fetch = |options| client.authenticated_fetch(&cache, "ws", "p", &url, options);
    assert_eq!(
        fetch(FetchOptions::default()).unwrap().0,
        200,
        "a long credential"
    );
    let fetcher = fetcher(NexusClientOptions::new("http://127.0.0.1:1"));
    let options = FetchOptions::default;
    for options in [
        options().header("X-Long", &long),
        options().query("q", &long),
    ] {
        assert_eq!(fetcher.fetch(&url, options).unwrap().0, 200);
    }
    let error = fetcher
        .fetch(&url, options().header("X-Long", "x".repeat(80_000)))
        .unwrap_err();
    assert_eq!(
        (error.code(), error.is_retryable()),
        ("request_failed", false)
    );
    assert!(
        error.message().contains("URL and headers are too long"),
        "{error}"
    );
}
