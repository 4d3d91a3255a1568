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
use std::hash::BuildHasher as _;
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

/// The number of calls with each result: `good`, `timeout`, `late_401` (to a token that expired on its way), `early_401`,
/// or the code of another error.
#[derive(Debug, Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, result: &str, count: u64) {
        *self.0.entry(result.to_owned()).or_default() += count;
    }

    fn add_all(&mut self, other: &Self) {
        for (result, count) in &other.0 {
            self.add(result, *count);
        }
    }

    fn get(&self, result: &str) -> u64 {
        self.0.get(result).copied().unwrap_or_default()
    }

    /// Asserts that each call has one of these results, or the token expired on its way.
    fn are_only(&self, results: &[&str], case: &str) {
        assert!(self.get("good") > 0, "{case}: {self:?}");
        let mut found = self.0.keys().map(String::as_str);
        let expected = |result| results.contains(&result) || result == "late_401";
        assert!(found.all(expected), "{case}: {self:?}");
    }

    /// Returns whether the user has to consent again.
    fn is_lost(&self) -> bool {
        let lost = ["connection_not_found", "attention_required", "http_404"];
        lost.iter().any(|code| self.get(code) > 0)
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
    println!("\ncounts {}", json!(counts.0));
}

struct Caller {
    url: String,
    client: NexusClient,
    cache: TokenCache,
    stopped: Arc<AtomicBool>,
}

impl Caller {
    fn run(&self, seed: u64) -> Counts {
        let sum = Mutex::new(Counts::default());
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let random = Seeded::new(seed.wrapping_add(thread.wrapping_mul(0x9E37_79B9)));
                scope.spawn(|| {
                    let counts = self.calls(random);
                    sum.lock().unwrap().add_all(&counts);
                });
            }
        });
        sum.into_inner().unwrap()
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
            let client = &self.client;
            let fetched = client.authenticated_fetch(&self.cache, "ws", "idp", &user, options);
            match fetched {
                Ok((200, ..)) => counts.add("good", 1),
                // A token may expire between the gateway and the upstream, but not two in a row.
                Ok((401, ..)) if is_first => {
                    counts.add("late_401", 1);
                    continue;
                }
                Ok((401, ..)) => counts.add("early_401", 1),
                Ok((status, ..)) => counts.add(&format!("upstream_{status}"), 1),
                Err(error) => counts.add(error.code(), 1),
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
            counts.add("early_401", 1);
        }
    }
}

// The program that starts and ends the processes.

#[derive(Debug)]
struct Row {
    way: Way,
    processes: u64,
    time: Duration,
    /// The number of tokens that the upstream must see before the row ends.
    tokens: usize,
    /// True if processes are ended and started again.
    restarts: bool,
}

struct Soak {
    gateway: DevGateway,
    /// Of its processes.
    home: PathBuf,
    seed: u64,
}

impl Soak {
    fn new(name: &str, lifetime: Duration, seed: u64, refresh_time: Duration) -> Self {
        let builder = DevGateway::builder().token_lifetime(lifetime);
        let builder = builder.provider(Provider::oauth2("idp").refresh_time(refresh_time));
        Self {
            gateway: builder.connection("ws", "idp").start().unwrap(),
            home: scratch(name),
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

    /// Returns the counts and the number of tokens that the upstream has seen.
    fn row(&self, row: &Row) -> (Counts, usize) {
        let (sum, over) = (Mutex::new(Counts::default()), AtomicBool::new(false));
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
        (sum.into_inner().unwrap(), tokens.len())
    }

    fn keep_running(&self, row: &Row, mut random: Seeded, over: &AtomicBool, sum: &Mutex<Counts>) {
        while !over.load(SeqCst) {
            let child = self.command(row.way, "", random.next()).spawn().unwrap();
            let (start, life) = (Instant::now(), between(&mut random, 500, 4000));
            while !over.load(SeqCst) && (!row.restarts || start.elapsed() < life) {
                thread::sleep(Duration::from_millis(20));
            }
            sum.lock().unwrap().add_all(&result(child));
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
    counts.map_or_else(Counts::default, |counts| {
        Counts(serde_json::from_str(counts).unwrap())
    })
}

/// Returns a number from the environment.
fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seed() -> u64 {
    number("SOAK_SEED").unwrap_or_else(|| RandomState::new().hash_one(0))
}

#[test]
#[ignore = "takes a minute; `SOAK_SECONDS` makes it longer"]
fn soak() {
    let seconds = number("SOAK_SECONDS").unwrap_or(20);
    let seed = seed();
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
    for (index, row) in rows.iter().enumerate() {
        let soak = Soak::new(&format!("row-{index}"), LIFETIME, seed, REFRESH_TIME);
        let (counts, tokens) = soak.row(row);
        let case = format!("{row:?}");
        eprintln!("{case}: {tokens} tokens, {counts:?}");
        if row.way == Way::Locked {
            counts.are_only(&["good", "timeout"], &case);
            assert!(counts.get("timeout") > 0, "no caller has left a flight");
            assert!(tokens >= row.tokens, "{case}: {tokens} tokens");
        } else {
            assert!(counts.is_lost(), "the connection survives without the lock");
        }
    }
}
