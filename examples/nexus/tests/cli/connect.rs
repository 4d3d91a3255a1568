//! The commands that wait: `nexus connect` and `nexus gateway`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr};

use nexus_sdk::serde_json::{self, Value, json};
use nexus_sdk::testing::Fault;
use nexus_sdk::ureq;

#[cfg(unix)]
use crate::signals::signal;
use crate::{Bench, KEY, Ran, finish, program, spawn};

/// Starts `nexus connect` and reads what it shows until the consent URL.
fn connect(bench: &Bench, args: &str) -> (Child, BufReader<ChildStderr>, String) {
    let args = format!("connect --interval 0.02 {args}");
    let mut child = spawn(&mut bench.command(&args));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("to consent, open ");
    let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
    (child, stderr, url)
}

#[test]
fn connect_waits_for_consent() {
    let bench = Bench::new("connect");
    for args in ["", "--scope repo --json"] {
        let (child, mut stderr, url) = connect(&bench, args);
        let mut first = String::new();
        stderr.read_line(&mut first).unwrap();
        let waiting = "waiting for consent to connect workspace acme to provider github: pending, 5 minutes left; press Ctrl-C to stop\n";
        assert_eq!(first, waiting);
        // The browser's return can fail: the program may have seen the consent by polling, and have ended.
        let _ = ureq::get(url).call();
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "connected workspace acme to provider github\n");
        assert_connected(&bench, &finish(child, b""), args.contains("--json"));
    }
}

/// A program learns the id while the user still decides.
#[test]
fn with_json_the_id_is_printed_before_the_wait() {
    let bench = Bench::new("at-once");
    for args in ["-p github", "-p weather"] {
        let mut command = bench.command(&format!("connect --json --interval 0.02 {args}"));
        let mut child = spawn(&mut command);
        let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        out.read_line(&mut line).unwrap();
        let requested: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(requested["status"], "pending", "{line}");
        let id = requested["connection_id"].as_str().unwrap();
        assert!(requested["auth_url"].as_str().is_some(), "{line}");
        assert!(bench.gateway.set_status(id, "active"));
        line.clear();
        out.read_line(&mut line).unwrap();
        let connected: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(connected["connection_id"], id);
        assert_eq!(connected["status"], "active");
        let ran = finish(child, b"");
        assert_eq!(ran.code, 0, "{}", ran.err);
        let provider = args.trim_start_matches("-p ");
        let last = format!("connected workspace acme to provider {provider}\n");
        assert!(ran.err.ends_with(&last), "{}", ran.err);
    }
    let ran = bench.run("connect --json --timeout 1ms");
    assert_eq!(ran.json_error(7, "timeout")["error"], "timeout");
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
}

/// Somebody else has entered the credential since the gateway listed the form's fields.
#[test]
fn a_form_that_is_refused_is_no_failure_of_an_active_connection() {
    let bench = Bench::new("form-refused");
    let schema = json!({"schema": {"properties": {"api_key": {}}}});
    let refusal = json!({"code": "invalid_state", "error": "Invalid state"});
    for (status, code, end) in [
        (
            "active",
            0,
            "connected workspace acme to provider weather\n",
        ),
        ("pending", 1, "invalid_state: Invalid state\n"),
    ] {
        bench.reply("/v1/capture-schema", 200, &schema);
        bench.reply("/v1/capture-schema", 400, &refusal);
        bench.reply("/v1/check-connection", 200, &json!({"status": status}));
        let ran = bench.run("connect -p weather --timeout 1s");
        assert_eq!(ran.code, code, "{status}: {}", ran.err);
        assert!(ran.err.ends_with(end), "{status}: {}", ran.err);
    }
}

