//! Expiry by expiry: whenever the gateway's token expires, one of all processes refreshes it, and all go on with what
//! that one got. One is killed while it holds the lock, and another takes its place.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, thread};

use nexus_sdk::http::HeaderMap;
use nexus_sdk::testing::Fault;
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};

use crate::directories::default_dir;
use crate::{Counts, Soak, TASK, Way, result};

/// Longer than the test: tokens expire when they are told to.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
const PROCESSES: usize = 16;
const EXPIRIES: usize = 10;
/// The expiry at which the process is killed that was the first to ask.
const KILLED_AT: usize = 5;
/// More than any of this takes; a wait that ends here has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Makes one call after the other, each under its name. Runs in a process of its own.
pub(crate) fn call(
    url: &str,
    options: NexusClientOptions,
    name: &str,
    stopped: &AtomicBool,
) -> Counts {
    let options = options.api_key(name).timeout(LONG);
    let (client, cache) = (NexusClient::new(options).unwrap(), TokenCache::new());
    let mut counts = Counts::default();
    while !stopped.load(SeqCst) {
        let user = format!("{url}/user");
        let options = FetchOptions::default().header("x-process", name);
        match client.authenticated_fetch(&cache, "ws", "idp", &user, options) {
            Ok((200, ..)) => counts.good += 1,
            // The token expired after it had come from the gateway.
            Ok((401, ..)) => counts.late_401s += 1,
            Ok((status, ..)) => counts.failed(&format!("upstream_{status}")),
            Err(error) => counts.failed(error.code()),
        }
        thread::sleep(PAUSE);
    }
    counts
}

/// A process; killed if the test fails before it has ended it.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Option<Child>,
}

impl Process {
    pub(crate) fn start(soak: &Soak, number: usize) -> Self {
        Self::start_with(soak, number, |_| {})
    }

    fn start_with(soak: &Soak, number: usize, edit: impl FnOnce(&mut Command)) -> Self {
        let name = format!("process-{number}");
        let mut command = soak.command(Way::Named, &name, 0);
        edit(&mut command);
        let child = Some(command.spawn().unwrap());
        Self { name, child }
    }

    /// Returns whether the process was still alive.
    pub(crate) fn kill(mut self) -> bool {
        let mut child = self.child.take().unwrap();
        let is_alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        is_alive
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn end(mut self) -> Counts {
        result(self.child.take().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Watch<'a> {
    soak: &'a Soak,
    /// All tokens that the upstream has seen.
    tokens: HashSet<String>,
}

impl Watch<'_> {
    /// Waits until each process has used one new token, the same for all.
    fn see_all_go_on(&mut self, processes: &[Process], case: &str) {
        let mut new = HashSet::new();
        wait_until(case, || {
            let mut gone_on = HashSet::new();
            for request in self.soak.gateway.requests() {
                let token = text(&request.headers, "authorization");
                let process = text(&request.headers, "x-process");
                if let (Some(token), Some(process)) = (token, process)
                    && !self.tokens.contains(&token)
                {
                    new.insert(token);
                    gone_on.insert(process);
                }
            }
            let all = processes.iter().all(|one| gone_on.contains(&one.name));
            all.then_some(())
        });
        assert_eq!(new.len(), 1, "{case}: as many refreshes");
        self.tokens.extend(new);
    }

    /// Returns the name of the process that was the first to ask the gateway for a token.
    fn first_to_ask(&self) -> String {
        wait_until("who asks", || {
            let requests = self.soak.gateway.requests();
            let asked = requests.iter().find(|one| one.path == "/v1/resolve")?;
            text(&asked.headers, "x-api-key")
        })
    }
}

impl Soak {
    /// Returns the lock files of all processes.
    fn lock_files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(default_dir(&self.home)).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }
}

pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().unwrap().to_owned())
}

pub(crate) fn wait_until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < LONG, "waited in vain: {what}");
        thread::sleep(PAUSE);
    }
}

#[test]
fn each_expiry_costs_one_refresh_and_a_killed_process_leaves_no_lock_behind() {
    let soak = Soak::new("expiries", HOUR, 1);
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|number| Process::start(&soak, number))
        .collect();
    let mut watch = Watch {
        soak: &soak,
        tokens: HashSet::new(),
    };
    watch.see_all_go_on(&processes, "the start");
    for expiry in 1..=EXPIRIES {
        soak.gateway.forget_requests();
        if expiry == KILLED_AT {
            soak.gateway
                .fail_next_at("/v1/resolve", 1, Fault::Delay(Duration::MAX));
        }
        soak.gateway.advance(HOUR);
        if expiry == KILLED_AT {
            let holder = watch.first_to_ask();
            thread::sleep(PAUSE * 10);
            assert_eq!(soak.gateway.count("/v1/resolve"), 1, "it holds the lock");
            let place = processes.iter().position(|one| one.name == holder).unwrap();
            assert!(processes.swap_remove(place).kill());
            processes.push(Process::start(&soak, PROCESSES));
        }
        watch.see_all_go_on(&processes, &format!("expiry {expiry}"));
    }
    assert_eq!(watch.tokens.len(), EXPIRIES + 1);
    assert_eq!(soak.lock_files().len(), 1);
    for process in processes {
        let name = process.name.clone();
        let counts = process.end();
        let failed = (counts.timeouts, counts.errors);
        assert_eq!(failed, (0, BTreeMap::new()), "{name}");
        assert!(counts.good > 0, "{name}");
    }
}

