//! The number of calls that run at a time.

use std::iter;
use std::sync::Arc;

use crate::lines::mcp::inbox::take;
use crate::lines::mcp::jobs::{Job, Jobs};
use crate::lines::mcp::protocol::Session;
use crate::lines::tools;

/// Returns this many calls that wait.
fn waiting(count: usize) -> Jobs {
    let (tools, mut session, mut jobs) = (tools(), Session::default(), Jobs::default());
    let start = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    take(&mut session, start, &tools);
    for id in 1..=count {
        let line = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"list"}}}}"#
        );
        jobs.add(take(&mut session, &line, &tools).jobs);
    }
    jobs
}

/// Starts all calls that may run now.
fn start(jobs: &mut Jobs) -> Vec<Arc<Job>> {
    iter::from_fn(|| jobs.start()).collect()
}

fn ids(started: &[Arc<Job>]) -> Vec<u64> {
    started.iter().map(|job| job.id.as_u64().unwrap()).collect()
}

#[test]
fn only_responses_keep_the_server_busy() {
    let mut jobs = waiting(2);
    assert!(jobs.is_busy());
    let started = start(&mut jobs);
    jobs.cancel(&started[0].id);
    assert!(jobs.finish(&started[1]));
    assert!(jobs.is_busy(), "a response is not written yet");
    jobs.end(true);
    assert!(!jobs.is_busy(), "a cancelled call gets no response");
    assert!(!jobs.finish(&started[0]));
    jobs.end(false);
    assert!(!jobs.is_busy());
}

#[test]
fn a_cancelled_call_makes_room_for_the_next() {
    let mut jobs = waiting(100);
    let first = start(&mut jobs);
    assert_eq!(
        ids(&first),
        (1..=32).collect::<Vec<_>>(),
        "in the order of their arrival"
    );
    assert!(start(&mut jobs).is_empty());
    for id in [5, 40] {
        assert_eq!(jobs.cancel(&id.into()).len(), 1, "{id}");
        assert_eq!(jobs.cancel(&id.into()).len(), 0, "{id}");
    }
    assert_eq!(ids(&start(&mut jobs)), [33]);
    assert!(jobs.finish(&first[0]));
    assert_eq!(
        ids(&start(&mut jobs)),
        [34],
        "before its response is written"
    );
}

#[test]
fn cancelled_calls_occupy_only_their_threads() {
    let mut jobs = waiting(600);
    let mut threads = 0;
    for _ in 0..16 {
        let started = start(&mut jobs);
        let expected: Vec<_> = (threads + 1..).take(32).collect();
        assert_eq!(ids(&started), expected, "in the order of their arrival");
        threads += 32;
        for job in started {
            assert_eq!(jobs.cancel(&job.id).len(), 1);
            assert!(!jobs.finish(&job));
        }
    }
    assert_eq!(threads, 512);
    assert!(start(&mut jobs).is_empty(), "all threads are occupied");
    jobs.end(false);
    assert_eq!(start(&mut jobs).len(), 1);
}
