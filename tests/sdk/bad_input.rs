//! Input that cannot be used: the error names its place, and nothing is sent. `src/url/tests.rs` has the rules of URLs.

use std::time::Duration;

use crate::support::{self, Server, bearer, client, options};
use nexus_sdk::http::HeaderName;
use nexus_sdk::{
    FetchOptions, NexusClient, NexusClientOptions, NexusError, RequestConnectionInput, TokenCache,
    WaitOptions,
};

/// Checks a table of errors, and that the server heard nothing of them.
fn check(server: &Server, table: Vec<(&str, NexusError, &str, &str)>) {
    for (case, error, code, place) in table {
        assert_eq!(error.code(), code, "{case:?}: {error}");
        assert!(error.message().starts_with(place), "{case:?}: {error}");
        assert_eq!(
            (error.status_code(), error.is_retryable()),
            (None, false),
            "{case:?}"
        );
        assert_eq!(error.to_string().lines().count(), 1, "{case:?}: {error}");
    }
    assert_eq!(server.requests().len(), 0);
    assert_eq!(server.connections(), 0);
}

const BLANK: [&str; 5] = ["", " ", "\t", "\r\n", "\u{a0}\u{2003}"];

fn check_blank<const N: usize>(server: &Server, blank: &str, errors: [(NexusError, &str); N]) {
    let row = |(error, place)| (blank, error, "invalid_input", place);
    check(server, errors.map(row).into());
}

#[test]
fn blank_ids() {
    let server = Server::play(vec![bearer("t")]);
    let client = client(&server);
    for blank in BLANK {
        let errors = [
            client.check_connection(blank).unwrap_err(),
            client
                .wait_for_active(blank, WaitOptions::default())
                .unwrap_err(),
            client.get_token_by_connection_id(blank).unwrap_err(),
            client.refresh_connection(blank).unwrap_err(),
        ];
        check_blank(
            &server,
            blank,
            errors.map(|error| (error, "connection_id: ")),
        );
    }
}

#[test]
fn blank_names() {
    let server = Server::play(vec![bearer("t")]);
    let (client, cache) = (client(&server), TokenCache::new());
    let connection = |user: &str, provider: &str, url: &str| {
        let input = RequestConnectionInput::new(user, provider, ["s"], url);
        client.request_connection(&input).unwrap_err()
    };
    let tokens = |workspace: &str, provider: &str| {
        let options = FetchOptions::default();
        [
            client.resolve_token(workspace, provider).unwrap_err(),
            client
                .get_cached_token(&cache, workspace, provider)
                .unwrap_err(),
            client
                .authenticated_fetch(&cache, workspace, provider, &server.url("/"), options)
                .unwrap_err(),
        ]
    };
    for blank in BLANK {
        check_blank(
            &server,
            blank,
            tokens(blank, "p").map(|error| (error, "workspace_id: ")),
        );
        check_blank(
            &server,
            blank,
            tokens("w", blank).map(|error| (error, "provider: ")),
        );
        let errors = [
            (connection(blank, "p", "http://x/"), "user_id: "),
            (connection("u", blank, "http://x/"), "provider_name: "),
            (connection("u", "p", blank), "return_url: "),
        ];
        check_blank(&server, blank, errors);
    }
}

#[test]
fn options_of_a_client() {
    let server = Server::play(vec![bearer("t")]);
    let refused = |options: NexusClientOptions| NexusClient::new(options).unwrap_err();
    let urls = [
        ("", "gateway_url: empty"),
        ("https://me:pw@host", "gateway_url: has a user name"),
        (
            "https://host/?a=b",
            "gateway_url: has a query; leave it out",
        ),
        ("https://host/v1?", "gateway_url: has a query; leave it out"),
    ];
    let urls = urls.map(|(url, place)| {
        let error = refused(NexusClientOptions::new(url));
        (url, error, "invalid_input", place)
    });
    check(&server, urls.into());
    let keys = ["a\nb", "a\r\nX: y", "a\0", "\u{7f}"].map(|key| {
        let error = refused(options(&server).api_key(key));
        (key, error, "invalid_input", "api_key: ")
    });
    check(&server, keys.into());
    let error = refused(options(&server).timeout(Duration::ZERO));
    check(&server, vec![("0 s", error, "invalid_input", "timeout: ")]);
}

fn refused(server: &Server, url: &str, options: FetchOptions) -> NexusError {
    let result = client(server).authenticated_fetch(&TokenCache::new(), "w", "p", url, options);
    result.unwrap_err()
}