/// Leaves a process only the variables that the official MCP clients pass to a server.
fn as_an_mcp_server(command: &mut Command) {
    let passed: &[&str] = if cfg!(windows) {
        &[
            "APPDATA",
            "HOMEDRIVE",
            "HOMEPATH",
            "LOCALAPPDATA",
            "PATH",
            "SYSTEMDRIVE",
            "SYSTEMROOT",
            "TEMP",
            "USERNAME",
            "USERPROFILE",
        ]
    } else {
        &["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"]
    };
    let kept: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .filter(|(name, _)| name == TASK || passed.iter().any(|passed| name == passed))
        .collect();
    let inherited = passed
        .iter()
        .filter_map(|name| Some((name, env::var_os(name)?)));
    command.env_clear().envs(inherited).envs(kept);
}

#[test]
fn programs_of_a_user_share_one_lock_whatever_their_environment() {
    let soak = Soak::new("environments", HOUR, 1);
    let elsewhere = soak.home.join("elsewhere");
    let processes = [
        Process::start(&soak, 0),
        Process::start_with(&soak, 1, |command| {
            command.env("XDG_STATE_HOME", &elsewhere);
        }),
        Process::start_with(&soak, 2, as_an_mcp_server),
    ];
    let mut watch = Watch {
        soak: &soak,
        tokens: HashSet::new(),
    };
    watch.see_all_go_on(&processes, "the start");
    for expiry in 1..=3 {
        soak.gateway.advance(HOUR);
        watch.see_all_go_on(&processes, &format!("expiry {expiry}"));
    }
    assert_eq!(soak.lock_files().len(), 1);
    assert!(!elsewhere.exists());
    for process in processes {
        assert_eq!(process.end().errors, BTreeMap::new());
    }
}

/// A wall clock that is set forward puts the end of the turn into the past.
#[test]
fn a_clock_that_is_set_forward_during_a_refresh_keeps_the_consent() {
    let soak = Soak::with_refreshes("clock", HOUR, 1, Duration::from_secs(3));
    let processes: Vec<_> = (0..4).map(|number| Process::start(&soak, number)).collect();
    let mut watch = Watch {
        soak: &soak,
        tokens: HashSet::new(),
    };
    watch.see_all_go_on(&processes, "the start");
    soak.gateway.forget_requests();
    soak.gateway.advance(HOUR);
    watch.first_to_ask();
    let file = fs::File::options().write(true).open(&soak.lock_files()[0]);
    file.unwrap()
        .set_modified(SystemTime::now() - HOUR)
        .unwrap();
    watch.see_all_go_on(&processes, "the refresh");
    for process in processes {
        assert_eq!(process.end().errors, BTreeMap::new());
    }
}

#[cfg(unix)]
#[test]
fn a_stopped_process_keeps_the_lock_until_its_turn_has_ended() {
    let soak = Soak::new("stopped", HOUR, 1);
    let mut processes: Vec<_> = (0..2).map(|number| Process::start(&soak, number)).collect();
    let mut watch = Watch {
        soak: &soak,
        tokens: HashSet::new(),
    };
    watch.see_all_go_on(&processes, "the start");
    soak.gateway.forget_requests();
    soak.gateway
        .fail_next_at("/v1/resolve", 1, Fault::Delay(Duration::MAX));
    soak.gateway.advance(HOUR);
    let holder = watch.first_to_ask();
    let place = processes.iter().position(|one| one.name == holder).unwrap();
    let stopped = processes.swap_remove(place);
    crate::signals::signal(stopped.id(), "STOP");
    // Longer than it takes to see that a holder is stopped.
    thread::sleep(PAUSE * 20);
    assert_eq!(soak.gateway.count("/v1/resolve"), 1, "it holds the lock");
    let file = fs::File::options().write(true).open(&soak.lock_files()[0]);
    let past = SystemTime::now() - Duration::from_secs(11);
    file.unwrap().set_modified(past).unwrap();
    watch.see_all_go_on(&processes, "the end of the turn");
    assert!(stopped.kill());
}
