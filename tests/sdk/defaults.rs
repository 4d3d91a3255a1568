//! The defaults of a fetcher.

use std::time::{Duration, Instant};

use nexus_sdk::{FetchOptions, Redirects};

use crate::support::{End, LONG, Server, bytes, fetcher, options, redirect, retrying, text};

fn get() -> FetchOptions {
    FetchOptions::default()
}

fn strict() -> FetchOptions {
    get().http_status_as_error(true)
}

/// The path, the options of the fetch, the target that arrives, and the values of `Accept` and `X-Own`.
type Row = (
    &'static str,
    FetchOptions,
    &'static str,
    [&'static [&'static str]; 2],
);

#[test]
fn defaults_apply_unless_a_fetch_sets_the_same() {
    let own = get().headers([("Accept", "a/b"), ("X-Own", "1"), ("X-Own", "2")]);
    let defaults = own.query("page size", 100).query("v", "2").query("v", "3");
    let upstream = Server::play(vec![text(200, "")]);
    let fetcher = fetcher(options(&upstream)).defaults(defaults);
    let table: [Row; 7] = [
        (
            "/",
            get(),
            "/?page%20size=100&v=2&v=3",
            [&["a/b"], &["1", "2"]],
        ),
        (
            "/?a#page size=1",
            get(),
            "/?a&page%20size=100&v=2&v=3",
            [&["a/b"], &["1", "2"]],
        ),
        (
            "/?v=",
            get(),
            "/?v=&page%20size=100",
            [&["a/b"], &["1", "2"]],
        ),
        (
            "/?page+size=7&v",
            get(),
            "/?page+size=7&v",
            [&["a/b"], &["1", "2"]],
        ),
        (
            "/",
            get().query("v", 4).header("x-own", "3"),
            "/?v=4&page%20size=100",
            [&["a/b"], &["3"]],
        ),
        (
            "/",
            get().query("w", 1).header("ACCEPT", "*/*"),
            "/?w=1&page%20size=100&v=2&v=3",
            [&["*/*"], &["1", "2"]],
        ),
        (
            "/",
            get().method("PUT").data("b"),
            "/?page%20size=100&v=2&v=3",
            [&["a/b"], &["1", "2"]],
        ),
    ];
    for (path, options, target, headers) in table {
        fetcher.fetch(&upstream.url(path), options).unwrap();
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(sent.target, target);
        assert_eq!(
            ["accept", "x-own"].map(|name| sent.all(name)),
            headers.map(<[_]>::to_vec)
        );
        assert_eq!(sent.header("authorization"), Some("Bearer t-1"));
    }
    // All methods of a fetcher have them.
    fetcher.post(&upstream.url("/"), "b").unwrap();
    assert_eq!(upstream.requests().pop().unwrap().all("x-own"), ["1", "2"]);
    let bare = fetcher.defaults(get());
    bare.get(&upstream.url("/")).unwrap();
    assert_eq!(
        upstream.requests().pop().unwrap().target,
        "/",
        "a later call replaces the defaults"
    );
}

#[test]
fn the_other_defaults_apply_unless_a_fetch_sets_them() {
    let brief = Duration::from_millis(100);
    let upstream = Server::start(|request| match request.path() {
        "/moved" => redirect(302, "/there"),
        "/hole" => bytes("").then(End::Hold),
        "/busy" => text(503, "busy"),
        _ => text(200, ""),
    });
    let fetcher = fetcher(options(&upstream));
    let status = |defaults: &FetchOptions, path: &str, options| {
        let fetcher = fetcher.clone().defaults(defaults.clone());
        let result = fetcher.fetch(&upstream.url(path), options);
        result.map_or_else(
            |error| error.code().to_owned(),
            |(status, ..)| status.to_string(),
        )
    };
    let manual = get().redirects(Redirects::Manual);
    assert_eq!(status(&manual, "/moved", get()), "302");
    assert_eq!(
        status(&manual, "/moved", get().redirects(Redirects::Follow)),
        "200"
    );
    assert_eq!(status(&strict(), "/busy", get()), "http_503");
    assert_eq!(
        status(&strict(), "/busy", get().http_status_as_error(false)),
        "503"
    );
    let start = Instant::now();
    assert_eq!(status(&get().timeout(brief), "/hole", get()), "timeout");
    assert!(start.elapsed() < LONG);
    let retried = get().retry_policy(retrying(2, Duration::from_millis(1)));
    let before = upstream.count("/busy");
    assert_eq!(status(&retried, "/busy", get()), "503");
    assert_eq!(
        status(&retried, "/busy", get().retry_policy(retrying(1, brief))),
        "503"
    );
    assert_eq!(upstream.count("/busy") - before, 3 + 2);

    for wrong in [
        get().method("POST"),
        get().data(""),
        get().json(&1),
        get().header("Host", "h"),
        get().timeout(Duration::ZERO),
    ] {
        let sent = upstream.requests().len();
        assert_eq!(status(&wrong, "/", get()), "invalid_input", "{wrong:?}");
        assert_eq!(upstream.requests().len(), sent);
    }
}
