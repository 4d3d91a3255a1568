//! Expiry by expiry: whenever the gateway's token expires, one of all processes refreshes it, and all go on with what
//! that one got. One is killed while it holds the lock, and another takes its place.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use nexus_sdk::http::HeaderMap;
use nexus_sdk::testing::Fault;
use nexus_sdk::{FetchOptions, NexusClient, NexusClientOptions, TokenCache};

use crate::directories::default_dir;
use crate::{Counts, REFRESH_TIME, Soak, TASK, Way, result};

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
            Ok((200, ..)) => counts.add("good", 1),
            // The token expired after it had come from the gateway.
            Ok((401, ..)) => counts.add("late_401", 1),
            Ok((status, ..)) => counts.add(&format!("upstream_{status}"), 1),
            Err(error) => counts.add(error.code(), 1),
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

    /// Ends the process, all of whose calls must have worked.
    pub(crate) fn end(mut self) {
        let counts = result(self.child.take().unwrap());
        counts.are_only(&["good"], &self.name);
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

struct Watch {
    soak: Soak,
    processes: Vec<Process>,
    /// All tokens that the upstream has seen.
    tokens: HashSet<String>,
}

impl Watch {
    /// Starts processes, and waits until they have used the first token.
    fn start(name: &str, processes: usize, refresh_time: Duration) -> Self {
        let soak = Soak::new(name, HOUR, 1, refresh_time);
        let processes = (0..processes).map(|number| Process::start(&soak, number));
        let processes = processes.collect();
        Self::of(soak, processes)
    }

    fn of(soak: Soak, processes: Vec<Process>) -> Self {
        let tokens = HashSet::new();
        let mut watch = Self {
            soak,
            processes,
            tokens,
        };
        watch.see_all_go_on("the start");
        watch
    }

    /// Lets the token expire.
    fn expire(&self) {
        self.soak.gateway.forget_requests();
        self.soak.gateway.advance(HOUR);
    }

    /// Lets the token expire. Returns the process that asks for another, which gets no response, and leaves it to the caller.
    fn take_holder(&mut self) -> Process {
        let hangs = Fault::Delay(Duration::MAX);
        self.soak.gateway.fail_next_at("/v1/resolve", 1, hangs);
        self.expire();
        let holder = self.first_to_ask();
        let mut processes = self.processes.iter();
        let place = processes
            .position(|process| process.name == holder)
            .unwrap();
        self.processes.swap_remove(place)
    }

    /// Asserts that for a while no other process asks for a token.
    fn others_wait(&self) {
        thread::sleep(PAUSE * 10);
        assert_eq!(
            self.soak.gateway.count("/v1/resolve"),
            1,
            "it holds the lock"
        );
    }

    /// Returns the error of a call with a short timeout, which has the same lock.
    fn hasty_call(&self) -> String {
        let options = NexusClientOptions::new(self.soak.gateway.url())
            .lock_dir(default_dir(&self.soak.home))
            .timeout(PAUSE * 4);
        let client = NexusClient::new(options).unwrap();
        let error = client.resolve_token("ws", "idp").unwrap_err();
        error.to_string()
    }

    /// Returns the error of a caller that leaves while another process holds the lock.
    fn timed_out(&self) -> String {
        let file = self.soak.lock_files()[0].display().to_string();
        format!(
            "timeout: workspace \"ws\", provider \"idp\": timed out waiting for the lock {file}, which another process, or another client in this process, \
             holds while it refreshes the same token; try again, and look for a process that is stopped or hangs"
        )
    }

    fn end(self) {
        assert_eq!(self.soak.lock_files().len(), 1);
        self.processes.into_iter().for_each(Process::end);
    }

    /// Waits until each process has used one new token, the same for all.
    fn see_all_go_on(&mut self, case: &str) {
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
            let all = self.processes.iter().all(|one| gone_on.contains(&one.name));
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
    let mut watch = Watch::start("expiries", PROCESSES, PAUSE * 2);
    for expiry in 1..=EXPIRIES {
        if expiry == KILLED_AT {
            let holder = watch.take_holder();
            watch.others_wait();
            assert!(holder.kill());
            let new = Process::start(&watch.soak, PROCESSES);
            watch.processes.push(new);
        } else {
            watch.expire();
        }
        watch.see_all_go_on(&format!("expiry {expiry}"));
    }
    assert_eq!(watch.tokens.len(), EXPIRIES + 1);
    watch.end();
}

/// Leaves a process only the variables that the official MCP clients pass to a server.
fn as_an_mcp_server(command: &mut Command) {
    #[rustfmt::skip]
    let passed: &[&str] = if cfg!(windows) {
        &[
            "APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATH", "SYSTEMDRIVE", "SYSTEMROOT",
            "TEMP", "USERNAME", "USERPROFILE",
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
    let soak = Soak::new("environments", HOUR, 1, PAUSE * 2);
    let elsewhere = soak.home.join("elsewhere");
    let processes = vec![
        Process::start(&soak, 0),
        Process::start_with(&soak, 1, |command| {
            command.env("XDG_STATE_HOME", &elsewhere);
        }),
        Process::start_with(&soak, 2, as_an_mcp_server),
    ];
    let mut watch = Watch::of(soak, processes);
    for expiry in 1..=2 {
        watch.expire();
        watch.see_all_go_on(&format!("expiry {expiry}"));
    }
    assert!(!elsewhere.exists());
    watch.end();
}

/// A stopped process keeps its lock, so that no two refreshes meet.
#[cfg(unix)]
#[test]
fn a_stopped_process_holds_up_the_others_until_it_goes_on() {
    let mut watch = Watch::start("stopped", 2, REFRESH_TIME);
    let stopped = watch.take_holder();
    crate::signals::signal(stopped.id(), "STOP");
    watch.others_wait();
    assert_eq!(watch.hasty_call(), watch.timed_out());
    crate::signals::signal(stopped.id(), "CONT");
    assert!(stopped.kill());
    watch.see_all_go_on("the end of the holder");
    watch.end();
}
