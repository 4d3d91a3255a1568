//! Two groups of processes that share no directory, as if on two hosts, use one connection whose provider rotates
//! refresh tokens. The tests need a Redis server at `REDIS_URL`, and the program `redis-server` to start servers that they
//! can stop. `tests/interop/redis_lock.sh` provides both.

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::Path;
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

fn redis_url() -> String {
    env::var("REDIS_URL").expect("REDIS_URL: run tests/interop/redis_lock.sh")
}

fn redis() -> RedisLock {
    RedisLock::new(&redis_url()).unwrap()
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
        // These processes warn each time.
        .stderr(if task == "going on" {
            Stdio::null()
        } else {
            Stdio::inherit()
        })
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
        "going on" => options.refresh_lock(redis().go_on_without_redis(true)),
        // NEXUS_LOCK_DIR is the directory of the group.
        _ => options,
    };
    let client = NexusClient::new(options).unwrap();
    if client.resolve_token("acme", "rotating").is_err() {
        process::exit(1);
    }
}

/// A gateway with a connection whose provider rotates refresh tokens.
fn gateway() -> DevGateway {
    DevGateway::builder()
        .token_lifetime(LIFETIME)
        .provider(Provider::oauth2("rotating").refresh_time(REFRESH_TIME))
        .connection("acme", "rotating")
        .start()
        .unwrap()
}

/// Starts the processes of all groups, which all ask for a token at once.
fn start_all(task: &str, gateway: &DevGateway, redis: &str, dir: &Path) -> Vec<Child> {
    let start = |number: usize| {
        let group = dir.join((number % GROUPS).to_string());
        let group = group.to_str().unwrap();
        let variables = [
            (GATEWAY, gateway.url()),
            ("REDIS_URL", redis),
            ("NEXUS_LOCK_DIR", group),
        ];
        spawn(task, &variables)
    };
    (0..GROUPS * PROCESSES).map(start).collect()
}

/// Waits for all processes, and returns whether all got a token.
fn all_succeed(processes: Vec<Child>) -> bool {
    let ended: Vec<ExitStatus> = processes.into_iter().map(end).collect();
    ended.iter().all(ExitStatus::success)
}

/// Lets tokens expire, at most ten times, until the provider revokes the grant. After each expiry, all processes of all
/// groups ask for a token at once. Returns the number of expiries after which all processes got a token, and the number
/// of new tokens.
fn play(task: &str, redis: &str) -> (usize, usize) {
    let gateway = gateway();
    let dir = env::temp_dir().join(unique("nexus-redis"));
    let (mut survived, mut tokens) = (0, HashSet::new());
    while survived < EXPIRIES {
        gateway.advance(LIFETIME);
        if !all_succeed(start_all(task, &gateway, redis, &dir)) {
            break;
        }
        survived += 1;
        tokens.insert(token(&gateway));
    }
    let _ = fs::remove_dir_all(dir);
    (survived, tokens.len())
}

fn token(gateway: &DevGateway) -> String {
    let options = NexusClientOptions::new(gateway.url()).without_lock();
    let client = NexusClient::new(options).unwrap();
    let token = client.resolve_token("acme", "rotating");
    token.unwrap().access_token
}

fn end(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn with_the_lock_every_process_of_every_host_gets_each_new_token() {
    assert_eq!(play("with", &redis_url()), (EXPIRIES, EXPIRIES));
}

#[test]
fn with_directories_that_hosts_do_not_share_the_consent_is_lost() {
    let (survived, _) = play("without", &redis_url());
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
fn a_server_that_is_away_is_a_lock_that_somebody_holds() {
    // No server ever listens on this port of loopback.
    let redis = || RedisLock::new("redis://127.0.0.1:1/").unwrap();
    assert!(redis().try_lock("key", LEASE).unwrap().is_none());
    let going_on = redis().go_on_without_redis(true);
    assert!(going_on.try_lock("key", LEASE).is_err());
    assert!(RedisLock::new("127.0.0.1").is_err());
}

/// A Redis server of one test, which it can stop and start again.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Self::at(port)
    }

    fn at(port: u16) -> Self {
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--port"])
            .arg(port.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let lock = RedisLock::new(&server.url()).unwrap();
        let lock = lock.go_on_without_redis(true);
        let start = Instant::now();
        while lock.try_lock("started", LEASE).is_err() {
            assert!(start.elapsed() < LONG, "the server does not start");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends the server, and returns its port.
    fn stop(self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn processes_wait_while_redis_is_away_over_an_expiry() {
    let (gateway, server) = (gateway(), Server::start());
    let (url, old) = (server.url(), token(&gateway));
    let dir = env::temp_dir().join(unique("nexus-redis"));
    assert!(all_succeed(start_all("with", &gateway, &url, &dir)));
    let port = server.stop();
    gateway.advance(LIFETIME);
    gateway.forget_requests();
    let mut processes = start_all("with", &gateway, &url, &dir);
    // Long enough for all of them to go on, if they did.
    thread::sleep(Duration::from_secs(2));
    let has_ended = |child: &mut Child| child.try_wait().unwrap().is_some();
    assert!(!processes.iter_mut().any(has_ended), "they wait");
    assert_eq!(gateway.count(""), 0, "nobody asks the gateway");
    let _server = Server::at(port);
    assert!(all_succeed(processes), "they go on");
    assert_ne!(token(&gateway), old);
    let _ = fs::remove_dir_all(dir);
}

#[test]
fn a_caller_whose_time_is_up_gets_a_timeout_and_the_consent_is_kept() {
    let (gateway, server) = (gateway(), Server::start());
    let url = server.url();
    let port = server.stop();
    gateway.advance(LIFETIME);
    gateway.forget_requests();
    let options = NexusClientOptions::new(gateway.url())
        .refresh_lock(RedisLock::new(&url).unwrap())
        .timeout(Duration::from_millis(300));
    let client = NexusClient::new(options).unwrap();
    let error = client.resolve_token("acme", "rotating").unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("timeout", true));
    assert_eq!(gateway.count(""), 0);
    let _server = Server::at(port);
    token(&gateway);
}

#[test]
fn going_on_while_redis_is_away_costs_the_consent() {
    let server = Server::start();
    let url = server.url();
    server.stop();
    let (survived, _) = play("going on", &url);
    assert!(
        survived < EXPIRIES,
        "the grant survived {survived} expiries without Redis"
    );
}
