//! Several processes of one host share a connection whose provider rotates refresh tokens: expiry by expiry, and
//! as a soak, which `cargo test --test refreshes -- --ignored --nocapture soak` runs for about a minute; `SOAK_SECONDS`
//! sets how long its first row takes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::print_stderr
)]

#[path = "../properties/seeded.rs"]
#[allow(dead_code, reason = "the unit tests need all of it")]
mod seeded;
#[cfg(unix)]
#[path = "../support/signals.rs"]
mod signals;

#[cfg(unix)]
mod descriptors;
mod directories;
#[cfg(unix)]
mod disturbed;
mod expiries;
mod foreign;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, io, path, thread};

use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{FetchOptions, LogLevel, NexusClient, NexusClientOptions, TokenCache, ureq};
use seeded::Seeded;
use serde_json::{Value, json};

/// Tells a process of the soak what to do.
const TASK: &str = "NEXUS_REFRESHES";
/// The variable from which the system takes a user's home directory.
const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
const LIFETIME: Duration = Duration::from_secs(2);
const REFRESH_TIME: Duration = Duration::from_millis(300);
const THREADS: u64 = 4;
/// A 401 to a token with more time left than this is wrong.
const MARGIN: Duration = Duration::from_millis(100);

/// The results of some calls.
#[derive(Default)]
struct Counts {
    good: u64,
    timeouts: u64,
    /// 401s to tokens that expired on their way.
    late_401s: u64,
    early_401s: u64,
    /// By code.
    errors: BTreeMap<String, u64>,
}

impl Counts {
    fn failed(&mut self, code: &str) {
        if code == "timeout" {
            self.timeouts += 1;
        } else {
            *self.errors.entry(code.to_owned()).or_default() += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.good += other.good;
        self.timeouts += other.timeouts;
        self.late_401s += other.late_401s;
        self.early_401s += other.early_401s;
        for (code, count) in &other.errors {
            *self.errors.entry(code.clone()).or_default() += count;
        }
    }

    fn write(&self) -> Value {
        json!([
            self.good,
            self.timeouts,
            self.late_401s,
            self.early_401s,
            self.errors
        ])
    }

    fn read(line: &str) -> Self {
        let (good, timeouts, late_401s, early_401s, errors) = serde_json::from_str(line).unwrap();
        Self {
            good,
            timeouts,
            late_401s,
            early_401s,
            errors,
        }
    }

    /// Returns whether the user has to consent again.
    fn is_lost(&self) -> bool {
        let lost = ["connection_not_found", "attention_required", "http_404"];
        lost.iter().any(|code| self.errors.contains_key(*code))
    }
}

/// The ways in which the processes of a row call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// With the lock that a client has by default.
    Locked,
    /// The same, and with a name that the gateway sees.
    Named,
    Unlocked,
}

fn between(random: &mut Seeded, least: u64, most: u64) -> Duration {
    Duration::from_millis(least + random.next() % (most - least + 1))
}

// The processes of the soak.

#[test]
#[ignore = "a process of the soak"]
fn process() {
    let Ok(task) = env::var(TASK) else { return };
    let task: Value = serde_json::from_str(&task).unwrap();
    let text = |field: &str| task[field].as_str().unwrap();
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&stopped);
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        stop.store(true, SeqCst);
    });
    let options = NexusClientOptions::new(text("url")).log_level(LogLevel::Off);
    let counts = match text("way") {
        "Once" => return directories::resolve(text("url"), &task),
        #[cfg(unix)]
        "Exhausted" => return descriptors::resolve(text("url")),
        "Named" => expiries::call(text("url"), options, text("name"), &stopped),
        way => {
            let options = if way == "Unlocked" {
                options.without_lock()
            } else {
                options
            };
            let caller = Caller {
                url: text("url").to_owned(),
                client: NexusClient::new(options).unwrap(),
                cache: TokenCache::new(),
                stopped,
            };
            // The drop of the caller waits for flights before the process ends.
            caller.run(task["seed"].as_u64().unwrap())
        }
    };
    println!("\ncounts {}", counts.write());
}