/// The consent comes back to the port of the listener, and the form is on that port too.
#[test]
fn over_ssh_it_says_how_a_browser_elsewhere_reaches_its_pages() {
    let bench = Bench::new("ssh");
    let first_lines = |args: &str, session: &str| {
        let mut command = bench.command(&format!("connect --interval 0.02 {args}"));
        command.env("SSH_CONNECTION", session).env("USER", "me");
        let mut child = spawn(&mut command);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let lines: Vec<_> = stderr.lines().map(Result::unwrap).take(2).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        lines
    };
    let session = "192.0.2.9 40000 192.0.2.7 22";
    for (args, session, expected) in [
        ("", session, Some(" me@192.0.2.7")),
        ("-p weather", session, Some(" me@192.0.2.7")),
        (
            "",
            "2001:db8::9 40000 2001:db8::7 2222",
            Some(" -p 2222 me@2001:db8::7"),
        ),
        // The browser comes back to another page.
        ("--return-url http://localhost:9/", session, None),
        ("", "", None),
        ("", "192.0.2.9 40000 $(id) 22", None),
    ] {
        let lines = first_lines(args, session);
        let Some((_, command)) = lines[0].split_once("command there: ") else {
            assert!(
                expected.is_none() && lines[0].starts_with("to "),
                "{lines:?}"
            );
            continue;
        };
        let port = command.split([' ', ':']).nth(2).unwrap();
        let end = expected.unwrap();
        assert_eq!(command, format!("ssh -L {port}:127.0.0.1:{port}{end}"));
        if args == "-p weather" {
            let page = format!("open http://127.0.0.1:{port}/");
            assert!(lines[1].contains(&page), "{lines:?}");
        }
    }
}

#[test]
fn without_scopes_those_that_the_gateway_lists_are_asked_for() {
    let bench = Bench::new("scopes");
    let scopes = |args: &str| {
        bench.gateway.forget_requests();
        let ran = bench.run(&format!("connect --no-wait {args}"));
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        let requests = bench.gateway.requests();
        let mut bodies = requests
            .iter()
            .filter(|it| it.path == "/v1/request-connection");
        let body: Value = serde_json::from_slice(&bodies.next().unwrap().body).unwrap();
        body["scopes"].clone()
    };
    for (args, expected) in [
        ("", json!(["repo", "user"])),
        ("-p GitHub", json!(["repo", "user"])),
        ("--scope repo", json!(["repo"])),
        ("--scope a --scope b", json!(["a", "b"])),
        ("--scope a,b --scope c", json!(["a", "b", "c"])),
        ("--scope ' a\t b,\n,'", json!(["a", "b"])),
        ("-p weather", json!([])),
    ] {
        assert_eq!(scopes(args), expected, "{args}");
    }
    // A gateway that cannot list its providers still gets the request.
    let broken = || Fault::Status(502);
    bench.gateway.fail_next_at("/v1/providers", 1, broken());
    assert_eq!(scopes(""), json!([]));
}

fn assert_connected(bench: &Bench, ran: &Ran, json: bool) {
    assert_eq!(ran.code, 0);
    let id = if json {
        let lines: Vec<Value> = ran
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [requested, connected] = lines.as_slice() else {
            panic!("{}", ran.out)
        };
        assert_eq!(requested["status"], "pending");
        assert_eq!(connected["status"], "active");
        assert_eq!(requested["connection_id"], connected["connection_id"]);
        connected["connection_id"].as_str().unwrap().to_owned()
    } else {
        ran.out.trim_end().to_owned()
    };
    assert_eq!(bench.run(&format!("status {id}")).out, "active\n");
}

#[test]
fn gateway_serves_until_it_is_ended() {
    for json in [false, true] {
        let mut command = program();
        command.args(["gateway", "acme:github", "a:b:slack", "--api-key", KEY]);
        let mut child = spawn(command.args(json.then_some("--json")));
        let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        out.read_line(&mut line).unwrap();
        let url = if json {
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["connections"][1]["workspace"], "a:b");
            value["url"].as_str().unwrap().to_owned()
        } else {
            line.trim().to_owned()
        };
        let mut fetch = program();
        fetch
            .args(["fetch", "-w", "a:b", "-p", "slack", &format!("{url}/user")])
            .env("NEXUS_GATEWAY_URL", &url)
            .env("NEXUS_API_KEY", KEY);
        let ran = finish(spawn(&mut fetch), b"");
        assert_eq!(
            ran.out, r#"{"login":"a:b","provider":"slack"}"#,
            "{}",
            ran.err
        );
        end(&mut child);
    }
}

/// Ends the child by SIGTERM: background jobs ignore SIGINT.
#[cfg(unix)]
fn end(child: &mut Child) {
    use std::os::unix::process::ExitStatusExt as _;
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
