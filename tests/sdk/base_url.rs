//! `Fetcher::base_url` on the wire. `src/fetch/scope/tests.rs` and `src/fetch/fetcher/tests.rs` have its rules.

use nexus_sdk::{FetchOptions, TokenCache};
use serde_json::{Value, json};

use crate::support::{Server, client, gateway, redirect, text};

fn bearer() -> Value {
    json!({"access_token": "canary-token", "expires_in": 3600})
}

#[test]
fn relative_urls_are_below_the_base() {
    let (gateway, upstream) = (gateway(&bearer()), Server::play(vec![text(200, "")]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let get = FetchOptions::default;
    let query = || get().query("q", "../?");
    let other = upstream.url("/other");
    let table = [
        ("", "user?page=2#part", get(), "/user?page=2"),
        ("/v3", "/a%2Fb/{x}", get(), "/v3/a%2Fb/%7Bx%7D"),
        ("/v3", "\\evil.example", get(), "/v3/%5Cevil.example"),
        ("/v3", &other, get(), "/other"),
        ("/v3", "", query(), "/v3?q=..%2F%3F"),
        ("/v3", "/u?a=1#b", query(), "/v3/u?a=1&q=..%2F%3F"),
    ];
    for (base, url, options, target) in table {
        let fetcher = fetcher.clone().base_url(upstream.url(base)).unwrap();
        assert_eq!(fetcher.fetch(url, options).unwrap().0, 200, "{base} {url}");
        assert_eq!(upstream.requests().pop().unwrap().target, target);
    }
}

#[test]
fn what_is_not_allowed_asks_nobody() {
    let (gateway, upstream) = (gateway(&bearer()), Server::play(vec![text(200, "")]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let own = upstream.url("/v3");
    let table = [
        (&*own, "/../admin", "invalid_input"),
        (&own, "https://evil.example/", "host_not_allowed"),
        ("http://a.example/", "/user", "insecure_url"),
    ];
    for (base, url, code) in table {
        let fetcher = fetcher.clone().base_url(base).unwrap();
        assert_eq!(fetcher.get(url).unwrap_err().code(), code, "{base} {url}");
    }
    assert_eq!((gateway.count("/"), upstream.count("/")), (0, 0));
    let secret = fetcher.base_url("https://a.example/bot-canary").unwrap();
    let shown = format!("{secret:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn redirects_to_other_hosts_are_for_allow_hosts_to_add() {
    let other = Server::play(vec![text(200, "other")]);
    let to = other.url("/x");
    let upstream = Server::start(move |_| redirect(302, &to));
    let gateway = gateway(&bearer());
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let fetcher = fetcher.base_url(upstream.url("")).unwrap();
    let error = fetcher.get("/").unwrap_err();
    assert_eq!(error.code(), "host_not_allowed");
    assert_eq!(other.requests().len(), 0);
    let fetcher = fetcher.allow_hosts([format!("127.0.0.1:{}", other.port())]);
    assert_eq!(fetcher.unwrap().get("/").unwrap().2, b"other");
}

/// A path that a model wrote cannot place the credential.
#[test]
fn placeholders_are_those_of_the_base() {
    let token = json!({"strategy": {"type": "path"}, "credentials": {"token": "12345:canary"}});
    let (gateway, upstream) = (gateway(&token), Server::play(vec![text(200, "")]));
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    let bot = fetcher.clone().base_url(upstream.url("/bot{token}"));
    bot.unwrap().get("/getMe?{token}").unwrap();
    let target = upstream.requests().pop().unwrap().target;
    assert_eq!(target, "/bot12345:canary/getMe?%7Btoken%7D");
    let plain = fetcher.base_url(upstream.url("")).unwrap();
    for url in ["/{token}", &upstream.url("/{token}")] {
        let error = plain.get(url).unwrap_err();
        assert_eq!(error.code(), "invalid_input", "{error}");
    }
    assert_eq!(upstream.requests().len(), 1);
}
