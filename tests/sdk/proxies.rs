//! SOCKS proxies in a build that knows none: a credential must not go past them.

use std::process::Command;

use nexus_sdk::{NexusClient, NexusClientOptions};

fn refused(options: NexusClientOptions, place: &str) {
    let error = NexusClient::new(options).unwrap_err();
    assert_eq!(error.code(), "invalid_input");
    assert!(error.message().starts_with(place), "{error}");
    assert!(error.message().contains("`socks-proxy`"), "{error}");
}

#[test]
fn an_agent_with_a_socks_proxy_is_refused() {
    for scheme in ["socks4", "socks4a", "socks5", "socks5h"] {
        let proxy = ureq::Proxy::new(&format!("{scheme}://127.0.0.1:1")).unwrap();
        let agent = ureq::Agent::config_builder().proxy(Some(proxy)).build();
        let options = NexusClientOptions::new("https://nexus.test").agent(agent.new_agent());
        refused(options, "agent: ");
    }
}

/// The environment is the process's, so this is the child of itself.
#[test]
fn a_socks_proxy_of_the_environment_is_refused() {
    if std::env::var("ALL_PROXY").is_ok_and(|proxy| proxy == "socks5h://127.0.0.1:1") {
        let place = "environment variable ALL_PROXY, HTTPS_PROXY or HTTP_PROXY: ";
        refused(NexusClientOptions::new("https://nexus.test"), place);
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "proxies::a_socks_proxy_of_the_environment_is_refused",
        ])
        .env("ALL_PROXY", "socks5h://127.0.0.1:1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
