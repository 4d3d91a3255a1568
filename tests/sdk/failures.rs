//! Each failure of the gateway and of an API, and what a program decides by: the place of the failure, whether the request
//! may have arrived, and whether another attempt or the user can help. The documentation of `NexusError` has a shorter form
//! of these tables. `tests/faults/table.rs` has more ways in which a response can break.

use std::time::Duration;

use nexus_sdk::serde_json::json;
use nexus_sdk::{
    ErrorKind, FetchOptions, NexusClient, NexusClientOptions, NexusError, Origin, Result,
    RetryPolicy,
};

use crate::requests::input;
use crate::support::{
    End, LONG, Reply, Server, bearer, bytes, cached, json, redirect, reply, retrying, text,
};

/// A server that fails, by its URL, with the options of a client that reaches it.
struct Failing {
    url: String,
    options: fn(NexusClientOptions) -> NexusClientOptions,
    /// The server, unless none listens.
    server: Option<Server>,
}

fn at(url: &str) -> Failing {
    Failing {
        url: url.to_owned(),
        options: |options| options,
        server: None,
    }
}

fn served(reply: Reply) -> Failing {
    let server = Server::play(vec![reply]);
    Failing {
        server: Some(server),
        ..at("")
    }
    .by(|server| server.url(""))
}

/// The server accepts the request and does not respond.
fn hanging() -> Failing {
    Failing {
        options: |options| options.timeout(Duration::from_millis(500)),
        ..served(bytes("").then(End::Hold))
    }
}

/// The server expects https, and its certificate is not trusted.
fn untrusted() -> Failing {
    served(text(200, "")).by(|server| server.url("").replacen("http:", "https:", 1))
}

/// A proxy that refuses to connect.
fn refusing_proxy() -> Failing {
    Failing {
        options: |options| {
            let proxy = Server::start(|_| text(403, ""));
            let proxy_url = proxy.url("");
            // Serves until the test ends.
            std::mem::forget(proxy);
            let proxy = ureq::Proxy::new(&proxy_url).unwrap();
            let agent = ureq::Agent::config_builder().proxy(Some(proxy)).build();
            options.agent(agent.new_agent())
        },
        ..at("https://example.test")
    }
}

impl Failing {
    fn by(mut self, url: impl Fn(&Server) -> String) -> Self {
        self.url = url(self.server.as_ref().unwrap());
        self
    }

    fn options(&self, gateway: &str) -> NexusClientOptions {
        let options = NexusClientOptions::new(gateway).log_level(nexus_sdk::LogLevel::Off);
        (self.options)(options.timeout(LONG))
    }
}

/// The name of a failure, the failure, the code of its error, whether the request may have been sent, and whether another
/// attempt may succeed.
type Row = (&'static str, fn() -> Failing, &'static str, bool, bool);

