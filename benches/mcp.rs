//! Compares the MCP server example with a floor, the simplest possible server: one thread that reads a line and writes
//! its response, in a loop. Also compares a tool that calls an API through the SDK with the same tool on bare ureq.
//!
//! Builds the example as its users install it, unless `NEXUS_BENCH_MCP` names another build.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::server::Server;
use support::{Goal, Pair, Report, Unit, nanos, per_call, quantile};

/// The environment variable that makes this program run as the floor.
const FLOOR: &str = "NEXUS_BENCH_FLOOR";
/// The number of calls in a block. Blocks of the floor and of the example alternate.
const BLOCK: u64 = 100;
/// The number of calls that are under way at once during the measurement of the throughput.
const WINDOW: u64 = 32;
const PING: &str = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;

fn main() {
    if std::env::var_os(FLOOR).is_some() {
        return floor();
    }
    let server = Server::start(Duration::ZERO);
    let origin = server.origin("http", "127.0.0.1");
    let quick = std::env::var_os("NEXUS_BENCH_QUICK").is_some();
    let blocks = if quick { 3 } else { 100 };
    let example = example();
    let start = |is_floor: bool| {
        if is_floor {
            Client::start(Command::new(std::env::current_exe().unwrap()).env(FLOOR, "1"))
        } else {
            Client::start(configured(&mut Command::new(&example), &origin))
        }
    };
    let mut report = Report::default();
    starts(&start, blocks, &mut report);
    let (mut bare, mut ours) = (start(true), start(false));
    round_trips(&mut bare, &mut ours, blocks, &mut report);
    throughput(&mut bare, &mut ours, blocks, &mut report);
    end_to_end(&mut ours, blocks, &mut report);
    let memory = (bare.peak_memory(), ours.peak_memory());
    report.values(
        7,
        "MCP server: peak memory after the rows above",
        Unit::Kibibytes,
        memory,
        Goal::Stated,
    );
    pings_behind_a_surprise(&mut ours, blocks, &mut report);
    pings(&mut ours, blocks, &mut report);
    report.print();
}

/// Builds the example, unless `NEXUS_BENCH_MCP` is set, and returns its path.
fn example() -> PathBuf {
    if let Some(path) = std::env::var_os("NEXUS_BENCH_MCP") {
        return path.into();
    }
    // This program is target/release/deps/mcp-..
    let own = std::env::current_exe().unwrap();
    let target = own.ancestors().nth(3).unwrap();
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            "mcp_stdio_server",
        ])
        .arg("--target-dir")
        .arg(target)
        .status();
    assert!(status.unwrap().success());
    target.join("release/mcp_stdio_server")
}

fn configured<'a>(command: &'a mut Command, origin: &str) -> &'a mut Command {
    command
        .arg("--bench")
        .env("NEXUS_GATEWAY_URL", origin)
        .env("UPSTREAM_URL", origin)
        .env("WORKSPACE_ID", "workspace")
        .env("PROVIDER", "github")
        .env("NEXUS_LOCK_DIR", "")
}

fn starts(start: &impl Fn(bool) -> Client, blocks: u64, report: &mut Report) {
    let time = |is_floor| {
        let begin = Instant::now();
        let client = start(is_floor);
        let took = nanos(begin.elapsed());
        drop(client);
        took
    };
    let mut pair = Pair::default();
    for _ in 0..blocks {
        pair.record(time(true), time(false));
    }
    let what = "MCP server: start to the response to initialize";
    report.medians(7, what, Unit::Nanos, &pair, Goal::Stated);
}

fn round_trips(bare: &mut Client, ours: &mut Client, blocks: u64, report: &mut Report) {
    let echo = call("echo", &json!({"text": "hello"}));
    let times = |client: &mut Client| {
        let mut times = Vec::new();
        for _ in 0..BLOCK {
            times.push(client.time(&echo));
        }
        times
    };
    let (mut floor, mut example) = (Vec::new(), Vec::new());
    for _ in 0..blocks {
        floor.extend(times(bare));
        example.extend(times(ours));
    }
    for part in [0.5, 0.99] {
        let values = (
            quantile(floor.clone(), part),
            quantile(example.clone(), part),
        );
        let what = format!("MCP server: echo, p{:.0}", part * 100.0);
        report.values(7, what, Unit::Nanos, values, Goal::Stated);
    }
}

