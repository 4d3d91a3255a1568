//! Processes that share a connection are killed, stopped and continued at random moments. Only a kill during a refresh
//! can cost the user's consent, so each expiry spares the process that refreshes from kills, but not from stops.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::expiries::{HOUR, Process, text, wait_until};
use crate::seeded::Seeded;
use crate::{Soak, between, number, seed, signals};

const PROCESSES: usize = 20;
const REFRESH_TIME: Duration = Duration::from_millis(500);
/// A process that has asked this long ago, and that nobody has followed, is the one that refreshes.
const SURE: Duration = Duration::from_millis(200);

struct Crowd<'a> {
    soak: &'a Soak,
    random: Seeded,
    running: Vec<Process>,
    /// The processes that are stopped, with the time at which they go on.
    stopped: BTreeMap<usize, Instant>,
    started: usize,
    kills: usize,
    stops: usize,
}

impl<'a> Crowd<'a> {
    fn new(soak: &'a Soak, random: Seeded) -> Self {
        let running = (0..PROCESSES).map(|number| Process::start(soak, number));
        Self {
            running: running.collect(),
            soak,
            random,
            stopped: BTreeMap::new(),
            started: PROCESSES,
            kills: 0,
            stops: 0,
        }
    }

    /// Disturbs processes for some time. The process with the name `spared` is not killed.
    fn disturb(&mut self, time: Duration, spared: &str) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.wake(false);
            let place = self.random.below(PROCESSES);
            if self.random.once_in(3) && self.running[place].name != spared {
                self.kill(place);
            } else if !self.stopped.contains_key(&place) {
                self.running[place].signal("STOP");
                let until = Instant::now() + between(&mut self.random, 1, 3000);
                self.stopped.insert(place, until);
                self.stops += 1;
            }
            thread::sleep(between(&mut self.random, 0, 100));
        }
    }

    fn kill(&mut self, place: usize) {
        let new = Process::start(self.soak, self.started);
        let killed = std::mem::replace(&mut self.running[place], new);
        assert!(killed.kill(), "a process has ended by itself");
        self.stopped.remove(&place);
        self.started += 1;
        self.kills += 1;
    }

    /// Continues the processes whose time has come, or all.
    fn wake(&mut self, all: bool) {
        let now = Instant::now();
        let running = &self.running;
        self.stopped.retain(|place, until| {
            let stays = !all && now < *until;
            if !stays {
                running[*place].signal("CONT");
            }
            stays
        });
    }

    /// Returns the name of the process that refreshes the token which has just expired.
    fn refresher(&mut self) -> String {
        let gateway = &self.soak.gateway;
        let (mut last, mut since) = (0, Instant::now());
        wait_until("who refreshes", || {
            self.wake(false);
            let asked: Vec<_> = gateway
                .requests()
                .into_iter()
                .filter(|request| request.path == "/v1/resolve")
                .collect();
            if asked.len() != last {
                (last, since) = (asked.len(), Instant::now());
            }
            let name = text(&asked.last()?.headers, "x-api-key");
            name.filter(|_| since.elapsed() > SURE)
        })
    }
}

impl Process {
    fn signal(&self, name: &str) {
        signals::signal(self.id(), name);
    }
}

#[test]
#[ignore = "takes a minute; `SOAK_SECONDS` makes it longer"]
fn soak_of_kills_and_stops_outside_of_refreshes_keeps_the_consent() {
    let time = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(40));
    let seed = seed();
    let soak = Soak::new("disturbed", HOUR, seed, REFRESH_TIME);
    let mut crowd = Crowd::new(&soak, Seeded::new(seed));
    let (start, mut expiries) = (Instant::now(), 0);
    while start.elapsed() < time {
        let pause = between(&mut crowd.random, 0, 2000);
        crowd.disturb(pause, "");
        // A process that begins just now counts as one that may refresh.
        soak.gateway.forget_requests();
        soak.gateway.advance(HOUR);
        let refresher = crowd.refresher();
        crowd.disturb(REFRESH_TIME, &refresher);
        wait_until("a call with the new token", || {
            crowd.wake(false);
            let requests = soak.gateway.requests();
            let mut uses = requests.iter().filter(|request| request.path == "/user");
            uses.find(|request| text(&request.headers, "x-process") == Some(refresher.clone()))
                .map(drop)
        });
        expiries += 1;
    }
    crowd.wake(true);
    let (kills, stops) = (crowd.kills, crowd.stops);
    eprintln!("seed {seed}: {expiries} expiries, {kills} kills, {stops} stops");
    thread::sleep(Duration::from_secs(2));
    for process in crowd.running {
        process.end();
    }
    assert!(expiries > 0 && kills > 0 && stops > 0);
}
