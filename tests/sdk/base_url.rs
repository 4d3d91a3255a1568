//! `Fetcher::base_url` on the wire. `src/fetch/scope/tests.rs` has its rules.

use nexus_sdk::{FetchOptions, TokenCache};
use serde_json::{Value, json};

use crate::support::{Server, client, gateway, redirect, text};

fn bearer() -> Value {
    json!({"access_token": "canary-token", "expires_in": 3600})
}

#[test]
fn relative_urls_are_below_the_base() {
    let (gateway, upstream) = (gateway(&bearer()), Server::play(vec![text(200, "")]));
    let client = client(&gateway);
    let fetcher = client.fetcher(&TokenCache::new(), "ws", "p");
    let table = [
        ("", "user?page=2#part", "/user?page=2"),
        ("/v3", "", "/v3"),
        ("/v3", "/a%2Fb/{x}|\"", "/v3/a%2Fb/%7Bx%7D%7C%22"),
        ("/v3", "\\evil.example", "/v3/%5Cevil.example"),
    ];
    for (base, url, target) in table {
        let fetcher = fetcher.clone().base_url(upstream.url(base)).unwrap();
        assert_eq!(fetcher.get(url).unwrap().0, 200, "{base} {url}");
        assert_eq!(upstream.requests().pop().unwrap().target, target);
    }
    let fetcher = fetcher.base_url(upstream.url("/v3")).unwrap();
    assert_eq!(fetcher.get(&upstream.url("/other")).unwrap().0, 200);
    assert_eq!(upstream.requests().pop().unwrap().target, "/other");
    for (url, target) in [
        ("", "/v3?q=..%2F%3F"),
        ("/user?a=1#b", "/v3/user?a=1&q=..%2F%3F"),
    ] {
        fetcher
            .fetch(url, FetchOptions::default().query("q", "../?"))
            .unwrap();
        assert_eq!(upstream.requests().pop().unwrap().target, target, "{url}");
    }
}

#[test]
fn what_is_not_allowed_asks_nobody() {
    let (gateway, upstream) = (gateway(&bearer()), Server::play(vec![text(200, "")]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let own = upstream.url("/v3");
    let table = [
        (&*own, "/../admin", "invalid_input"),
        (&own, "ftp://127.0.0.1/", "invalid_input"),
        (&own, "https://evil.example/", "host_not_allowed"),
        (&own, "http://evil.example/", "insecure_url"),
        ("http://a.example/", "/user", "insecure_url"),
    ];
    for (base, url, code) in table {
        let fetcher = fetcher.clone().base_url(base).unwrap();
        let error = fetcher.get(url).unwrap_err();
        assert_eq!(error.code(), code, "{base} {url}: {error}");
    }
    let error = fetcher
        .clone()
        .allow_hosts(["127.0.0.1:1"])
        .unwrap()
        .get(&own)
        .unwrap_err();
    assert_eq!(error.code(), "host_not_allowed");
    assert_eq!((gateway.count("/"), upstream.count("/")), (0, 0));
    let shown = format!(
        "{:?}",
        fetcher.base_url("https://a.example/bot-canary").unwrap()
    );
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn other_hosts_are_for_allow_hosts_to_add() {
    let other = Server::play(vec![text(200, "other")]);
    let to = other.url("/x");
    let upstream = Server::start(move |_| redirect(302, &to));
    let gateway = gateway(&bearer());
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let based = fetcher.clone().base_url(upstream.url("")).unwrap();
    for url in ["/", &other.url("/")] {
        assert_eq!(based.get(url).unwrap_err().code(), "host_not_allowed");
    }
    assert_eq!(other.requests().len(), 0);
    let allowed = format!("127.0.0.1:{}", other.port());
    let either_order = [
        based.allow_hosts([&allowed]).unwrap(),
        fetcher
            .allow_hosts([&allowed])
            .unwrap()
            .base_url(upstream.url(""))
            .unwrap(),
    ];
    for fetcher in either_order {
        assert_eq!(fetcher.get("/").unwrap().2, b"other");
        assert_eq!(fetcher.get(&other.url("/")).unwrap().2, b"other");
        let error = fetcher.get("http://127.0.0.1:1/").unwrap_err();
        assert_eq!(error.code(), "host_not_allowed");
    }
}

/// A path that a model wrote cannot place the credential.
#[test]
fn placeholders_are_those_of_the_base() {
    let token = json!({"strategy": {"type": "path"}, "credentials": {"token": "12345:canary"}});
    let (gateway, upstream) = (gateway(&token), Server::play(vec![text(200, "")]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let bot = fetcher
        .clone()
        .base_url(upstream.url("/bot{token}"))
        .unwrap();
    bot.get("/getMe?{token}").unwrap();
    let target = upstream.requests().pop().unwrap().target;
    assert_eq!(target, "/bot12345:canary/getMe?%7Btoken%7D");
    let plain = fetcher.base_url(upstream.url("")).unwrap();
    for url in ["/{token}", &upstream.url("/{token}")] {
        let error = plain.get(url).unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{error}");
    }
    assert_eq!(upstream.requests().len(), 1);
}