struct Caller {
    url: String,
    client: NexusClient,
    cache: TokenCache,
    stopped: Arc<AtomicBool>,
}

impl Caller {
    fn run(&self, seed: u64) -> Counts {
        let all = thread::scope(|scope| {
            let threads = (0..THREADS).map(|thread| {
                let random = Seeded::new(seed.wrapping_add(thread.wrapping_mul(0x9E37_79B9)));
                scope.spawn(move || self.calls(random))
            });
            let threads: Vec<_> = threads.collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        let mut sum = Counts::default();
        for counts in &all {
            sum.add(counts);
        }
        sum
    }

    fn calls(&self, mut random: Seeded) -> Counts {
        let mut counts = Counts::default();
        while !self.stopped.load(SeqCst) {
            let timeout = between(&mut random, 5, 2000);
            self.fetch(timeout, &mut counts);
            self.use_cached(&mut counts);
            thread::sleep(between(&mut random, 0, 50));
        }
        counts
    }

    fn fetch(&self, timeout: Duration, counts: &mut Counts) {
        let user = format!("{}/user", self.url);
        for is_first in [true, false] {
            let options = FetchOptions::default().timeout(timeout);
            let fetched = self
                .client
                .authenticated_fetch(&self.cache, "ws", "idp", &user, options);
            match fetched {
                Ok((200, ..)) => counts.good += 1,
                // A token may expire between the gateway and the upstream, but not two in a row.
                Ok((401, ..)) if is_first => {
                    counts.late_401s += 1;
                    continue;
                }
                Ok((401, ..)) => counts.early_401s += 1,
                Ok((status, ..)) => counts.failed(&format!("upstream_{status}")),
                Err(error) => counts.failed(error.code()),
            }
            return;
        }
    }

    /// Sends the cached token in a request that is never replayed.
    fn use_cached(&self, counts: &mut Counts) {
        let Some(token) = self.cache.get("ws", "idp") else {
            return;
        };
        let sent = ureq::get(format!("{}/user", self.url))
            .header("authorization", format!("Bearer {}", token.access_token))
            .config()
            .http_status_as_error(false)
            .build()
            .call();
        let left = token.expires_at.duration_since(SystemTime::now());
        if sent.is_ok_and(|response| response.status() == 401)
            && left.is_ok_and(|left| left > MARGIN)
        {
            counts.early_401s += 1;
        }
    }
}

// The program that starts and ends the processes.

struct Row {
    way: Way,
    processes: u64,
    time: Duration,
    /// The number of tokens that the upstream must see before the row ends.
    tokens: usize,
    /// True if processes are ended and started again.
    restarts: bool,
}

struct Outcome {
    counts: Counts,
    started: u64,
    tokens: usize,
}

struct Soak {
    gateway: DevGateway,
    /// Of its processes.
    home: PathBuf,
    seed: u64,
}

impl Soak {
    fn new(name: &str, lifetime: Duration, seed: u64) -> Self {
        Self::with_refreshes(name, lifetime, seed, REFRESH_TIME)
    }

    fn with_refreshes(name: &str, lifetime: Duration, seed: u64, refresh_time: Duration) -> Self {
        let home = scratch(name);
        let gateway = DevGateway::builder()
            .token_lifetime(lifetime)
            .provider(Provider::oauth2("idp").refresh_time(refresh_time))
            .connection("ws", "idp")
            .start()
            .unwrap();
        Self {
            gateway,
            home,
            seed,
        }
    }

    fn command(&self, way: Way, name: &str, seed: u64) -> Command {
        let task = json!({
            "url": self.gateway.url(), "way": format!("{way:?}"), "seed": seed, "name": name,
        });
        let mut command = command(&task);
        command
            .env(HOME, &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    fn row(&self, row: &Row) -> Outcome {
        let (sum, over) = (Mutex::new((Counts::default(), 0)), AtomicBool::new(false));
        let mut tokens = HashSet::new();
        thread::scope(|scope| {
            for process in 0..row.processes {
                let random = Seeded::new(self.seed ^ (process << 32));
                scope.spawn(|| self.keep_running(row, random, &over, &sum));
            }
            let start = Instant::now();
            while start.elapsed() < row.time
                || (tokens.len() < row.tokens && start.elapsed() < row.time * 10)
            {
                thread::sleep(Duration::from_millis(200));
                let requests = self.gateway.requests().into_iter();
                tokens.extend(requests.filter_map(|mut one| one.headers.remove("authorization")));
            }
            over.store(true, SeqCst);
        });
        let (counts, started) = sum.into_inner().unwrap();
        Outcome {
            counts,
            started,
            tokens: tokens.len(),
        }
    }

    fn keep_running(
        &self,
        row: &Row,
        mut random: Seeded,
        over: &AtomicBool,
        sum: &Mutex<(Counts, u64)>,
    ) {
        while !over.load(SeqCst) {
            let child = self.command(row.way, "", random.next()).spawn().unwrap();
            let (start, life) = (Instant::now(), between(&mut random, 500, 4000));
            while !over.load(SeqCst) && (!row.restarts || start.elapsed() < life) {
                thread::sleep(Duration::from_millis(20));
            }
            let counts = result(child);
            let mut sum = sum.lock().unwrap();
            sum.0.add(&counts);
            sum.1 += 1;
        }
    }
}

/// An empty directory of this name.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("refreshes-{name}"));
    let _ = fs::remove_dir_all(&dir);
    // Under Wine, Cargo's path has no drive.
    path::absolute(dir).unwrap()
}

/// A process with this task, and without settings for its locks.
fn command(task: &Value) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "process", "--ignored", "--nocapture"])
        .env(TASK, task.to_string())
        .env_remove("NEXUS_LOCK_DIR")
        .env_remove("XDG_STATE_HOME");
    command
}

