//! Proxies in the environment and in an agent, in a build that knows no SOCKS: a credential must not go past them.

use std::process::{Command, Output};

use crate::support::{Server, bearer, holder, text};
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions};

#[test]
fn an_agent_with_a_socks_proxy_is_refused() {
    for scheme in ["socks4", "socks5h"] {
        let proxy = ureq::Proxy::new(&format!("{scheme}://127.0.0.1:1")).unwrap();
        let agent = ureq::Agent::config_builder().proxy(Some(proxy)).build();
        let options = NexusClientOptions::new("https://nexus.test").agent(agent.new_agent());
        let error = NexusClient::new(options).unwrap_err();
        assert_eq!(error.code(), "invalid_input");
        assert!(error.message().starts_with("agent: "), "{error}");
        assert!(error.message().contains("`socks-proxy`"), "{error}");
    }
}

const GATEWAY: &str = "NEXUS_TEST_GATEWAY";
const AGENT: &str = "NEXUS_TEST_AGENT";

/// Resolves a token from the gateway, which is on loopback, and fetches two URLs.
#[test]
#[ignore = "the other tests start it, each with its environment"]
#[allow(clippy::print_stdout)]
fn a_process_behind_proxies() {
    let Ok(gateway) = std::env::var(GATEWAY) else {
        return;
    };
    let mut options = NexusClientOptions::new(gateway).allow_insecure_http(true);
    match std::env::var(AGENT).as_deref() {
        Ok("default") => options = options.agent(ureq::Agent::new_with_defaults()),
        Ok(_) => {
            let direct = ureq::Agent::config_builder().proxy(None);
            options = options.agent(direct.build().new_agent());
        }
        Err(_) => {}
    }
    let (client, cache) = holder(options, "t");
    client.resolve_token("ws", "p").unwrap();
    for url in ["http://example.test/", "https://example.test/"] {
        let fetched = client.authenticated_fetch(&cache, "ws", "p", url, FetchOptions::default());
        println!("\n{url}: {}", fetched.unwrap_err());
    }
}

fn behind(variables: &[(&str, &str)]) -> Output {
    let gateway = Server::start(|_| bearer("t"));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "proxies::a_process_behind_proxies"]);
    command.args(["--ignored", "--nocapture"]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command.env_remove("NEXUS_LOG").env_remove("REQUEST_METHOD");
    command.envs(variables.iter().copied());
    let output = command.env(GATEWAY, gateway.url("")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// Desktop proxy tools set both variables. An agent with ureq's defaults has ureq's choice, `all_proxy`.
#[test]
fn each_request_goes_through_the_proxy_of_its_scheme() {
    for has_agent in [false, true] {
        let proxy = Server::start(|_| text(403, ""));
        let url = proxy.url("");
        let mut variables = vec![
            ("all_proxy", "socks5h://127.0.0.1:1"),
            ("https_proxy", url.as_str()),
        ];
        variables.extend(has_agent.then_some((AGENT, "default")));
        let output = behind(&variables);
        let said = String::from_utf8_lossy(&output.stdout);
        let refused = "http://example.test/: invalid_input: workspace \"ws\", provider \"p\": all_proxy: a SOCKS proxy needs";
        let passed = "https://example.test/: request_failed: workspace \"ws\", provider \"p\": https://example.test: no connection through the proxy";
        for expected in [refused, passed] {
            let found = said.lines().any(|line| line.starts_with(expected));
            assert!(found, "{has_agent}: {said}");
        }
        let asked = proxy.requests();
        assert!(asked[0].head.starts_with("CONNECT example.test:443 "));
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn a_variable_that_cannot_be_read_is_an_error_and_no_way_past_the_proxy() {
    for agent in [None, Some((AGENT, "default"))] {
        let proxy = Server::start(|_| text(403, ""));
        let url = proxy.url(" \n");
        let mut variables = vec![
            ("https_proxy", "ftp://hunter2@proxy"),
            ("ALL_PROXY", url.as_str()),
        ];
        // Windows ignores the case of a variable's name.
        if !cfg!(windows) {
            variables.push(("HTTPS_PROXY", &url));
        }
        variables.extend(agent);
        let output = behind(&variables);
        let said = String::from_utf8_lossy(&output.stdout);
        let refused = "https://example.test/: invalid_input: workspace \"ws\", provider \"p\": https_proxy: is not \
                       a proxy's URL; set it to";
        assert_eq!(said.matches(refused).count(), 1, "{said}");
        let shown = format!("{output:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(output.stderr.is_empty(), "{shown}");
        let asked = proxy.requests();
        assert!(asked[0].head.starts_with("CONNECT example.test:80 "));
        assert_eq!(asked.len(), 1, "only the http URL goes through ALL_PROXY");
    }
}

/// The error of the connection alone would look as if the API was down.
#[test]
fn an_error_says_that_the_connection_goes_through_a_proxy() {
    for proxy in ["http://127.0.0.1:1", "http://proxy.invalid:8080"] {
        let output = behind(&[("ALL_PROXY", proxy)]);
        let said = String::from_utf8_lossy(&output.stdout);
        let end = "; the connection goes through a proxy, so check the proxy's address and the proxy settings";
        let found = said.lines().filter(|line| line.ends_with(end)).count();
        assert_eq!(found, 2, "{said}");
    }
}

#[test]
fn an_agent_without_a_proxy_goes_past_those_of_the_environment() {
    let proxy = Server::start(|_| text(403, ""));
    let url = proxy.url("");
    behind(&[("ALL_PROXY", &url), (AGENT, "direct")]);
    assert_eq!(proxy.requests().len(), 0);
}
