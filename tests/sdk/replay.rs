//! The requests that are sent again after a 401: only the request that was refused.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use nexus_sdk::testing::Fault;
use nexus_sdk::{FetchOptions, TokenCache};
use serde_json::{Value, json};

use crate::support::{Reply, Request, Server, client, connected, granting, redirect, text};

fn bearer(number: usize) -> Value {
    json!({"access_token": format!("token-{number}"), "expires_in": 3600})
}

fn by_query(number: usize) -> Value {
    json!({"strategy": {"type": "query_param", "config": {"param_name": "key"}},
        "credentials": {"api_key": format!("key/{number}:long")}})
}

fn by_path(number: usize) -> Value {
    json!({"strategy": {"type": "path"},
        "credentials": {"key": format!("key/{number}:long"), "region": "eu"}})
}

/// Returns the number of the credential that a request carries.
fn number_of(request: &Request) -> usize {
    let head = request.head.replace("key%2F", "token-");
    let (_, number) = head.split_once("token-").unwrap();
    let mut digits = number.split(|c: char| !c.is_ascii_digit());
    digits.next().unwrap().parse().unwrap()
}

/// A fetch with a credential that was revoked. The gateway has another credential.
struct Case {
    name: &'static str,
    token: fn(usize) -> Value,
    path: &'static str,
    /// The upstream's response, by the last segment of the path and the number of the credential.
    respond: fn(&str, usize) -> Reply,
    status: u16,
    /// The requests of the fetch: method, target and body.
    sent: &'static [&'static str],
}

fn refuses_after_a_redirect(segment: &str, credential: usize) -> Reply {
    match (segment, credential) {
        ("start", _) => redirect(303, "next"),
        ("next", 1) => text(401, "revoked"),
        ("next", _) => redirect(302, "last"),
        _ => text(200, "done"),
    }
}

const CASES: [Case; 4] = [
    Case {
        name: "query_param, after a redirect",
        token: by_query,
        path: "/eu/start",
        respond: refuses_after_a_redirect,
        status: 200,
        sent: &[
            "POST /eu/start?key=key%2F1%3Along body",
            "GET /eu/next?key=key%2F1%3Along",
            "GET /eu/next?key=key%2F2%3Along",
            "GET /eu/last?key=key%2F2%3Along",
        ],
    },
    // The server writes the target of a redirect, so the SDK does not know where in it the credential is.
    Case {
        name: "path, after a redirect",
        token: by_path,
        path: "/{key}/start",
        respond: refuses_after_a_redirect,
        status: 401,
        sent: &["POST /key%2F1:long/start body", "GET /key%2F1:long/next"],
    },
    Case {
        name: "path, without a redirect",
        token: by_path,
        path: "/{key}/start",
        respond: |segment, credential| match (segment, credential) {
            ("start", 1) => text(401, "revoked"),
            _ => text(200, "done"),
        },
        status: 200,
        sent: &[
            "POST /key%2F1:long/start body",
            "POST /key%2F2:long/start body",
        ],
    },
    Case {
        name: "the second credential refused too",
        token: bearer,
        path: "/start",
        respond: |segment, credential| match (segment, credential) {
            ("warm", _) => text(200, "done"),
            ("start", 2) => redirect(307, "/again"),
            _ => text(401, "revoked"),
        },
        status: 401,
        sent: &["POST /start body", "POST /start body", "POST /again body"],
    },
];

#[test]
fn the_request_that_was_refused_is_sent_once_more_with_another_credential() {
    for Case {
        name,
        token,
        path,
        respond,
        status,
        sent,
    } in CASES
    {
        let upstream = Server::start(move |request| {
            let (_, segment) = request.path().rsplit_once('/').unwrap();
            respond(segment, number_of(request))
        });
        let gateway = granting(2, token);
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        let warm = upstream.url(&path.replace("start", "warm"));
        assert_eq!(fetcher.get(&warm).unwrap().0, 200, "{name}");
        assert_eq!(
            fetcher.post(&upstream.url(path), "body").unwrap().0,
            status,
            "{name}"
        );
        let requests = upstream.requests().into_iter().skip(1).map(|request| {
            let body = String::from_utf8(request.body).unwrap();
            let line = format!("{} {} {body}", request.method, request.target);
            line.trim_end().to_owned()
        });
        assert_eq!(requests.collect::<Vec<_>>(), sent, "{name}");
        assert_eq!(fetcher.get(&warm).unwrap().0, 200, "{name}");
        assert_eq!(gateway.count("/v1/resolve"), 2, "{name}");
    }
}

