//! Redirects: the servers that receive the credential.

use std::sync::{Arc, OnceLock};

use crate::support::{self, Reply, Request, Server, fetch, redirect, text};
use nexus_sdk::{FetchOptions, NexusClient, TokenCache};
use serde_json::{Value, json};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
const CALLERS: [(&str, &str); 4] = [
    ("Cookie", "session=canary-cookie"),
    ("Proxy-Authorization", "Basic canary-proxy"),
    ("X-Plain", "kept"),
    ("Authorization", "Bearer canary-caller"),
];
const SECRETS: [&str; 5] = [
    "Authorization",
    "Cookie",
    "Proxy-Authorization",
    "X-API-Key",
    "X-Own-Key",
];

/// A credential: the gateway's response, the target to fetch, and a text of the first request.
struct Injected {
    name: &'static str,
    token: Value,
    target: &'static str,
    proof: &'static str,
}

/// The place of the credential: the strategy and its config, the target, the proof.
const PLACES: [(&str, &str, &str, &str, &str); 6] = [
    (
        "header",
        "header",
        r#"{"header_name": "X-API-Key"}"#,
        "/start",
        "canary-key",
    ),
    (
        "any header",
        "header",
        r#"{"header_name": "X-Own-Key"}"#,
        "/start",
        "canary-key",
    ),
    (
        "basic",
        "basic_auth",
        "{}",
        "/start",
        "Basic Y2FuYXJ5LXVzZXI6Y2FuYXJ5LXdvcmQ=",
    ),
    (
        "query",
        "query_param",
        r#"{"param_name": "key"}"#,
        "/start?page=2",
        "page=2&key=canary-key",
    ),
    (
        "path",
        "path",
        "null",
        "/start/{api_key}/x",
        "/start/canary-key/x",
    ),
    (
        "path in query",
        "path",
        "null",
        "/start?k={api_key}&page=2",
        "?k=canary-key&page=2",
    ),
];

fn injected() -> Vec<Injected> {
    let bearer = Injected {
        name: "bearer",
        token: json!({"access_token": "canary-token"}),
        target: "/start?page=2",
        proof: "Bearer canary-token",
    };
    let keyed = |(name, kind, config, target, proof): (_, &str, &str, _, _)| {
        let config: Value = serde_json::from_str(config).unwrap();
        let credentials =
            json!({"api_key": "canary-key", "username": "canary-user", "password": "canary-word"});
        let token =
            json!({"strategy": {"type": kind, "config": config}, "credentials": credentials});
        Injected {
            name,
            token,
            target,
            proof,
        }
    };
    [bearer].into_iter().chain(PLACES.map(keyed)).collect()
}

/// A client of a gateway that grants this credential.
struct Caller {
    _gateway: Server,
    client: NexusClient,
    cache: TokenCache,
}

impl Caller {
    fn new(token: &Value) -> Self {
        let gateway = support::gateway(token);
        let options = support::options(&gateway);
        #[cfg(feature = "rustls")]
        let options = options.agent(support::agent());
        let client = NexusClient::new(options).unwrap();
        Self {
            _gateway: gateway,
            client,
            cache: TokenCache::new(),
        }
    }

    fn get(&self, url: &str) -> nexus_sdk::Result<u16> {
        let options = FetchOptions::default().headers(CALLERS);
        let fetched = self
            .client
            .authenticated_fetch(&self.cache, "ws", "p", url, options);
        fetched.map(|(status, ..)| status)
    }
}

/// Redirects `/start` to the first of the URLs, and `/hop` to the second URL if there is one. Copies
/// the query, as many servers do.
fn hops(
    status: u16,
) -> (
    Arc<OnceLock<Vec<String>>>,
    impl Fn(&Request) -> Reply + Clone,
) {
    let route = Arc::new(OnceLock::<Vec<String>>::new());
    let own = Arc::clone(&route);
    let script = move |request: &Request| {
        let step = usize::from(!request.path().starts_with("/start"));
        let next = own
            .get()
            .unwrap()
            .get(step)
            .filter(|_| !request.path().starts_with("/end"));
        match next {
            Some(next) => redirect(status, &format!("{next}?{}", request.query())),
            None => text(200, "arrived"),
        }
    };
    (route, script)
}

fn holds_secret(request: &Request) -> bool {
    request.head.contains("canary") || SECRETS.iter().any(|name| request.header(name).is_some())
}

