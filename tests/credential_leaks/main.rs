//! Credentials and redirects: every status, target and way with every strategy. The checks share no code
//! with the client: they compare the origins that received requests with the first origin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod checks;
#[allow(dead_code, reason = "`faults` uses all of it")]
#[path = "../faults/find_secrets.rs"]
mod find_secrets;
mod other_calls;
mod servers;
mod strategies;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::sync::Mutex;
use std::thread;

use checks::{Case, check_case};
use servers::{Servers, Step, options};
use strategies::strategies;
use targets::{Base, HTTP, HTTPS, LOOPBACK, ODD_TARGETS, PLAIN_TARGETS, Target};

const BASES: [Base; 3] = [HTTPS, HTTP, LOOPBACK];
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// The redirects before and after the target, which is `>`. Go restored a credential at home (CVE-2024-45336).
const WAYS: [&[&str]; 5] = [
    &[">"],
    &["/stop", ">"],
    &[">", "{s}://{h}:{p}/back"],
    &[">", "/within", "{s}://{h}:{p}/back"],
    &[">", "{s}://{h}:{p}/back", "/home"],
];

/// The redirects from this base. Odd targets are tried on the first way only.
fn redirects(base: Base) -> Vec<(u16, &'static [&'static str], &'static Target)> {
    let mut all = Vec::new();
    for status in REDIRECTS {
        for way in WAYS {
            let odd = if way.len() == 1 { ODD_TARGETS } else { &[] };
            let targets = PLAIN_TARGETS.iter().chain(odd);
            let targets = targets.filter(|target| target.0.contains(&base));
            all.extend(targets.map(|target| (status, way, target)));
        }
    }
    all
}

#[test]
fn no_credential_leaves_its_origin() {
    let strategies = strategies();
    let pairs = BASES.map(|base| strategies.iter().map(move |strategy| (base, strategy)));
    let left = Mutex::new(pairs.into_iter().flatten());
    let work = || {
        let servers = Servers::new();
        while let Some((base, strategy)) = { left.lock().unwrap().next() } {
            let fetcher = strategy.fetcher(&servers, base.insecure);
            for (status, way, (_, what, location, outcome)) in redirects(base) {
                let fill = |to: &&str| base.fill(&to.replace('>', location));
                let steps: Vec<_> = way.iter().map(|to| Step::to(status, fill(to))).collect();
                let method = if way.len() == 2 { "POST" } else { "GET" };
                servers.expect(steps.iter().cloned());
                let url = format!("{}{}", base.origin(), strategy.target);
                let got = fetcher.fetch(&url, options(method));
                let case = Case {
                    base,
                    strategy,
                    what,
                    location,
                    outcome: *outcome,
                    steps: &steps,
                    method,
                };
                check_case(&case, got.err().as_ref(), &servers.received());
            }
        }
    };
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(work);
        }
    });
}
