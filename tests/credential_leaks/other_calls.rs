//! Other ways to send: retries, replays, fetchers with allowed hosts, authenticated agents.

use std::time::Duration;

use nexus_sdk::{FetchOptions, NexusError, TokenCache};
use serde_json::{Value, json};

use crate::checks::leaked;
use crate::servers::{Received, Servers, Step, credentials, options};
use crate::strategies::strategies;
use crate::support::retrying;

const HOME: &str = "http://api.example.test:80";
/// A redirect to another origin.
const AWAY: (u16, &str) = (307, "//other.test/");

/// Returns the servers that received the requests, `h` for home and `a` for away. Asserts that requests
/// at home hold the credential until the first request away, and that later ones hold nothing.
fn trace(case: &str, received: &[Received]) -> String {
    let mut left = false;
    let letters = received.iter().map(|Received { origin, request }| {
        left |= origin != HOME;
        let (found, head) = (leaked(request), &request.head);
        assert_eq!(
            found.is_none(),
            left,
            "{case} at {origin}: {found:?} in {head}"
        );
        if origin == HOME { 'h' } else { 'a' }
    });
    letters.collect()
}

/// The responses of the servers, in order.
type Script = &'static [(u16, &'static str)];

fn steps(script: Script) -> impl Iterator<Item = Step> {
    script.iter().map(|(status, to)| Step::to(*status, *to))
}

#[test]
fn retries_after_a_redirect_hold_no_credential() {
    let servers = Servers::new();
    let scripts: [(Script, &str); 4] = [
        (&[AWAY, (503, ""), (503, "")], "haaa"),
        (&[(503, ""), AWAY, (503, "")], "hhaa"),
        (&[AWAY, (0, "")], "haa"),
        (&[(308, "//other.test/"), (308, HOME), (503, "")], "hahh"),
    ];
    for strategy in strategies() {
        let fetcher = strategy.fetcher(&servers, true);
        for (script, expected) in scripts {
            let case = format!("{}: {script:?}", strategy.name);
            servers.expect(steps(script));
            let retries = retrying(2, Duration::from_millis(1));
            let options = FetchOptions::default().retry_policy(retries);
            let got = fetcher.fetch(&format!("{HOME}{}", strategy.target), options);
            assert_eq!(got.unwrap().0, 200, "{case}");
            assert_eq!(trace(&case, &servers.received()), expected, "{case}");
        }
    }
}

/// The new credential of a replay stays at home, as the old one did. A 401 after the credential was
/// dropped causes no replay, and says nothing about the token.
#[test]
fn a_replay_is_redirected_without_either_credential() {
    let servers = Servers::new();
    let scripts: [(Script, &str, bool); 4] = [
        (&[(401, ""), AWAY], "hha", true),
        (&[(307, "/in"), (401, ""), AWAY, (401, "")], "hhha", true),
        (&[AWAY, (401, "")], "ha", false),
        (&[AWAY, (307, HOME), (401, "")], "hah", false),
    ];
    let keyed = |key: &str| {
        let mut credentials = credentials();
        credentials["api_key"] = json!(key);
        let config = json!({"param_name": "key"});
        json!({"strategy": {"type": "query_param", "config": config}, "credentials": credentials})
    };
    let bearer = |token: &str| json!({"access_token": token});
    let granted: [&dyn Fn(&str) -> Value; 2] = [&bearer, &keyed];
    for (script, expected, is_replayed) in scripts {
        for granted in granted {
            let client = servers.client(&granted("canary-old"), true);
            let fetcher = client.fetcher(&TokenCache::new(), "ws", "p");
            fetcher.get(HOME).unwrap();
            servers.grant(&granted("canary-new"));
            servers.expect(steps(script));
            fetcher.get(HOME).unwrap();
            let received = servers.received();
            let case = format!("{script:?}");
            assert_eq!(trace(&case, &received), expected);
            let is_new = |one: &Received| one.request.head.contains("canary-new");
            assert_eq!(received.iter().any(is_new), is_replayed, "{case}");
            fetcher.get(HOME).unwrap();
            assert_eq!(is_new(&servers.received()[0]), is_replayed, "{case}");
        }
    }
}

/// An allowed host receives a redirected request, but not the credential.
#[test]
fn a_redirect_leads_to_allowed_hosts_only() {
    let servers = Servers::new();
    let home: &[&str] = &["api.example.test:80"];
    let both: &[&str] = &["api.example.test", "other.test"];
    let scripts: [(&[&str], Script, &str, bool); 6] = [
        (home, &[(307, "/end")], "hh", true),
        (home, &[AWAY], "h", false),
        (home, &[(307, "//api.example.test:8443/")], "h", false),
        (home, &[(307, "//evil.api.example.test/")], "h", false),
        (both, &[AWAY], "ha", true),
        (both, &[AWAY, (307, "//third.test/")], "ha", false),
    ];
    for strategy in strategies() {
        for (hosts, script, expected, is_allowed) in scripts {
            let case = format!("{}: {script:?}", strategy.name);
            let fetcher = strategy.fetcher(&servers, true);
            let fetcher = fetcher.allow_hosts(hosts.iter().copied()).unwrap();
            servers.expect(steps(script));
            let got = fetcher.fetch(&format!("{HOME}{}", strategy.target), options("POST"));
            let code = (!is_allowed).then_some("host_not_allowed");
            assert_eq!(got.err().as_ref().map(NexusError::code), code, "{case}");
            assert_eq!(trace(&case, &servers.received()), expected, "{case}");
        }
    }
}

/// The agent returns redirects even if the settings of a request ask to follow them.
#[test]
fn an_authenticated_agent_follows_nothing() {
    let servers = Servers::new();
    for strategy in strategies() {
        if strategy.name == "agent session" {
            continue;
        }
        let client = strategy.client(&servers, true);
        let agent = client.authenticated_agent(&TokenCache::new(), "ws", "p");
        for follow in [false, true] {
            servers.expect(steps(&[(307, "http://other.test/{query}")]));
            let mut request = agent.get(format!("{HOME}{}", strategy.target));
            if follow {
                request = request.config().max_redirects(5).build();
            }
            assert_eq!(request.call().unwrap().status(), 307, "{}", strategy.name);
            assert_eq!(trace(strategy.name, &servers.received()), "h");
        }
    }
}