/// Fetches over a redirect to another origin and, with `back`, a redirect back to the first origin.
fn run_chain(caller: &Caller, injected: &Injected, status: u16, change: &str, back: bool) {
    let case = format!(
        "{}: {status} to another {change}, back: {back}",
        injected.name
    );
    let (route, script) = hops(status);
    let (a, b) = (Server::start(script.clone()), Server::start(script));
    let other = match change {
        "port" => b.url("/hop"),
        "host" => format!("http://localhost:{}/hop", a.port()),
        _ => a.url("/hop").replace("http:", "https:"),
    };
    let home = if change == "scheme" {
        b.url("/end").replace("http:", "https:")
    } else {
        a.url("/end")
    };
    let stops = [Some(other), back.then_some(home)];
    route.set(stops.into_iter().flatten().collect()).unwrap();

    let got = caller.get(&a.url(injected.target));
    let requests = [a.requests(), b.requests()].concat();
    if injected.name == "path in query" {
        // Only the parameter of a `query_param` credential is taken out of a query.
        assert_eq!(got.unwrap_err().code(), "insecure_url", "{case}");
        assert_eq!(requests.len(), 1, "{case}");
        return;
    }
    assert_eq!(got.unwrap(), 200, "{case}");
    assert_eq!(requests.len(), if back { 3 } else { 2 }, "{case}");
    for request in requests {
        assert_eq!(request.header("X-Plain"), Some("kept"), "{case}");
        if request.path().starts_with("/start") {
            assert!(
                request.head.contains(injected.proof),
                "{case}: {}",
                request.head
            );
            assert_eq!(
                request.header("Cookie"),
                Some("session=canary-cookie"),
                "{case}"
            );
        } else {
            assert!(!holds_secret(&request), "{case}: {}", request.head);
            assert_eq!(request.over_tls, change == "scheme", "{case}");
        }
    }
}

#[test]
fn no_credential_reaches_another_origin_nor_comes_back() {
    let changes: &[&str] = if cfg!(feature = "rustls") {
        &["port", "host", "scheme"]
    } else {
        &["port", "host"]
    };
    for injected in injected() {
        let caller = Caller::new(&injected.token);
        for status in STATUSES {
            for change in changes {
                run_chain(&caller, &injected, status, change, false);
                run_chain(&caller, &injected, status, change, true);
            }
        }
    }
}

#[test]
fn the_same_origin_keeps_every_credential() {
    for Injected {
        name,
        token,
        target,
        proof,
    } in injected()
    {
        let caller = Caller::new(&token);
        for status in STATUSES {
            let server = Server::start(move |request| match request.path() {
                path if path.starts_with("/start") => redirect(status, "/end?page=2"),
                _ => text(200, "arrived"),
            });
            assert_eq!(caller.get(&server.url(target)).unwrap(), 200);
            let requests = server.requests();
            assert!(
                requests[0].head.contains(proof),
                "{name}: {}",
                requests[0].head
            );
            let end = &requests[1];
            assert_eq!(
                end.header("Cookie"),
                Some("session=canary-cookie"),
                "{name}, {status}"
            );
            // The server has written the path that it redirects to.
            assert!(
                end.head.contains(proof) || name.starts_with("path"),
                "{name}: {}",
                end.head
            );
        }
    }
}

#[test]
fn a_credential_that_a_server_copies_into_a_foreign_path_is_not_followed() {
    let token = &injected().remove(5).token;
    let other = Server::play(vec![text(200, "")]);
    let to = other.url("");
    let server = Server::start(move |request| redirect(307, &format!("{to}{}", request.target)));
    let error = Caller::new(token)
        .get(&server.url("/v1/{api_key}/me"))
        .unwrap_err();
    assert_eq!(error.code(), "insecure_url");
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn plain_http_elsewhere_is_never_the_target() {
    let server = Server::play(vec![redirect(302, "http://192.0.2.1/x")]);
    let error = fetch(&server.url("/"), FetchOptions::default()).unwrap_err();
    assert_eq!(error.code(), "insecure_url");
}

#[cfg(feature = "rustls")]
#[test]
fn https_never_falls_to_http() {
    let server = Server::start(|request| match request.path() {
        "/down" => redirect(
            307,
            &format!("http://{}/plain", request.header("host").unwrap()),
        ),
        "/stay" => redirect(307, "/end"),
        _ => text(200, "end"),
    });
    for allowed in [false, true] {
        let gateway = support::gateway(&json!({"access_token": "t"}));
        let options = support::options(&gateway)
            .agent(support::agent())
            .allow_insecure_http(allowed);
        let (client, cache) = support::holder(options, "t-1");
        let fetch = |path: &str| {
            let url = server.url(path).replace("http:", "https:");
            client.authenticated_fetch(&cache, "ws", "p", &url, FetchOptions::default())
        };
        assert_eq!(fetch("/stay").unwrap().0, 200);
        assert_eq!(fetch("/down").unwrap_err().code(), "insecure_url");
    }
    assert!(server.requests().iter().all(|request| request.over_tls));
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.header("authorization").is_some())
    );
}
