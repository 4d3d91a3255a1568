//! Other ways to send: retries, replays, fetchers with allowed hosts, authenticated agents.

use std::time::Duration;

use nexus_sdk::{FetchOptions, RetryPolicy, TokenCache};
use serde_json::json;

use crate::checks::leaked;
use crate::servers::{Received, Servers, Step, credentials, options};
use crate::strategies::strategies;
use crate::targets::{HTTP, Outcome, PLAIN_TARGETS};

const HOME: &str = "http://api.example.test:80";
const AWAY: &str = "http://other.test:80";

/// Returns the servers that received the requests, `h` for home and `a` for away. Asserts that requests
/// at home hold the credential until the first request away, and that later ones hold nothing.
fn trace(case: &str, received: &[Received]) -> String {
    let mut left = false;
    let letters = received.iter().map(|Received { origin, request }| {
        left |= origin != HOME;
        let found = leaked(request);
        assert_eq!(
            found.is_none(),
            left,
            "{case} at {origin}: {found:?} in {}",
            request.head
        );
        let known = [(HOME, 'h'), (AWAY, 'a')]
            .into_iter()
            .find(|(known, _)| known == origin);
        known.unwrap().1
    });
    letters.collect()
}

fn steps(table: &[(u16, &str)]) -> Vec<Step> {
    let step = |(status, to): &(u16, &str)| Step::to(*status, *to);
    table.iter().map(step).collect()
}

/// The responses of the servers, in order.
type Script = &'static [(u16, &'static str)];

/// The responses, the servers that receive the requests, and the status that the fetch returns.
const SCRIPTS: [(Script, &str, u16); 7] = [
    (&[(307, "//other.test/"), (503, ""), (503, "")], "haaa", 200),
    (&[(503, ""), (307, "//other.test/"), (503, "")], "hhaa", 200),
    (&[(307, "//other.test/"), (0, "")], "haa", 200),
    (
        &[
            (307, "//other.test/"),
            (307, "/again"),
            (502, ""),
            (404, ""),
        ],
        "haaa",
        404,
    ),
    (&[(307, "//other.test/"), (401, "")], "ha", 401),
    (
        &[
            (307, "//other.test/"),
            (307, "http://api.example.test/"),
            (401, ""),
        ],
        "hah",
        401,
    ),
    (
        &[
            (308, "//other.test/"),
            (308, "http://api.example.test/"),
            (503, ""),
        ],
        "hahh",
        200,
    ),
];

#[test]
fn retries_after_a_redirect_hold_no_credential() {
    let servers = Servers::new();
    let retries = RetryPolicy::default()
        .retries(2)
        .min_delay(Duration::from_millis(1));
    for strategy in strategies() {
        let fetcher = strategy.fetcher(&servers, true);
        for (script, expected, status) in SCRIPTS {
            let case = format!("{}: {script:?}", strategy.name);
            // Fills the cache, so that a 401 would be replayed.
            fetcher.get(&format!("{HOME}{}", strategy.target)).unwrap();
            servers.expect(steps(script));
            let options = FetchOptions::default().header("X-Plain", "kept");
            let got = fetcher.fetch(
                &format!("{HOME}{}", strategy.target),
                options.retry_policy(retries.clone()),
            );
            assert_eq!(got.unwrap().0, status, "{case}");
            assert_eq!(trace(&case, &servers.received()), expected, "{case}");
        }
    }
}

