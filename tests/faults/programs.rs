//! Code that the tests of programs share. A program runs under every fault, with the log on: stdout has only its output, and
//! stderr shows no secret.

use std::process::{Command, Output};

use crate::calls::{FaultyServer, SHORT, all};
use crate::find_secrets::{KEY, check_text};
use crate::table::{self, Row};

/// Runs a program on each fault. Leaves out faults that hang if the program has no timeout, and bodies over
/// the limit, which is 100 MiB for a program.
pub(crate) fn for_all(has_timeout: bool, run: impl Fn(&FaultyServer, usize, Row) + Sync) {
    // Programs wait for flights before they end, so every fault ends soon after the timeout.
    let (server, rows) = (table::server(SHORT * 3), table::rows());
    let mut cases: Vec<usize> = (0..rows.len())
        .filter(|case| has_timeout || !rows[*case].hangs())
        .filter(|case| rows[*case].upstream != "body_too_large")
        .collect();
    assert!(cases.len() > 20);
    // All cases that hang wait at the same time, while the others run.
    cases.sort_by_key(|case| !rows[*case].hangs());
    all(&cases, 32, |&case| run(&server, case, rows[case]));
}

/// Returns the same server by another name, so that gateway and upstream do not share connections.
pub(crate) fn upstream(server: &FaultyServer, path: &str) -> String {
    server.url(path).replace("127.0.0.1", "localhost")
}

pub(crate) fn configured(
    mut command: Command,
    server: &FaultyServer,
    workspace: &str,
    path: &str,
) -> Command {
    command
        .env("NEXUS_GATEWAY_URL", server.url(""))
        .env("NEXUS_API_KEY", KEY)
        .env("NEXUS_LOG", "debug")
        .env("WORKSPACE_ID", workspace)
        .env("PROVIDER", "p")
        .env("UPSTREAM_URL", upstream(server, path));
    command
}

/// Returns the output on stdout, and asserts that stderr shows no secret.
pub(crate) fn stdout_of(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().unwrap();
    check_stderr(&String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

pub(crate) fn check_stderr(stderr: &str) {
    check_text("stderr", stderr);
    // With the feature `log`, lines go to stderr while the program has no logger.
    let logged = stderr.contains("[NexusSDK] ");
    // A program that ends while its only call hangs has logged nothing yet.
    let hung = stderr.contains("so that no refresh is lost");
    assert!(logged || hung, "{stderr}");
}

/// Returns whether the outcome is that of a call with a response.
pub(crate) fn is_answer(outcome: &str) -> bool {
    ["ok", "shorter", "empty", "other"].contains(&outcome)
}