/// Ends a process by the end of its stdin, and returns its counts.
fn result(child: Child) -> Counts {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let counts = text.lines().find_map(|line| line.strip_prefix("counts "));
    counts.map(Counts::read).unwrap_or_default()
}

#[test]
#[ignore = "takes a minute; `SOAK_SECONDS` makes it longer"]
fn soak() {
    let number = |name| {
        env::var(name)
            .ok()
            .map(|text: String| text.parse::<u64>().unwrap())
    };
    let seconds = number("SOAK_SECONDS").unwrap_or(20);
    let seed = number("SOAK_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    eprintln!("seed {seed}, tokens of {LIFETIME:?}, refreshes of {REFRESH_TIME:?}");
    let row = |way, processes, seconds, tokens, restarts| Row {
        way,
        processes,
        time: Duration::from_secs(seconds),
        tokens,
        restarts,
    };
    let rows = [
        row(Way::Locked, 4, seconds, 5, true),
        row(Way::Locked, 16, 20, 11, false),
        row(Way::Unlocked, 4, 6, 0, true),
    ];
    eprintln!(
        "way       processes  started  tokens    good  timeouts  late 401s  early 401s  consent  errors"
    );
    let mut outcomes = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let soak = Soak::new(&format!("row-{index}"), LIFETIME, seed);
        let outcome = soak.row(row);
        let counts = &outcome.counts;
        eprintln!(
            "{:<9} {:>9} {:>8} {:>7} {:>7} {:>9} {:>10} {:>11}  {:<7}  {:?}",
            format!("{:?}", row.way),
            row.processes,
            outcome.started,
            outcome.tokens,
            counts.good,
            counts.timeouts,
            counts.late_401s,
            counts.early_401s,
            counts.is_lost(),
            counts.errors,
        );
        outcomes.push(outcome);
    }
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let counts = &outcome.counts;
        assert!(counts.good > 0, "{:?}", row.way);
        if row.way == Way::Locked {
            // In the other row the connection is lost at once, and few calls are left that could time out.
            assert!(counts.timeouts > 0, "no caller has left a flight");
            assert_eq!(counts.errors, BTreeMap::new());
            assert_eq!(counts.early_401s, 0);
            assert!(outcome.tokens >= row.tokens, "{} tokens", outcome.tokens);
        } else {
            assert!(counts.is_lost(), "{:?} keeps the connection", row.way);
        }
    }
}
