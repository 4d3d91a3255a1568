//! The tests of faults and secrets, in a process whose output is read. With every level of the log on, stderr
//! shows no secret, and the SDK writes nothing to stdout.

use std::io::Write as _;
use std::process::{Command, Output};
use std::time::Duration;

use nexus_sdk::{FetchOptions, GatewayCall, NexusClient, NexusClientOptions, TokenCache};
use serde_json::Value;

use crate::find_secrets::{KEY, check_text};
use crate::secrets::token;
use crate::support::{LONG, Server, holder, json, options, redirect, retrying, text};

/// The environment variable that makes the test binary the watched process.
const CHILD: &str = "NEXUS_SDK_TEST_CHILD";

/// Turns on the log in a watched process.
pub(crate) fn begin() {
    #[cfg(feature = "log")]
    if std::env::var_os(CHILD).is_some() {
        to_stderr::install();
    }
}

/// Makes the SDK write each kind of log line.
#[test]
fn a_child_that_is_watched() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    begin();
    let gateway = Server::play(vec![text(503, KEY), json(200, &token(&Value::Null))]);
    // The program turns the log off, and the environment variable turns it on.
    let options = options(&gateway).api_key(KEY);
    let options = options.retry_policy(retrying(1, Duration::ZERO));
    let is_shown = std::env::var("NEXUS_LOG").is_ok_and(|level| level != "off");
    let show = move |call: &GatewayCall<'_>| {
        if is_shown {
            let line = format!("[NexusSDK] call: {call:?}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
        }
    };
    let client = NexusClient::new(options.on_call(show)).unwrap();
    let cache = TokenCache::new();
    let other = Server::start(|_| text(200, ""));
    let away = other.url("/?canary");
    let server = Server::start(move |request| match request.path() {
        "/away" => redirect(302, &away),
        _ => text(401, "canary"),
    });
    for path in ["/away", "/dead"] {
        let url = server.url(&format!("{path}?q=canary"));
        let post = FetchOptions::default().data("canary");
        let post = post.header("X-Key", "canary");
        let fetched = client.authenticated_fetch(&cache, "ws", "two\r\nlines", &url, post);
        assert!(fetched.is_ok(), "{fetched:?}");
    }
    assert!(client.check_connection("c\nd").is_err());
    client.refresh_connection("c").unwrap();
    let remote = NexusClientOptions::new("http://nexus.example.com/canary").timeout(LONG);
    drop(holder(remote, "canary"));
}

/// Runs tests in a separate process, where they have to pass. The tests of faults run only there.
fn run_child(tests: &[&str], level: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(tests)
        .args(["--exact", "--nocapture", "--include-ignored"])
        .arg(format!("--test-threads={}", tests.len()))
        .env(CHILD, "1")
        .env("NEXUS_LOG", level)
        .env_remove("RUST_BACKTRACE");
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    output
}

const OWN: &str = "watched::a_child_that_is_watched";

/// The tests that run in the watched process, in alphabetical order.
const TESTS: [&str; 7] = [
    "cuts::an_answer_that_is_cut_at_any_byte_is_an_error",
    "secrets::a_gateway_that_quotes_a_request_makes_no_error_show_a_secret",
    "secrets::no_failure_of_a_fetch_shows_a_secret",
    "secrets::no_failure_of_the_gateway_shows_a_secret",
    "table::a_server_that_never_accepts_is_given_up",
    "table::every_fault_has_its_outcome_and_the_next_call_works",
    OWN,
];

#[test]
fn whatever_fails_neither_stderr_nor_stdout_shows_a_secret() {
    let output = run_child(&TESTS, "debug");
    let stderr = String::from_utf8_lossy(&output.stderr);
    for line in stderr.lines() {
        check_text("stderr", line);
        assert!(line.starts_with("[NexusSDK] "), "{line:?}");
    }
    // Without any log line, the absence of secrets would prove nothing.
    for part in [
        "resolve: workspace \"ws\", provider \"two\\r\\nlines\": attempt 2 of 2 succeeded in ",
        "resolve: attempt 1 of 1 failed in ",
        " ms: request_failed: workspace \"ws\", provider \"p\": http://127.0.0.1:",
        "request_connection: attempt 1 of 1 failed in ",
        "attempt 1 of 2 failed, retrying in ",
        "a token cannot be renewed: ",
        "refused the cached token",
        "plain http",
        "refresh: connection \"c\": attempt 1 of 2 succeeded",
        // Written by the program from each `GatewayCall`.
        "[NexusSDK] call: GatewayCall { operation: \"resolve\", workspace_id: Some(\"ws\"), ",
    ] {
        assert!(stderr.contains(part), "{part}");
    }
    // Only the test harness writes to stdout.
    let stdout = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<_> = stdout.lines().filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.starts_with("running ") && !line.starts_with("test result: ok."));
    lines.sort_unstable();
    assert_eq!(lines, TESTS.map(|test| format!("test {test} ... ok")));
}

#[test]
fn a_log_that_is_off_says_nothing() {
    let output = run_child(&[OWN, TESTS[3]], "off");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// The logger of the program. It writes lines as the SDK does without the feature.
#[cfg(feature = "log")]
mod to_stderr {
    use log::{LevelFilter, Log, Metadata, Record};

    struct ToStderr;

    impl Log for ToStderr {
        /// The log lines of ureq are not checked.
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "nexus_sdk"
        }

        fn log(&self, record: &Record<'_>) {
            use std::io::Write as _;

            if self.enabled(record.metadata()) {
                let line = format!("[NexusSDK] {}\n", record.args());
                std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
            }
        }

        fn flush(&self) {}
    }

    pub(super) fn install() {
        // Only the first test can set the logger.
        if log::set_logger(&ToStderr).is_ok() {
            log::set_max_level(LevelFilter::Trace);
        }
    }
}
