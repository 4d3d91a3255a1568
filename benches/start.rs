//! Compares the time and memory of pairs of programs that fetch once and exit. In each pair, one program uses the
//! SDK, and the other uses bare ureq. Also measures how long it takes to create a client.

use std::cell::RefCell;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use criterion::Criterion;
use nexus_sdk::{CachedToken, FetchOptions, NexusClient, NexusClientOptions, TokenCache};
use serde_json::Value;
use support::server::Server;
use support::{Goal, Pair, Report, Unit, bare_agent, compare, repeat};
use ureq::Agent;

/// The environment variables of the measured programs: the program's name, and the server's origins.
const PROGRAM: &str = "NEXUS_BENCH_PROGRAM";
const GATEWAY: &str = "NEXUS_BENCH_GATEWAY";
const UPSTREAM: &str = "NEXUS_BENCH_UPSTREAM";

fn main() {
    if let Ok(program) = std::env::var(PROGRAM) {
        run(&program);
        println!("{}", peak_memory());
        return;
    }
    let server = Server::start(Duration::ZERO);
    let mut criterion = support::criterion();
    let mut report = Report::default();
    for scheme in support::SCHEMES {
        let most = if scheme == "https" { 2e6 } else { 1e6 };
        let programs = Programs {
            gateway: server.origin("http", "127.0.0.1"),
            upstream: server.origin(scheme, "127.0.0.1"),
        };
        let token = format!("program with a token at hand, {scheme}");
        programs.compare(&token, ["bare", "ours"], most, &mut criterion, &mut report);
        let resolve = format!("program that resolves its token, {scheme}");
        let pair = ["bare resolve", "ours resolve"];
        programs.compare(&resolve, pair, most, &mut criterion, &mut report);
    }
    make_clients(&mut criterion, &mut report);
    criterion.final_summary();
    report.print();
}

struct Programs {
    gateway: String,
    upstream: String,
}

impl Programs {
    fn compare(
        &self,
        what: &str,
        [bare, ours]: [&str; 2],
        most: f64,
        criterion: &mut Criterion,
        report: &mut Report,
    ) {
        let memory = [RefCell::default(), RefCell::default()];
        let times = compare(
            criterion,
            what,
            1,
            |runs| self.time(bare, runs, &memory[0]),
            |runs| self.time(ours, runs, &memory[1]),
        );
        let [floor, ours] = memory.map(RefCell::into_inner);
        report.medians(4, what, Unit::Nanos, &times, Goal::Over(most));
        let (what, memory) = (format!("{what}: peak memory"), Pair::of(floor, ours));
        report.medians(4, what, Unit::Kibibytes, &memory, Goal::Over(1024.0));
    }

    /// Measures the program from its start to its end, repeatedly.
    fn time(&self, program: &str, runs: u64, memory: &RefCell<Vec<f64>>) -> Duration {
        let run = |_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .env(PROGRAM, program)
                .env(GATEWAY, &self.gateway)
                .env(UPSTREAM, &self.upstream);
            let start = Instant::now();
            let output = command.output().unwrap();
            let time = start.elapsed();
            assert!(output.status.success(), "{program}: {output:?}");
            let peak = String::from_utf8(output.stdout).unwrap();
            memory.borrow_mut().push(peak.trim().parse().unwrap());
            time
        };
        (0..runs).map(run).sum()
    }
}

/// Returns the peak memory of this process in KiB, as the kernel reports it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim_end_matches("kB").trim().parse().unwrap()
}

fn run(program: &str) {
    let [gateway, upstream] = [GATEWAY, UPSTREAM].map(|name| std::env::var(name).unwrap());
    let url = format!("{upstream}/user");
    match program {
        "bare" => bare(&bare_agent(3, None), &url, "bench-token-0123456789"),
        "bare resolve" => {
            let agent = bare_agent(3, None);
            let token = bare_resolve(&agent, &gateway);
            bare(&agent, &url, token["access_token"].as_str().unwrap());
        }
        "ours" => {
            let cache = TokenCache::new();
            let expires = SystemTime::now() + Duration::from_secs(3600);
            let token = "bench-token-0123456789";
            let token = CachedToken::new(token, "Bearer", expires);
            cache.set("workspace", "github", token);
            ours(&gateway, &url, &cache);
        }
        "ours resolve" => ours(&gateway, &url, &TokenCache::new()),
        other => panic!("no program is called {other}"),
    }
}

fn bare(agent: &Agent, url: &str, token: &str) {
    let request = agent
        .get(url)
        .header("Authorization", format!("Bearer {token}"));
    let mut response = request.call().unwrap();
    let body = response.body_mut().read_to_vec().unwrap();
    assert!(response.status() == 200 && !body.is_empty());
}

fn bare_resolve(agent: &Agent, gateway: &str) -> Value {
    let url = format!("{gateway}/v1/resolve?workspace_id=workspace&provider_name=github");
    let mut response = agent.get(url).call().unwrap();
    let body = response.body_mut().read_to_vec().unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn ours(gateway: &str, url: &str, cache: &TokenCache) {
    let client = NexusClient::new(NexusClientOptions::new(gateway)).unwrap();
    let options = FetchOptions::default();
    let fetched = client.authenticated_fetch(cache, "workspace", "github", url, options);
    let (status, _headers, body) = fetched.unwrap();
    assert!(status == 200 && !body.is_empty());
}

fn make_clients(criterion: &mut Criterion, report: &mut Report) {
    let what = "making a client and dropping it";
    let options = || NexusClientOptions::new("https://nexus.example.com").api_key("key");
    let times = compare(
        criterion,
        what,
        100,
        |calls| repeat(calls, Agent::new_with_defaults),
        |calls| repeat(calls, || NexusClient::new(options()).unwrap()),
    );
    report.medians(4, what, Unit::Nanos, &times, Goal::Below(100_000.0));
}