#[test]
fn urls_to_fetch() {
    let server = Server::play(vec![bearer("t")]);
    let authority = server.url("").replace("http://", "");
    let urls = [
        String::new(),
        format!("http://me:pw@{authority}/"),
        format!("ftp://{authority}/"),
        format!("http://{authority}/a\r\nX: y"),
        format!(" http://{authority}/"),
    ];
    let table = urls.iter().map(|url| {
        let error = refused(&server, url, FetchOptions::default());
        assert!(!error.message().contains("pw"), "{error}");
        (url.as_str(), error, "invalid_input", "url: ")
    });
    check(&server, table.collect());
}

#[test]
fn plain_http_to_another_machine() {
    let server = Server::play(vec![bearer("t")]);
    let urls = [
        "http://api.example.com/x?q=secret",
        "http://localhost.example.com/",
        "http://0.0.0.0/",
    ];
    let table = urls.map(|url| {
        let error = refused(&server, url, FetchOptions::default());
        assert!(!error.message().contains("secret"), "{error}");
        (url, error, "insecure_url", "url: ")
    });
    check(&server, table.into());
}

#[test]
fn methods() {
    let server = Server::play(vec![bearer("t")]);
    #[rustfmt::skip]
    let methods = [
        "", " ", "GE T", "GET ", "GET\r\n", "GET / HTTP/1.1\r\nX: y", "M\u{e9}thod", "a/b", "CONNECT",
        "connect", "TRACE", "Trace", "TRACK", "track", "PRI", "pri",
    ];
    let table = methods.map(|method| {
        let error = refused(
            &server,
            &server.url("/"),
            FetchOptions::default().method(method),
        );
        (method, error, "invalid_input", "method: ")
    });
    check(&server, table.into());
}

#[test]
fn json_that_cannot_be_written() {
    let server = Server::play(vec![bearer("t")]);
    let odd = std::collections::HashMap::from([((1, 2), 3)]);
    let options = FetchOptions::default().method("POST").json(&odd);
    let error = refused(&server, &server.url("/"), options);
    check(&server, vec![("a map", error, "invalid_input", "json: ")]);
}

#[test]
fn headers() {
    let server = Server::play(vec![bearer("t")]);
    let headers: [(&str, &[u8]); 19] = [
        ("", b"x"),
        (" ", b"x"),
        ("X Y", b"x"),
        ("X:", b"x"),
        ("X\r\nY", b"x"),
        ("X\n", b"x"),
        ("X\0", b"x"),
        ("caf\u{e9}", b"x"),
        ("X-Ok", b"a\r\nY: z"),
        ("X-Ok", b"a\nb"),
        ("X-Ok", b"a\r"),
        ("X-Ok", b"\0"),
        ("X-Ok", b"\x7f"),
        ("Authorization", b"Bearer kl\xc3\xbc"),
        ("Host", b"evil.example"),
        ("Transfer-Encoding", b"chunked"),
        ("TRANSFER-ENCODING", b"identity"),
        ("Connection", b"close"),
        ("te", b"trailers"),
    ];
    let table = headers.map(|(name, value)| {
        let options = FetchOptions::default()
            .header("X-First", "1")
            .header(name, value);
        let error = refused(&server, &server.url("/"), options);
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        // A name that is none may be a secret in the wrong place.
        let place = if is_name {
            "header 2 ("
        } else {
            "header 2: its"
        };
        (name, error, "invalid_input", place)
    });
    check(&server, table.into());
}

#[test]
fn a_timeout_of_zero() {
    let server = Server::play(vec![bearer("t")]);
    let error = refused(
        &server,
        &server.url("/"),
        FetchOptions::default().timeout(Duration::ZERO),
    );
    check(&server, vec![("0 s", error, "invalid_input", "timeout: ")]);
}

#[test]
fn extremes_that_can_be_used_are_no_panic() {
    let upstream = Server::play(vec![support::text(200, "ok")]);
    let options = FetchOptions::default().timeout(Duration::MAX).data("ab");
    assert_eq!(support::fetch(&upstream.url("/"), options).unwrap().0, 200);
    let long = FetchOptions::default().method("M".repeat(200_000));
    let error = support::fetch(&upstream.url("/"), long).unwrap_err();
    assert_eq!(error.code(), "request_failed", "{error}");
    let many = (0..40_000).map(|n| (format!("X-{n}"), "1"));
    let error =
        support::fetch(&upstream.url("/"), FetchOptions::default().headers(many)).unwrap_err();
    assert_eq!(error.code(), "invalid_input", "{error}");
    let brief = FetchOptions::default().timeout(Duration::from_nanos(1));
    assert_eq!(
        support::fetch(&upstream.url("/"), brief)
            .unwrap_err()
            .code(),
        "timeout"
    );
}

#[test]
fn what_is_longer_than_any_server_takes() {
    let server = Server::play(vec![bearer("t")]);
    let long = "x".repeat(64 * 1024);
    let error = NexusClient::new(options(&server).api_key(long + "x")).unwrap_err();
    assert!(error.message().starts_with("api_key: "), "{error}");
}
