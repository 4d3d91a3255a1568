//! Redirects of a fetcher with allowed hosts.

use nexus_sdk::{
    AgentSessionInput, FetchOptions, Fetcher, NexusClient, NexusClientOptions, Redirects,
    TokenCache,
};

use crate::support::{Reply, Server, client, connected, redirect, reply, said};

/// Starts a server that gives every request this response, and returns its `127.0.0.1:port` as well.
fn serving(response: Reply) -> (Server, String) {
    let server = Server::play(vec![response]);
    let address = format!("127.0.0.1:{}", server.port());
    (server, address)
}

fn fine() -> (Server, String) {
    serving(reply(200, &[], ""))
}

fn redirecting(to: &str) -> (Server, String) {
    serving(redirect(307, to))
}

/// Returns a fetcher for a workspace and provider, and one for an agent session.
fn fetchers(gateway: &nexus_sdk::testing::DevGateway) -> [Fetcher; 2] {
    let client = client(gateway);
    let session = AgentSessionInput::new("agent-7", ["repo"]).provider("acme", "github");
    let session = client.request_agent_session(&session).unwrap();
    [
        client.fetcher(&TokenCache::new(), "acme", "github"),
        client.session_fetcher(&session).unwrap(),
    ]
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let gateway = connected();
    for fetcher in fetchers(&gateway) {
        let (target, target_address) = fine();
        let (start, start_address) = redirecting(&format!("http://{target_address}/end"));
        let bound = fetcher.clone().allow_hosts([start_address.clone()]);
        let error = bound.get(&start.url("/start")).unwrap_err();
        assert_eq!(error.code(), "host_not_allowed");
        assert!(error.message().contains(&target_address), "{error}");
        assert_eq!((start.requests().len(), target.requests().len()), (1, 0));

        let manual = FetchOptions::default().redirects(Redirects::Manual);
        assert_eq!(bound.fetch(&start.url("/start"), manual).unwrap().0, 307);
        assert_eq!(target.requests().len(), 0);
    }
}

#[test]
fn a_redirect_to_an_allowed_host_is_followed_without_the_credential() {
    let gateway = connected();
    for fetcher in fetchers(&gateway) {
        let (target, target_address) = fine();
        let (start, start_address) = redirecting(&format!("http://{target_address}/end"));
        let hosts = [start_address.clone(), target_address.clone()];
        let fetcher = fetcher.allow_hosts(hosts);
        assert_eq!(fetcher.post(&start.url("/start"), "").unwrap().0, 200);
        let (first, second) = (start.requests(), target.requests());
        assert!(
            first[0]
                .header("authorization")
                .unwrap()
                .starts_with("Bearer ")
        );
        assert_eq!((&*second[0].method, &*second[0].target), ("POST", "/end"));
        assert!(
            !second[0]
                .head
                .to_ascii_lowercase()
                .contains("authorization")
        );
    }
}

#[test]
fn a_later_redirect_is_checked_too() {
    let gateway = connected();
    let [fetcher, _] = fetchers(&gateway);
    let (target, target_address) = fine();
    let (second, second_address) = redirecting(&format!("http://{target_address}/end"));
    let (first, first_address) = redirecting(&format!("http://{second_address}/next"));
    let fetcher = fetcher.allow_hosts([first_address.clone(), second_address.clone()]);
    let error = fetcher.get(&first.url("/start")).unwrap_err();
    assert_eq!(error.code(), "host_not_allowed");
    let seen = [&first, &second, &target].map(|server| server.requests().len());
    assert_eq!(seen, [1, 1, 0]);
}

#[test]
fn a_redirect_out_of_the_rules_says_so_first() {
    let gateway = connected();
    let [fetcher, _] = fetchers(&gateway);
    let table = [
        ("https://evil.example/", "host_not_allowed"),
        ("//evil.example/", "insecure_url"),
        ("http://evil.example/", "insecure_url"),
        ("file:///etc/passwd", "invalid_response"),
        ("https://127.0.0.1@evil.example/", "invalid_response"),
    ];
    for (target, code) in table {
        let (start, _) = redirecting(target);
        let bound = fetcher.clone().allow_hosts(["127.0.0.1"]);
        let error = bound.get(&start.url("/start")).unwrap_err();
        assert_eq!(said(&error).0, code, "{target}");
        assert_eq!(start.requests().len(), 1);
    }
}

/// On Linux, `0.0.0.0` leads to this machine, but it is no loopback address.
#[test]
fn a_redirect_to_plain_http_on_another_machine_needs_an_option() {
    let gateway = connected();
    let (target, _) = fine();
    let (start, _) = redirecting(&format!("http://0.0.0.0:{}/end", target.port()));
    for allowed in [false, true] {
        let options = NexusClientOptions::new(gateway.url()).allow_insecure_http(allowed);
        let client = NexusClient::new(options).unwrap();
        let fetcher = client.fetcher(&TokenCache::new(), "acme", "github");
        let outcome = fetcher.get(&start.url("/start"));
        let code = outcome.map_err(|error| error.code().to_owned());
        let refused = (!allowed).then(|| "insecure_url".to_owned());
        assert_eq!(code.err(), refused, "{allowed}");
        assert_eq!(target.requests().len(), usize::from(allowed));
    }
}