/// The failures that are the same at the gateway and at an API.
const BOTH: [Row; 9] = [
    (
        "refused",
        || at("http://127.0.0.1:1"),
        "request_failed",
        false,
        true,
    ),
    (
        "DNS",
        || at("https://nowhere.invalid"),
        "request_failed",
        false,
        true,
    ),
    ("TLS", untrusted, "request_failed", false, false),
    ("proxy", refusing_proxy, "request_failed", false, true),
    (
        "cut before the head",
        || served(bytes("")),
        "request_failed",
        true,
        true,
    ),
    (
        "cut within the head",
        || served(bytes("HTTP/1.1 200 OK\r\nConte")),
        "request_failed",
        true,
        true,
    ),
    (
        "cut after the head",
        || served(bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")),
        "request_failed",
        true,
        true,
    ),
    (
        "no HTTP",
        || served(bytes("SSH-2.0-x\r\n\r\n")),
        "request_failed",
        true,
        true,
    ),
    ("hung", hanging, "timeout", true, true),
];

fn check(case: &str, error: &NexusError, expected: (Origin, &str, bool, bool, bool)) {
    let found = (
        error.origin(),
        error.code(),
        error.may_have_been_sent(),
        error.is_retryable(),
        error.needs_reconnect(),
    );
    assert_eq!(found, expected, "{case}: {error}");
    assert_eq!(error.to_string().lines().count(), 1, "{case}: {error}");
}

#[test]
fn of_the_gateway() {
    type Ask = fn(&NexusClient) -> Option<NexusError>;
    let calls: [(&str, Ask); 3] = [
        ("GET", |client| client.resolve_token("acme", "github").err()),
        ("GET, no refresh", |client| client.providers().err()),
        ("POST", |client| client.request_connection(&input()).err()),
    ];
    for (name, failing, code, sent, retryable) in BOTH {
        for (method, call) in calls {
            let failing = failing();
            let client = NexusClient::new(failing.options(&failing.url)).unwrap();
            let error = call(&client).unwrap();
            let case = format!("{name}, {method}");
            check(
                &case,
                &error,
                (Origin::Gateway, code, sent, retryable, false),
            );
            drop(failing);
        }
    }
    let coded = |status, code: &str| json(status, &json!({"error": code, "message": "m"}));
    let statuses = [
        (text(401, "no"), "http_401", false, false),
        (text(403, "no"), "http_403", false, false),
        (text(404, "no"), "http_404", false, false),
        (
            coded(404, "connection_not_found"),
            "connection_not_found",
            false,
            true,
        ),
        (
            coded(409, "attention_required"),
            "attention_required",
            false,
            true,
        ),
        (coded(409, "token_expired"), "token_expired", true, false),
        (text(410, "no"), "http_410", false, true),
        (text(429, "no"), "http_429", true, false),
        (text(500, "no"), "http_500", false, false),
        (coded(502, "broker_error"), "broker_error", true, false),
        (text(503, "no"), "http_503", true, false),
        (
            reply(401, &[("Content-Type", "text/html")], "<p>no</p>"),
            "http_401",
            false,
            false,
        ),
        (coded(403, "forbidden"), "forbidden", false, false),
        (text(200, "no JSON"), "invalid_response", false, false),
    ];
    for (reply, code, retryable, reconnect) in statuses {
        let failing = served(reply);
        // The gateway is asked again about a missing connection, after a pause.
        let options = failing.options(&failing.url);
        let client = NexusClient::new(options).unwrap();
        let error = client.resolve_token("acme", "github").unwrap_err();
        check(
            code,
            &error,
            (Origin::Gateway, code, true, retryable, reconnect),
        );
        let named = format!("{code}: workspace \"acme\", provider \"github\": ");
        assert!(error.to_string().starts_with(&named), "{error}");
    }
}

/// Fetches with a token from the cache, so that only the API can fail.
fn fetch(options: NexusClientOptions, url: &str, fetch: FetchOptions) -> Result<u16> {
    let client = NexusClient::new(options).unwrap();
    let cache = nexus_sdk::TokenCache::new();
    cache.set("acme", "github", cached("t-1"));
    let (status, _, _) = client.authenticated_fetch(&cache, "acme", "github", url, fetch)?;
    Ok(status)
}

fn methods() -> [(&'static str, FetchOptions); 2] {
    let post = FetchOptions::default().method("POST").data("{}");
    [("GET", FetchOptions::default()), ("POST", post)]
}

#[test]
fn of_an_api() {
    for (name, failing, code, sent, retryable) in BOTH {
        for (method, options) in methods() {
            let failing = failing();
            let url = format!("{}/x", failing.url);
            let error = fetch(failing.options("http://127.0.0.1:1"), &url, options).unwrap_err();
            let case = format!("{name}, {method}");
            check(&case, &error, (Origin::Api, code, sent, retryable, false));
            let named = error
                .message()
                .starts_with("workspace \"acme\", provider \"github\": ");
            assert!(named, "{error}");
        }
    }
    // A status of the API is data.
    for status in [401, 403, 404, 429, 500, 503] {
        for (_, options) in methods() {
            let failing = served(text(status, "no"));
            let url = format!("{}/x", failing.url);
            // The gateway, which cannot be reached, is asked about a 401.
            let found = fetch(failing.options("http://127.0.0.1:1"), &url, options);
            assert_eq!(found.unwrap(), status);
        }
    }
}

/// A gateway that fails within a fetch: the API has had no request, whatever the gateway has had.
#[test]
fn of_the_gateway_within_a_fetch() {
    for (name, failing, code, sent, retryable) in BOTH {
        let (failing, api) = (failing(), Server::play(vec![text(200, "")]));
        let client = NexusClient::new(failing.options(&failing.url)).unwrap();
        let fetcher = client.fetcher(&nexus_sdk::TokenCache::new(), "acme", "github");
        let error = fetcher.post(&api.url("/"), "{}").unwrap_err();
        check(
            name,
            &error,
            (Origin::Gateway, code, sent, retryable, false),
        );
        assert_eq!(api.requests().len(), 0, "{name}");
        drop(failing);
    }
}

#[test]
fn of_this_program() {
    let server = Server::play(vec![text(200, "")]);
    let options = || at("").options(&server.url(""));
    let client = NexusClient::new(options()).unwrap();
    let cache = nexus_sdk::TokenCache::new();
    let fetcher = client.fetcher(&cache, "acme", "github");
    let pinned = fetcher.clone().allow_hosts(["api.example.com"]).unwrap();
    let get = |url: &str| fetcher.get(url).unwrap_err();
    let table = [
        (get("no scheme"), "invalid_input"),
        (get("http://api.example.com/"), "insecure_url"),
        (
            pinned.get(&server.url("/")).unwrap_err(),
            "host_not_allowed",
        ),
        (
            client.resolve_token("", "github").unwrap_err(),
            "invalid_input",
        ),
        (
            NexusClient::new(NexusClientOptions::new("")).unwrap_err(),
            "invalid_input",
        ),
    ];
    for (error, code) in table {
        check(code, &error, (Origin::Local, code, false, false, false));
    }
    assert_eq!(server.connections(), 0);
}

/// The first attempt arrives, and the second cannot connect. The request may still have been acted on.
#[test]
fn an_earlier_attempt_of_the_same_call_counts() {
    for retries in [0, 1] {
        let moved = Server::start(|_| redirect(307, "http://127.0.0.1:1/"));
        let policy = retrying(retries, Duration::ZERO);
        let post = FetchOptions::default().method("POST").data("{}");
        let options = at("").options("http://127.0.0.1:1");
        let error = fetch(options, &moved.url("/"), post.retry_policy(policy)).unwrap_err();
        let code = ["request_failed", "max_retries_exceeded"][usize::from(retries == 1)];
        check("redirect", &error, (Origin::Api, code, true, true, false));
    }
    let gone = std::sync::Mutex::new(Some(Server::play(vec![text(503, "no")])));
    let url = gone.lock().unwrap().as_ref().unwrap().url("");
    let policy = RetryPolicy::default()
        .retries(1)
        .min_delay(Duration::from_millis(1));
    let options = NexusClientOptions::new(url)
        .retry_policy(policy)
        .timeout(LONG);
    let options = options.on_call(move |_| drop(gone.lock().unwrap().take()));
    let options = options.log_level(nexus_sdk::LogLevel::Off);
    let error = NexusClient::new(options).unwrap().providers().unwrap_err();
    let code = "max_retries_exceeded";
    check(
        "503, then refused",
        &error,
        (Origin::Gateway, code, true, true, false),
    );
    assert!(error.message().contains("connection refused"), "{error}");
}

/// A redirect to a GET follows what a POST has done, so a failure of the GET does not allow to repeat the POST.
#[test]
fn a_post_that_a_redirect_has_answered_is_not_repeated() {
    // The status of the redirect, the reply to the request that follows it, and the error's code and origin. The
    // gateway, which is asked about a 401, cannot be reached.
    type After = (fn() -> Reply, &'static str, Origin);
    let replies: [After; 4] = [
        (|| text(401, "no"), "request_failed", Origin::Gateway),
        (|| text(429, "no"), "http_429", Origin::Api),
        (|| text(503, "no"), "http_503", Origin::Api),
        (|| bytes(""), "request_failed", Origin::Api),
    ];
    for (reply, code, origin) in replies {
        for status in [302, 303, 307] {
            for (method, options) in methods() {
                let api = Server::start(move |request| match request.path() {
                    "/create" => redirect(status, "/made"),
                    _ => reply(),
                });
                let failing = at("").options("http://127.0.0.1:1").timeout(LONG);
                let options = options.http_status_as_error(true);
                let error = fetch(failing, &api.url("/create"), options).unwrap_err();
                let case = format!("{method}, {status}, {code}");
                let is_done = method == "POST" && status != 307;
                let expected = (origin, code, origin == Origin::Api, !is_done, false);
                check(&case, &error, expected);
            }
        }
    }
}

/// A server chooses the host of a redirect, and may build it from the token that it has received.
#[test]
fn an_error_after_a_redirect_does_not_show_the_host() {
    const TOKEN: &str = "secret-token-1";
    let gateway = Server::start(|_| bearer(TOKEN));
    let tls = Server::play(vec![text(200, "")]);
    let over_tls = tls
        .url("/")
        .replacen("http://127.0.0.1", "https://localhost", 1);
    let elsewhere = format!("https://{TOKEN}.invalid/");
    let plain = format!("http://{TOKEN}.example/");
    let listed: &[&str] = &["127.0.0.1", "*.invalid", "localhost"];
    let table: [(&str, Option<&[&str]>, ErrorKind, &str); 5] = [
        (
            &elsewhere,
            None,
            ErrorKind::RequestFailed,
            "could not be looked up",
        ),
        (
            &elsewhere,
            Some(listed),
            ErrorKind::RequestFailed,
            "could not be looked up",
        ),
        (
            &elsewhere,
            Some(&["127.0.0.1"]),
            ErrorKind::HostNotAllowed,
            "to a host that is not allowed",
        ),
        (
            &plain,
            None,
            ErrorKind::InsecureUrl,
            "to plain http on a host that may be another machine",
        ),
        (
            &over_tls,
            Some(listed),
            ErrorKind::RequestFailed,
            "TLS failed",
        ),
    ];
    for (target, hosts, kind, part) in table {
        let location = target.to_owned();
        let api = Server::start(move |request| match request.path() {
            "/twice" => redirect(302, "/once"),
            _ => redirect(302, &location),
        });
        let client = NexusClient::new(at("").options(&gateway.url(""))).unwrap();
        let mut fetcher = client.fetcher(&nexus_sdk::TokenCache::new(), "acme", "github");
        if let Some(hosts) = hosts {
            fetcher = fetcher.allow_hosts(hosts.iter().copied()).unwrap();
        }
        for path in ["/once", "/twice"] {
            let fetcher = fetcher.clone().hide_credential(path == "/twice");
            let error = fetcher.get(&api.url(path)).unwrap_err();
            assert_eq!(error.kind(), kind, "{target}: {error}");
            assert_eq!(
                (error.origin(), error.may_have_been_sent()),
                (Origin::Api, true)
            );
            let shown = format!("{error:?}");
            let place = api.url("");
            assert!(
                shown.contains(&place) && shown.contains(part),
                "{target}: {shown}"
            );
            for hidden in [TOKEN, "localhost", "include `", "allow_insecure_http"] {
                assert!(!shown.contains(hidden), "{target}: {shown}");
            }
        }
    }
}

/// A token is about to expire, and somebody between the client and the gateway responds.
#[test]
fn a_word_of_somebody_else_costs_no_good_token() {
    let html = [("Content-Type", "text/html")];
    let coded = |status, code: &str| json(status, &json!({"error": code, "message": "m"}));
    let table = [
        (coded(403, "forbidden"), true),
        (coded(401, "Unauthorized"), true),
        (coded(410, "gone"), true),
        (reply(401, &html, "<p>Sign in</p>"), true),
        (reply(410, &html, "<p>Gone</p>"), true),
        (text(403, "no"), true),
        // The gateway's own words.
        (coded(403, "invalid_api_key"), false),
        (coded(409, "attention_required"), false),
        (text(401, "no"), false),
    ];
    for (number, (reply, is_kept)) in table.into_iter().enumerate() {
        let failing = served(reply);
        let client = NexusClient::new(failing.options(&failing.url)).unwrap();
        let cache = nexus_sdk::TokenCache::new();
        let soon = std::time::SystemTime::now() + Duration::from_secs(20);
        let token = nexus_sdk::CachedToken::new("good", "Bearer", soon);
        cache.set("acme", "github", token);
        for _ in 0..2 {
            let got = client.get_cached_token(&cache, "acme", "github");
            let is_good = got.is_ok_and(|token| token.access_token == "good");
            assert_eq!(is_good, is_kept, "row {number}");
        }
    }
}