/// The new credential of a replay stays at home, as the old one did. A 401 after the credential was
/// dropped causes no replay.
#[test]
fn a_replay_is_redirected_without_either_credential() {
    let servers = Servers::new();
    let scripts: [(Script, &str, usize); 5] = [
        (&[(401, ""), (307, "//other.test/")], "hha", 1),
        (
            &[(307, "/in"), (401, ""), (307, "//other.test/")],
            "hhha",
            1,
        ),
        (
            &[(307, "/in"), (401, ""), (307, "//other.test/"), (401, "")],
            "hhha",
            1,
        ),
        (&[(307, "//other.test/"), (401, "")], "ha", 0),
        (&[(307, "//other.test/"), (307, HOME), (401, "")], "hah", 0),
    ];
    let keyed = |key: &str| {
        let mut credentials = credentials();
        credentials["api_key"] = json!(key);
        let config = json!({"param_name": "key"});
        json!({"strategy": {"type": "query_param", "config": config}, "credentials": credentials})
    };
    let bearer = |token: &str| json!({"access_token": token});
    for (script, expected, replays) in scripts {
        for (old, new) in [
            (bearer("canary-old"), bearer("canary-new")),
            (keyed("canary-old"), keyed("canary-new")),
        ] {
            let fetcher = servers
                .client(&old, true)
                .fetcher(&TokenCache::new(), "ws", "p");
            fetcher.get(HOME).unwrap();
            servers.grant(&new);
            servers.expect(steps(script));
            fetcher.get(HOME).unwrap();
            let received = servers.received();
            assert_eq!(trace(&old.to_string(), &received), expected);
            let replayed = received
                .iter()
                .filter(|one| one.request.head.contains("canary-new"));
            assert_eq!(replayed.count(), replays, "{script:?}");
            // A 401 to a request without the credential says nothing about the token.
            fetcher.get(HOME).unwrap();
            let kept = if replays == 0 {
                "canary-old"
            } else {
                "canary-new"
            };
            assert!(
                servers.received()[0].request.head.contains(kept),
                "{script:?}"
            );
        }
    }
}

#[test]
fn a_fetcher_that_is_bound_to_an_origin_goes_nowhere_else() {
    let servers = Servers::new();
    for strategy in strategies() {
        let fetcher = strategy
            .fetcher(&servers, true)
            .allow_hosts(["api.example.test:80"])
            .unwrap();
        let of_http = PLAIN_TARGETS
            .iter()
            .filter(|target| target.bases.contains(&HTTP));
        // The rule allows https on the same port.
        for target in of_http.filter(|target| !target.location.starts_with("https")) {
            let case = format!("{}: {}", strategy.name, target.what);
            servers.expect([Step::to(307, HTTP.fill(target.location))]);
            let got = fetcher.fetch(&format!("{HOME}{}", strategy.target), options("POST"));
            let code = got
                .map_err(|error| error.code().to_owned())
                .map(|(status, ..)| status);
            let (expected, receivers) = match target.outcome {
                Outcome::Stays => (Ok(200), "hh"),
                _ => (Err("host_not_allowed".to_owned()), "h"),
            };
            assert_eq!(code, expected, "{case}");
            assert_eq!(trace(&case, &servers.received()), receivers, "{case}");
        }
    }
}

#[test]
fn a_redirect_to_an_allowed_host_holds_no_credential_and_leads_to_no_other() {
    let servers = Servers::new();
    let scripts: [(Script, Option<&str>); 2] = [
        (&[(307, "//other.test/")], None),
        (
            &[(307, "//other.test/"), (307, "//third.test/")],
            Some("host_not_allowed"),
        ),
    ];
    for strategy in strategies() {
        let fetcher = strategy.fetcher(&servers, true);
        let fetcher = fetcher
            .allow_hosts(["api.example.test", "other.test"])
            .unwrap();
        for (script, expected) in scripts {
            let case = format!("{}: {script:?}", strategy.name);
            servers.expect(steps(script));
            let got = fetcher.fetch(&format!("{HOME}{}", strategy.target), options("POST"));
            assert_eq!(
                got.err().as_ref().map(nexus_sdk::NexusError::code),
                expected,
                "{case}"
            );
            assert_eq!(trace(&case, &servers.received()), "ha", "{case}");
        }
    }
}

/// The agent returns redirects even if the settings of a request ask to follow them.
#[test]
fn an_authenticated_agent_follows_nothing() {
    let servers = Servers::new();
    for strategy in strategies()
        .iter()
        .filter(|strategy| strategy.name != "agent session")
    {
        let client = strategy.client(&servers, true);
        let agent = client.authenticated_agent(&TokenCache::new(), "ws", "p");
        for status in [301, 302, 303, 307, 308] {
            for follow in [false, true] {
                servers.expect(steps(&[(status, "http://other.test/{query}")]));
                let request = agent.get(format!("{HOME}{}", strategy.target));
                let got = if follow {
                    request.config().max_redirects(5).build().call()
                } else {
                    request.call()
                };
                let case = format!("{}: {status}", strategy.name);
                assert_eq!(got.unwrap().status(), status, "{case}");
                assert_eq!(trace(&case, &servers.received()), "h", "{case}");
            }
        }
    }
}
