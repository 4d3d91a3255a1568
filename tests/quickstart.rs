//! Runs the `quickstart` example on a configured gateway.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failing test panics"
)]

#[path = "support/example.rs"]
mod example;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use nexus_sdk::serde_json::{self, Value, json};
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::ureq;

/// Runs the example until its end, consents meanwhile, and returns the scopes that it requested.
fn requested_scopes(gateway: &DevGateway, scopes: Option<&str>) -> Value {
    gateway.forget_requests();
    let mut command = example::program("quickstart");
    command.env_remove("SCOPES");
    command.envs(scopes.map(|scopes| ("SCOPES", scopes)));
    command.env("NEXUS_GATEWAY_URL", gateway.url());
    command.env("UPSTREAM_URL", gateway.url());
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let page = loop {
        let mut line = String::new();
        assert!(out.read_line(&mut line).unwrap() > 0, "no page: {text}");
        text.push_str(&line);
        if let Some((_, page)) = line.split_once("localhost:3000): ") {
            break page.trim().to_owned();
        }
    };
    // Another program may listen at the return URL.
    let page = ureq::get(page).config().max_redirects(0).build();
    page.call().unwrap();
    out.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
    assert!(text.contains("\n6. fetched again "), "{text}");
    let mut requests = gateway.requests().into_iter();
    let asked = requests.find(|it| it.path == "/v1/request-connection");
    let body: Value = serde_json::from_slice(&asked.unwrap().body).unwrap();
    body["scopes"].clone()
}

#[test]
fn scopes_are_those_of_the_user_or_of_the_gateways_list() {
    let gateway = DevGateway::start().unwrap();
    for (scopes, requested) in [
        (None, json!(["repo", "user"])),
        (Some(" "), json!(["repo", "user"])),
        (Some("read:user  repo"), json!(["read:user", "repo"])),
    ] {
        assert_eq!(requested_scopes(&gateway, scopes), requested, "{scopes:?}");
    }
    gateway.fail_next_at("/v1/providers", 1, Fault::Status(502));
    assert_eq!(requested_scopes(&gateway, None), json!([]));
}

#[test]
fn a_token_goes_to_no_api_that_the_gateway_does_not_name() {
    let gateway = DevGateway::start().unwrap();
    let mut command = example::program("quickstart");
    command.env_remove("UPSTREAM_URL").env("PROVIDER", "slack");
    command.env("NEXUS_GATEWAY_URL", gateway.url());
    let ran = command.output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert!(!ran.status.success());
    let problem = "cannot get the address of slack's API from the gateway; set UPSTREAM_URL";
    assert!(err.contains(problem), "{err}");
    let paths: Vec<_> = gateway.requests().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, ["/v1/providers"]);
}
