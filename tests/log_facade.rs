//! With the feature `log`, diagnostics are the program's logger's to write.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use log::{Level, LevelFilter, Log, Metadata, Record};
use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{CachedToken, LogLevel, NexusClient, NexusClientOptions, RetryPolicy, TokenCache};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

static PANICS: AtomicBool = AtomicBool::new(false);

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nexus_sdk"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            assert!(!PANICS.load(Ordering::SeqCst), "a logger that panics");
            let line = (record.level(), record.args().to_string());
            LINES.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

fn lines_of(level: LogLevel) -> Vec<(Level, String)> {
    let gateway = DevGateway::builder().api_key("canary-key").start().unwrap();
    gateway.connect("acme", "github").unwrap();
    gateway.fail_next(1, Fault::Status(503));
    let options = NexusClientOptions::new(gateway.url())
        .api_key("canary-key")
        .retry_policy(RetryPolicy::default().retries(1).min_delay(Duration::ZERO))
        .log_level(level);
    let client = NexusClient::new(options).unwrap();
    let token = client.resolve_token("acme", "github").unwrap();
    let lines = std::mem::take(&mut *LINES.lock().unwrap());
    for (_, line) in &lines {
        for secret in ["canary-key", &token.access_token, "workspace_id"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    lines
}

#[test]
fn the_logger_decides_and_off_is_off() {
    log::set_logger(&Collector).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let levels = lines_of(LogLevel::Warn).into_iter().map(|(level, _)| level);
    let levels: Vec<_> = levels.collect();
    assert_eq!(levels, [Level::Info, Level::Debug, Level::Debug]);
    log::set_max_level(LevelFilter::Info);
    let lines = lines_of(LogLevel::Warn);
    assert_eq!(lines.len(), 1);
    let start = "resolve: attempt 1 of 2 failed in ";
    let why = " ms: http_503: workspace \"acme\", provider \"github\": ";
    assert!(
        lines[0].1.starts_with(start) && lines[0].1.contains(why),
        "{lines:?}"
    );
    log::set_max_level(LevelFilter::Warn);
    assert_eq!(lines_of(LogLevel::Warn), [], "the retry succeeded");
    log::set_max_level(LevelFilter::Trace);
    assert_eq!(lines_of(LogLevel::Off), []);
    a_logger_that_panics_loses_its_line_alone();
    an_outage_is_told_once_for_each_tenant();
    a_panic_in_on_call_is_told_with_the_tenant();
}

/// Panics again when it is dropped.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("the second panic");
    }
}

fn a_panic_in_on_call_is_told_with_the_tenant() {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("acme", "github").unwrap();
    let options = NexusClientOptions::new(gateway.url()).on_call(|_| std::panic::panic_any(Twice));
    let client = NexusClient::new(options).unwrap();
    client.resolve_token("acme", "github").unwrap();
    let lines = std::mem::take(&mut *LINES.lock().unwrap());
    let warning = lines.iter().find(|line| line.0 == Level::Warn).unwrap();
    let start = "workspace \"acme\", provider \"github\": on_call panicked; ";
    assert!(warning.1.starts_with(start), "{lines:?}");
}

/// An outage costs one warning for each tenant, whatever the number of threads and attempts that run into it, and one more
/// when it is over.
fn an_outage_is_told_once_for_each_tenant() {
    let gateway = DevGateway::start().unwrap();
    let tenants = ["acme", "globex"];
    for workspace_id in tenants {
        gateway.connect(workspace_id, "github").unwrap();
    }
    let policy = RetryPolicy::default().retries(2).min_delay(Duration::ZERO);
    let options = NexusClientOptions::new(gateway.url()).retry_policy(policy);
    let client = NexusClient::new(options).unwrap();
    let cache = TokenCache::new();
    let get = |workspace_id| client.get_cached_token(&cache, workspace_id, "github");
    let warnings = || {
        let lines = std::mem::take(&mut *LINES.lock().unwrap());
        let warnings = lines.into_iter().filter(|line| line.0 == Level::Warn);
        warnings.map(|(_, line)| line).collect::<Vec<_>>()
    };
    let of = |workspace_id: &str| format!("workspace {workspace_id:?}, provider \"github\"");
    gateway.fail_next(1000, Fault::Status(503));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for workspace_id in tenants {
                    assert!(get(workspace_id).is_err());
                }
            });
        }
    });
    // A token that is about to expire stays in use.
    let soon = SystemTime::now() + Duration::from_secs(20);
    let old = CachedToken::new("old", "Bearer", soon);
    cache.set("acme", "github", old);
    assert_eq!(get("acme").unwrap().access_token, "old");
    let mut told = warnings();
    told.sort();
    assert_eq!(told.len(), 2, "{told:?}");
    for (line, workspace_id) in told.iter().zip(tenants) {
        let start = "a token cannot be renewed: max_retries_exceeded: ";
        let names = line.contains(&of(workspace_id));
        assert!(line.starts_with(start) && names, "{told:?}");
    }
    gateway.forget_faults();
    for workspace_id in tenants {
        cache.delete(workspace_id, "github");
        for _ in 0..2 {
            assert_eq!(get(workspace_id).unwrap().token_type, "Bearer");
        }
        let told = warnings();
        assert_eq!(told.len(), 1, "{told:?}");
        let start = format!(
            "tokens of {} can be renewed again, after ",
            of(workspace_id)
        );
        assert!(
            told[0].starts_with(&start) && told[0].ends_with('s'),
            "{told:?}"
        );
    }
    // A refusal is the gateway's word about the connection. It is no outage, and its caller has it.
    assert!(get("nobody").unwrap_err().needs_reconnect());
    assert_eq!(warnings(), [""; 0]);
}

/// The calls that it is told of go on, and the last handle of a client still waits for a refresh.
fn a_logger_that_panics_loses_its_line_alone() {
    PANICS.store(true, Ordering::SeqCst);
    lines_of(LogLevel::Debug);
    let gateway = DevGateway::start().unwrap();
    gateway.connect("acme", "github").unwrap();
    let hasty = NexusClientOptions::new(gateway.url()).timeout(Duration::from_millis(20));
    let client = NexusClient::new(hasty).unwrap();
    let cache = TokenCache::new();
    gateway.fail_next(1, Fault::Delay(Duration::from_millis(300)));
    let left = client.get_cached_token(&cache, "acme", "github");
    assert_eq!(left.unwrap_err().code(), "timeout");
    drop(client);
    assert!(cache.get("acme", "github").is_some(), "the wait was lost");
    PANICS.store(false, Ordering::SeqCst);
}
