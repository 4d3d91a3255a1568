//! A process that has no free file descriptors.

use std::fs::File;
use std::process::Command;

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions};
use serde_json::json;

use crate::{command, scratch};

/// Resolves a token, again without free descriptors, and again with them. Runs in a process of its own.
pub(crate) fn resolve(url: &str) {
    let options = NexusClientOptions::new(url).log_level(LogLevel::Warn);
    let client = NexusClient::new(options).unwrap();
    let resolve = || client.resolve_token("ws", "github").map(|_| ());
    resolve().unwrap();
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let failed = resolve().unwrap_err();
    drop(files);
    resolve().unwrap();
    println!("\nretryable {} {failed}", failed.is_retryable());
}

/// Without the lock, two processes could refresh the same token at once.
#[test]
fn without_free_descriptors_a_call_fails_and_does_not_go_on_without_the_lock() {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("ws", "github").unwrap();
    let task = command(&json!({ "url": gateway.url(), "way": "Exhausted" }));
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(task.get_program())
        .args(task.get_args())
        .envs(
            task.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .env_remove("NEXUS_LOCK_DIR")
        .env_remove("NEXUS_LOG")
        .env("HOME", scratch("descriptors"));
    let output = limited.output().unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stdout}{stderr}");
    let is_failure = |line: &str| {
        line.starts_with("retryable true request_failed: ")
            && line.contains(": cannot take the lock ")
    };
    assert!(stdout.lines().any(is_failure), "{stdout}");
    assert_eq!(gateway.count("/v1/resolve"), 2, "not sent without the lock");
    assert!(!stderr.contains("without the lock"), "{stderr}");
}
