//! The commands that wait: `nexus connect` and `nexus gateway`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr};

use nexus_sdk::serde_json::{self, Value};
use nexus_sdk::ureq;

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
    // (arguments, added to the consent URL, exit code, the last line on stderr)
    let cases: &[(&str, &str, i32, &str)] = &[
        ("", "", 0, "waiting for consent: active"),
        ("--scope repo --json", "", 0, "waiting for consent: active"),
        ("--timeout 2", "&deny=1", 7, "was not active after 2 s"),
    ];
    for (args, answer, code, last) in cases {
        let (child, mut stderr, url) = connect(&bench, args);
        let mut first = String::new();
        stderr.read_line(&mut first).unwrap();
        assert_eq!(first, "waiting for consent: pending\n");
        let page = ureq::get(format!("{url}{answer}")).config();
        let page = page.http_status_as_error(false).max_redirects(0).build();
        page.call().unwrap();
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).unwrap();
        assert!(
            rest.lines().last().unwrap_or_default().contains(last),
            "{rest}"
        );
        let ran = finish_quietly(child);
        assert_eq!(ran.code, *code, "{args}: {rest}");
        if *code == 0 {
            assert_connected(&bench, &ran, args.contains("--json"));
        } else {
            assert_eq!(ran.out, "", "{args}");
        }
    }
}

/// For a child whose stderr was taken.
fn finish_quietly(mut child: Child) -> Ran {
    child.stderr = None;
    finish(child, b"")
}

fn assert_connected(bench: &Bench, ran: &Ran, json: bool) {
    let id = if json {
        let value = ran.json("connect");
        assert_eq!(value["status"], "active");
        value["connection_id"].as_str().unwrap().to_owned()
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

/// As a terminal's Ctrl-C does, but for a signal that a background job does not ignore.
#[cfg(unix)]
fn end(child: &mut Child) {
    use std::os::unix::process::ExitStatusExt as _;
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[cfg(not(unix))]
fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