fn throughput(bare: &mut Client, ours: &mut Client, blocks: u64, report: &mut Report) {
    let echo = call("echo", &json!({"text": "hello"}));
    let rate = |client: &mut Client| {
        let calls = BLOCK * 10;
        let begin = Instant::now();
        for n in 0..calls + WINDOW {
            if n < calls {
                client.send(&echo);
            }
            if n >= WINDOW {
                client.line();
            }
        }
        1e9 / per_call(begin.elapsed(), calls)
    };
    let mut pair = Pair::default();
    for _ in 0..blocks.min(30) {
        pair.record(rate(bare), rate(ours));
    }
    let what = format!("MCP server: echoes, {WINDOW} under way");
    report.medians(7, what, Unit::PerSecond, &pair, Goal::Stated);
}

fn end_to_end(ours: &mut Client, blocks: u64, report: &mut Report) {
    let (bare_call, our_call) = (call("bare", &json!({})), call("get_user", &json!({})));
    let mut pair = Pair::default();
    for _ in 0..blocks {
        let mut time = |call: &str| {
            let times = (0..BLOCK).map(|_| ours.time(call)).sum::<f64>();
            times / nanos(Duration::from_nanos(BLOCK))
        };
        pair.record(time(&bare_call), time(&our_call));
    }
    let what = "MCP server: a tool's call to an API over http, with bare ureq and with the SDK";
    report.medians(7, what, Unit::Nanos, &pair, Goal::Stated);
}

fn pings(ours: &mut Client, blocks: u64, report: &mut Report) {
    ours.send(&call("slow", &json!({"ms": 60_000})));
    let mut times = Vec::new();
    for _ in 0..blocks * BLOCK {
        times.push(ours.time(PING));
    }
    report_pings("MCP server: ping during a slow call", &times, report);
}

/// Measures a ping that is sent right after a slow call to a tool whose earlier calls were quick.
fn pings_behind_a_surprise(ours: &mut Client, blocks: u64, report: &mut Report) {
    let [quick, slow] = [0, 2].map(|ms| call("slow", &json!({"ms": ms})));
    let mut times = Vec::new();
    for _ in 0..blocks * 5 {
        for _ in 0..10 {
            ours.time(&quick);
        }
        ours.send(&slow);
        times.push(ours.time(PING));
        ours.line();
    }
    let what = "MCP server: ping behind a call that turns out slow";
    report_pings(what, &times, report);
}

fn report_pings(what: &str, times: &[f64], report: &mut Report) {
    for part in [0.5, 0.99] {
        let time = quantile(times.to_vec(), part);
        let what = format!("{what}, p{:.0}", part * 100.0);
        report.value(7, what, Unit::Nanos, time, Goal::Below(300_000.0));
    }
}

fn call(name: &str, arguments: &Value) -> String {
    let params = json!({"name": name, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut client = Self {
            child,
            input,
            output,
        };
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
        let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        client.send(&begin.to_string());
        client.line();
        client
    }

    fn send(&mut self, message: &str) {
        let line = format!("{message}\n");
        self.input.write_all(line.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.output.read_line(&mut line).unwrap(), 0);
        assert!(line.contains(r#""result""#), "{line}");
        assert!(!line.contains(r#""isError":true"#), "{line}");
        line
    }

    /// Returns the nanoseconds from a request to its response.
    fn time(&mut self, message: &str) -> f64 {
        let begin = Instant::now();
        self.send(message);
        self.line();
        nanos(begin.elapsed())
    }

    /// Returns the program's peak memory in KiB, as the kernel reports it.
    fn peak_memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.unwrap().trim_end_matches("kB").trim();
        number.parse().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The floor: one thread reads a line, parses it and responds.
fn floor() {
    for line in io::stdin().lock().lines() {
        let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = &message["params"]["arguments"]["text"];
        let content = json!([{"type": "text", "text": text}]);
        let result = json!({"content": content, "isError": false});
        let response = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        let mut output = io::stdout().lock();
        output
            .write_all(format!("{response}\n").as_bytes())
            .unwrap();
        output.flush().unwrap();
    }
}
