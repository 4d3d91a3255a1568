//! Two groups of processes that share no directory, as if on two hosts, use one connection whose provider rotates
//! refresh tokens. The tests need a Redis server at `REDIS_URL`; `tests/interop/redis_lock.sh` starts one.

use std::collections::HashSet;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use nexus_sdk::testing::{DevGateway, Provider};
use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions, RefreshLock as _};
use redis_lock::RedisLock;

const TASK: &str = "REDIS_LOCK_TASK";
const GATEWAY: &str = "REDIS_LOCK_GATEWAY";
const KEY: &str = "REDIS_LOCK_KEY";
const GROUPS: usize = 2;
const PROCESSES: usize = 4;
const EXPIRIES: usize = 10;
/// Longer than a run, so that tokens expire only when the test advances the gateway's clock.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Long enough for all processes to ask for a token during one refresh.
const REFRESH_TIME: Duration = Duration::from_millis(300);
const LEASE: Duration = Duration::from_secs(2);
/// Longer than any step takes. A wait this long has failed.
const LONG: Duration = Duration::from_secs(60);

fn redis() -> RedisLock {
    let url = env::var("REDIS_URL").expect("REDIS_URL: run tests/interop/redis_lock.sh");
    RedisLock::new(&url).unwrap()
}

/// Returns a name that no other test and no other run uses.
fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    format!("{name}-{}-{number}", process::id())
}

fn spawn(task: &str, variables: &[(&str, &str)]) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "a_process_of_the_tests",
            "--ignored",
            "--nocapture",
        ])
        .env(TASK, task)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the other tests start it"]
fn a_process_of_the_tests() {
    let variable = |name| env::var(name).unwrap();
    let Ok(task) = env::var(TASK) else { return };
    if task == "hold" {
        let held = redis().try_lock(&variable(KEY), LEASE);
        let held = held.unwrap().expect("the lock is free");
        fs::write(variable("HELD"), "").unwrap();
        thread::sleep(LONG);
        drop(held);
        return;
    }
    let options = NexusClientOptions::new(variable(GATEWAY)).log_level(LogLevel::Warn);
    let options = match task.as_str() {
        "with" => options.refresh_lock(redis()),
        // NEXUS_LOCK_DIR is the directory of the group.
        _ => options,
    };
    let client = NexusClient::new(options).unwrap();
    if client.resolve_token("acme", "rotating").is_err() {
        process::exit(1);
    }
}

/// Lets tokens expire, at most ten times, until the provider revokes the grant. After each expiry, all processes of all
/// groups ask for a token at once. Returns the number of expiries after which all processes got a token, and the number
/// of new tokens.
fn play(task: &str) -> (usize, usize) {
    let gateway = DevGateway::builder()
        .token_lifetime(LIFETIME)
        .provider(Provider::oauth2("rotating").refresh_time(REFRESH_TIME))
        .connection("acme", "rotating")
        .start()
        .unwrap();
    let dir = env::temp_dir().join(unique("nexus-redis"));
    let (mut survived, mut tokens) = (0, HashSet::new());
    while survived < EXPIRIES {
        gateway.advance(LIFETIME);
        let processes: Vec<Child> = (0..GROUPS * PROCESSES)
            .map(|number| {
                let group = dir.join((number % GROUPS).to_string());
                let group = group.to_str().unwrap();
                spawn(task, &[(GATEWAY, gateway.url()), ("NEXUS_LOCK_DIR", group)])
            })
            .collect();
        let ended: Vec<ExitStatus> = processes.into_iter().map(end).collect();
        if !ended.iter().all(ExitStatus::success) {
            break;
        }
        survived += 1;
        let client = NexusClientOptions::new(gateway.url()).without_lock();
        let client = NexusClient::new(client).unwrap();
        tokens.insert(
            client
                .resolve_token("acme", "rotating")
                .unwrap()
                .access_token,
        );
    }
    let _ = fs::remove_dir_all(dir);
    (survived, tokens.len())
}

fn end(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn with_the_lock_every_process_of_every_host_gets_each_new_token() {
    assert_eq!(play("with"), (EXPIRIES, EXPIRIES));
}

#[test]
fn with_directories_that_hosts_do_not_share_the_consent_is_lost() {
    let (survived, _) = play("without");
    assert!(
        survived < EXPIRIES,
        "the grant survived {survived} expiries without the shared lock"
    );
}

/// A process that holds the lock for a key.
struct Holder {
    child: Child,
    held: std::path::PathBuf,
}

impl Holder {
    fn start(key: &str) -> Self {
        let held = env::temp_dir().join(unique("nexus-redis-held"));
        let variables = [(KEY, key), ("HELD", held.to_str().unwrap())];
        let child = spawn("hold", &variables);
        let start = Instant::now();
        while !held.exists() {
            assert!(start.elapsed() < LONG, "the holder does not get the lock");
            thread::sleep(Duration::from_millis(5));
        }
        Self { child, held }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.held);
    }
}

/// Asks until the lock is held, as a client does.
fn wait(redis: &RedisLock, key: &str) -> Box<dyn Send> {
    let start = Instant::now();
    loop {
        if let Some(held) = redis.try_lock(key, LONG).unwrap() {
            return held;
        }
        assert!(start.elapsed() < LONG, "the lock is never free");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_holder_keeps_the_lock_until_its_lease_ends() {
    let (redis, key) = (redis(), unique("killed"));
    let start = Instant::now();
    drop(Holder::start(&key));
    let early = redis.try_lock(&key, LEASE).unwrap();
    // On a busy machine the lease may have ended by now.
    assert!(early.is_none() || start.elapsed() >= LEASE);
    drop(early);
    wait(&redis, &key);
    assert!(start.elapsed() >= LEASE);
}

#[test]
fn a_released_lock_is_free_at_once() {
    let (redis, key) = (redis(), unique("released"));
    let held = redis.try_lock(&key, LONG).unwrap();
    assert!(held.is_some());
    assert!(redis.try_lock(&key, LONG).unwrap().is_none());
    drop(held);
    assert!(redis.try_lock(&key, LONG).unwrap().is_some());
}

#[test]
fn a_turn_that_has_ended_does_not_release_the_next_one() {
    let (redis, key) = (redis(), unique("ended"));
    let ended = redis.try_lock(&key, Duration::from_millis(20)).unwrap();
    let next = wait(&redis, &key);
    assert!(ended.is_some());
    drop(ended);
    assert!(redis.try_lock(&key, LONG).unwrap().is_none());
    drop(next);
}

#[test]
fn a_server_that_is_away_is_an_error() {
    // No server ever listens on this port of loopback.
    let redis = RedisLock::new("redis://127.0.0.1:1/").unwrap();
    assert!(redis.try_lock("key", LEASE).is_err());
    assert!(RedisLock::new("127.0.0.1").is_err());
}
