//! Credentials and redirects: every status, target and way with every strategy. The checks share no code
//! with the client: they compare the origins that received requests with the first origin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout
)]

mod checks;
mod other_calls;
mod servers;
mod strategies;
#[path = "../support/mod.rs"]
mod support;
mod targets;

use std::sync::Mutex;
use std::thread;

use nexus_sdk::Fetcher;

use checks::{Case, check_case};
use servers::{CALLERS_SECRETS, Servers, Step, options};
use strategies::{Strategy, strategies};
use targets::{Base, HTTP, HTTPS, LOOPBACK, ODD_TARGETS, PLAIN_TARGETS, Target};

const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// Statuses whose `Location` is data.
const OTHERS: [u16; 8] = [200, 201, 300, 304, 305, 306, 309, 400];

#[rustfmt::skip]
const ADVISORIES: [&str; 10] = [
    "CVE-2018-1000007", "CVE-2022-27774", "CVE-2022-27776", "CVE-2018-18074", "CVE-2023-43804",
    "CVE-2024-37891", "CVE-2023-45289", "CVE-2024-45336", "CVE-2026-40895", "CVE-2025-21620",
];

/// The redirects before and after the target, which is `>`.
const WAYS: [(&str, &[&str], &str); 5] = [
    ("straight", &[">"], ""),
    ("after a stop at home", &["/stop", ">"], ""),
    (
        "and back",
        &[">", "{s}://{h}:{p}/back"],
        "Go CVE-2024-45336: restored at home",
    ),
    (
        "on within, and back",
        &[">", "/within", "{s}://{h}:{p}/back"],
        "Go CVE-2024-45336",
    ),
    (
        "and back, and within home",
        &[">", "{s}://{h}:{p}/back", "/home"],
        "Go CVE-2024-45336",
    ),
];

/// A redirect: the status, the target, the way to it, and the method.
type Redirected = (u16, &'static Target, &'static [&'static str], &'static str);

const BASES: [Base; 3] = [HTTPS, HTTP, LOOPBACK];

/// The redirects from these bases. Odd targets are tried on the straight way only.
fn redirects(of: &[Base]) -> Vec<Redirected> {
    let mut all: Vec<Redirected> = Vec::new();
    for status in REDIRECTS {
        for (_, way, _) in WAYS {
            let method = if way.len() == 2 { "POST" } else { "GET" };
            all.extend(
                PLAIN_TARGETS
                    .iter()
                    .map(|target| (status, target, way, method)),
            );
        }
        let straight = WAYS[0].1;
        all.extend(
            ODD_TARGETS
                .iter()
                .map(|target| (status, target, straight, "GET")),
        );
    }
    all.retain(|(_, target, ..)| target.bases.iter().any(|base| of.contains(base)));
    all
}

/// A part of the table, which one of four threads tests.
struct Part {
    base: Base,
    strategy: Strategy,
    /// True to try each redirect from all of its bases, false to try it from one of them.
    from_every_base: bool,
}

/// Tries the table, and returns the number of combinations.
fn run_table(from_every_base: bool) -> usize {
    let parts = BASES.into_iter().flat_map(|base| {
        strategies().into_iter().map(move |strategy| Part {
            base,
            strategy,
            from_every_base,
        })
    });
    let left = Mutex::new(parts.collect::<Vec<_>>());
    let work = || {
        let (servers, mut count) = (Servers::new(), 0);
        while let Some(part) = { left.lock().unwrap().pop() } {
            count += part.run(&servers);
        }
        count
    };
    thread::scope(|threads| {
        let workers = [0; 4].map(|_| threads.spawn(work));
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .sum()
    })
}

impl Part {
    fn run(&self, servers: &Servers) -> usize {
        let fetcher = self.strategy.fetcher(servers, self.base.insecure);
        let all = redirects(&BASES).into_iter().enumerate();
        let own = all.filter(|(index, redirected)| self.includes(*index, redirected.1));
        let tried = own.map(|(_, redirected)| self.redirect(servers, &fetcher, redirected));
        let tried = tried.count();
        if self.base != LOOPBACK {
            return tried;
        }
        for status in OTHERS {
            self.stay(servers, &fetcher, status);
        }
        tried + OTHERS.len()
    }

    fn includes(&self, index: usize, target: &Target) -> bool {
        let bases: Vec<_> = BASES
            .into_iter()
            .filter(|base| target.bases.contains(base))
            .collect();
        let chosen = bases[(self.strategy.name.len() + index) % bases.len()];
        chosen == self.base || self.from_every_base && bases.contains(&self.base)
    }

    fn redirect(
        &self,
        servers: &Servers,
        fetcher: &Fetcher,
        (status, target, way, method): Redirected,
    ) {
        let stop = |stop: &&str| stop.replace('>', target.location);
        let steps: Vec<_> = way
            .iter()
            .map(|to| Step::to(status, self.base.fill(&stop(to))))
            .collect();
        servers.expect(steps.iter().cloned());
        let got = fetcher.fetch(&self.url(), options(method));
        let case = Case {
            base: self.base,
            strategy: &self.strategy,
            target,
            steps: &steps,
            method,
        };
        check_case(&case, &got.map(|(status, ..)| status), &servers.received());
    }

    /// Asserts that a status other than a redirect is not followed.
    fn stay(&self, servers: &Servers, fetcher: &Fetcher, status: u16) {
        servers.expect([Step::to(status, self.base.fill("{s}://{o}/end"))]);
        let got = fetcher.fetch(&self.url(), options("GET")).unwrap();
        assert_eq!((got.0, servers.received().len()), (status, 1));
    }

    fn url(&self) -> String {
        format!("{}{}", self.base.origin(), self.strategy.target)
    }
}

/// Each redirect from one of its possible bases.
#[test]
fn no_credential_leaves_its_origin() {
    let expected = strategies().len() * (redirects(&BASES).len() + OTHERS.len());
    let count = run_table(false);
    println!(
        "{count} combinations, each with {} secrets of the caller's own",
        CALLERS_SECRETS.len()
    );
    assert_eq!(count, expected);
}

/// Each redirect from all of its possible bases.
#[test]
#[ignore = "three times the length of the other"]
fn no_credential_leaves_its_origin_wherever_that_is() {
    let redirects = BASES.into_iter().map(|base| redirects(&[base]).len());
    let expected = strategies().len() * (redirects.sum::<usize>() + OTHERS.len());
    let count = run_table(true);
    println!("{count} combinations");
    assert_eq!(count, expected);
}

#[test]
fn every_advisory_is_at_a_row() {
    let targets = [PLAIN_TARGETS, ODD_TARGETS].concat();
    let ways = WAYS.map(|(_, _, advisories)| advisories);
    let named: Vec<_> = targets
        .iter()
        .map(|target| target.advisories)
        .chain(ways)
        .collect();
    for advisory in ADVISORIES {
        assert!(
            named.iter().any(|named| named.contains(advisory)),
            "{advisory}"
        );
    }
}
