//! `nexus gateway`: its faults, and what a test can stop.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nexus_sdk::serde_json::{self, Value};

use crate::{Bench, Ran, finish, program, spawn, words};

/// A running `nexus gateway` with a connection of `acme` to github.
struct Gateway {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// The line that it has printed.
    started: Value,
}

impl Gateway {
    fn start(args: &str) -> Self {
        let mut command = program();
        command.args(words(&format!("gateway --json acme:github {args}")));
        let mut child = spawn(&mut command);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            started: serde_json::from_str(&line).unwrap(),
            stdout,
            child,
        }
    }

    fn url(&self, name: &str) -> String {
        self.started[name].as_str().unwrap().to_owned()
    }

    /// Sends a command, and returns the answer.
    fn control(&mut self, command: &str) -> String {
        writeln!(self.stdin, "{command}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    fn run(&self, args: &str) -> Ran {
        let mut command = program();
        command.args(words(args));
        command.env("NEXUS_GATEWAY_URL", self.url("url"));
        command.envs([("WORKSPACE_ID", "acme"), ("PROVIDER", "github")]);
        finish(spawn(&mut command), b"")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_api_and_the_gateway_stop_alone() {
    for stopped in ["api", "gateway"] {
        let mut gateway = Gateway::start("--api-port 0 --control");
        let (url, api) = (gateway.url("url"), gateway.url("api_url"));
        assert_ne!(url, api);
        // The gateway lists the API's own address, which serves none of the gateway's paths.
        assert!(gateway.run("fetch --fail /user").out.contains("acme"));
        let listed = gateway.run("providers --json").json("providers");
        assert_eq!(listed["providers"][0]["api_base_url"], *api);
        let beside = gateway.run(&format!("fetch --fail {api}/health"));
        beside.assert_error(4, "404", "the API has no health");
        assert_eq!(gateway.control(&format!("stop {stopped}")), "done");
        let token = gateway.run("token");
        let user = gateway.run(&format!("health --gateway {api}"));
        if stopped == "api" {
            assert_eq!(token.code, 0, "{}", token.err);
            user.assert_error(1, "connection refused", "the API is gone");
        } else {
            token.assert_error(1, "connection refused", "the gateway is gone");
            // A path of the gateway, which the API does not know.
            user.assert_error(1, "404", "the API is there");
        }
    }
}

#[test]
fn commands_are_answered() {
    let mut gateway = Gateway::start("--control");
    for (command, answer) in [
        ("stop api", "there is no api; give --api-port"),
        ("stop", "write stop gateway, stop api, or fail"),
        ("", "write stop gateway"),
        ("fail", "write stop gateway"),
        ("fail /user=soon", "write it as /PATH=503"),
        ("fail /user=503:1\r", "done"),
    ] {
        let given = gateway.control(command);
        assert!(given.starts_with(answer), "{command}: {given}");
    }
    let user = format!("fetch --fail {}/user", gateway.url("url"));
    gateway.run(&user).assert_error(5, "503", "the fault");
    assert_eq!(gateway.run(&user).code, 0, "one fault");
    assert_eq!(gateway.control("stop gateway"), "done");
    assert_eq!(gateway.control("fail cut"), "the gateway is stopped");
}

/// Programs on Windows write files with CRLF, and some with a byte order mark.
#[test]
fn the_key_may_come_from_a_file() {
    let bench = Bench::new("key-file");
    for (text, code) in [("k-1", 0), ("k-1\n", 0), ("\u{feff}k-1\r\n", 0), ("k-2", 1)] {
        std::fs::write(bench.file("key"), text).unwrap();
        let option = bench.filled("--api-key @{dir}/key");
        let gateway = Gateway::start(&option);
        let mut command = program();
        command.args(["token", "-w", "acme", "-p", "github"]);
        command.env("NEXUS_GATEWAY_URL", gateway.url("url"));
        let ran = finish(spawn(command.env("NEXUS_API_KEY", "k-1")), b"");
        assert_eq!(ran.code, code, "{text:?}: {}", ran.err);
    }
    std::fs::write(bench.file("key"), b"caf\xe9").unwrap();
    let ran = bench.run("gateway --api-key @{dir}/key");
    ran.assert_error(2, "line 1 is not UTF-8", "not UTF-8");
}

#[test]
fn faults_are_those_of_the_options() {
    // (option, its result for /user, again)
    for (fault, first, second) in [
        // The gateway fails too.
        ("503", 1, 1),
        ("/user=503", 5, 5),
        ("/user=404:1", 4, 0),
        ("/user=cut:2", 1, 0),
        ("/other=503", 0, 0),
        ("/v1/resolve=403:1", 1, 0),
        ("/v1/resolve=broker-down:1", 1, 0),
        ("/v1/resolve=provider-down", 0, 0),
    ] {
        let gateway = Gateway::start(&format!("--fail {fault}"));
        let user = format!("fetch --fail {}/user", gateway.url("url"));
        for (index, code) in [first, second].into_iter().enumerate() {
            let ran = gateway.run(&user);
            assert_eq!(ran.code, code, "{fault} {index}: {}", ran.err);
        }
    }
    let slow = Gateway::start("--fail /user=400ms:1");
    let start = Instant::now();
    let user = format!("fetch --fail {}/user", slow.url("url"));
    assert_eq!(slow.run(&user).code, 0);
    assert!(start.elapsed() >= Duration::from_millis(400));
    let bench = Bench::new("faults");
    for fault in [
        "''",
        "user=503",
        "/user=99",
        "/user=600",
        "/user=-1",
        "/user=503:0",
        "/user=503:x",
        "/user=2.5",
        "/user=",
    ] {
        let ran = bench.run(&format!("gateway --fail {fault}"));
        ran.assert_error(2, "write it as /PATH=503", fault);
    }
}

#[test]
fn a_refresh_takes_as_long_as_its_option_says() {
    for (args, name) in [("", "github"), ("acme:slack", "slack")] {
        let gateway = Gateway::start(&format!("--refresh-time 500ms {args}"));
        let mut connections = gateway.started["connections"].as_array().unwrap().iter();
        let id = connections.find(|it| it["provider"] == name).unwrap();
        let id = id["connection_id"].as_str().unwrap();
        let start = Instant::now();
        let ran = gateway.run(&format!("refresh {id}"));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(start.elapsed() >= Duration::from_millis(500), "{name}");
    }
}