/// In the first row the token does not come from the cache. In the second row the gateway returns the same token again.
#[test]
fn a_credential_that_cannot_be_replaced_is_not_sent_again() {
    for (last, is_cached, resolves) in [(9, false, 1), (1, true, 2)] {
        let upstream = Server::start(|request| match request.path() {
            "/warm" => text(200, ""),
            _ => text(401, "no"),
        });
        let gateway = granting(last, bearer);
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
        if is_cached {
            fetcher.get(&upstream.url("/warm")).unwrap();
        }
        assert_eq!(fetcher.get(&upstream.url("/refused")).unwrap().0, 401);
        let counts = (upstream.count("/refused"), gateway.count("/v1/resolve"));
        assert_eq!(counts, (1, resolves));
    }
}

/// The endpoint `/admin` refuses every token, and calls to it and to `/user` alternate.
#[test]
fn an_endpoint_that_always_refuses_costs_the_others_nothing() {
    for is_down in [false, true] {
        let gateway = connected();
        let upstream = Server::start(|request| match request.path() {
            "/admin" => text(401, "no"),
            _ => text(200, "ok"),
        });
        let fetcher = client(&gateway).fetcher(&TokenCache::new(), "acme", "github");
        let status = |path| fetcher.get(&upstream.url(path)).unwrap().0;
        assert_eq!(status("/user"), 200);
        if is_down {
            gateway.fail_next(usize::MAX, Fault::reply(503, "text/plain", "down"));
        }
        let start = Instant::now();
        for _ in 0..20 {
            let statuses = (status("/admin"), status("/user"));
            assert_eq!(statuses, (401, 200), "{is_down}");
        }
        // The gateway is asked again after 2 s, and then once in 30 s. A busy machine may take as long.
        let late = usize::from(start.elapsed().as_secs() >= 2);
        let asked = gateway.count("/v1/resolve");
        assert!((2..=2 + late).contains(&asked), "{is_down}: {asked}");
        assert_eq!(upstream.requests().len(), 41, "nothing is replayed");
    }
}

/// After a 401, the gateway refuses for good, so only the user can help.
#[test]
fn a_final_refusal_after_a_401_removes_the_token() {
    let gateway = connected();
    let upstream = Server::start(|request| match request.path() {
        "/warm" => text(200, ""),
        _ => text(401, "revoked"),
    });
    let cache = TokenCache::new();
    let fetcher = client(&gateway).fetcher(&cache, "acme", "github");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    gateway.set_status("00000000-0000-4000-8000-000000000001", "attention");
    for _ in 0..2 {
        let error = fetcher.get(&upstream.url("/")).unwrap_err();
        assert!(error.needs_reconnect(), "{error}");
        assert!(cache.is_empty());
    }
    assert_eq!(upstream.requests().len(), 2, "the second has no token");
}

#[test]
fn one_revoked_token_in_32_threads_costs_one_resolve_and_32_replays() {
    const THREADS: usize = 32;
    let gateway = granting(9, bearer);
    let revoked = Barrier::new(THREADS);
    let upstream = Server::start(move |request| match (request.path(), number_of(request)) {
        ("/all", 1) => {
            // All threads send the dead token before one of them gets its 401.
            revoked.wait();
            text(401, "revoked")
        }
        _ => text(200, "ok"),
    });
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    let start = Barrier::new(THREADS);
    thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                start.wait();
                assert_eq!(fetcher.get(&upstream.url("/all")).unwrap().0, 200);
            });
        }
    });
    // The first request is the one that filled the cache.
    let mut sent: Vec<_> = upstream.requests().iter().skip(1).map(number_of).collect();
    sent.sort_unstable();
    assert_eq!(sent, [[1; THREADS], [2; THREADS]].concat());
    assert_eq!(gateway.count("/v1/resolve"), 2);
}

/// The second credential goes into another header. The header of the first one then has the caller's
/// value again.
#[test]
fn a_replay_carries_nothing_of_the_credential_that_was_refused() {
    let gateway = granting(2, |number| {
        let name = ["X-First", "X-Second"][number - 1];
        json!({"strategy": {"type": "header", "config": {"header_name": name}},
            "credentials": {"api_key": format!("token-{number}")}})
    });
    let upstream = Server::start(|request| match request.header("x-second") {
        Some("token-2") => text(200, ""),
        _ if request.path() == "/warm" => text(200, ""),
        _ => text(401, "revoked"),
    });
    let fetcher = client(&gateway).fetcher(&TokenCache::new(), "ws", "p");
    assert_eq!(fetcher.get(&upstream.url("/warm")).unwrap().0, 200);
    let options = FetchOptions::default().headers([("X-First", "mine"), ("X-Second", "mine")]);
    assert_eq!(fetcher.fetch(&upstream.url("/"), options).unwrap().0, 200);
    let requests = upstream.requests();
    let fields = |request: usize| {
        let all = |name| requests[request].all(name).concat();
        (all("x-first"), all("x-second"))
    };
    let sent = [fields(1), fields(2)];
    let expected = [("token-1", "mine"), ("mine", "token-2")];
    assert_eq!(sent, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}
