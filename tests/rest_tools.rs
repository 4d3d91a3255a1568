//! Runs the `rest_tools` example as its users do.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failing test panics"
)]

#[path = "support/example.rs"]
mod example;

use std::process::Output;

use nexus_sdk::testing::{DevGateway, Fault, Provider};

/// Runs the example, configured for a gateway, with one setting changed.
fn run(gateway: &DevGateway, args: &[&str], setting: &str) -> Output {
    let mut command = example::program("rest_tools");
    let (name, value) = setting.split_once('=').unwrap();
    command.args(args);
    command.env("NEXUS_GATEWAY_URL", gateway.url());
    command.env("WORKSPACE_ID", "ws").env("PROVIDER", "mcp");
    command.env("UPSTREAM_URL", format!("{}/api/", gateway.url()));
    command.env(name, value).output().unwrap()
}

fn start() -> DevGateway {
    let builder = DevGateway::builder().provider(Provider::api_key("mcp"));
    builder.connection("ws", "mcp").start().unwrap()
}

/// Returns stdout and stderr.
fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn runs_on_a_gateway_of_its_own() {
    let output = example::program("rest_tools").output().unwrap();
    let (out, err) = said(&output);
    assert!(output.status.success() && err.is_empty(), "{err}");
    let (first, rest) = out.split_once('\n').unwrap();
    assert!(first.starts_with("0. started a gateway on http://127.0.0.1:"));
    let expected = "\
1. searched for \"weather\": 1 found
   weather_forecast: Forecasts the weather for a city
2. executed weather_forecast: Oslo: sunny, 21 °C
The gateway was asked for the key 1 time(s).
";
    assert_eq!(rest, expected);
}

#[test]
fn runs_on_what_is_configured() {
    let gateway = start();
    let args = ["account arguments", "echo", r#"{"a": 1}"#];
    let (out, err) = said(&run(&gateway, &args, "NEXUS_LOG=warn"));
    assert_eq!(err, "");
    let expected = "\
1. searched for \"account arguments\": 2 found
   get_user: Returns the owner of the account
   echo: Returns its arguments
2. executed echo: {\"a\":1}
";
    assert_eq!(out, expected);
    let paths: Vec<_> = gateway.requests().into_iter().map(|it| it.path).collect();
    let expected = ["/v1/resolve", "/api/tools/search", "/api/tools/execute"];
    assert_eq!(paths, expected);
}

#[test]
fn the_gateway_says_where_the_api_is() {
    let gateway = start();
    let (out, err) = said(&run(&gateway, &[], "UPSTREAM_URL="));
    assert_eq!(err, "");
    assert!(out.contains("2. executed weather_forecast"), "{out}");
    let paths: Vec<_> = gateway.requests().into_iter().map(|it| it.path).collect();
    let expected = [
        "/v1/providers",
        "/v1/resolve",
        "/tools/search",
        "/tools/execute",
    ];
    assert_eq!(paths, expected);

    let mut command = example::program("rest_tools");
    let command = command.env("NEXUS_GATEWAY_URL", gateway.url());
    let unknown = command.env("WORKSPACE_ID", "ws").env("PROVIDER", "other");
    let problem = "the gateway has no api_base_url for \"other\"; set UPSTREAM_URL";
    assert_failed(&unknown.output().unwrap(), problem);
}

#[test]
fn errors_are_one_line() {
    let gateway = start();
    let usual = "NEXUS_LOG=warn";
    let not_found = "the search for \"weather\" did not find the tool \"echo\"";
    let cases: [(&[&str], _, _); 7] = [
        (&[], "WORKSPACE_ID=", "WORKSPACE_ID is not"),
        (&[], "UPSTREAM_URL=/api", "base_url: has no scheme"),
        (&[], "WORKSPACE_ID=nobody", "connection_not_found"),
        (&[], "NEXUS_GATEWAY_URL=nowhere", "NEXUS_GATEWAY_URL: "),
        (&["weather", "echo"], usual, not_found),
        (&["", "echo", "{"], usual, "ARGUMENTS is not JSON: "),
        (&["", "echo", "[]"], usual, "; check UPSTREAM_URL"),
    ];
    for (args, setting, part) in cases {
        assert_failed(&run(&gateway, args, setting), part);
    }
}

#[test]
fn responses_of_no_use_are_errors_too() {
    let gateway = start();
    let failed = r#"{"isError": true, "content": [{"type": "text", "text": "no\nwind"}]}"#;
    let hidden = failed.replace("no\\nwind", "a\\u202eb");
    let (search, execute) = ("/api/tools/search", "/api/tools/execute");
    for (path, status, body, part) in [
        (search, 401, "", "(Unauthorized); check WORKSPACE_ID"),
        (search, 503, "", "(Service Unavailable); try again later"),
        (search, 200, "{", "the response is not JSON"),
        (search, 200, "{}", "the response is not a list"),
        (execute, 200, "[]", "the response has no content"),
        (execute, 200, failed, "failed: no wind"),
        (execute, 200, &hidden, "failed: a b"),
    ] {
        let fault = Fault::reply(status, "application/json", body);
        gateway.fail_next_at(path, 1, fault);
        assert_failed(&run(&gateway, &[], "NEXUS_LOG=warn"), part);
    }
}

fn assert_failed(output: &Output, part: &str) {
    let (_, err) = said(output);
    assert_eq!(output.status.code(), Some(1), "{part}: {err}");
    let is_line = err.starts_with("rest_tools: ") && err.lines().count() == 1;
    assert!(is_line, "{err}");
    assert!(err.contains(part), "{part}: {err}");
}
